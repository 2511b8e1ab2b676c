"""A work queue of keys, as in controller-runtime: each key once, one worker a key, later tries after failures."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final, NamedTuple

from mooring.cluster.records import Key

_FIRST_DELAY: Final = 0.1
_LONGEST_DELAY: Final = 60.0


class _Timer(NamedTuple):
    """A wish for a turn later, with the event loop's time; uvloop's own handles know theirs only if it is not now."""

    due: float
    handle: asyncio.Handle


class WorkQueue:
    """Keys waiting for a worker.

    A key that is added while it waits stays one; added while a worker has it, it comes again afterwards, so that no
    change is lost and no object is worked on twice at a time.
    """

    def __init__(self, *, longest_delay: float = _LONGEST_DELAY) -> None:
        """Make an empty queue; a key that fails again and again comes at least every `longest_delay` seconds."""
        self._longest_delay: Final = longest_delay
        self._ready: Final[asyncio.Queue[Key]] = asyncio.Queue()
        self._waiting: Final[set[Key]] = set()
        self._working: Final[set[Key]] = set()
        self._again: Final[set[Key]] = set()
        self._timers: Final[dict[Key, _Timer]] = {}
        self._failures: Final[dict[Key, int]] = {}

    def add(self, key: Key) -> None:
        """Ask for a key's turn as soon as possible."""
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.handle.cancel()
        if key in self._working:
            self._again.add(key)
        elif key not in self._waiting:
            self._waiting.add(key)
            self._ready.put_nowait(key)

    def add_after(self, key: Key, seconds: float) -> None:
        """Ask for a key's turn later; an earlier wish stands."""
        loop = asyncio.get_running_loop()
        due = loop.time() + seconds
        timer = self._timers.get(key)
        if timer is not None and timer.due <= due:
            return
        if timer is not None:
            timer.handle.cancel()
        self._timers[key] = _Timer(due, loop.call_at(due, self.add, key))

    async def __aiter__(self) -> AsyncIterator[Key]:
        """Take keys, one after the other, for ever; call `done` or `failed` for each."""
        while True:
            key = await self._ready.get()
            self._waiting.discard(key)
            self._working.add(key)
            yield key

    def done(self, key: Key, *, again_after: float | None = None) -> None:
        """A worker has finished with a key; it comes again after so many seconds if asked for."""
        self._failures.pop(key, None)
        self._release(key)
        if again_after is not None and key not in self._waiting:
            self.add_after(key, again_after)

    def failed(self, key: Key) -> None:
        """A worker could not finish with a key: it comes again, each time later."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        self._release(key)
        if key not in self._waiting:
            self.add_after(key, min(_FIRST_DELAY * 2**failures, self._longest_delay))

    def _release(self, key: Key) -> None:
        self._working.discard(key)
        if key in self._again:
            self._again.discard(key)
            self.add(key)

    def __len__(self) -> int:
        return len(self._waiting) + len(self._working)
