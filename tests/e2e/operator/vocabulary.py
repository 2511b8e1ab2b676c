"""What tests of STORK's vocabulary share: the two schedulers, and which way pods lean.

The stock scheduler does what admission and nominations tell it, under a policy. The second scheduler gets its pods by
its name alone, as STORK's does: no policy, no admission, only the extender.
"""

from collections.abc import Iterable
from typing import Any, Final

import pytest
from tests.e2e import manifests
from tests.e2e.manifests import HOSTNAME, Manifest
from tests.e2e.operator.webhooks import admit
from tests.e2e.stage import Stage
from tests.e2e.support import eventually

STOCK: Final = "default-scheduler"
STORK: Final = "stork"
SCHEDULERS: Final = pytest.mark.parametrize("scheduler", [STOCK, STORK])

STORKS: Final = "stork.libopenstorage.org/"
TWINS: Final = "mooring.dev/"

#: Where the data lies, and another node: its rack, zone and everything else differ.
DATA: Final = "node-3"
FAR: Final = "node-6"

LOCAL: Final = "local"
REMOTE: Final = "remote"
ANYWHERE: Final = "anywhere"


def spellings(word: str) -> tuple[str, str]:
    """Give STORK's spelling of a word, and its twin."""
    return f"{STORKS}{word}", f"{TWINS}{word}"


def opted_in(stage: Stage, scheduler: str) -> Manifest:
    """Bring the soft local rule to a stage's pods; gives what they must say in their spec for it."""
    if scheduler == STORK:
        return {"schedulerName": STORK}
    admit(stage)
    stage.policy("near")
    return {}


def wishing(stage: Stage, name: str, node: str, *claims: str, **fields: Any) -> Manifest:
    """Create a pod that prefers a node."""
    return stage.pod(name, *claims, affinity=wish_for(node), **fields)


def wish_for(node: str) -> Manifest:
    """Give the affinity of a pod that prefers a node half as much as Mooring prefers any, which outweighs the rest."""
    affinity = manifests.on_nodes(node)
    affinity["nodeAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"][0]["weight"] = 50
    return affinity


def bound_to(node: str, **spec: Any) -> Manifest:
    """Give the spec of a pod that can only run on one node."""
    return {**spec, "nodeSelector": {**spec.get("nodeSelector", {}), HOSTNAME: node}}


def create_leaning(stage: Stage, claims: Iterable[str], **fields: Any) -> list[Manifest]:
    """Create two pods for each claim: one that prefers the node with its data, and one that prefers another."""
    places = (("near", DATA), ("far", FAR))
    return [wishing(stage, f"{claim}-{name}", node, claim, **fields) for claim in claims for name, node in places]


def leanings(stage: Stage, claims: Iterable[str]) -> dict[str, str]:
    """Wait until those pods are scheduled, and give which way each claim drew or drove them."""
    return {claim: _leaning(stage.node_of(f"{claim}-near"), stage.node_of(f"{claim}-far")) for claim in claims}


def _leaning(near: str, far: str) -> str:
    if (near, far) == (DATA, DATA):
        return LOCAL
    if (near, far) == (DATA, FAR):
        return ANYWHERE
    return REMOTE if near != DATA and far == FAR else f"astray: {near} and {far}"


def await_leaning(stage: Stage, claim: str, leaning: str) -> None:
    """Wait until the operator has seen what is said of a claim, as far as its scores tell."""
    expected = {LOCAL: (True, False), REMOTE: (False, True), ANYWHERE: (False, False)}[leaning]

    def knows() -> bool:
        near, far = (score == 10 for score in scores(stage, asking(stage, claim), [DATA, FAR]))
        assert (near, far) == expected, f"{claim} does not lean {leaning} yet"
        return True

    eventually(knows)


def asking(stage: Stage, *claims: str) -> Manifest:
    """Give a pod under the soft rule, to ask the operator about."""
    pod = manifests.pod("asking", *claims, schedulerName=STORK)
    pod["metadata"]["namespace"] = stage.namespace
    return pod


def scores(stage: Stage, pod: Manifest, nodes: list[str]) -> list[int]:
    """Ask the operator for the scores of nodes, in order, as kube-scheduler does."""
    return [each["Score"] for each in stage.operator.ask("prioritize", {"Pod": pod, "NodeNames": nodes})]


def await_given_up(stage: Stage, pod: str, reason: str) -> None:
    """Wait until a scheduler has tried to place a pod, in vain, and says this.

    It may have said something else before: that a claim is not there, of which it learns by a watch of its own.
    """

    def is_said() -> bool:
        conditions = stage.client.get(stage.path("pods", pod))["status"].get("conditions", [])
        said = [each["message"] for each in conditions if each.get("reason") == "Unschedulable"]
        assert any(reason in message for message in said), f"of {pod} the scheduler says {said}"
        return True

    eventually(is_said)


def await_refused(stage: Stage, scheduler: str, pod: str, reason: str) -> None:
    """Wait until a pod is given up: the stock scheduler knows its affinity, the other one what Mooring says."""
    await_given_up(stage, pod, reason if scheduler == STORK else "didn't match Pod's node affinity")
