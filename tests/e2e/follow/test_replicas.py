"""Every replica of the operator follows, also while another one leads, and bears an API server that goes away."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e.follow.field import Field
from tests.e2e.process import MooringProcess
from tests.e2e.support import eventually
from tests.e2e.wire import Wire, api_wire, through

from mooring.follow.follower import FIRST_LISTS_SECONDS
from mooring.sandbox.launcher import Sandbox


@pytest.fixture
def wire(cluster: Sandbox) -> Iterator[Wire]:
    """Give a way to the API server that can be cut."""
    with api_wire(cluster) as made:
        yield made


@pytest.fixture
def second(cluster: Sandbox, wire: Wire, tmp_path: Path) -> Iterator[MooringProcess]:
    """Run a replica that does not lead, at the end of the wire."""
    kubeconfig = through(wire, cluster.kubeconfig("mooring"), tmp_path / "wired.kubeconfig")
    with MooringProcess(tmp_path / "log", "--kubeconfig", str(kubeconfig), "--port", "0") as process:
        yield process


def test_a_new_replica_knows_before_it_is_ready(field: Field, tmp_path: Path) -> None:
    """Its very first answer has what was there to be read; what is absent keeps it from nothing."""
    field.volume("data")
    field.install()
    field.replica("one", "data", "node-5")
    field.locator()
    field.locator("absent-" + field.stage.namespace, resource={"resource": "others"})
    field.await_kept("data", "node-5")
    kubeconfig = str(field.stage.sandbox.kubeconfig("mooring"))

    with MooringProcess(tmp_path / "log", "--kubeconfig", kubeconfig, "--port", "0") as second:
        second.await_ready()

        assert field.kept("data", by=second) == ["node-5"]
        complete = eventually(lambda: [line for line in second.lines() if line["event"] == "index complete"])
        assert complete[0]["seconds"] < FIRST_LISTS_SECONDS


def test_what_was_read_holds_while_nobody_answers(field: Field, second: MooringProcess, wire: Wire) -> None:
    """And what moved meanwhile is known soon afterwards."""
    field.volume("data")
    field.install()
    field.replica("one", "data", "node-1")
    field.locator()
    second.await_ready()
    eventually(lambda: field.kept("data", by=second) == ["node-1"])

    with wire.down():
        field.move("one", "node-2")
        field.await_kept("data", "node-2")
        assert field.kept("data", by=second) == ["node-1"]
        assert second.status("/readyz") == 200

    eventually(lambda: field.kept("data", by=second) == ["node-2"])
