"""What end-to-end tests share."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

from mooring.sandbox import SandboxError
from mooring.sandbox.client import ApiError
from mooring.sandbox.launcher import Sandbox

Value = TypeVar("Value")

REPOSITORY: Final = Path(__file__).parents[2]


def eventually(check: Callable[[], Value], *, timeout: float = 60, every: float = 0.1) -> Value:
    """Poll until `check` gives something true without failing, and give that.

    A check may assert, or ask a sandbox that is not ready yet; what it failed with last is in the AssertionError that
    is raised after `timeout` seconds.
    """
    deadline = time.monotonic() + timeout
    while True:
        try:
            value = check()
        except (AssertionError, ApiError, SandboxError, OSError) as error:
            failure: object = error
        else:
            if value:
                return value
            failure = f"it gave {value!r}"
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout:g} s: {failure}")
        time.sleep(every)


def apply_crds(sandbox: Sandbox) -> None:
    """Make the cluster know Mooring's own kinds, and return when kubectl can explain them."""
    sandbox.kubectl("apply", "-f", str(REPOSITORY / "crds"))
    # The API server publishes the schemas some time after it serves the resources.
    eventually(lambda: all(sandbox.kubectl("explain", f"{name}.status") for name in ("vpp", "cvpp", "vl")))
