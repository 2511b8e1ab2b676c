"""The work queue: no change is lost, no key is worked on twice at a time, failures come again later."""

import asyncio

import pytest
import uvloop

from mooring.cluster.records import Key
from mooring.reconcile.queue import WorkQueue

_A, _B = Key("Pod", "shop/a"), Key("Pod", "shop/b")


async def take(queue: WorkQueue, *, within: float = 1.0) -> Key:
    """Take the next key."""
    return await asyncio.wait_for(anext(aiter(queue)), within)


async def nothing_comes(queue: WorkQueue, *, within: float = 0.05) -> bool:
    """Say that no key comes for a while."""
    try:
        await take(queue, within=within)
    except TimeoutError:
        return True
    return False


async def test_a_key_waits_once() -> None:
    """Asked for three times before its turn, it has one turn."""
    queue = WorkQueue()
    for key in (_A, _A, _B, _A):
        queue.add(key)

    assert [await take(queue), await take(queue)] == [_A, _B]
    assert await nothing_comes(queue)


async def test_a_change_during_the_turn_is_not_lost() -> None:
    """Asked for while a worker has it, it comes again after that, and not before."""
    queue = WorkQueue()
    queue.add(_A)
    await take(queue)
    queue.add(_A)
    queue.add(_A)

    assert await nothing_comes(queue)
    queue.done(_A)
    assert await take(queue) == _A
    queue.done(_A)
    assert await nothing_comes(queue)
    assert len(queue) == 0


async def test_later_means_later() -> None:
    """A wish for later is heard after its time; the earliest of several stands, and a wish for now replaces it."""
    queue = WorkQueue()
    queue.add_after(_A, 0.1)
    queue.add_after(_A, 60)
    assert await nothing_comes(queue)
    assert await take(queue) == _A
    queue.done(_A)

    queue.add_after(_A, 60)
    queue.add_after(_A, 0.01)
    assert await take(queue) == _A
    queue.done(_A)

    queue.add_after(_A, 0.05)
    queue.add(_A)
    assert await take(queue) == _A
    queue.done(_A)
    assert await nothing_comes(queue, within=0.1)


def test_later_may_be_the_next_moment() -> None:
    """uvloop, on which the operator runs, has no timer for less than half a millisecond, and calls at once."""

    async def ask() -> Key:
        queue = WorkQueue()
        queue.add_after(_A, 0.0001)
        queue.add_after(_A, 60)
        return await take(queue)

    assert uvloop.run(ask()) == _A


async def test_a_turn_may_ask_for_the_next() -> None:
    """`done` with a time brings the key back, unless it comes sooner anyway."""
    queue = WorkQueue()
    queue.add(_A)
    await take(queue)
    queue.done(_A, again_after=0.01)
    assert await take(queue) == _A

    queue.add(_A)
    queue.done(_A, again_after=0.01)
    assert await take(queue) == _A
    queue.done(_A)
    assert await nothing_comes(queue)


async def test_failures_come_again_each_time_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pause doubles with each failure in a row, up to a minute, and a success forgets them."""
    queue = WorkQueue()
    pauses: list[float] = []
    monkeypatch.setattr(queue, "add_after", lambda _key, seconds: pauses.append(seconds))
    for _ in range(12):
        queue.failed(_A)
    queue.done(_A)
    queue.failed(_A)

    assert pauses == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 51.2, 60, 60, 0.1]
