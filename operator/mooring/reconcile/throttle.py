"""Reports give way: so many a second and no more, however many pods change at a time."""

import time
from typing import Final


class Throttle:
    """Hands out moments at which somebody may go, evenly spaced once a first burst is used up."""

    def __init__(self, *, per_second: float, burst: int) -> None:
        self._gap: Final = 1 / per_second
        self._burst: Final = burst * self._gap
        self._next = 0.0

    def book(self) -> float:
        """Book the next free moment, as `time.monotonic()` gives it; it may be now."""
        now = time.monotonic()
        self._next = max(self._next, now - self._burst) + self._gap
        return max(now, self._next)
