"""The servers that are measured: started as users start them, on loopback, each a process that ends with the bench."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

_START_SECONDS: Final = 300.0
_STOP_SECONDS: Final = 10.0
_TICKS: Final = os.sysconf("SC_CLK_TCK")


class ServerError(Exception):
    """A server ended early or did not say where it listens; the message holds what it said."""


@dataclass(frozen=True)
class Server:
    """A running server.

    Attributes:
        name: what the tables call it.
        url: its base URL, to which the verbs are added.
        pid: its process.
    """

    name: str
    url: str
    pid: int

    def cpu_seconds(self) -> float:
        """CPU time used so far by all its threads."""
        stat = Path(f"/proc/{self.pid}/stat").read_text(encoding="utf-8")
        user, system = stat.rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / _TICKS

    def peak_mib(self) -> float:
        """The most memory it has had resident so far."""
        return self._kib("VmHWM") / 1024

    def resident_mib(self) -> float:
        """The memory it has resident now."""
        return self._kib("VmRSS") / 1024

    def _kib(self, field: str) -> int:
        lines = Path(f"/proc/{self.pid}/status").read_text(encoding="utf-8").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:"))


@contextlib.contextmanager
def mooring(*arguments: str) -> Iterator[Server]:
    """`mooring run` on a free port.

    Raises:
        ServerError: it did not start.
    """
    command = [sys.executable, "-m", "mooring", "run", "--port", "0", "--log-format", "json", *arguments]
    with _started("mooring", command, _logged_url, suffix="/scheduler") as server:
        yield server


@contextlib.contextmanager
def reference(binary: Path, codec: str, local: Sequence[str]) -> Iterator[Server]:
    """The extender in Go that ours is measured against; for every pod the data is on the same nodes.

    Raises:
        ServerError: it did not start.
    """
    with _started(f"Go, {codec}", [str(binary), "-codec", codec, *local], _plain_url) as server:
        yield server


@contextlib.contextmanager
def floor() -> Iterator[Server]:
    """The server that does nothing but HTTP: what a call costs the client and the kernel.

    Raises:
        ServerError: it did not start.
    """
    with _started("floor", [sys.executable, "-m", "tests.bench.floor"], _plain_url) as server:
        yield server


@contextlib.contextmanager
def _started(
    name: str, command: Sequence[str], find_url: Callable[[str], str | None], *, suffix: str = ""
) -> Iterator[Server]:
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8") as said,
        subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT) as process,
    ):
        try:
            url = _wait_for_url(name, process, said, find_url)
            yield Server(name=name, url=url.strip() + suffix, pid=process.pid)
        finally:
            process.terminate()
            try:
                process.wait(timeout=_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait_for_url(
    name: str, process: subprocess.Popen[bytes], said: IO[str], find_url: Callable[[str], str | None]
) -> str:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        ended = process.poll() is not None
        said.seek(0)
        lines = said.read().splitlines()
        for line in lines:
            if url := find_url(line):
                return url
        if ended or time.monotonic() > deadline:
            raise ServerError(f"{name} did not start:\n" + "\n".join(lines[-20:]))
        time.sleep(0.01)


def _plain_url(line: str) -> str | None:
    return line if line.startswith("http://") else None


def _logged_url(line: str) -> str | None:
    if not line.startswith("{"):
        return None
    told = json.loads(line)
    return str(told["url"]) if told["event"] == "listening" else None
