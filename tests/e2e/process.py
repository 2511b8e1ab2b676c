"""`mooring run` as a real process, with its log in a file."""

import contextlib
import http.client
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from tests.e2e.support import eventually


class MooringProcess:
    """One `mooring run`. Use it in a `with` statement: nothing of it is left afterwards."""

    def __init__(self, log: Path, *args: str) -> None:
        self.log_file = log
        self._command = [sys.executable, "-m", "mooring", "run", "--log-format", "json", "--log-level", "debug", *args]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Start it; it may not listen yet."""
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        return self

    def __exit__(self, *_: object) -> None:
        """Kill it, if it has not ended."""
        if self._running.poll() is None:
            self._running.kill()
            self._running.wait()

    @property
    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "the process was not started"
        return self._process

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._running.pid

    @property
    def exit_code(self) -> int | None:
        """Its exit code, or None while it runs."""
        return self._running.poll()

    @property
    def url(self) -> str:
        """Where it listens, as its log says; waits for that."""
        return str(eventually(lambda: self._said("listening"))["url"])

    def await_ready(self, *, timeout: float = 60) -> None:
        """Return when its index is complete."""
        eventually(lambda: self.status("/readyz") == 200, timeout=timeout)

    def terminate(self) -> None:
        """Send SIGTERM."""
        os.kill(self.pid, signal.SIGTERM)

    def wait(self, *, timeout: float) -> int:
        """Wait for its end and give its exit code."""
        return self._running.wait(timeout)

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Let it hang while inside, so that nobody gets an answer; after seven seconds it has lost its Lease, too."""
        os.kill(self.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.pid, signal.SIGCONT)

    def status(self, path: str) -> int:
        """Give the HTTP status of a page."""
        return self.request("GET", path)[0]

    def read(self, path: str) -> str:
        """Give the text of a page, whatever its status."""
        return self.request("GET", path)[1]

    def ask(self, verb: str, body: Any) -> Any:
        """Call a verb of the extender and give its answer."""
        status, text = self.request("POST", f"/scheduler/{verb}", json.dumps(body).encode())
        assert status == 200, text
        return json.loads(text)

    def request(self, method: str, path: str, body: bytes | None = None) -> tuple[int, str]:
        """Send one request over plain HTTP, and give status and text of the answer."""
        address = urlsplit(self.url)
        connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=30)
        with contextlib.closing(connection):
            connection.request(method, path, body, {"Content-Type": "application/json"} if body else {})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()

    def metrics(self) -> dict[str, float]:
        """Give the metrics' values, by name and labels as they are written."""
        lines = (line for line in self.read("/metrics").splitlines() if line and not line.startswith("#"))
        return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}

    def lines(self) -> Iterator[dict[str, Any]]:
        """Give its log lines; what is no JSON is an event of level `raw`."""
        for line in self.log_file.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                yield json.loads(line)
            except ValueError:
                yield {"event": line, "level": "raw"}

    def tail(self, *, lines: int = 40) -> str:
        """Give the end of its log, without the decisions."""
        told = [line for line in self.log_file.read_text(encoding="utf-8").splitlines() if '"decided"' not in line]
        return "\n".join(told[-lines:])

    def complaints(self) -> list[dict[str, Any]]:
        """Give the lines that should not be in a healthy log: errors, tracebacks, and what is no log line at all."""
        trouble = re.compile(r"Traceback|exception", re.IGNORECASE)
        return [
            line
            for line in self.lines()
            if line.get("level") not in {"debug", "info", "warning"} or trouble.search(json.dumps(line))
        ]

    def _said(self, event: str) -> dict[str, Any] | None:
        if self.exit_code is not None:
            # No AssertionError: whoever polls need not go on.
            raise RuntimeError(f"mooring ended with {self.exit_code}:\n{self.tail()}")
        return next((line for line in self.lines() if line["event"] == event), None)
