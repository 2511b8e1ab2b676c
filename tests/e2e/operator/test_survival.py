"""What happens to the process: an API server that goes away, and SIGTERM."""

import contextlib
import http.client
import json
import os
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import pytest
from tests.e2e import manifests
from tests.e2e.process import MooringProcess
from tests.e2e.stage import PLACEMENT_APPLIED, VOLUME_LOCAL, Stage, stays
from tests.e2e.support import SLACK_SECONDS, apply_crds, eventually
from tests.e2e.wire import Wire, api_wire, through

from mooring.sandbox.launcher import Sandbox, up


@pytest.fixture(scope="module")
def breakable() -> Iterator[Sandbox]:
    """Give a control plane of this module's own, which its tests may break."""
    running = up(name=f"survival-{os.getpid()}", nodes=4, zones=1, racks=1)
    try:
        apply_crds(running)
        yield running
    finally:
        running.down()


def operate(sandbox: Sandbox, log: Path, *, wire: Wire | None = None) -> MooringProcess:
    """Make an operator's process, not started yet, which reaches the API server through a wire if one is given."""
    kubeconfig = sandbox.kubeconfig("mooring")
    if wire is not None:
        kubeconfig = through(wire, kubeconfig, log.parent / "wired.kubeconfig")
    return MooringProcess(log, "--kubeconfig", str(kubeconfig), "--port", str(sandbox.extender_port))


@pytest.fixture
def wire(breakable: Sandbox) -> Iterator[Wire]:
    """Give the way to the API server, which can be cut for exactly as long as a test wants.

    A control plane takes its time to come back, and on a slow machine longer than a leader may live without its Lease.
    """
    with api_wire(breakable) as made:
        yield made


@pytest.fixture
def own(breakable: Sandbox, wire: Wire, tmp_path: Path) -> Iterator[Stage]:
    """Give a stage with an operator of its own."""
    name = f"survival-{uuid.uuid4().hex[:8]}"
    with operate(breakable, tmp_path / "log", wire=wire) as process, breakable.client() as client:
        process.await_ready()
        client.create("/api/v1/namespaces", {"metadata": {"name": name}})
        eventually(lambda: client.get(f"/api/v1/namespaces/{name}/serviceaccounts/default"))
        stage = Stage(breakable, client, name, process, user="mooring")
        yield stage
        stage.close()
        client.request("DELETE", f"/api/v1/namespaces/{name}")


class Load:
    """Creates pods and asks the extender, from two threads, until it is stopped; a cluster that is away is borne."""

    def __init__(self, stage: Stage) -> None:
        self.answers: list[list[str]] = []
        self._stage = stage
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=work) for work in (self._create, self._ask)]

    def __enter__(self) -> Self:
        """Start."""
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop and wait."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _create(self) -> None:
        number = 0
        with self._stage.sandbox.client() as client:
            while not self._stop.wait(0.05):
                number += 1
                try:
                    client.create(
                        self._stage.path("pods"), manifests.pod(f"load-{number}", "data", schedulerName="stork")
                    )
                    client.request("DELETE", self._stage.path("pods", f"load-{max(1, number - 20)}"))
                except Exception:  # noqa: BLE001, S112 - that is the point: the cluster is away for a while
                    continue

    def _ask(self) -> None:
        asking = manifests.pod("asking", "data", annotations=manifests.STRICT)
        asking["metadata"]["namespace"] = self._stage.namespace
        body = {"Pod": asking, "NodeNames": [f"node-{number}" for number in range(1, 5)]}
        while not self._stop.wait(0.02):
            self.answers.append(self._stage.operator.ask("filter", body)["NodeNames"])


def test_a_restart_writes_nothing_and_forgets_nothing(own: Stage, tmp_path: Path) -> None:
    """A second process finds all as the first one left it, and knows its terms though their policy is gone."""
    own.volumes({"kept": ["node-2"], "left": ["node-3"]})
    own.policy("keep", podSelector={"matchLabels": {"app": "kept"}}, whenUnsatisfiable="DoNotSchedule")
    own.policy("leave", podSelector={"matchLabels": {"app": "left"}}, whenUnsatisfiable="DoNotSchedule")
    for name in ("kept", "left"):
        own.placed_deployment(name, name, replicas=1)
    own.await_counts("keep", matched=1, local=1)
    own.await_counts("leave", matched=1, local=1)
    for name in ("kept", "left"):
        own.await_reason("deployments", name, VOLUME_LOCAL, "AllLocal")
        for pod in own.pods_of(name):
            own.await_reason("pods", pod["metadata"]["name"], VOLUME_LOCAL, "AllLocal")
    own.operator.terminate()
    assert own.operator.wait(timeout=30) == 0

    since = own.sandbox.audit_offset()
    with operate(own.sandbox, tmp_path / "second") as second:
        second.await_ready()
        # Its own counts are the sign that it has looked at every pod.
        eventually(lambda: second.metrics()['mooring_pods{locality="local"}'] == 2)
        stays(lambda: second.exit_code is None, seconds=1)
        patched = [event for event in own.sandbox.audit(user="mooring", since=since) if event["verb"] == "patch"]
        assert [event for event in patched if event["objectRef"]["resource"] != "leases"] == []
        second.terminate()
        assert second.wait(timeout=30) == 0

    own.delete(own.path("volumeplacementpolicies", "leave"))
    with operate(own.sandbox, tmp_path / "third") as third:
        third.await_ready()
        own.await_reason("deployments", "left", PLACEMENT_APPLIED, "ReleasePending")
        own.patch(own.path("deployments", "left"), {"spec": {"replicas": 0}})
        eventually(lambda: not own.affinity_of("left"))
        assert own.is_marked("kept")


def test_sigterm_drains(breakable: Sandbox, tmp_path: Path) -> None:
    """Requests under way are all answered, idle connections do not hold the process, and it ends within 5 s with 0."""
    with operate(breakable, tmp_path / "log") as process:
        process.await_ready()
        address = urlsplit(process.url)
        idle = http.client.HTTPConnection(address.hostname or "", address.port, timeout=30)
        idle.request("GET", "/healthz")
        assert idle.getresponse().read() == b"ok\n"
        body = json.dumps({"Pod": manifests.pod("p", "c"), "NodeNames": [f"n{i}" for i in range(5000)]}).encode()
        halfway = threading.Barrier(9)

        def ask() -> int:
            connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=30)
            with contextlib.closing(connection):
                connection.putrequest("POST", "/scheduler/filter")
                connection.putheader("Content-Length", str(len(body)))
                connection.endheaders(body[:1000])
                halfway.wait(30)  # SIGTERM comes here
                halfway.wait(30)
                connection.send(body[1000:])
                answer = connection.getresponse()
                return answer.status if len(json.loads(answer.read())["NodeNames"]) == 5000 else 0

        with ThreadPoolExecutor(8) as pool:
            asked = [pool.submit(ask) for _ in range(8)]
            halfway.wait(30)
            # It answers in the order in which it was asked: now it has begun with those before.
            assert process.status("/healthz") == 200
            started = time.monotonic()
            process.terminate()
            eventually(lambda: "draining" in process.tail(), every=0.02)
            halfway.wait(30)
            assert [each.result() for each in asked] == [200] * 8
            assert process.wait(timeout=30) == 0
            assert time.monotonic() - started < 5 + SLACK_SECONDS
        idle.close()
        assert process.complaints() == []


def test_a_lost_api_server_is_survived(own: Stage, wire: Wire) -> None:
    """The extender answers from the index while the API server is away, and afterwards the same process goes on."""
    own.volumes({"data": ["node-2"], "more": []})
    own.policy("near", updateMode="Reconcile", disruption={"cooldown": "0s"})
    pid = own.operator.pid

    with Load(own) as load:
        eventually(lambda: len(load.answers) > 20)
        with wire.down():
            before = len(load.answers)
            # Few, so that it is over before a leader would have to renew its Lease even where each takes long.
            eventually(lambda: len(load.answers) > before + 10)
            assert own.operator.status("/readyz") == 200

        # What changes from now on flows again, in both directions.
        own.move_data("more", "node-3")
        own.await_known("more", ["node-3"])
        own.deployment("shop", "more")
        own.await_on("shop", "node-3")
        own.await_reason("deployments", "shop", VOLUME_LOCAL, "AllLocal")

    assert all(answer == ["node-2"] for answer in load.answers)
    assert own.operator.pid == pid
    assert own.operator.exit_code is None
    # kopf calls each of its own retries an error.
    assert [line for line in own.operator.complaints() if not line["event"].startswith("Request attempt #")] == []
    restarts = [name for name in own.operator.metrics() if name.startswith("mooring_watch_restarts_total")]
    assert restarts


def test_what_changed_while_nobody_watched_is_learnt(own: Stage, wire: Wire) -> None:
    """An operator that cannot reach the API server for a while has the whole truth afterwards, deletions too."""
    own.volumes({"data": ["node-2"], "gone": ["node-1"]})
    own.pod("counted", "data", nodeName="node-2")
    own.policy("near")
    own.await_counts("near", matched=1, local=1)

    os.kill(own.operator.pid, 19)  # SIGSTOP: the watches break while it cannot look
    try:
        own.delete(own.path("pods", "counted"))
        own.pod("other", "data", nodeName="node-3")
        wire.cut()
    finally:
        os.kill(own.operator.pid, 18)  # SIGCONT

    own.await_counts("near", matched=1, local=0, remote=1)
