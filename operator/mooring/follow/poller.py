"""The rhythm in which an API is asked that cannot be watched.

At an interval about everything, at once about what is new, ever more rarely while it fails, and about one thing at a
time.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Final

from mooring.follow.rest import RestError

FIRST_PAUSE: Final = 1.0
"""After the first failure, in seconds; each further one doubles it."""
LONGEST_PAUSE: Final = 60.0
NEWS_PAUSE: Final = 0.2
"""News seldom come alone: a StatefulSet's volumes are made together."""

Ask = Callable[[], Awaitable[None]]
"""Asks, and takes in the answers; raises RestError."""


class Poller:
    """Asks until cancelled. Many replicas ask the same API, so no two of them keep step."""

    def __init__(self, *, interval: float, everything: Ask, news: Ask, on_failure: Callable[[RestError], None]) -> None:
        """Take what to ask.

        Args:
            interval: the seconds between the answer to everything and the next time.
            everything: asks about everything.
            news: asks about what `tell` was called for.
            on_failure: called with each failure.
        """
        self._interval: Final = interval
        self._everything: Final = everything
        self._news: Final = news
        self._on_failure: Final = on_failure
        self._told: Final = asyncio.Event()

    def tell(self) -> None:
        """Say that there is something new to ask about."""
        self._told.set()

    async def run(self) -> None:
        """Ask until cancelled. While asking fails, what is new waits with everything else."""
        pause = FIRST_PAUSE
        while True:
            try:
                await self._ask_for_one_interval()
                pause = FIRST_PAUSE
            except RestError as error:
                self._on_failure(error)
                await asyncio.sleep(_jittered(pause))
                pause = min(pause * 2, LONGEST_PAUSE)

    async def _ask_for_one_interval(self) -> None:
        self._told.clear()
        await self._everything()
        ends = asyncio.get_running_loop().time() + _jittered(self._interval)
        while await self._is_told_before(ends):
            await asyncio.sleep(NEWS_PAUSE)
            self._told.clear()
            await self._news()

    async def _is_told_before(self, ends: float) -> bool:
        try:
            async with asyncio.timeout_at(ends):
                return await self._told.wait()
        except TimeoutError:
            return False


def _jittered(seconds: float) -> float:
    return seconds * random.uniform(0.9, 1.1)  # noqa: S311 - jitter, no secret
