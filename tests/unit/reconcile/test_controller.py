"""Which objects have a turn when something else changes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

import pytest
from tests.unit.builders import cluster_of, data, deployment, node, pod
from tests.unit.locate.storage import Storage, host, locator, replica
from tests.unit.reconcile.recorder import Recorder

from mooring.api.conditions import LocatorReason
from mooring.cluster.records import Key
from mooring.cluster.standing import Standing
from mooring.locate.records import Said
from mooring.locate.systems import State
from mooring.reconcile.controller import Controller
from mooring.reconcile.ledger import Ledger

_FOLLOWED: Final = Standing(reason=LocatorReason.FOLLOWING, message="")


class Silence:
    """Admission that answers nobody."""

    async def answers(self) -> bool:
        """It does not."""
        return False


class World:
    """A controller at work whose turns are taken down instead of taken."""

    def __init__(self) -> None:
        objects = [node("n1"), node("n2"), data("c1"), data("c2")]
        pods = [pod("one", "c1"), pod("two", "c2"), pod("three")]
        self.storage: Final = Storage(cluster_of(objects, pods, deployment("web", "c1")), locator())
        self.storage.is_(State.FOLLOWING)
        self.controller: Final = Controller(
            self.storage.cluster,
            self.storage.locator,
            Recorder(),
            Ledger(),
            Silence(),
            standing=lambda _name: _FOLLOWED,
        )
        self._turns: set[Key] = set()
        for kind in ("Pod", "Deployment"):
            self.controller._turns[kind] = self._take

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        """Let the controller work, once it has looked at everything there is."""
        working = asyncio.create_task(self.controller.run())
        try:
            await self.turns("Pod/shop/one Pod/shop/two Deployment/shop/web")
            yield
        finally:
            working.cancel()
            with suppress(asyncio.CancelledError):
                await working

    async def turns(self, wanted: str) -> None:
        """Wait until these objects, and no others, have had a turn since this was last asked."""
        async with asyncio.timeout(10):
            while len(self._turns) < len(wanted.split()) or len(self.controller._queue):
                await asyncio.sleep(0.01)
        assert {str(key) for key in self._turns} == set(wanted.split())
        self._turns.clear()

    async def _take(self, key: Key) -> float | None:
        self._turns.add(key)
        return None


@pytest.mark.parametrize(
    ("said", "turns"),
    [
        (replica("r", "n1", volume="pv-c1"), "Pod/shop/one Deployment/shop/web"),
        (replica("r", "n1", volume="pv-c2"), "Pod/shop/two"),
        # What storage systems call a node may concern every volume.
        (host("n1", "n1", id="7"), "Pod/shop/one Pod/shop/two Deployment/shop/web"),
    ],
)
async def test_what_a_storage_system_says_gives_its_volumes_pods_and_workloads_a_turn(said: Said, turns: str) -> None:
    """Nobody else has one: the objects themselves are the same as before."""
    world = World()
    async with world.at_work():
        world.storage.says(said)
        await world.turns(turns)
        world.storage.forgets(said)
        await world.turns(turns)


async def test_a_storage_system_that_is_followed_gives_everybody_a_turn() -> None:
    """Until then the places of all its volumes were unknown."""
    world = World()
    async with world.at_work():
        world.storage.is_(State.UNREACHABLE)
        await world.turns("Pod/shop/one Pod/shop/two Deployment/shop/web")


async def test_a_controller_that_has_ended_hears_of_nothing() -> None:
    """The index lives on when a leader's term ends."""
    world = World()
    async with world.at_work():
        pass

    world.storage.says(replica("r", "n1", volume="pv-c1"))

    assert len(world.controller._queue) == 0
