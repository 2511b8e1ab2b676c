"""The status of VolumeLocators: what it says, and that nothing is written without a change."""

from dataclasses import replace
from typing import Any

from tests.unit.builders import cluster_of
from tests.unit.reconcile.recorder import Recorder

from mooring.api.conditions import LocatorReason
from mooring.api.locator import KIND, Locator, parse_locator
from mooring.api.locator_status import LocatorStatus, ReplicaCounts
from mooring.cluster.index import Cluster
from mooring.cluster.records import Key
from mooring.cluster.standing import Standing
from mooring.locate.records import Replica
from mooring.locate.systems import Part, StorageSystems
from mooring.reconcile.locators import LocatorReconciler

_KEY = Key("Locator", "longhorn")
_FOLLOWING = Standing(reason=LocatorReason.FOLLOWING, message="it is", resource="longhorn.io/v1beta2 replicas")
_LOST = Standing(reason=LocatorReason.UNREACHABLE, message="no answer", resource="longhorn.io/v1beta2 replicas")


class Desk:
    """A reconciler with all that it needs; what it writes comes back as the API server would tell it."""

    def __init__(self) -> None:
        self.cluster: Cluster = cluster_of()
        self.cluster.put(KIND, _locator())
        self.systems = StorageSystems(self.cluster)
        self.recorder = Recorder()
        self.standing = _FOLLOWING
        self._reconciler = LocatorReconciler(self.cluster, self.systems, self.recorder, lambda _name: self.standing)

    async def turn(self) -> LocatorStatus | None:
        """Have one turn; gives what was written, if anything was."""
        self.recorder.written.clear()
        await self._reconciler.reconcile(_KEY)
        if not self.recorder.written:
            return None
        ((_verb, name, status),) = self.recorder.written
        assert isinstance(status, LocatorStatus)
        self.cluster.put(KIND, replace(self.cluster.all(KIND)[name], status=status))
        return status


def _locator(**spec: Any) -> Locator:
    replicas = {"resource": {"resource": "replicas"}, "volume": "object.volume", "node": "object.node"}
    return parse_locator(
        {
            "apiVersion": "mooring.dev/v1alpha1",
            "kind": "VolumeLocator",
            "metadata": {"name": "longhorn", "uid": "1", "generation": 3},
            "spec": {"driver": "driver.longhorn.io", "replicas": replicas, **spec},
        }
    )


async def test_status_says_what_is_followed_and_what_it_brought() -> None:
    """The condition is that of the generation that was read, and what failed is sampled."""
    desk = Desk()
    sink = desk.systems.sink("longhorn", Part.REPLICAS)
    sink.put("", Replica(key="ns/a", volume="v1", node="n1"))
    sink.put("", Replica(key="ns/b", volume="v1", node="n2", usable=False))
    sink.put("", Replica(key="ns/c", volume="v2", usable=None, problem="spec.replicas.node: no such key: node"))

    status = await desk.turn()

    assert status is not None
    (ready,) = status.conditions
    assert (ready.type, ready.status, ready.reason, ready.message) == ("Ready", "True", "Following", "it is")
    assert ready.observed_generation == status.observed_generation == 3
    assert status.resource == "longhorn.io/v1beta2 replicas"
    assert status.replicas == ReplicaCounts(total=3, usable=1, unknown=1)
    assert status.volumes == 2
    assert status.failures_total == 1
    assert [(each.object, each.expression) for each in status.failures] == [("ns/c", "spec.replicas.node")]


async def test_nothing_is_written_without_a_change() -> None:
    """What was written once is not written again, until something else is to be said."""
    desk = Desk()
    assert await desk.turn() is not None

    assert await desk.turn() is None

    desk.systems.sink("longhorn", Part.REPLICAS).put("", Replica(key="ns/a", volume="v1", node="n1"))
    assert await desk.turn() is not None
    assert await desk.turn() is None


async def test_the_transition_time_is_that_of_the_status() -> None:
    """Another count or message leaves it, another status changes it."""
    desk = Desk()
    first = await desk.turn()
    assert first is not None
    (ready,) = first.conditions
    long_ago = first.model_copy(
        update={"conditions": (ready.model_copy(update={"last_transition_time": "2026-01-01T00:00:00Z"}),)}
    )
    desk.cluster.put(KIND, replace(desk.cluster.all(KIND)["longhorn"], status=long_ago))

    desk.standing = replace(_FOLLOWING, message="it still is")
    same = await desk.turn()
    desk.standing = _LOST
    other = await desk.turn()

    assert same is not None
    assert same.conditions[0].last_transition_time == "2026-01-01T00:00:00Z"
    assert other is not None
    assert other.conditions[0].status == "False"
    assert other.conditions[0].last_transition_time > "2026-01-01T00:00:00Z"


async def test_a_locator_that_is_gone_gets_no_status() -> None:
    """Its last turn comes after it."""
    desk = Desk()
    desk.cluster.remove(KIND, "longhorn")

    assert await desk.turn() is None
