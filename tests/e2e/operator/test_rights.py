"""The chart's rights against what the operator does: none is missing, and none is there that nobody uses."""

import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.e2e import manifests
from tests.e2e.operator.gates import is_held
from tests.e2e.operator.webhooks import tried
from tests.e2e.process import MooringProcess
from tests.e2e.release import Release
from tests.e2e.stage import PLACEMENT_APPLIED, STRICT_RULE, VOLUME_LOCAL, Stage
from tests.e2e.support import eventually
from tests.programs import Helm

from mooring.api.permissions import NAMESPACED_RULES, RULES
from mooring.sandbox.launcher import Sandbox, up

Right = tuple[str, str, str]

_SNAPSHOTS = "snapshot.storage.k8s.io"
_SNAPSHOT_CRD = {
    "metadata": {
        "name": f"volumesnapshots.{_SNAPSHOTS}",
        "annotations": {
            "api-approved.kubernetes.io": "https://github.com/kubernetes-csi/external-snapshotter/pull/814"
        },
    },
    "spec": {
        "group": _SNAPSHOTS,
        "names": {"kind": "VolumeSnapshot", "plural": "volumesnapshots"},
        "scope": "Namespaced",
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
            }
        ],
    },
}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Sandbox]:
    """Give a control plane with a new audit log."""
    running = up(name=f"rights-{os.getpid()}", nodes=4, zones=1, racks=1)
    try:
        yield running
    finally:
        running.down()


def test_rights_are_those_that_are_used(cluster: Sandbox, helm: Helm, tmp_path: Path) -> None:
    """One tour of all that Mooring does, as the chart's ServiceAccount; then the audit log meets the rules."""
    release = Release(cluster, helm, tmp_path, admission={})
    process = MooringProcess(tmp_path / "log", *release.arguments, "--port=0", "--no-set-scheduler-name")
    with cluster.client() as client, process:
        # Optional kinds need not be there, and then nobody asks for them.
        client.create("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", _SNAPSHOT_CRD)
        process.await_ready()
        name = f"rights-{uuid.uuid4().hex[:8]}"
        client.create("/api/v1/namespaces", {"metadata": {"name": name}})
        eventually(lambda: client.get(f"/api/v1/namespaces/{name}/serviceaccounts/default"))
        stage = Stage(cluster, client, name, process, user=release.user)
        _tour(stage)
        _see_storage(stage)
        _see_locator(stage)
        process.terminate()
        assert process.wait(timeout=15) == 0
    # Watches are in the log once they have ended.
    granted = {right for rule in (*RULES, *NAMESPACED_RULES) for right in _rights(rule)}

    def agree() -> bool:
        events = list(cluster.audit(user=release.user))
        denied = [event["requestURI"] for event in events if event["responseStatus"]["code"] == 403]
        assert denied == []
        assert granted - {_right(event) for event in events} == set()
        return True

    eventually(agree)


def _rights(rule: Any) -> Iterator[Right]:
    for group in rule["apiGroups"]:
        for resource in rule["resources"]:
            for verb in rule["verbs"]:
                yield group, resource, verb


def _right(event: Any) -> Right:
    subject = event["objectRef"]
    resource = "/".join(part for part in (subject["resource"], subject.get("subresource")) if part)
    return subject.get("apiGroup", ""), resource, event["verb"]


def _tour(stage: Stage) -> None:
    """Let Mooring do each thing once."""
    away = {"affinity": manifests.on_nodes("node-4")}
    stage.pod("early", "missing")  # its claim is looked up at admission
    stage.volumes({"data": ["node-2"], "data-pg-0": ["node-2"]}, modes=["ReadWriteMany"])
    stage.workload("StatefulSet", "pg", own_claim="data", **away)
    assert stage.node_of("pg-0") == "node-4"
    idle = {"replicas": 0}
    kinds = {"Deployment": idle, "StatefulSet": idle, "ReplicaSet": idle, "CronJob": {}, "Job": {"suspend": True}}
    stage.cluster_policy("near", namespaceSelector={}, **STRICT_RULE)
    eventually(lambda: is_held(tried(stage, manifests.pod("trial", "late"))))
    stage.pod("held", "late")  # and let through when its claim is there
    stage.volume("late", "node-2")
    assert stage.node_of("held") == "node-2"
    for kind, spec in kinds.items():
        stage.workload(kind, f"some-{kind.lower()}", "data", spec=spec)
    for kind in kinds:
        _await_terms(stage, kind, there=True)
    for kind in kinds.keys() - {"CronJob"}:
        stage.await_reason(f"{kind.lower()}s", f"some-{kind.lower()}", PLACEMENT_APPLIED, "Applied")
    stage.policy("nearer", updateMode="Reconcile", disruption={"cooldown": "0s"}, **STRICT_RULE)
    stage.await_reason("statefulsets", "pg", VOLUME_LOCAL, "AllLocal")  # by eviction
    stage.client.request("DELETE", "/apis/mooring.dev/v1alpha1/clustervolumeplacementpolicies/near")
    stage.delete(stage.path("volumeplacementpolicies", "nearer"))
    for kind in kinds:
        _await_terms(stage, kind, there=False)


def _see_storage(stage: Stage) -> None:
    """Let Mooring see what there is to make volumes of."""
    free = {"storageClassName": "fast", "nodeTopology": {}, "capacity": "1Gi"}
    snapshot = {
        "apiVersion": f"{_SNAPSHOTS}/v1",
        "kind": "VolumeSnapshot",
        "spec": {"source": {"persistentVolumeClaimName": "data"}},
    }
    for group, plural, body in (
        ("storage.k8s.io", "csistoragecapacities", free),
        (_SNAPSHOTS, "volumesnapshots", snapshot),
    ):
        path = f"/apis/{group}/v1/namespaces/{stage.namespace}/{plural}"
        stage.client.create(path, {"metadata": {"name": "monday"}, **body})
    for kind in ("CSIStorageCapacity", "VolumeSnapshot"):
        eventually(
            lambda name=kind: stage.operator.metrics()[f'mooring_index_objects{{kind="{name}"}}'] == 1  # type: ignore[misc]
        )


def _see_locator(stage: Stage) -> None:
    """Let Mooring say how it stands with a locator, of a storage system that is not there."""
    replicas = {"resource": {"group": "absent.example", "resource": "disks"}, "volume": "object.v", "node": "object.n"}
    collection = "/apis/mooring.dev/v1alpha1/volumelocators"
    locator = {
        "apiVersion": "mooring.dev/v1alpha1",
        "kind": "VolumeLocator",
        "metadata": {"name": "absent"},
        "spec": {"driver": "absent.example", "replicas": replicas},
    }
    stage.create_in_cluster(collection, locator)
    eventually(lambda: stage.client.get(f"{collection}/absent").get("status", {}).get("conditions"))


def _await_terms(stage: Stage, kind: str, *, there: bool) -> None:
    """Wait until a template has node affinity, or has none."""
    name, plural = f"some-{kind.lower()}", f"{kind.lower()}s"
    eventually(lambda: bool(stage.affinity_of(name, kind=plural)) is there)
