"""Who comes while the storm rages: pods of all kinds, the volumes that they mount, and when each of them is created."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from tests.e2e import manifests
from tests.e2e.manifests import Manifest

NAMESPACE: Final = "storm"
KIND: Final = "storm"
"""Label of a pod: its kind's name."""

SOFT: Final = "soft"
STRICT: Final = "strict"

_LOCALITY: Final = "locality"
_PODS: Final = f"/api/v1/namespaces/{NAMESPACE}/pods"
_CLAIMS: Final = f"/api/v1/namespaces/{NAMESPACE}/persistentvolumeclaims"
_APPS: Final = f"/apis/apps/v1/namespaces/{NAMESPACE}"
_VOLUMES: Final = "/api/v1/persistentvolumes"
_POLICIES: Final = f"/apis/mooring.dev/v1alpha1/namespaces/{NAMESPACE}/volumeplacementpolicies"

_SCHEDULERS: Final = ("default-scheduler", "mooring")
_SET_SIZE: Final = 6
_LATEST_SECONDS: Final = 5.0


class Kind(NamedTuple):
    """A kind of pods.

    Attributes:
        share: how many of SHARES pods are of this kind.
        rule: SOFT, STRICT, or empty for pods without a claim.
        owner: what makes them: a Deployment, a StatefulSet, or nobody.
        late: whether the claim is created seconds after the pod.
        strategy: of the Deployment.
    """

    name: str
    share: int
    rule: str
    owner: str = ""
    late: bool = False
    strategy: str = ""


KINDS: Final = (
    Kind("soft", 6, SOFT),
    Kind("soft-late-claim", 2, SOFT, late=True),
    Kind("soft-recreate", 1, SOFT, owner="Deployment", strategy="Recreate"),
    Kind("strict", 6, STRICT),
    Kind("strict-late-claim", 2, STRICT, late=True),
    Kind("strict-recreate", 1, STRICT, owner="Deployment", strategy="Recreate"),
    Kind("strict-rolling", 2, STRICT, owner="Deployment", strategy="RollingUpdate"),
    Kind("strict-stateful", 3, STRICT, owner="StatefulSet"),
    Kind("no-claim", 2, ""),
)
SHARES: Final = sum(kind.share for kind in KINDS)


class Creation(NamedTuple):
    """One object to create, so many seconds after the storm began, and in which collection."""

    at: float
    collection: str
    manifest: Manifest


@dataclass(kw_only=True)
class Crowd:
    """All that is created.

    Attributes:
        before: what is there before the storm begins.
        during: what is created while it rages, in order.
        places: the nodes with the data of each claim.
        sizes: how many pods there must be of each kind.
        names: names of the pods that nobody makes anew, with their kinds.
    """

    before: list[Creation] = field(default_factory=list)
    during: list[Creation] = field(default_factory=list)
    places: dict[str, list[str]] = field(default_factory=dict)
    sizes: dict[Kind, int] = field(default_factory=dict)
    names: dict[str, Kind] = field(default_factory=dict)


def assemble(*, pods: int, nodes: int, seconds: float, seed: int) -> Crowd:
    """Plan `pods` pods with data on `nodes` nodes, created at random times within `seconds`.

    Each volume's data lies on one or two nodes, so that all pods find room near theirs. Half of the pods of a kind name
    the second scheduler. What is drawn by lot is the same for the same seed.
    """
    chance = random.Random(seed)  # noqa: S311 - chance, no secret
    crowd = Crowd()
    for rule, when in ((SOFT, "ScheduleAnyway"), (STRICT, "DoNotSchedule")):
        policy = manifests.policy(
            rule,
            podSelector={"matchLabels": {_LOCALITY: rule}},
            whenUnsatisfiable=when,
            updateMode="Reconcile",
            disruption={"maxConcurrent": 20, "cooldown": "0s"},
        )
        crowd.before.append(Creation(0, _POLICIES, policy))
    for kind in KINDS:
        count = pods * kind.share // SHARES
        crowd.sizes[kind] = count
        step = _SET_SIZE if kind.owner == "StatefulSet" else 1
        for first in range(0, count, step):
            at = chance.uniform(0, seconds)
            scheduler = _SCHEDULERS[first // step % 2]
            name = f"{kind.name}-{first // step + 1}"
            crowd.during.append(_maker(kind, name, at, scheduler, replicas=min(step, count - first)))
            for claim in _claims_of(kind, name, replicas=min(step, count - first)):
                _add_volume(crowd, claim, chance.sample(range(1, nodes + 1), k=chance.choice((1, 2))))
                bound = Creation(0, _CLAIMS, manifests.claim(claim, volume_name=claim))
                if kind.late:
                    crowd.during.append(bound._replace(at=at + chance.uniform(0.2, _LATEST_SECONDS)))
                else:
                    crowd.before.append(bound)
            if not kind.owner:
                crowd.names[name] = kind
    crowd.during.sort(key=lambda creation: creation.at)
    return crowd


def _claims_of(kind: Kind, name: str, *, replicas: int) -> Iterator[str]:
    if kind.owner == "StatefulSet":
        yield from (f"data-{name}-{ordinal}" for ordinal in range(replicas))
    elif kind.rule:
        yield name


def _add_volume(crowd: Crowd, claim: str, numbers: list[int]) -> None:
    nodes = [f"node-{number}" for number in numbers]
    crowd.places[claim] = nodes
    crowd.before.append(Creation(0, _VOLUMES, manifests.volume(claim, claim, NAMESPACE, nodes=nodes)))


def _maker(kind: Kind, name: str, at: float, scheduler: str, *, replicas: int) -> Creation:
    claims = [name] if kind.rule and kind.owner != "StatefulSet" else []
    labels = {KIND: kind.name} | ({_LOCALITY: kind.rule} if kind.rule else {})
    fields: dict[str, Any] = {"labels": labels, "schedulerName": scheduler}
    if kind.owner == "Deployment":
        deployment = manifests.deployment(name, *claims, strategy={"type": kind.strategy}, **fields)
        return Creation(at, f"{_APPS}/deployments", deployment)
    if kind.owner == "StatefulSet":
        spec = {"replicas": replicas, "podManagementPolicy": "Parallel"}
        stateful_set = manifests.workload("StatefulSet", name, own_claim="data", spec=spec, **fields)
        return Creation(at, f"{_APPS}/statefulsets", stateful_set)
    return Creation(at, _PODS, manifests.pod(name, *claims, **fields))
