"""Nodes that only pretend: their manifests, from numbers or from a file, and how thousands are created quickly."""

import datetime as dt
import itertools
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import yaml

from mooring.sandbox import SandboxError
from mooring.sandbox.client import ApiClient
from mooring.sandbox.components import FAKE_NODE
from mooring.sandbox.layout import Layout
from mooring.sandbox.progress import Progress

DRIVER: Final = "fake.csi.mooring.dev"
"""The CSI driver that runs on every fake node unless told otherwise."""

REGION: Final = "region-1"

_HOSTNAME: Final = "kubernetes.io/hostname"
_ROOM: Final = {"cpu": "8", "memory": "32Gi", "pods": "110"}
_WORKERS: Final = 8

Manifest = dict[str, Any]


def make_nodes(*, nodes: int, zones: int, racks: int, drivers: Sequence[str] = (DRIVER,)) -> list[Manifest]:
    """Give Nodes `node-1`.. and a CSINode for each, spread evenly and in order over racks, and racks over zones.

    Every rack lies in one zone: 6 nodes, 3 racks and 2 zones are node-1 and node-2 in rack-1, node-3 and node-4 in
    rack-2, both in zone-1, and node-5 and node-6 in rack-3 in zone-2.

    Raises:
        SandboxError: a zone would have no rack.
    """
    if not 1 <= zones <= racks:
        raise SandboxError(f"{racks} racks cannot fill {zones} zones: every zone needs at least one rack")
    manifests: list[Manifest] = []
    for index in range(nodes):
        name = f"node-{index + 1}"
        rack = index * racks // nodes
        zone = rack * zones // racks
        labels = {
            _HOSTNAME: name,
            "kubernetes.io/os": "linux",
            "kubernetes.io/arch": "amd64",
            # As kubelets do it; else the node controller adds them, with a write for each node.
            "beta.kubernetes.io/os": "linux",
            "beta.kubernetes.io/arch": "amd64",
            "topology.kubernetes.io/region": REGION,
            "topology.kubernetes.io/zone": f"zone-{zone + 1}",
            "topology.kubernetes.io/rack": f"rack-{rack + 1}",
        }
        manifests += [make_node(name, labels), make_csi_node(name, drivers)]
    return manifests


def make_node(name: str, labels: dict[str, str]) -> Manifest:
    """Give one Node that belongs to kwok."""
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels, "annotations": dict([FAKE_NODE])},
        "status": {"allocatable": dict(_ROOM), "capacity": dict(_ROOM)},
    }


def make_csi_node(name: str, drivers: Sequence[str]) -> Manifest:
    """Give the CSINode of a node on which these drivers run."""
    registered = [{"name": driver, "nodeID": name, "topologyKeys": [_HOSTNAME]} for driver in drivers]
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "CSINode",
        "metadata": {"name": name},
        "spec": {"drivers": registered},
    }


def load_nodes(path: Path) -> list[Manifest]:
    """Give the Nodes and CSINodes of a YAML file, made fake; `kubectl get nodes,csinodes -o yaml` writes such a file.

    Raises:
        SandboxError: the file cannot be read, or holds no Node or something else.
    """
    try:
        documents = list(yaml.safe_load_all(path.read_text(encoding="utf-8")))
    except (OSError, yaml.YAMLError) as error:
        raise SandboxError(f"cannot read nodes from {path}: {error}") from error
    present = [document for document in documents if document is not None]
    if not all(isinstance(document, dict) for document in present):
        raise SandboxError(f"{path} holds no Kubernetes object but something else")
    objects = itertools.chain.from_iterable(
        document.get("items", []) if document.get("kind") == "List" else [document] for document in present
    )
    manifests = [_made_fake(each, path) for each in objects]
    if not any(each["kind"] == "Node" for each in manifests):
        raise SandboxError(f"there is no Node in {path}")
    return manifests


def _made_fake(manifest: Manifest, path: Path) -> Manifest:
    kind, metadata = manifest.get("kind"), manifest.get("metadata", {})
    if kind not in {"Node", "CSINode"} or "name" not in metadata:
        raise SandboxError(f"{path} holds a {kind} {metadata.get('name', 'without a name')}, not a Node or CSINode")
    kept = {key: metadata[key] for key in ("name", "labels", "annotations") if metadata.get(key)}
    fake = {"apiVersion": manifest["apiVersion"], "kind": kind, "metadata": kept}
    if kind == "CSINode":
        return fake | {"spec": manifest["spec"]}
    kept["annotations"] = kept.get("annotations", {}) | dict([FAKE_NODE])
    kept["labels"] = {_HOSTNAME: kept["name"]} | kept.get("labels", {})
    # Conditions and addresses are dropped: they tell about some other cluster.
    status = manifest.get("status", {})
    room = status.get("allocatable") or status.get("capacity") or dict(_ROOM)
    status = {"allocatable": room, "capacity": status.get("capacity") or room}
    return fake | {"spec": manifest.get("spec", {}), "status": status}


def create_nodes(layout: Layout, manifests: Iterable[Manifest], *, progress: Progress) -> None:
    """Create nodes and their CSINodes, each CSINode owned by its node.

    Raises:
        ApiError: one exists already, or is not valid.
    """
    nodes: dict[str, Manifest] = {}
    csi_nodes: dict[str, Manifest] = {}
    for manifest in manifests:
        kind = nodes if manifest["kind"] == "Node" else csi_nodes
        kind[manifest["metadata"]["name"]] = manifest
    names = iter(nodes)
    done = itertools.count(1)

    def work() -> None:
        with ApiClient(layout) as client:
            # A list or dict iterator hands each name to one thread only.
            for name in names:
                _create(client, nodes[name], csi_nodes.get(name))
                progress(f"creating nodes: {next(done)} of {len(nodes)}")

    with ThreadPoolExecutor(_WORKERS) as pool:
        for future in [pool.submit(work) for _ in range(min(_WORKERS, len(nodes)))]:
            future.result()


def _create(client: ApiClient, node: Manifest, csi_node: Manifest | None) -> None:
    name = node["metadata"]["name"]
    status = node["status"] | _ready_status(name)
    created = client.create("/api/v1/nodes", node | {"status": status})
    if csi_node is None:
        return
    owner = {"apiVersion": "v1", "kind": "Node", "name": name, "uid": created["metadata"]["uid"]}
    metadata = csi_node["metadata"] | {"ownerReferences": [owner]}
    client.create("/apis/storage.k8s.io/v1/csinodes", csi_node | {"metadata": metadata})


def _ready_status(name: str) -> Manifest:
    """Give what a kubelet reports of a healthy node.

    kwok would do it as well, but a node that is Ready from the start costs half as many writes: the node controller has
    no taint to add and remove again. That counts for thousands.
    """
    now = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    conditions = [
        {
            "type": kind,
            "status": str(kind == "Ready"),
            "reason": "Pretending",
            "message": "kwok pretends to run pods here",
            "lastHeartbeatTime": now,
            "lastTransitionTime": now,
        }
        for kind in ("Ready", "MemoryPressure", "DiskPressure", "PIDPressure")
    ]
    return {
        "conditions": conditions,
        "addresses": [{"type": "Hostname", "address": name}],
        "nodeInfo": {"kubeletVersion": "fake", "operatingSystem": "linux", "architecture": "amd64"},
    }


def all_ready(client: ApiClient) -> bool:
    """Say whether every node is Ready and carries no taint which keeps pods off until it is."""
    return all(_is_ready(node) for node in client.get("/api/v1/nodes")["items"])


def _is_ready(node: Manifest) -> bool:
    conditions = node.get("status", {}).get("conditions", [])
    tainted = any(taint["key"] == "node.kubernetes.io/not-ready" for taint in node.get("spec", {}).get("taints", []))
    return not tainted and any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
