"""A control plane of its own, where storage systems come and go, with the operator beside it."""

import os
import sys
import uuid
from collections.abc import Iterator

import pytest
from tests.e2e.follow.field import Field
from tests.e2e.process import MooringProcess
from tests.e2e.stage import Stage
from tests.e2e.support import apply_crds, eventually

from mooring.sandbox.launcher import Sandbox, up
from mooring.sandbox.progress import plain


@pytest.fixture(scope="package")
def cluster() -> Iterator[Sandbox]:
    """Give a cluster that nobody else puts storage systems into."""
    # Capturing replaces sys.stderr: compiling takes minutes, and whoever waits must see that something happens.
    progress = plain(lambda line: print(f"sandbox: {line}", file=sys.__stderr__, flush=True))
    running = up(name=f"follow-{os.getpid()}", nodes=6, zones=2, racks=3, progress=progress)
    apply_crds(running)
    yield running
    running.down()


@pytest.fixture(scope="package")
def operator(cluster: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MooringProcess]:
    """Run the operator as the sandbox's user `mooring`; in the end it must have been healthy."""
    log = tmp_path_factory.mktemp("operator") / "log"
    arguments = ("--kubeconfig", str(cluster.kubeconfig("mooring")), "--port", str(cluster.extender_port))
    with MooringProcess(log, *arguments) as process:
        process.await_ready()
        yield process
        assert process.exit_code is None, process.tail()
        assert process.complaints() == []


@pytest.fixture
def field(cluster: Sandbox, operator: MooringProcess) -> Iterator[Field]:
    """Give a namespace with claims, and storage systems that go with the test."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    with cluster.client() as client:
        client.create("/api/v1/namespaces", {"metadata": {"name": name}})
        eventually(lambda: client.get(f"/api/v1/namespaces/{name}/serviceaccounts/default"))
        made = Field(Stage(cluster, client, name, operator, user="mooring"))
        yield made
        made.close()
        client.request("DELETE", f"/api/v1/namespaces/{name}")
