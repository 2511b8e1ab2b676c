"""A control plane for the whole run, and a namespace for each test."""

import os
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e.support import eventually

from mooring.sandbox.launcher import Sandbox, up
from mooring.sandbox.progress import plain


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark everything below this directory."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.e2e)


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    """Give a control plane with six nodes, three racks and two zones."""
    # Capturing replaces sys.stderr: compiling takes minutes, and whoever waits must see that something happens.
    progress = plain(lambda line: print(f"sandbox: {line}", file=sys.__stderr__, flush=True))
    running = up(name=f"pytest-{os.getpid()}", nodes=6, zones=2, racks=3, progress=progress)
    yield running
    running.down()


@pytest.fixture
def namespace(sandbox: Sandbox) -> Iterator[str]:
    """Give a fresh namespace in which pods can be made."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    with sandbox.client() as client:
        client.create("/api/v1/namespaces", {"metadata": {"name": name}})
        eventually(lambda: client.get(f"/api/v1/namespaces/{name}/serviceaccounts/default"))
    yield name
    # By a new connection: a test may have stopped the API server meanwhile.
    with sandbox.client() as client:
        client.request("DELETE", f"/api/v1/namespaces/{name}")
