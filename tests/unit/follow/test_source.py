"""Sources that fail through a fault of ours."""

import asyncio

import pytest

from mooring.api.conditions import LocatorReason
from mooring.cluster.standing import Standing
from mooring.follow import source
from mooring.follow.source import Report, run_for_ever

_FOLLOWING = Standing(reason=LocatorReason.FOLLOWING, message="it is")


class Faulty:
    """A source that fails when it runs for the first time."""

    name = "faulty"
    heard = None

    def __init__(self) -> None:
        self.runs = 0

    async def run(self, report: Report) -> None:
        """Fail, or follow."""
        self.runs += 1
        if self.runs == 1:
            raise TypeError("not what was expected")
        report(_FOLLOWING)
        await asyncio.Event().wait()


async def test_a_source_that_fails_is_run_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a while, for ever, and nobody else hears of it."""
    monkeypatch.setattr(source, "_RESTART_SECONDS", 0.0)
    faulty, told = Faulty(), asyncio.Queue[Standing]()

    running = asyncio.create_task(run_for_ever(faulty, told.put_nowait))

    assert await asyncio.wait_for(told.get(), timeout=5) == _FOLLOWING
    assert faulty.runs == 2
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
