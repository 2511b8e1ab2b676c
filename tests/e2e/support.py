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
SLACK_SECONDS: Final = 5
"""A machine that runs tests may stand still for so long: what must happen within a time gets this on top."""


def eventually(check: Callable[[], Value | None], *, timeout: float = 60, every: float = 0.1) -> Value:
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
    await_kinds(sandbox)


def await_kinds(sandbox: Sandbox) -> None:
    """Return when a cluster that got the CRDs serves Mooring's own kinds from memory, and kubectl can explain them.

    Without it deleting the CRDs can take five minutes: the first list of a kind is then their finalizer's own, fails
    because the API server has nothing in memory yet, and what the finalizer writes about that meets its next attempt,
    which it gives up until everything is looked at again.
    """
    kinds = ("volumeplacementpolicies", "clustervolumeplacementpolicies", "volumelocators")
    with sandbox.client() as client:
        # Without a limit, for pages may come from etcd.
        eventually(lambda: [client.get(f"/apis/mooring.dev/v1alpha1/{kind}") for kind in kinds])
    # The schemas are published some time after the resources are served.
    eventually(lambda: all(sandbox.kubectl("explain", f"{name}.status") for name in ("vpp", "cvpp", "vl")))
