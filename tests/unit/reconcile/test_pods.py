"""Pods that could not be placed: nominated again once there is room near their data, and not over and over."""

from typing import Any, Final

import pytest
from tests.unit import builders
from tests.unit.builders import data, node, soft, strict
from tests.unit.reconcile.recorder import Recorder

from mooring.api.annotations import GATE
from mooring.cluster.index import Cluster
from mooring.cluster.records import Condition, Key, Pod
from mooring.locate.locator import Locator
from mooring.reconcile.ledger import Ledger
from mooring.reconcile.pods import PodReconciler
from mooring.reconcile.waiters import Waiters

_KEY: Final = Key("Pod", "shop/web")
_SMALL: Final = {"cpu": "1", "memory": "8Gi", "pods": "9"}
_NODES: Final = [node("n1", allocatable=_SMALL), node("n2", allocatable=_SMALL)]
_DRAWN: Final = data("c", replicas="n1,n2")
_ON_N1: Final = [("nominate", "web", "n1")]
_ON_N2: Final = [("nominate", "web", "n2")]


def waiting(*, given_up: bool = True, **fields: Any) -> Pod:
    """A pod that asks for a whole node, and for which a scheduler found none."""
    pod = builders.pod("web", "c", requests={"cpu": "1"}, **fields)
    reason = "Unschedulable" if given_up else "SchedulingGated"
    pod.status.conditions = (Condition(type="PodScheduled", status="False", reason=reason),)
    return pod


def busy(number: int) -> Pod:
    """What takes a whole node."""
    return builders.pod(f"busy-{number}", on=f"n{number}", requests={"cpu": "1"})


class World:
    """A cluster whose pods are reconciled by hand."""

    def __init__(self, *objects: Any, nominates: bool = True, **failing: Exception) -> None:
        self.cluster: Final = builders.cluster_of(_NODES, _DRAWN, *objects)
        self.writer: Final = Recorder(**failing)
        self.waiters: Final = Waiters()
        locator = Locator(self.cluster)
        self._pods: Final = PodReconciler(
            self.cluster, locator, self.writer, Ledger(), self.waiters, nominates=nominates
        )

    async def turn(self) -> list[Any]:
        """Look at the pod once; returns what has been nominated so far."""
        await self._pods.reconcile(_KEY)
        return [written for written in self.writer.written if written[0] == "nominate"]

    @property
    def awaited(self) -> str:
        """The nodes that the pod waits for."""
        return " ".join(each.name for each in _NODES if _KEY.name in self.waiters.at(each.name))


@pytest.mark.parametrize(
    ("pod", "rule", "nominates", "nominated"),
    [
        (waiting(), soft(), True, _ON_N1),
        (waiting(), soft(), False, []),
        (waiting(), strict(), True, []),
        (waiting(), soft(updateMode="Audit"), True, []),
        (waiting(), (), True, []),
        (waiting(given_up=False), soft(), True, []),
        (waiting(given_up=False, gates=[GATE]), soft(), True, []),
        (waiting(nominated="n2"), soft(), True, []),
        (waiting(on="n2"), soft(), True, []),
    ],
    ids=["given up", "Prefer", "strict", "audit", "no rule", "not tried yet", "gated", "nominated", "runs"],
)
async def test_a_soft_pod_that_was_given_up_is_nominated(
    pod: Pod, rule: Any, nominated: list[Any], *, nominates: bool
) -> None:
    """The attempt that finds no node clears a nomination; it can be made again."""
    world = World(pod, rule, nominates=nominates)

    assert await world.turn() == nominated
    assert world.awaited == ""


async def test_a_pod_waits_for_room_near_its_data() -> None:
    """Each node with the data knows of it, and the one that gets room is nominated."""
    world = World(waiting(), soft(), busy(1), busy(2))
    assert await world.turn() == []
    assert world.awaited == "n1 n2"

    world.cluster.remove("Pod", busy(2).key)

    assert await world.turn() == _ON_N2


async def test_a_node_that_did_not_take_the_pod_is_not_nominated_again() -> None:
    """Until what is asked for there changes: it may refuse for a reason that only the scheduler knows."""
    world = World(waiting(), soft(), busy(2))
    assert await world.turn() == _ON_N1
    _tried_in_vain(world.cluster)
    assert await world.turn() == _ON_N1
    assert world.awaited == "n1 n2"

    world.cluster.put("Pod", builders.pod("small", on="n1", requests={"memory": "1Gi"}))

    assert await world.turn() == _ON_N1 * 2


def _tried_in_vain(cluster: Cluster) -> None:
    """What the watch tells: the nomination, and then that the scheduler cleared it."""
    cluster.put("Pod", waiting(nominated="n1"))
    cluster.put("Pod", waiting())


async def test_a_nomination_that_was_not_answered_is_tried_again() -> None:
    """It did not come to nothing on the node."""
    world = World(waiting(), soft(), busy(2), nominate=TimeoutError())
    with pytest.raises(TimeoutError):
        await world.turn()

    assert await world.turn() == _ON_N1


@pytest.mark.parametrize("then", [waiting(on="n2"), waiting(nominated="n1"), waiting(phase="Failed"), None])
async def test_a_pod_that_needs_no_room_any_more_waits_for_none(then: Pod | None) -> None:
    """It runs, or is to run, or has ended, or is gone."""
    world = World(waiting(), soft(), busy(1), busy(2))
    await world.turn()
    assert world.awaited == "n1 n2"

    if then is None:
        world.cluster.remove("Pod", _KEY.name)
    else:
        world.cluster.put("Pod", then)
    await world.turn()

    assert world.awaited == ""


async def test_what_cannot_be_read_is_said_by_what_it_is() -> None:
    """A rule of the policy for new volumes, or a word of the pod's own; each once."""
    rule = {"matchExpressions": [{"key": "disk", "operator": "In", "values": ["${pvc.labels.disk}"]}]}
    late = builders.storage_class("late", binding="WaitForFirstConsumer")
    pod = waiting(annotations={builders.DISABLE: "perhaps"}, given_up=False)
    world = World(late, builders.claim("c", storage_class="late"), soft(newVolumes={"nodeAffinity": [rule]}), pod)
    await world.turn()
    await world.turn()

    events = [what for verb, _, what in world.writer.written if verb == "event"]
    assert sorted(events) == ["AnnotationIgnored", "RuleIgnored"]
