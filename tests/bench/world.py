"""The cluster of the benchmark: the same numbered objects as a snapshot, in the API server, and in requests.

Racks hold 20 nodes, zones hold every third rack, and there is one region. Each volume has three replicas, spread over
the nodes that exist when it is made. Everything follows from numbers, so that all processes mean the same objects.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

NAMESPACE: Final = "bench"
DRIVER: Final = "csi.bench.example"
STORAGE_CLASS: Final = "bench-replicated"
HOSTNAME: Final = "kubernetes.io/hostname"
REPLICAS: Final = "mooring.dev/replica-nodes"
RACK: Final = 20
"""Nodes in a rack."""
ZONES: Final = 3

_CREATED: Final = "2026-01-01T00:00:00Z"
_IMAGES: Final = 10
_CONDITIONS: Final = ("MemoryPressure", "DiskPressure", "PIDPressure", "Ready")

Manifest = dict[str, Any]


def node_name(number: int) -> str:
    """A name of the length that cloud providers give."""
    return f"ip-10-{number >> 8}-{number & 255}.bench.internal"


def node(number: int) -> Manifest:
    """A Node: its place, its room and its conditions."""
    name, rack = node_name(number), number // RACK
    room = {"cpu": "32", "ephemeral-storage": "206289Mi", "memory": "128Gi", "pods": "110"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": {
                "beta.kubernetes.io/arch": "amd64",
                "beta.kubernetes.io/os": "linux",
                "kubernetes.io/arch": "amd64",
                HOSTNAME: name,
                "kubernetes.io/os": "linux",
                "node.kubernetes.io/instance-type": "m6i.8xlarge",
                "topology.kubernetes.io/rack": f"rack-{rack}",
                "topology.kubernetes.io/region": "region-1",
                "topology.kubernetes.io/zone": f"zone-{rack % ZONES + 1}",
            },
        },
        "spec": {"podCIDR": f"10.{number >> 8}.{number & 255}.0/24", "providerID": f"bench:///{name}"},
        "status": {"capacity": room, "allocatable": room, "conditions": [_condition(kind) for kind in _CONDITIONS]},
    }


def whole_node(number: int) -> Manifest:
    """The same Node with what a kubelet adds: addresses, images, versions; some KB in all."""
    whole = node(number)
    name = whole["metadata"]["name"]
    images = [
        {
            "names": [
                f"registry.example/team/image-{each}@sha256:{each:064x}",
                f"registry.example/team/image-{each}:1",
            ],
            "sizeBytes": 1_000_000 * (each + 1),
        }
        for each in range(_IMAGES)
    ]
    whole["metadata"]["annotations"] = {
        "csi.volume.kubernetes.io/nodeid": f'{{"{DRIVER}":"{name}"}}',
        "volumes.kubernetes.io/controller-managed-attach-detach": "true",
    }
    whole["status"] |= {
        "addresses": [
            {"type": "InternalIP", "address": f"10.255.{number >> 8}.{number & 255}"},
            {"type": "Hostname", "address": name},
        ],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
        "nodeInfo": {
            "machineID": f"{number:032x}",
            "systemUUID": f"{number:032x}",
            "bootID": f"{number:032x}",
            "kernelVersion": "6.8.0-1021",
            "osImage": "Ubuntu 24.04.2 LTS",
            "containerRuntimeVersion": "containerd://2.1.4",
            "kubeletVersion": "v1.36.3",
            "kubeProxyVersion": "",
            "operatingSystem": "linux",
            "architecture": "amd64",
        },
        "images": images,
    }
    return whole


def _condition(kind: str) -> Manifest:
    return {
        "type": kind,
        "status": "True" if kind == "Ready" else "False",
        "lastHeartbeatTime": _CREATED,
        "lastTransitionTime": _CREATED,
        "reason": f"Kubelet{kind}",
        "message": f"kubelet is posting the status of {kind}",
    }


def csi_node(number: int) -> Manifest:
    """The registration of the one driver on a node."""
    name = node_name(number)
    drivers = [{"name": DRIVER, "nodeID": name, "topologyKeys": [HOSTNAME], "allocatable": {"count": 39}}]
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "CSINode",
        "metadata": {"name": name},
        "spec": {"drivers": drivers},
    }


def replica_nodes(number: int, *, nodes: int) -> list[str]:
    """The nodes that hold volume `number` in a cluster of so many nodes; distinct from 40 nodes on."""
    return [node_name((number * 7919 + replica * nodes // 3) % nodes) for replica in range(3)]


def volume(number: int, *, nodes: int) -> Manifest:
    """A PersistentVolume, bound to the claim of the same number."""
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {
            "name": volume_name(number),
            "annotations": {
                "pv.kubernetes.io/provisioned-by": DRIVER,
                REPLICAS: ",".join(replica_nodes(number, nodes=nodes)),
            },
        },
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "capacity": {"storage": "10Gi"},
            "claimRef": {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": NAMESPACE}
            | {"name": claim_name(number)},
            "csi": {"driver": DRIVER, "volumeHandle": volume_handle(number), "volumeAttributes": {"replicas": "3"}},
            "persistentVolumeReclaimPolicy": "Delete",
            "storageClassName": STORAGE_CLASS,
            "volumeMode": "Filesystem",
        },
        "status": {"phase": "Bound"},
    }


def volume_handle(number: int) -> str:
    """What the driver calls a volume."""
    return f"vol-{number:08x}"


def volume_name(number: int) -> str:
    """The name that a provisioner would give."""
    return f"pvc-{number:032x}"


def claim_name(number: int) -> str:
    """The name that a StatefulSet would give."""
    return f"data-db-{number}"


def claim(number: int) -> Manifest:
    """A claim, bound to the volume of the same number."""
    storage = {"storage": "10Gi"}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {
            "name": claim_name(number),
            "namespace": NAMESPACE,
            "labels": {"app": f"db-{number % 100}"},
            "annotations": {"pv.kubernetes.io/bind-completed": "yes", "pv.kubernetes.io/bound-by-controller": "yes"},
        },
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": storage},
            "storageClassName": STORAGE_CLASS,
            "volumeMode": "Filesystem",
            "volumeName": volume_name(number),
        },
        "status": {"phase": "Bound", "accessModes": ["ReadWriteOnce"], "capacity": storage},
    }


def pod(number: int, *, strict: bool = False, claimed: bool = True, on: str = "") -> Manifest:
    """A pod of two containers, with the claim of the same number unless told otherwise.

    Strict ones say so themselves; the others fall under the policy, which is soft.
    """
    claims = [{"name": "data", "persistentVolumeClaim": {"claimName": claim_name(number)}}] if claimed else []
    spec = {
        "volumes": [*claims, {"name": "settings", "configMap": {"name": "settings", "defaultMode": 420}}],
        "containers": [_container("main", claimed=claimed), _container("sidecar", claimed=False)],
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": 30,
        "schedulerName": "default-scheduler",
    }
    return {
        "metadata": {
            "name": f"db-{number}" if claimed else f"web-{number}",
            "namespace": NAMESPACE,
            "uid": f"00000000-0000-4000-8000-{number:012x}",
            "labels": {"app": f"db-{number % 100}", "tier": "database" if claimed else "web", "team": "bench"},
            "annotations": {"mooring.dev/preferLocalNodeOnly": "true"} if strict else {},
        },
        "spec": spec | ({"nodeName": on} if on else {}),
        "status": {"phase": "Pending", "qosClass": "Burstable"},
    }


def _container(name: str, *, claimed: bool) -> Manifest:
    probe = {"httpGet": {"path": "/healthz", "port": 8080, "scheme": "HTTP"}, "timeoutSeconds": 1, "periodSeconds": 10}
    mounts = [{"name": "settings", "mountPath": "/etc/settings"}]
    return {
        "name": name,
        "image": f"registry.example/team/{name}@sha256:{0:064x}",
        "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}] if name == "main" else [],
        "env": [{"name": f"SETTING_{each}", "value": f"value-{each}"} for each in range(10)],
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "256Mi"}},
        "volumeMounts": [*mounts, {"name": "data", "mountPath": "/data"}] if claimed else mounts,
        "readinessProbe": probe,
        "livenessProbe": probe,
        "imagePullPolicy": "IfNotPresent",
    }


def settings() -> Sequence[Manifest]:
    """The namespace, the storage class, and the policy."""
    return (
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
        {
            "apiVersion": "storage.k8s.io/v1",
            "kind": "StorageClass",
            "metadata": {"name": STORAGE_CLASS},
            "provisioner": DRIVER,
        },
        {
            "apiVersion": "mooring.dev/v1alpha1",
            "kind": "VolumePlacementPolicy",
            "metadata": {"name": "databases", "namespace": NAMESPACE},
            "spec": {"podSelector": {"matchLabels": {"tier": "database"}}},
        },
    )


def snapshot(*, nodes: int, claims: int) -> Mapping[str, Any]:
    """Everything that `mooring run --snapshot` needs, as one List."""
    items = [*settings(), *(make(number) for number in range(nodes) for make in (node, csi_node))]
    items += [made for number in range(claims) for made in (volume(number, nodes=nodes), claim(number))]
    return {"apiVersion": "v1", "kind": "List", "items": items}
