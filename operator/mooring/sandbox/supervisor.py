"""The process that keeps a sandbox's components running: `python -m mooring.sandbox.supervisor STATE_DIRECTORY`.

It is told everything through files, so that nothing has to stay connected to it: `stopped/NAME` keeps a component
stopped, `processes.json` says what runs, and without `sandbox.json` it ends. Its children hold the read end of a pipe
whose write end it never closes: however it ends, the kernel tells them (see controlplane/lifeline.go).
"""

import os
import signal
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import FrameType
from typing import Final

from mooring.sandbox.components import Component, plan
from mooring.sandbox.layout import ComponentStatus, Layout, Roster
from mooring.sandbox.processes import Process

_TICK: Final = 0.05
_PROBE_TIMEOUT: Final = 2.0
_GRACE: Final = 3.0
"""Seconds between SIGTERM and SIGKILL."""
_STEADY: Final = 10.0
"""Seconds after which a component that dies is restarted as quickly as after its first death."""
_BACKOFF: Final = (0.1, 0.3, 1.0, 3.0, 5.0)
"""Seconds before a component is restarted, by how often it just died in a row."""


class Child:
    """One component: started when it should run, watched, restarted when it died."""

    def __init__(self, component: Component, *, layout: Layout, lifeline: int) -> None:
        self.component = component
        self.state = "waiting"
        self.restarts = 0
        self._layout = layout
        self._lifeline = lifeline
        self._popen: subprocess.Popen[bytes] | None = None
        self._process: Process | None = None
        self._deaths = 0
        self._since = 0.0
        """Monotonic time of the last start, death or SIGTERM."""

    @property
    def status(self) -> ComponentStatus:
        """What the roster says about it."""
        return ComponentStatus(
            name=self.component.name, state=self.state, process=self._process, restarts=self.restarts
        )

    def step(self, *, wanted: bool, startable: bool, context: ssl.SSLContext) -> None:
        """Do the next thing, without waiting for it."""
        if self._popen is not None and self._popen.poll() is not None:
            self._buried(wanted=wanted)
        if self._popen is None:
            if not wanted:
                self.state = "stopped"
            elif startable and self._rested():
                self._start()
            elif self.state == "stopped":
                self.state = "waiting"
        elif not wanted or self.state == "stopping":
            self.stop()
        elif self.state == "starting" and _healthy(self.component.health, context):
            self.state = "ready"

    def stop(self) -> None:
        """Ask it to end, and make it end when it was asked long ago."""
        if self._popen is None:
            return
        if self.state != "stopping":
            self.state, self._since = "stopping", time.monotonic()
            self._popen.terminate()
        elif time.monotonic() - self._since > _GRACE:
            self._popen.kill()

    def stop_and_wait(self) -> None:
        """End it for good."""
        while self._popen is not None and self._popen.poll() is None:
            self.stop()
            time.sleep(_TICK / 5)

    def _start(self) -> None:
        if self.state == "backoff":
            self.restarts += 1
        with self._layout.log(self.component.name).open("ab") as log:
            self._popen = subprocess.Popen(
                self.component.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._layout.data(""),
                env=os.environ | {"MOORING_LIFELINE": str(self._lifeline)},
                pass_fds=[self._lifeline],
            )
        self._process = Process.find(self._popen.pid)
        self.state, self._since = "starting", time.monotonic()

    def _buried(self, *, wanted: bool) -> None:
        on_purpose = self.state == "stopping"
        self._popen = self._process = None
        if on_purpose:
            self.state, self._deaths = "waiting" if wanted else "stopped", 0
            return
        self._deaths = 1 if time.monotonic() - self._since > _STEADY else self._deaths + 1
        self.state, self._since = "backoff", time.monotonic()

    def _rested(self) -> bool:
        if self.state != "backoff":
            return True
        pause = _BACKOFF[min(self._deaths, len(_BACKOFF)) - 1]
        return time.monotonic() - self._since > pause


def _healthy(url: str, context: ssl.SSLContext) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    try:
        with opener.open(url, timeout=_PROBE_TIMEOUT):
            return True
    except (OSError, urllib.error.URLError):
        return False


class Supervisor:
    """All components of one sandbox."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._ending = False
        self._saved: Roster | None = None
        # Held open so that a later directory of the same name is told apart from ours.
        self._directory = os.open(layout.directory, os.O_RDONLY)
        # Python lets no child inherit the write end; we hold it, unused, for as long as we live.
        read_end, self._write_end = os.pipe()
        self._children = [Child(part, layout=layout, lifeline=read_end) for part in plan(layout)]
        itself = Process.find(os.getpid())
        if itself is None:
            raise RuntimeError("this process cannot find itself")
        self._itself = itself

    def run(self) -> None:
        """Keep the components running until told to end, or until the sandbox's directory is gone."""
        context = ssl.create_default_context(cafile=self._layout.pki("ca.crt"))
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._end)
        try:
            while not self._ending and self._still_ours():
                self._step(context)
                self._save()
                time.sleep(_TICK)
        except FileNotFoundError:
            # The directory went away in the middle of a step: as good as being told to end.
            pass
        finally:
            for child in reversed(self._children):
                child.stop_and_wait()

    def _step(self, context: ssl.SSLContext) -> None:
        for child in self._children:
            name = child.component.name
            wanted = not self._layout.stopped(name).exists()
            child.step(wanted=wanted, startable=self._ready(child.component.needs), context=context)

    def _ready(self, needed: str | None) -> bool:
        states = {child.component.name: child.state for child in self._children}
        return needed is None or states.get(needed) == "ready"

    def _save(self) -> None:
        statuses = tuple(child.status for child in self._children)
        roster = Roster(supervisor=self._itself, components=statuses)
        if roster != self._saved:
            roster.save(self._layout.processes)
            self._saved = roster

    def _still_ours(self) -> bool:
        try:
            same = os.path.samestat(os.fstat(self._directory), self._layout.directory.stat())
        except FileNotFoundError:
            return False
        return same and self._layout.file.exists()

    def _end(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self._ending = True


def main() -> None:
    """Run as a daemon: the command returns at once, and whoever called it need not reap anything."""
    layout = Layout.load(Path(sys.argv[1]))
    if os.fork() > 0:
        os._exit(0)
    os.setsid()
    Supervisor(layout).run()


if __name__ == "__main__":
    main()
