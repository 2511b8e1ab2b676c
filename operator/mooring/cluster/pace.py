"""Long work in the event loop, in slices: a request must never wait for a list of 50,000 pods."""

import asyncio
import time
from typing import Final

#: How long the event loop may be held between two yields.
SLICE_SECONDS: Final = 0.005


class Pace:
    """Yields to the event loop, but not more often than every few milliseconds: each yield costs as much as a step."""

    def __init__(self) -> None:
        self._yielded = time.monotonic()

    async def breathe(self) -> None:
        """Call between two steps of long work."""
        if time.monotonic() - self._yielded > SLICE_SECONDS:
            await asyncio.sleep(0)
            self._yielded = time.monotonic()
