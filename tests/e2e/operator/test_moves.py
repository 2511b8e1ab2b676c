"""`updateMode: Reconcile` where a rollout cannot help: one pod at a time by eviction, with every brake on."""

import contextlib
import threading
import time
from collections.abc import Iterator
from typing import Any, Final

import pytest
from tests.e2e import manifests
from tests.e2e.manifests import Manifest
from tests.e2e.release import WEBHOOK_CONFIGURATIONS
from tests.e2e.stage import PLACEMENT_APPLIED, VOLUME_LOCAL, Stage, stays
from tests.e2e.support import eventually

from mooring.reconcile.probe import BELIEVED_SECONDS
from mooring.sandbox.client import ApiError
from mooring.sandbox.launcher import Sandbox

_MOVES: Final[dict[str, Any]] = {"whenUnsatisfiable": "DoNotSchedule", "updateMode": "Reconcile"}
_AT_ONCE: Final[dict[str, Any]] = {**_MOVES, "disruption": {"cooldown": "0s"}}
_SURGE = manifests.rolling(max_unavailable=0)
_MERGE = "application/merge-patch+json"
_CONTROLLER_ATTACHES = "volumes.kubernetes.io/controller-managed-attach-detach"
_ATTACHMENTS = "/apis/storage.k8s.io/v1/volumeattachments"
_WEBHOOKS = f"{WEBHOOK_CONFIGURATIONS}/mooring"


def evictions(stage: Stage, since: int) -> list[str]:
    """Names of the pods that Mooring asked to evict, whatever came of it."""
    return [
        event["objectRef"]["name"]
        for event in stage.sandbox.audit(user=stage.user, since=since)
        if event["objectRef"].get("subresource") == "eviction" and event["objectRef"]["namespace"] == stage.namespace
    ]


@contextlib.contextmanager
def attacher(sandbox: Sandbox) -> Iterator[None]:
    """Say of each VolumeAttachment that it is attached, as a driver's external-attacher does.

    Meanwhile the nodes leave attaching to the controller manager, as kubelets do.
    """
    stop = threading.Event()
    sandbox.kubectl("annotate", "node", "node-1", "node-3", f"{_CONTROLLER_ATTACHES}=true")

    def attach() -> None:
        with sandbox.client() as client:
            while not stop.wait(0.1):
                with contextlib.suppress(ApiError, OSError):
                    for found in client.get(_ATTACHMENTS)["items"]:
                        if not found.get("status", {}).get("attached"):
                            path = f"{_ATTACHMENTS}/{found['metadata']['name']}/status"
                            client.request("PATCH", path, {"status": {"attached": True}}, content_type=_MERGE)

    thread = threading.Thread(target=attach)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        sandbox.kubectl("annotate", "node", "node-1", "node-3", f"{_CONTROLLER_ATTACHES}-")


def multi_attach_errors(stage: Stage) -> list[Manifest]:
    """Events by which the attach-detach controller refuses a volume to a second node."""
    listed = stage.client.get(f"{stage.path('events')}?fieldSelector=reason%3DFailedAttachVolume")["items"]
    return [event for event in listed if "Multi-Attach error" in event["message"]]


def attached_to(stage: Stage, claim: str) -> set[str]:
    """Nodes to which a claim's volume is attached."""
    return {
        found["spec"]["nodeName"]
        for found in stage.client.get(_ATTACHMENTS)["items"]
        if found["spec"]["source"]["persistentVolumeName"] == stage.volume_name(claim)
        and found.get("status", {}).get("attached")
    }


def test_a_rollout_that_surges_blocks_on_attach(stage: Stage) -> None:
    """Why Mooring does not write such a template: the attach-detach controller refuses the volume to the new pod.

    Here a user does what Mooring keeps from doing: moves one replica with a ReadWriteOnce claim by a surging rollout.
    """
    with attacher(stage.sandbox):
        stage.volume("data", "node-3")
        stage.deployment("shop", "data", strategy=_SURGE, affinity=manifests.on_nodes("node-1"))
        eventually(lambda: attached_to(stage, "data") == {"node-1"})

        # Held, for fake nodes run a pod without its volumes.
        stage.begin_rollout("shop", {"spec": {"nodeName": "node-3"}})

        eventually(lambda: multi_attach_errors(stage))
        assert attached_to(stage, "data") == {"node-1"}


@pytest.fixture
def without_admission(admitted: Stage) -> Iterator[Stage]:
    """Give a stage while the API server asks nobody about pods."""

    def choose(label: str | None) -> None:
        chosen = {"objectSelector": {"matchLabels": {"nobody": label}}}
        names = ("pods.mooring.dev", "probe.mooring.dev")
        body = {"webhooks": [{"name": name, **chosen} for name in names]}
        admitted.client.request("PATCH", _WEBHOOKS, body, content_type="application/strategic-merge-patch+json")

    choose("at-all")
    eventually(lambda: not _is_answered(admitted))
    yield admitted
    choose(None)
    eventually(lambda: _is_answered(admitted))


def test_such_a_deployment_says_so_and_stays(without_admission: Stage) -> None:
    """Without admission there is no way to its data: no rollout is begun, and the condition says why and what to do."""
    stage = without_admission
    with attacher(stage.sandbox):
        stage.volume("data", "node-3")
        stage.deployment("shop", "data", strategy=_SURGE, affinity=manifests.on_nodes("node-1"))
        eventually(lambda: attached_to(stage, "data") == {"node-1"})

        stage.policy("near", **_AT_ONCE)

        found = stage.await_reason("deployments", "shop", PLACEMENT_APPLIED, "WouldBlockOnAttach")
        assert "set strategy Recreate" in found["message"]
        stays(lambda: not multi_attach_errors(stage), seconds=2)
        assert stage.client.get(stage.path("deployments", "shop"))["metadata"]["generation"] == 1


def test_with_admission_it_is_evicted_to_its_data(admitted: Stage) -> None:
    """The old pod lets go before the new one is made, and admission tells the new one where its data lies."""
    with attacher(admitted.sandbox):
        admitted.volume("data", "node-3")
        admitted.deployment("shop", "data", strategy=_SURGE, affinity=manifests.on_nodes("node-1"))
        eventually(lambda: attached_to(admitted, "data") == {"node-1"})
        since = admitted.sandbox.audit_offset()

        admitted.policy("near", **_AT_ONCE)

        admitted.await_on("shop", "node-3")
        eventually(lambda: attached_to(admitted, "data") == {"node-3"})
        admitted.await_reason("deployments", "shop", VOLUME_LOCAL, "AllLocal")
        assert "EvictedForData" in admitted.events("shop")
        stays(lambda: len(evictions(admitted, since)) == 1, seconds=3)
        assert admitted.client.get(admitted.path("deployments", "shop"))["metadata"]["generation"] == 1


def test_each_pod_of_a_stateful_set_goes_to_its_own_data(admitted: Stage) -> None:
    """One after the other, the highest ordinal first, as its own rollouts go."""
    places = {"data-pg-0": ["node-2"], "data-pg-1": ["node-5"], "data-pg-2": ["node-3"]}
    admitted.volumes(places)
    admitted.workload("StatefulSet", "pg", own_claim="data", spec={"replicas": 3}, affinity=_on_node_6())
    assert set(admitted.nodes_of(["pg-0", "pg-1", "pg-2"]).values()) == {"node-6"}
    since = admitted.sandbox.audit_offset()

    admitted.policy("near", **_AT_ONCE)

    admitted.await_reason("statefulsets", "pg", VOLUME_LOCAL, "AllLocal")
    assert admitted.nodes_of(["pg-0", "pg-1", "pg-2"]) == {"pg-0": "node-2", "pg-1": "node-5", "pg-2": "node-3"}
    eventually(lambda: evictions(admitted, since) == ["pg-2", "pg-1", "pg-0"])
    admitted.await_reason("statefulsets", "pg", PLACEMENT_APPLIED, "PerPod")


def test_a_soft_rule_moves_too(admitted: Stage) -> None:
    """The replacement of an evicted pod is nominated for its data's node, though it would rather be elsewhere."""
    admitted.volumes({"data-pg-0": ["node-2"]})
    admitted.workload("StatefulSet", "pg", own_claim="data", affinity=_on_node_6())
    assert admitted.node_of("pg-0") == "node-6"
    since = admitted.sandbox.audit_offset()

    admitted.policy("near", updateMode="Reconcile", disruption={"cooldown": "0s"})

    admitted.await_reason("statefulsets", "pg", VOLUME_LOCAL, "AllLocal")
    assert admitted.node_of("pg-0") == "node-2"
    assert evictions(admitted, since) == ["pg-0"]


def _on_node_6() -> dict[str, Any]:
    return manifests.on_nodes("node-6")


def test_a_disruption_budget_is_respected(admitted: Stage) -> None:
    """Nothing is evicted while the budget does not allow it, and the condition says so; afterwards it goes on."""
    admitted.volumes({"data-pg-0": ["node-2"]})
    admitted.workload("StatefulSet", "pg", own_claim="data", affinity=_on_node_6())
    budget = {
        "metadata": {"name": "pg"},
        "spec": {"maxUnavailable": 0, "selector": {"matchLabels": {"app": "pg"}}},
    }
    admitted.client.create(admitted.path("poddisruptionbudgets"), budget)
    path = admitted.path("poddisruptionbudgets", "pg")
    eventually(lambda: admitted.client.get(path)["status"].get("expectedPods") == 1)
    (before,) = admitted.pods_of("pg")

    admitted.policy("near", **_AT_ONCE)

    def says_so() -> bool:
        return "PodDisruptionBudget" in admitted.condition("statefulsets", "pg", PLACEMENT_APPLIED).get("message", "")

    eventually(says_so)
    assert [pod["metadata"]["uid"] for pod in admitted.pods_of("pg")] == [before["metadata"]["uid"]]

    admitted.delete(path)

    admitted.await_reason("statefulsets", "pg", VOLUME_LOCAL, "AllLocal")


def test_a_move_that_does_not_help_is_not_repeated(stage: Stage) -> None:
    """Admission answers, but not for this namespace: the replacement lands elsewhere again, and is left there."""
    stage.volumes({"data-pg-0": ["node-2"]})
    stage.workload("StatefulSet", "pg", own_claim="data", affinity=_on_node_6())
    assert stage.node_of("pg-0") == "node-6"
    since = stage.sandbox.audit_offset()

    stage.policy("near", **_AT_ONCE)

    def says_so() -> bool:
        return "did not bring it" in stage.condition("statefulsets", "pg", PLACEMENT_APPLIED).get("message", "")

    eventually(says_so)
    # Longer than the pause after which held moves are looked at again.
    stays(lambda: evictions(stage, since) == ["pg-0"], seconds=7)

    # With the data elsewhere it is another move.
    stage.move_data("data-pg-0", "node-4")
    eventually(lambda: evictions(stage, since) == ["pg-0", "pg-0"])


def test_nothing_is_evicted_for_nothing(admitted: Stage) -> None:
    """No near node has room, or the policy asks for no moves."""
    nodes, fields = admitted.own_nodes(2)
    admitted.volumes({"data-full-0": [nodes[0]], "data-initial-0": [nodes[0]]})
    admitted.pod("filler", cpu="7", **{**fields, "nodeName": nodes[0]})
    eventually(lambda: admitted.client.get(admitted.path("pods", "filler"))["status"]["phase"] == "Running")
    away = {**fields, "affinity": manifests.on_nodes(nodes[1])}
    admitted.workload("StatefulSet", "full", own_claim="data", cpu="2", labels={"rule": "strict"}, **away)
    admitted.workload("StatefulSet", "initial", own_claim="data", labels={"rule": "initial"}, **away)
    assert set(admitted.nodes_of(["full-0", "initial-0"]).values()) == {nodes[1]}
    since = admitted.sandbox.audit_offset()

    admitted.policy("strict", podSelector={"matchLabels": {"rule": "strict"}}, **_AT_ONCE)
    admitted.policy("initial", podSelector={"matchLabels": {"rule": "initial"}}, updateMode="Initial")

    def says_so() -> bool:
        return "has room" in admitted.condition("statefulsets", "full", PLACEMENT_APPLIED).get("message", "")

    eventually(says_so)
    admitted.await_reason("statefulsets", "initial", VOLUME_LOCAL, "NotLocal")
    stays(lambda: evictions(admitted, since) == [], seconds=3)


def test_nothing_is_evicted_while_admission_does_not_answer(without_admission: Stage) -> None:
    """The replacement would run away from its data again; once admission is back, the move is made."""
    stage = without_admission
    stage.volumes({"data-pg-0": ["node-2"]})
    stage.workload("StatefulSet", "pg", own_claim="data", affinity=_on_node_6())
    assert stage.node_of("pg-0") == "node-6"
    time.sleep(BELIEVED_SECONDS)  # an answer to an earlier test may still be believed
    since = stage.sandbox.audit_offset()

    stage.policy("near", **_AT_ONCE)

    def says_so() -> bool:
        return "admission webhook" in stage.condition("statefulsets", "pg", PLACEMENT_APPLIED).get("message", "")

    eventually(says_so)
    assert evictions(stage, since) == []


def _is_answered(stage: Stage) -> bool:
    probe = manifests.pod("probe", labels={"mooring.dev/probe": "true"})
    path = "/api/v1/namespaces/mooring-system/pods?dryRun=All"
    annotations = stage.client.create(path, probe)["metadata"].get("annotations", {})
    return "mooring.dev/probed" in annotations
