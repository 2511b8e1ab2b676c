"""What records keep, and that nothing else looks like a change."""

from typing import Any

import msgspec
import pytest
from tests.unit import builders
from tests.unit.builders import cluster_of

from mooring.cluster.records import (
    Deployment,
    Key,
    NodeAffinity,
    Object,
    Owner,
    PersistentVolume,
    Pod,
    PodSpec,
    StatefulSet,
    Template,
    Workload,
    WorkloadStatus,
    to_json,
)
from mooring.cluster.resources import from_manifest

_REQUESTS = {"resources": {"requests": {"cpu": "1"}}}


def _claim(name: str) -> dict[str, Any]:
    return {"name": name, "persistentVolumeClaim": {"claimName": name}}


def _pod(*volumes: dict[str, Any], **metadata: Any) -> Pod:
    manifest = {
        "metadata": {
            "name": "web",
            "namespace": "shop",
            "uid": "u1",
            "resourceVersion": "7",
            "labels": {"app": "web"},
            "annotations": {"mooring.dev/preferLocalNodeOnly": "true", "example.com/note": "x"},
            "ownerReferences": [{"kind": "ReplicaSet", "name": "web-1", "uid": "u0", "controller": True}],
            **metadata,
        },
        "spec": {
            "nodeName": "n1",
            "schedulerName": "stork",
            "nodeSelector": {"disk": "ssd"},
            "volumes": list(volumes),
            "containers": [{"name": "main", "image": "web:1", **_REQUESTS}],
        },
        "status": {
            "phase": "Running",
            "conditions": [
                {"type": "PodScheduled", "status": "True"},
                {"type": "ContainersReady", "status": "True"},
                {"type": "mooring.dev/VolumeLocal", "status": "True", "reason": "AllLocal"},
            ],
        },
    }
    found = from_manifest("Pod", manifest)
    assert isinstance(found, Pod)
    return found


def test_a_pod_without_a_claim_keeps_its_place_and_requests_only() -> None:
    """Most pods of a cluster have no claim: they matter for the room they take, and for nothing else."""
    pod = _pod({"name": "config", "configMap": {"name": "c"}}, {"name": "tmp", "emptyDir": {}})

    assert msgspec.json.decode(msgspec.json.encode(to_json(pod))) == {
        "metadata": {"name": "web", "namespace": "shop", "uid": "u1"},
        "spec": {"nodeName": "n1", "containers": [_REQUESTS]},
        "status": {"phase": "Running"},
    }


def test_a_pod_with_a_claim_keeps_what_decides() -> None:
    """Labels, our annotations, owner, scheduler, selectors and the conditions that are read."""
    pod = _pod({"name": "tmp", "emptyDir": {}}, {"name": "data", "persistentVolumeClaim": {"claimName": "c1"}})

    assert pod.claims == ("c1",)
    assert pod.labels == {"app": "web"}
    assert pod.annotations == {"mooring.dev/preferLocalNodeOnly": "true"}
    assert pod.metadata.controller == Owner(kind="ReplicaSet", name="web-1", uid="u0", controller=True)
    assert (pod.spec.scheduler_name, pod.spec.node_selector) == ("stork", {"disk": "ssd"})
    assert [volume.name for volume in pod.spec.volumes] == ["data"]
    assert [condition.type for condition in pod.status.conditions] == ["PodScheduled", "mooring.dev/VolumeLocal"]


def test_an_ephemeral_claim_is_named_after_its_pod() -> None:
    """A generic ephemeral volume's claim is POD-VOLUME."""
    pod = _pod(
        {"name": "scratch", "ephemeral": {"volumeClaimTemplate": {}}},
        {"name": "data", "persistentVolumeClaim": {"claimName": "c1"}},
    )

    assert pod.claims == ("web-scratch", "c1")


@pytest.mark.parametrize(
    ("phase", "finished"), [("Running", False), ("Succeeded", True), ("Failed", True), ("", False)]
)
def test_pods_that_have_ended_are_finished(phase: str, *, finished: bool) -> None:
    """Both ends of a pod's life count."""
    assert builders.pod(phase=phase).finished is finished


def _node(version: str, heartbeat: str, **status: Any) -> Object:
    ready = {"type": "Ready", "status": "True", "lastHeartbeatTime": heartbeat, "lastTransitionTime": "then"}
    pressure = {"type": "MemoryPressure", "status": "False", "lastHeartbeatTime": heartbeat}
    manifest = {
        "metadata": {"name": "n1", "resourceVersion": version, "annotations": {"node.alpha/ttl": version}},
        "status": {"conditions": [ready, pressure], "images": [{"names": [version]}], **status},
    }
    found = from_manifest("Node", manifest)
    assert isinstance(found, Object)
    return found


def test_a_heartbeat_is_no_change() -> None:
    """A kubelet's report that all is as it was tells nobody anything."""
    cluster = cluster_of(_node("1", "10:00"))
    heard: list[object] = []
    cluster.listen(heard.append)
    version = cluster.topology_version

    cluster.put("Node", _node("2", "10:05"))
    assert (heard, cluster.topology_version) == ([], version)

    cluster.put("Node", _node("3", "10:10", allocatable={"cpu": "1"}))
    assert (len(heard), cluster.topology_version) == (1, version)


def test_a_node_keeps_the_resources_that_are_counted() -> None:
    """CPU, memory and the number of pods; a cluster has many more."""
    node = builders.node("n1", allocatable={"cpu": "4", "memory": "8Gi", "pods": "110", "nvidia.com/gpu": "1"})

    assert node.status.allocatable == {"cpu": "4", "memory": "8Gi", "pods": "110"}


def test_a_deployment_keeps_its_resource_version_and_our_annotations() -> None:
    """Server-side apply may want the version; of annotations, ours in the template mark our affinity."""
    manifest = {
        "metadata": {"name": "web", "namespace": "shop", "resourceVersion": "7", "annotations": {"other": "x"}},
        "spec": {"template": {"metadata": {"annotations": {"mooring.dev/affinity-hash": "h", "other": "x"}}}},
        "status": {"conditions": [{"type": "mooring.dev/VolumeLocal", "status": "True"}, {"type": "Available"}]},
    }
    found = from_manifest("Deployment", manifest)

    assert isinstance(found, Deployment)
    assert (found.metadata.resource_version, found.annotations) == ("7", {})
    assert found.spec.template.metadata.annotations == {"mooring.dev/affinity-hash": "h"}
    assert [condition.type for condition in found.status.conditions] == ["mooring.dev/VolumeLocal"]


def test_of_storage_only_what_says_something_of_placement_is_kept() -> None:
    """Drivers' attributes and parameters are many, and there may be thousands of volumes."""
    said = {"sharedv4": "true", "sharedv4_svc_type": "ClusterIP", "mooring.dev/preferRemoteNode": "false"}
    storks = {"stork.libopenstorage.org/skipSchedulerScoring": "true"}
    others = {"repl": "3", "storage.kubernetes.io/csiProvisionerIdentity": "x"}
    volume = builders.volume("v", labels={"team": "a"}, attributes={**said, **storks, **others})
    plain = builders.volume("v", attributes=others)
    fast = builders.storage_class("fast", default=True, parameters={**said, **storks, **others})

    assert volume.spec.csi is not None
    assert volume.spec.csi.volume_attributes == {**said, **storks}
    assert volume.labels == {"team": "a"}
    assert plain.spec.csi is not None
    assert plain.spec.csi.volume_attributes is None
    assert (fast.parameters, fast.is_default) == ({**said, **storks}, True)
    assert builders.volume("local", driver="").spec.csi is None


def test_a_node_keeps_the_operators_annotation_that_closes_it() -> None:
    """It has another prefix than the rest."""
    key = "operator.libopenstorage.org/unschedulable"
    found = builders.node("n1", annotations={key: "true", "operator.libopenstorage.org/other": "x"})

    assert found.annotations == {key: "true"}


def test_an_empty_list_of_terms_is_not_the_same_as_none() -> None:
    """The API server tells `preferred: []` from no preferred, so the record must."""
    field = "preferredDuringSchedulingIgnoredDuringExecution"

    assert msgspec.convert({field: []}, NodeAffinity).preferred == ()
    assert msgspec.convert({}, NodeAffinity).preferred is None
    assert PodSpec().node_affinity == NodeAffinity()


@pytest.mark.parametrize(
    ("obj", "key"), [(builders.node("n1"), "n1"), (builders.claim("c1"), "shop/c1"), (builders.pod("p1"), "shop/p1")]
)
def test_keys_are_unique_in_a_kind(obj: Object, key: str) -> None:
    """A namespaced object's key names its namespace."""
    assert obj.key == key


@pytest.mark.parametrize(
    ("kind", "name", "labels", "workload", "of_daemon_set"),
    [
        ("ReplicaSet", "web-5f7b", {"pod-template-hash": "5f7b"}, Key("Deployment", "shop/web"), False),
        ("ReplicaSet", "web-api-5f7b", {"pod-template-hash": "5f7b"}, Key("Deployment", "shop/web-api"), False),
        ("ReplicaSet", "web-5f7b", {}, Key("ReplicaSet", "shop/web-5f7b"), False),
        ("ReplicaSet", "web", {"pod-template-hash": "5f7b"}, Key("ReplicaSet", "shop/web"), False),
        ("StatefulSet", "web-5f7b", {"pod-template-hash": "5f7b"}, Key("StatefulSet", "shop/web-5f7b"), False),
        ("Job", "once", {}, Key("Job", "shop/once"), False),
        ("DaemonSet", "agent", {}, Key("DaemonSet", "shop/agent"), True),
    ],
)
def test_a_pod_knows_what_made_it(
    kind: str, name: str, labels: dict[str, str], workload: Key, *, of_daemon_set: bool
) -> None:
    """A Deployment by the hash that it puts into its ReplicaSets' names, anything else by its own name."""
    data = {"name": "data", "persistentVolumeClaim": {"claimName": "c1"}}
    owner = {"kind": kind, "name": name, "uid": "u0"}
    owned, merely_listed = (
        _pod(data, labels=labels, ownerReferences=[{**owner, "controller": controls}]) for controls in (True, False)
    )

    assert (owned.workload, owned.of_daemon_set) == (workload, of_daemon_set)
    assert (merely_listed.workload, merely_listed.of_daemon_set) == (None, False)


@pytest.mark.parametrize("kind", ["ReplicaSet", "Job"])
def test_of_what_another_controller_owns_only_the_name_is_kept(kind: str) -> None:
    """A Deployment keeps ten ReplicaSets, whose templates nobody asks for."""
    manifest = {
        "metadata": {
            "name": "web-5f7b",
            "namespace": "shop",
            "resourceVersion": "7",
            "labels": {"app": "web"},
            "ownerReferences": [{"kind": "Owner", "name": "web", "controller": True}],
        },
        "spec": {"template": {"metadata": {"labels": {"app": "web"}}, "spec": {"schedulerName": "mooring"}}},
        "status": {"replicas": 3},
    }
    found = from_manifest(kind, manifest)

    assert isinstance(found, Workload)
    assert found.key == "shop/web-5f7b"
    assert (found.template, found.status, found.labels) == (Template(), WorkloadStatus(), {})
    assert found.metadata.resource_version == ""


@pytest.mark.parametrize(
    ("spec", "claims", "per_pod"),
    [
        ({}, (), False),
        ({"volumeClaimTemplates": [{"metadata": {"name": "data"}}]}, ("data-pg-0",), True),
        ({"volumeClaimTemplates": [{"metadata": {"name": "data"}}], "ordinals": {"start": 5}}, ("data-pg-5",), True),
        ({"template": {"spec": {"volumes": [_claim("shared")]}}}, ("shared",), False),
        (
            {
                "template": {"spec": {"volumes": [_claim("shared"), _claim("data")]}},
                "volumeClaimTemplates": [{"metadata": {"name": "data"}}],
            },
            ("shared", "data-pg-0"),
            True,
        ),
    ],
)
def test_a_stateful_set_names_the_claims_of_its_first_pod(
    spec: dict[str, Any], claims: tuple[str, ...], *, per_pod: bool
) -> None:
    """Those of its template, and its own, which take the place of a template's volume of the same name."""
    found = from_manifest("StatefulSet", {"metadata": {"name": "pg", "namespace": "shop"}, "spec": spec})

    assert isinstance(found, StatefulSet)
    assert (found.claims, found.claims_per_pod) == (claims, per_pod)


def test_a_claim_keeps_where_it_was_sent() -> None:
    """The scheduler's annotation survives; those of the provisioner's bookkeeping do not."""
    annotations = {
        "volume.kubernetes.io/selected-node": "n1",
        "volume.kubernetes.io/storage-provisioner": "csi.example",
        "pv.kubernetes.io/bind-completed": "yes",
    }
    found = from_manifest("PersistentVolumeClaim", {"metadata": {"name": "c", "annotations": annotations}})

    assert found.selected_node == "n1"
    assert set(found.annotations) == {"volume.kubernetes.io/selected-node"}


@pytest.mark.parametrize(
    ("kind", "manifest"),
    [
        ("CSIStorageCapacity", {"storageClassName": "fast", "nodeTopology": {}, "capacity": "1Gi"}),
        ("VolumeSnapshot", {"spec": {"source": {"persistentVolumeClaimName": "data"}}}),
    ],
)
def test_only_what_is_said_of_storage_is_a_change(kind: str, manifest: dict[str, Any]) -> None:
    """What drivers note on these objects for themselves says nothing new."""
    noted = {
        "labels": {"csi.storage.k8s.io/managed-by": "external-provisioner-1"},
        "annotations": {"example.com/note": "x"},
        "ownerReferences": [{"kind": "Pod", "name": "csi-0", "uid": "u0"}],
        "resourceVersion": "8",
    }
    plain, busy = (
        from_manifest(kind, {"metadata": {"name": "x", "namespace": "storage", **more}, **manifest, "status": status})
        for more, status in (({}, {}), (noted, {"readyToUse": True}))
    )

    assert plain == busy


def test_portworx_volumes_of_the_in_tree_kind_are_its_driver_s() -> None:
    """Kubernetes hands them to the CSI driver, with the volume's id or name as the handle; what is kept says so."""
    manifest = {"metadata": {"name": "pv"}, "spec": {"portworxVolume": {"volumeID": "1063", "fsType": "ext4"}}}

    volume = from_manifest("PersistentVolume", manifest)

    assert isinstance(volume, PersistentVolume)
    assert volume.driver == "pxd.portworx.com"
    assert to_json(volume)["spec"] == {"csi": {"driver": "pxd.portworx.com", "volumeHandle": "1063"}}
