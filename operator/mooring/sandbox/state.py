"""Where sandboxes lie on disk, and how all of one is removed."""

import contextlib
import os
import re
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from mooring.sandbox import SandboxError
from mooring.sandbox.layout import COMPONENTS, Roster
from mooring.sandbox.processes import locked

_SUPERVISOR_TIMEOUT: Final = 3.0 * (len(COMPONENTS) + 1)
"""Seconds that a supervisor gets to end every component, were each to be killed only after its grace."""


def home() -> Path:
    """Give the directory that holds every sandbox of this user."""
    if chosen := os.environ.get("MOORING_SANDBOX_HOME"):
        return Path(chosen).absolute()
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state).absolute() / "mooring" / "sandboxes"


def directory_of(name: str) -> Path:
    """Give the directory of the sandbox of this name, whether there is one or not.

    Raises:
        SandboxError: no sandbox can have this name.
    """
    if not re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,50}[a-z0-9])?", name):
        raise SandboxError(f"{name!r} cannot name a sandbox: use lower case letters, digits and dashes")
    return home() / name


def lock_of(name: str) -> Path:
    """Give the file that is locked while a sandbox of this name comes or goes."""
    return home() / f"{name}.lock"


def remove(name: str) -> bool:
    """End whatever is left of a sandbox and remove its directory; say whether there was one."""
    directory = directory_of(name)
    if not directory.exists():
        return False
    with locked(lock_of(name), leave_file=False):
        clear(directory)
    return True


def clear(directory: Path) -> None:
    """End what the roster names, and remove the directory; nothing else is ever signalled."""
    with contextlib.suppress(ValueError, KeyError, TypeError):
        _end_processes(directory)
    if directory.exists():
        shutil.rmtree(directory, onerror=_gone_already)


def _end_processes(directory: Path) -> None:
    path = directory / "processes.json"
    roster = Roster.load(path)
    if roster is None:
        return
    roster.supervisor.send(signal.SIGTERM)
    if not roster.supervisor.wait(timeout=_SUPERVISOR_TIMEOUT):
        roster.supervisor.send(signal.SIGKILL)
        roster.supervisor.wait(timeout=5)
    # Its children end with it, by the lifeline; this is for those that hang.
    for component in (Roster.load(path) or roster).components:
        if component.process is not None and not component.process.wait(timeout=1):
            component.process.send(signal.SIGKILL)
            component.process.wait(timeout=5)


def _gone_already(function: Callable[..., Any], path: str, error: Any) -> None:
    """Let rmtree go on when a process that is just ending removed a file of its own first."""
    del function, path
    if not isinstance(error[1], FileNotFoundError):
        raise error[1]
