"""The storm's own time, which stands still while the storm waits."""

import contextlib
import time
from collections.abc import Iterator


class Clock:
    """Seconds since it was made, without those for which it was held; any thread may ask, one may hold it."""

    def __init__(self) -> None:
        self._zero = time.monotonic()
        self._held: float | None = None

    def now(self) -> float:
        """Give the time in seconds."""
        held = self._held
        return time.monotonic() - self._zero if held is None else held

    def wait_until(self, at: float) -> None:
        """Return when it is so late."""
        while (left := at - self.now()) > 0:
            time.sleep(min(left, 0.1))

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Stand still while inside."""
        self._held = self.now()
        try:
            yield
        finally:
            self._zero = time.monotonic() - self._held
            self._held = None
