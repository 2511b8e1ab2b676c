"""What a follower runs for a locator, whichever way the storage system is asked."""

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

import structlog

from mooring.cluster.standing import Standing

_RESTART_SECONDS: Final = 10.0

_log = structlog.get_logger(__name__)

Report = Callable[[Standing], None]
"""Takes how a source stands, now; the same again changes nothing."""


class Source(Protocol):
    """One stream of facts into a locator's sink: a resource that is watched, or an API that is polled.

    A source is made anew for each version of a locator's spec. What it has put into the sink stays there when it ends:
    the one that follows replaces it, and a locator that goes takes its facts with it.
    """

    @property
    def name(self) -> str:
        """What metrics and logs call it, such as `replicas.longhorn.io`."""

    @property
    def heard(self) -> float | None:
        """When the other side was last heard, as `time.monotonic()` gives it; None while there is none to hear."""

    async def run(self, report: Report) -> None:
        """Put facts into the sink until cancelled, and report how it stands. No failure of the other side ends it."""


async def run_for_ever(source: Source, report: Report) -> None:
    """Run a source until cancelled, whatever happens: a fault of ours in one is no reason to stop the others."""
    while True:
        try:
            await source.run(report)
        except Exception:  # noqa: BLE001 - as said
            _log.exception("source failed", source=source.name)
        await asyncio.sleep(_RESTART_SECONDS)
