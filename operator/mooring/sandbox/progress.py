"""Progress as lines of text: `what is being done: how far`, told as often as there is news."""

import threading
import time
from collections.abc import Callable
from typing import Final

Progress = Callable[[str], None]

_EVERY: Final = 15.0


def plain(write: Progress, *, every: float = _EVERY) -> Progress:
    """Pass on the first line about each thing being done, and then at most one line in `every` seconds.

    This is for pipes and log files; a terminal can show every line in place.
    """
    lock = threading.Lock()
    doing = ""
    told = 0.0

    def tell(line: str) -> None:
        nonlocal doing, told
        what = line.partition(":")[0]
        with lock:
            if what == doing and time.monotonic() - told < every:
                return
            doing, told = what, time.monotonic()
        write(line)

    return tell
