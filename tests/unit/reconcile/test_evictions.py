"""Which pod of a workload is evicted next, if any, as a table."""

from typing import Any

import pytest
from tests.unit import builders
from tests.unit.builders import on_hosts

from mooring.api.conditions import PlacementAppliedReason as Reason
from mooring.api.conditions import VolumeLocalReason
from mooring.cluster.index import Cluster
from mooring.cluster.records import Workload
from mooring.cluster.resources import from_manifest
from mooring.decide.decision import decide
from mooring.decide.locality import measure
from mooring.decide.subject import subject_of_pod
from mooring.locate.locator import Locator
from mooring.reconcile.evictions import Attempts, Choice, choose
from mooring.reconcile.templates import Plan, PodStanding

_STRICT = {"whenUnsatisfiable": "DoNotSchedule", "updateMode": "Reconcile"}
_SOFT = builders.policy("p", updateMode="Reconcile")
_SETTLED = {"observedGeneration": 1, "replicas": 3, "updatedReplicas": 3, "availableReplicas": 3}


def workload(kind: str = "StatefulSet", **status: Any) -> Workload:
    """A workload of three pods, settled unless its status says otherwise."""
    metadata = {"name": "pg", "namespace": builders.NAMESPACE, "generation": 1}
    spec = {} if kind == "Job" else {"replicas": 3}
    parsed = from_manifest(kind, {"metadata": metadata, "spec": spec, "status": {**_SETTLED, **status}})
    assert isinstance(parsed, Workload)
    return parsed


def chosen(
    made: Workload,
    *,
    on: str,
    policy: Any = None,
    data: str = "n1",
    room: str = "9",
    reason: Reason = Reason.PER_POD,
    attempts: Attempts | None = None,
    confined: bool = True,
    nominates: bool = True,
) -> Choice:
    """Choose among pods pg-0, pg-1 and pg-2 on the nodes that `on` names; the data of each lies on `data`.

    Volumes that are not confined can be mounted from any node.
    """
    place = {} if confined else {"replicas": data}
    terms = [on_hosts(data)] if confined else []
    claims = [builders.data(f"data-pg-{number}", *terms, **place) for number in range(3)]
    nodes = [
        builders.node("n1", allocatable={"cpu": "4", "memory": "8Gi", "pods": room}),
        builders.node("n2"),
        builders.node("n3"),
    ]
    cluster = builders.cluster_of(nodes, claims, policy or builders.policy("p", **_STRICT))
    pods = [
        standing(builders.pod(f"pg-{number}", f"data-pg-{number}", on=node), cluster)
        for number, node in enumerate(on.split())
    ]
    return choose(made, Plan(reason=reason), pods, cluster, attempts or Attempts(), nominates=nominates)


def standing(pod: Any, cluster: Cluster) -> PodStanding:
    """Where a pod stands."""
    decision = decide(subject_of_pod(pod), cluster, Locator(cluster))
    return PodStanding(pod, decision, measure(decision, pod.spec.node_name) if decision.rule else None)


def name_of(choice: Choice) -> str | None:
    """The name of the pod that was chosen."""
    return choice.pod.pod.name if choice.pod is not None else None


@pytest.mark.parametrize(
    ("made", "options", "name"),
    [
        (workload(), {"on": "n2 n2 n1"}, "pg-1"),
        (workload(), {"on": "n1 n1 n1"}, None),
        (workload(), {"on": "n2 n2 n1", "room": "0"}, None),
        (workload(), {"on": "n2", "policy": _SOFT, "confined": False}, "pg-0"),
        (workload(), {"on": "n2", "policy": _SOFT, "confined": True}, None),
        (workload(), {"on": "n2", "policy": _SOFT, "confined": False, "nominates": False}, None),
        (workload(), {"on": "n2", "policy": builders.policy("p", whenUnsatisfiable="DoNotSchedule")}, None),
        (workload(updatedReplicas=2), {"on": "n2"}, None),
        (workload("Deployment", observedGeneration=0), {"on": "n2", "reason": Reason.APPLIED}, None),
        (workload("ReplicaSet"), {"on": "n2", "reason": Reason.APPLIED}, "pg-0"),
        (workload("Deployment"), {"on": "n2", "reason": Reason.WOULD_BLOCK_ON_ATTACH}, "pg-0"),
        (workload("Deployment"), {"on": "n2", "reason": Reason.FIELD_OWNED_BY_OTHER}, "pg-0"),
        (workload("Deployment"), {"on": "n2", "reason": Reason.DEFERRED}, None),
        (workload("Deployment"), {"on": "n2", "reason": Reason.REPLICAS_OFFLINE}, None),
        (workload("Job"), {"on": "n2", "reason": Reason.APPLIED}, None),
    ],
    ids=[
        "the highest away",
        "all near",
        "no room",
        "soft",
        "soft, and drawn nowhere",
        "soft, without nominations",
        "initial",
        "rolling",
        "about to roll",
        "replicaset",
        "would block",
        "owned by other",
        "deferred",
        "offline",
        "a job loses its work",
    ],
)
def test_who_is_evicted(made: Workload, options: dict[str, Any], name: str | None) -> None:
    """Each row is a workload, where its pods run, and who goes next."""
    assert name_of(chosen(made, **options)) == name


def test_a_pod_that_was_not_helped_is_left_alone() -> None:
    """The same StatefulSet's pod, still away from the same place, is not evicted again; its sibling is."""
    attempts = Attempts()
    first = chosen(workload(), on="n2 n2 n1", attempts=attempts)
    assert first.attempt is not None
    attempts.note(workload().id, first.attempt)

    second = chosen(workload(), on="n2 n2 n1", attempts=attempts)
    assert (name_of(first), name_of(second)) == ("pg-1", "pg-0")
    assert second.attempt is not None
    attempts.note(workload().id, second.attempt)

    third = chosen(workload(), on="n2 n2 n1", attempts=attempts)
    assert (name_of(third), "did not bring it" in third.why_none) == (None, True)
    assert name_of(chosen(workload(), on="n2 n2 n3", data="n3", attempts=attempts)) == "pg-1"


def test_a_deployment_is_helped_while_fewer_are_away() -> None:
    """Its pods have no names that stay: what counts is whether there are fewer away than before."""
    attempts = Attempts()
    made = workload("Deployment")
    before = chosen(made, on="n2 n2 n1", reason=Reason.WOULD_BLOCK_ON_ATTACH, attempts=attempts)
    assert before.attempt is not None
    attempts.note(made.id, before.attempt)

    assert name_of(chosen(made, on="n2 n2 n1", reason=Reason.WOULD_BLOCK_ON_ATTACH, attempts=attempts)) is None
    assert name_of(chosen(made, on="n2 n1 n1", reason=Reason.WOULD_BLOCK_ON_ATTACH, attempts=attempts)) == "pg-0"


def test_a_workload_that_is_gone_starts_anew() -> None:
    """One of its name may have nothing in common with it."""
    attempts = Attempts()
    choice = chosen(workload(), on="n2", attempts=attempts)
    assert choice.attempt is not None
    attempts.note(workload().id, choice.attempt)
    attempts.forget(workload().id)

    assert name_of(chosen(workload(), on="n2", attempts=attempts)) == "pg-0"


def test_away_is_what_the_measurement_says() -> None:
    """A pod whose place cannot be measured is not moved."""
    pod = builders.pod("pg-0", "data-pg-0", on="n2")
    cluster = builders.cluster_of(builders.node("n2"), builders.claim("data-pg-0"), builders.policy("p", **_STRICT))

    found = standing(pod, cluster)

    assert found.locality is not None
    assert (found.locality.reason, found.is_away) == (VolumeLocalReason.VOLUME_UNBOUND, False)
