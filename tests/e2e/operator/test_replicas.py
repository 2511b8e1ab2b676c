"""Several replicas: all answer and let through what they gated, one writes, another goes on where one ended."""

import contextlib
import os
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from math import inf
from pathlib import Path
from typing import Any

import pytest
from tests.e2e import manifests
from tests.e2e.operator.gates import GATED_BY, is_held
from tests.e2e.operator.webhooks import bring_pods, stored, tried
from tests.e2e.process import MooringProcess
from tests.e2e.stage import PLACEMENT_APPLIED, STRICT_RULE, VOLUME_LOCAL, Stage, stays
from tests.e2e.support import SLACK_SECONDS, apply_crds, eventually

from mooring.reconcile.gatekeeper import SWEEP_SECONDS
from mooring.sandbox.client import ApiClient, ApiError
from mooring.sandbox.launcher import Sandbox, up
from mooring.sandbox.processes import free_ports

_LEASE = "/apis/coordination.k8s.io/v1/namespaces/mooring-system/leases/mooring"

Start = Callable[..., MooringProcess]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Sandbox]:
    """Give a control plane in which no other operator runs."""
    running = up(name=f"replicas-{os.getpid()}", nodes=4, zones=1, racks=1)
    try:
        apply_crds(running)
        yield running
    finally:
        running.down()


@pytest.fixture
def client(cluster: Sandbox) -> Iterator[ApiClient]:
    """Give a client of the cluster's administrator."""
    with cluster.client() as made:
        yield made


@pytest.fixture
def start(cluster: Sandbox, client: ApiClient, tmp_path: Path) -> Iterator[Start]:
    """Give a function that starts a replica and waits until it answers."""
    # Whoever led in the test before is dead, and nobody need wait until the Lease has run out.
    with contextlib.suppress(ApiError):
        client.request("DELETE", _LEASE)
    started: list[MooringProcess] = []

    def run(name: str, *arguments: str) -> MooringProcess:
        process = MooringProcess(
            tmp_path / name,
            "--kubeconfig",
            str(cluster.kubeconfig("mooring")),
            "--port=0",
            "--identity",
            name,
            *arguments,
        )
        started.append(process)
        process.__enter__()
        process.await_ready()
        return process

    yield run
    for process in started:
        process.__exit__()


def stage_of(cluster: Sandbox, client: ApiClient, operator: MooringProcess) -> Stage:
    """Give a stage in a new namespace."""
    name = f"replicas-{uuid.uuid4().hex[:8]}"
    client.create("/api/v1/namespaces", {"metadata": {"name": name}})
    eventually(lambda: client.get(f"/api/v1/namespaces/{name}/serviceaccounts/default"))
    return Stage(cluster, client, name, operator, user="mooring")


def leader(client: ApiClient) -> str:
    """Say who holds the Lease."""
    return str(client.get(_LEASE)["spec"].get("holderIdentity", ""))


Crew = Callable[..., Stage]


@pytest.fixture
def gating(cluster: Sandbox, client: ApiClient, start: Start) -> Crew:
    """Give a function that starts a replica which answers for the pods of a stage of its own, with a soft policy.

    The first one leads.
    """
    certificate, key = cluster.serving_certificate

    def run(name: str) -> Stage:
        port = free_ports(["webhook"], taken=[])["webhook"]
        replica = start(name, f"--webhook-port={port}", f"--webhook-cert={certificate}", f"--webhook-key={key}")
        eventually(lambda: leader(client))  # before a second one is there
        stage = stage_of(cluster, client, replica)
        stage.policy("near")
        bring_pods(stage, f"https://127.0.0.1:{port}/mutate", order="gating")
        eventually(lambda: is_held(tried(stage, manifests.pod("trial", "missing"))))
        return stage

    return run


def hold(stage: Stage, pod: str, claim: str) -> None:
    """Create a pod whose claim is missing, which is held for that; it prefers a node without the data to come."""
    assert is_held(stage.pod(pod, claim, affinity=manifests.on_nodes("node-4")))


def let_through(stage: Stage, replica: MooringProcess, *, within: float = inf) -> set[str]:
    """Give the pods of a stage that a replica says it let through, so many seconds after it first saw them."""
    done = [line for line in replica.lines() if line["event"] == "let through" and line["milliseconds"] < within * 1e3]
    pods = (line["pod"].split("/") for line in done)
    return {pod for namespace, pod in pods if namespace == stage.namespace}


def test_a_killed_leader_is_replaced(cluster: Sandbox, client: ApiClient, start: Start) -> None:
    """Within 15 s another replica goes on with the work; each template is written once, each event is there once."""
    first = start("first")
    eventually(lambda: leader(client) == "first")
    second = start("second")
    stage = stage_of(cluster, client, second)
    stage.volumes({"data": ["node-2"]}, modes=["ReadWriteMany"])
    stage.policy("near", **STRICT_RULE)
    names = [f"shop-{number}" for number in range(20)]

    for name in names[:10]:
        stage.deployment(name, "data", replicas=0)
    stage.await_reason("deployments", names[0], PLACEMENT_APPLIED, "Applied")
    os.kill(first.pid, 9)
    killed = time.monotonic()
    for name in names[10:]:
        stage.deployment(name, "data", replicas=0)

    eventually(lambda: leader(client) == "second", timeout=15 + SLACK_SECONDS)
    stage.await_reason("deployments", names[-1], PLACEMENT_APPLIED, "Applied")
    assert time.monotonic() - killed < 15 + SLACK_SECONDS
    for name in names:
        stage.await_reason("deployments", name, PLACEMENT_APPLIED, "Applied")
    assert {_generation(stage, name) for name in names} == {2}
    stays(lambda: {_generation(stage, name) for name in names} == {2}, seconds=2)
    assert _repeated_events(stage) == {}


def _generation(stage: Stage, name: str) -> int:
    return int(stage.client.get(stage.path("deployments", name))["metadata"]["generation"])


def _repeated_events(stage: Stage) -> dict[Any, int]:
    listed = stage.client.get(stage.path("events"))["items"]
    ours = [event for event in listed if event["source"].get("component") == "mooring"]
    counted = Counter((event["involvedObject"]["uid"], event["reason"], event["message"]) for event in ours)
    return {event: count for event, count in counted.items() if count > 1}


def test_a_leader_that_ends_hands_over_at_once(cluster: Sandbox, client: ApiClient, start: Start) -> None:
    """SIGTERM, as in a rolling update: the Lease is given up, and nobody waits until it has run out."""
    first = start("first")
    eventually(lambda: leader(client) == "first")
    second = start("second")
    stage = stage_of(cluster, client, second)
    stage.volume("data", "node-2", known=False)
    stage.pod("waits", "data")

    first.terminate()

    assert first.wait(timeout=10 + SLACK_SECONDS) == 0
    assert leader(client) != "first"
    eventually(lambda: leader(client) == "second", timeout=3 + SLACK_SECONDS)
    stage.policy("near")
    stage.await_reason("pods", "waits", VOLUME_LOCAL, stage_reason(stage))


def stage_reason(stage: Stage) -> str:
    """Where the pod came to run decides what is measured."""
    return "AllLocal" if stage.node_of("waits") == "node-2" else "NotLocal"


def test_a_follower_answers_and_writes_nothing(cluster: Sandbox, client: ApiClient, start: Start) -> None:
    """The schedulers may ask any replica; only the leader's name is in the audit log's writes."""
    start("first")
    eventually(lambda: leader(client) == "first")
    second = start("second")
    stage = stage_of(cluster, client, second)
    stage.volume("data", "node-3")
    asking = manifests.pod("asking", "data", annotations=manifests.STRICT)
    asking["metadata"]["namespace"] = stage.namespace

    answer = second.ask("filter", {"Pod": asking, "NodeNames": ["node-1", "node-3"]})

    assert answer["NodeNames"] == ["node-3"]
    assert [line for line in second.lines() if line["event"] == "leading"] == []


def test_read_only_only_reports(cluster: Sandbox, client: ApiClient, start: Start) -> None:
    """Every rule is an Audit: no template, no pod and no node's chances are changed, but conditions tell all."""
    reader = start("reader", "--read-only")
    eventually(lambda: leader(client) == "reader")
    stage = stage_of(cluster, client, reader)
    stage.volume("data", "node-2", known=False)
    stage.deployment("shop", "data", affinity=manifests.on_nodes("node-4"))
    stage.deployment("annotated", "data", affinity=manifests.on_nodes("node-4"), annotations=manifests.STRICT)
    stage.await_on("shop", "node-4")
    stage.await_on("annotated", "node-4")

    stage.policy("near", updateMode="Reconcile", disruption={"cooldown": "0s"}, **STRICT_RULE)

    for name in ("shop", "annotated"):
        stage.await_reason("deployments", name, PLACEMENT_APPLIED, "AuditOnly")
        stage.await_reason("deployments", name, VOLUME_LOCAL, "NotLocal")
    assert {_generation(stage, name) for name in ("shop", "annotated")} == {1}
    asking = manifests.pod("asking", "data", annotations=manifests.STRICT)
    asking["metadata"]["namespace"] = stage.namespace
    assert reader.ask("filter", {"Pod": asking, "NodeNames": ["node-1", "node-2"]})["NodeNames"] == ["node-1", "node-2"]


def test_each_replica_lets_through_what_it_gated(client: ApiClient, gating: Crew) -> None:
    """Whoever leads: both gate the pods that come to them, say so on them, and release those and no others.

    Only what one of them has not released for a while the leader does, which a slow machine may show.
    """
    stages = {"first": gating("first"), "second": gating("second")}
    assert leader(client) == "first"
    pods = [f"web-{number}" for number in range(10)]

    for name, stage in stages.items():
        stage.volume("data", "node-2")
        for pod in pods:
            made = stage.pod(pod, "data", affinity=manifests.on_nodes("node-4"))
            assert made["metadata"]["annotations"][GATED_BY] == name

    first, second = stages.values()
    for own, other in ((first, second), (second, first)):
        assert set(own.nodes_of(pods).values()) == {"node-2"}
        both = (own.operator, other.operator)
        eventually(lambda own=own, both=both: set.union(*(let_through(own, each) for each in both)) == set(pods))  # type: ignore[misc]
        assert let_through(own, own.operator) != set()
        assert let_through(own, other.operator, within=SWEEP_SECONDS) == set()


def test_pods_of_a_killed_replica_are_let_through_by_the_leader(client: ApiClient, gating: Crew) -> None:
    """Two seconds after they could have been, at most; as long as their claims are missing they are held."""
    first, second = gating("first"), gating("second")
    assert leader(client) == "first"
    hold(second, "late", "data")

    os.kill(second.operator.pid, 9)
    stays(lambda: is_held(stored(second, "late")), seconds=3)
    second.volume("data", "node-3", known=False)

    eventually(lambda: let_through(second, first.operator) == {"late"}, timeout=5 + SLACK_SECONDS)
    assert second.node_of("late") == "node-3"


def test_pods_of_a_killed_leader_are_let_through_by_the_next(client: ApiClient, gating: Crew) -> None:
    """When the Lease has run out, the other replica leads and looks after them too."""
    first, second = gating("first"), gating("second")
    assert leader(client) == "first"
    hold(first, "late", "data")

    os.kill(first.operator.pid, 9)
    first.volume("data", "node-3", known=False)

    # The Lease, the leader's patience with others' pods, and some slack.
    eventually(lambda: let_through(first, second.operator) == {"late"}, timeout=15 + 2 + 3 + SLACK_SECONDS)
    assert first.node_of("late") == "node-3"


def test_without_any_replica_nobody_is_held(gating: Crew, start: Start) -> None:
    """New pods are created without a gate; those that were held wait until there is a replica again, and no longer."""
    stage = gating("only")
    hold(stage, "late", "data")

    os.kill(stage.operator.pid, 9)
    stage.operator.wait(timeout=20)
    stage.volume("data", "node-3", known=False)
    assert not is_held(stage.pod("new", "data", affinity=manifests.on_nodes("node-4")))
    assert stage.node_of("new") == "node-4"
    assert is_held(stored(stage, "late"))

    # Nobody leads yet, but these are its own.
    start("log-of-its-second-life", "--identity=only")
    assert stage.node_of("late") == "node-3"


def test_a_leader_without_the_api_server_steps_down(cluster: Sandbox, client: ApiClient, start: Start) -> None:
    """It cannot know whether another one leads meanwhile: it only answers, and goes on when it has the Lease again."""
    replica = start("first")
    eventually(lambda: leader(client) == "first")
    stage = stage_of(cluster, client, replica)
    stage.volume("data", "node-2")
    asking = manifests.pod("asking", "data", annotations=manifests.STRICT)
    asking["metadata"]["namespace"] = stage.namespace

    cluster.stop("kube-apiserver")
    try:
        eventually(lambda: _has_said(replica, "leadership lost"))
        assert replica.ask("filter", {"Pod": asking, "NodeNames": ["node-1", "node-2"]})["NodeNames"] == ["node-2"]
        assert replica.status("/readyz") == 200
    finally:
        cluster.start("kube-apiserver")

    with cluster.client() as stage.client:
        stage.policy("near", **STRICT_RULE)
        stage.deployment("shop", "data", replicas=0)
        stage.await_reason("deployments", "shop", PLACEMENT_APPLIED, "Applied")
    assert replica.exit_code is None


def test_a_leader_whose_lease_is_taken_writes_nothing(cluster: Sandbox, client: ApiClient, start: Start) -> None:
    """As long as another one holds it; then it goes on, with what came meanwhile too."""
    replica = start("first")
    eventually(lambda: leader(client) == "first")
    stage = stage_of(cluster, client, replica)
    stage.volume("data", "node-2")
    stage.policy("near", **STRICT_RULE)
    stage.deployment("before", "data", replicas=0)
    stage.await_reason("deployments", "before", PLACEMENT_APPLIED, "Applied")

    stage.patch(_LEASE, {"spec": {"holderIdentity": "another", "leaseDurationSeconds": 3600}})
    eventually(lambda: _has_said(replica, "leadership lost"))
    since = cluster.audit_offset()
    stage.deployment("meanwhile", "data", replicas=0)
    stage.delete(stage.path("deployments", "before"))

    stays(lambda: _written(cluster, since) == [], seconds=3)
    assert not stage.condition("deployments", "meanwhile", PLACEMENT_APPLIED)
    stage.patch(_LEASE, {"spec": {"holderIdentity": ""}})
    stage.await_reason("deployments", "meanwhile", PLACEMENT_APPLIED, "Applied")
    assert leader(client) == "first"


def _has_said(replica: MooringProcess, event: str) -> bool:
    return any(line["event"] == event for line in replica.lines())


def _written(cluster: Sandbox, since: int) -> list[str]:
    return [
        f"{event['verb']} {event['requestURI']}"
        for event in cluster.audit(user="mooring", since=since)
        if event["verb"] not in {"get", "list", "watch"}
    ]
