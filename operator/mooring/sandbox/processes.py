"""What the operating system says: which process is which, who holds a lock, which ports are free."""

import contextlib
import fcntl
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

LOOPBACK: Final = "127.0.0.1"

# Below the range from which Linux and macOS take the source ports of outgoing connections. A port from that range may
# be in use by a client the moment its server is restarted, and a client that retries it long enough connects to itself.
_PORTS: Final = range(15_000, 32_000)


@dataclass(frozen=True, kw_only=True)
class Process:
    """A process that stays told apart from a later one with the same id."""

    pid: int
    started: str
    """When it started, in whatever form this system says it; only ever compared."""

    @classmethod
    def find(cls, pid: int) -> Self | None:
        """Give the process that has this id now, or None; a zombie counts as gone."""
        started = _start_of(pid)
        return None if started is None else cls(pid=pid, started=started)

    def alive(self) -> bool:
        """Say whether this very process is still there."""
        return _start_of(self.pid) == self.started

    def send(self, number: signal.Signals) -> None:
        """Signal the process, unless it is gone."""
        if self.alive():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def wait(self, *, timeout: float) -> bool:
        """Wait up to `timeout` seconds for the process to end, and say whether it did."""
        deadline = time.monotonic() + timeout
        while self.alive():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.01)
        return True


def _start_of(pid: int) -> str | None:
    if sys.platform == "linux":
        try:
            stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            return None
        # The command in parentheses may hold spaces; what follows it is: state, 18 more fields, start time.
        state, *fields = stat.rpartition(")")[2].split()
        return None if state in {"Z", "X"} else fields[18]
    command = ["/bin/ps", "-o", "stat=,lstart=", "-p", str(pid)]
    said = subprocess.run(command, capture_output=True, text=True, check=False).stdout.split(maxsplit=1)
    return None if not said or said[0].startswith("Z") else said[1].strip()


@contextlib.contextmanager
def locked(path: Path, *, leave_file: bool = True) -> Iterator[None]:
    """Hold an exclusive lock on a file, waiting for it as long as it takes; the kernel drops it when we die."""
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        with path.open("a", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            # Whoever held it before may have removed the file: then this lock excludes nobody.
            try:
                current = os.path.samestat(os.fstat(file.fileno()), path.stat())
            except FileNotFoundError:
                current = False
            if current:
                try:
                    yield
                finally:
                    if not leave_file:
                        path.unlink()
                return


def free_ports(names: Collection[str], *, taken: Collection[int]) -> dict[str, int]:
    """Choose a loopback port for each name that nobody listens on and that is not in `taken`.

    Raises:
        OSError: nearly every port is in use.
    """
    chosen: dict[str, int] = {}
    candidates = iter(random.sample(_PORTS, k=len(_PORTS)))
    for name in names:
        for port in candidates:
            if port not in taken and _can_bind(port):
                chosen[name] = port
                break
        else:
            raise OSError("no free port on loopback")
    return chosen


def _can_bind(port: int) -> bool:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((LOOPBACK, port))
        except OSError:
            return False
    return True
