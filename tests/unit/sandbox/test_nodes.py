"""Manifests of nodes that pretend."""

from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
import yaml

from mooring.sandbox import SandboxError
from mooring.sandbox.nodes import load_nodes, make_nodes

ZONE, RACK = "topology.kubernetes.io/zone", "topology.kubernetes.io/rack"


def labels_of(manifests: list[dict[str, Any]]) -> dict[str, dict[str, str]]:
    """Give each Node's labels by its name."""
    nodes = [manifest for manifest in manifests if manifest["kind"] == "Node"]
    return {node["metadata"]["name"]: node["metadata"]["labels"] for node in nodes}


@pytest.mark.parametrize(("nodes", "zones", "racks"), [(6, 2, 3), (5000, 5, 100), (7, 3, 3), (10, 1, 4), (12, 5, 7)])
def test_racks_lie_in_zones(nodes: int, zones: int, racks: int) -> None:
    """Every rack lies in one zone, every zone and rack is used, and racks differ by one node at most."""
    labels = labels_of(make_nodes(nodes=nodes, zones=zones, racks=racks))

    zones_of_rack: defaultdict[str, set[str]] = defaultdict(set)
    size_of_rack: defaultdict[str, int] = defaultdict(int)
    for each in labels.values():
        zones_of_rack[each[RACK]].add(each[ZONE])
        size_of_rack[each[RACK]] += 1
    assert list(labels) == [f"node-{number}" for number in range(1, nodes + 1)]
    assert all(len(found) == 1 for found in zones_of_rack.values())
    assert set(zones_of_rack) == {f"rack-{number}" for number in range(1, racks + 1)}
    assert {zone for found in zones_of_rack.values() for zone in found} == {f"zone-{n}" for n in range(1, zones + 1)}
    assert max(size_of_rack.values()) - min(size_of_rack.values()) <= 1


def test_zones_need_racks() -> None:
    """More zones than racks is a contradiction, said as such."""
    with pytest.raises(SandboxError, match="2 racks cannot fill 3 zones"):
        make_nodes(nodes=6, zones=3, racks=2)


def test_each_node_has_the_drivers_asked_for() -> None:
    """A CSINode names every driver, with the node's name as its id and the hostname as topology."""
    csi_node = make_nodes(nodes=1, zones=1, racks=1, drivers=["one.example", "two.example"])[1]

    assert csi_node["metadata"]["name"] == "node-1"
    assert csi_node["spec"]["drivers"] == [
        {"name": name, "nodeID": "node-1", "topologyKeys": ["kubernetes.io/hostname"]}
        for name in ("one.example", "two.example")
    ]


def test_nodes_of_another_cluster_are_made_fake(tmp_path: Path) -> None:
    """What kubectl prints of a cluster keeps names, labels, taints and room, and loses what was true only there."""
    taint = {"key": "dedicated", "effect": "NoSchedule"}
    node = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": "worker", "uid": "1", "resourceVersion": "7", "labels": {RACK: "a"}},
        "spec": {"taints": [taint]},
        "status": {"capacity": {"cpu": "4"}, "conditions": [{"type": "Ready", "status": "Unknown"}]},
    }
    csi_node = {"apiVersion": "storage.k8s.io/v1", "kind": "CSINode", "metadata": {"name": "worker"}, "spec": {}}
    path = tmp_path / "nodes.yaml"
    path.write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "List", "items": [node, csi_node]}), encoding="utf-8")

    loaded, loaded_csi = load_nodes(path)

    assert loaded["metadata"] == {
        "name": "worker",
        "labels": {"kubernetes.io/hostname": "worker", RACK: "a"},
        "annotations": {"kwok.x-k8s.io/node": "fake"},
    }
    assert loaded["spec"] == {"taints": [taint]}
    assert loaded["status"] == {"allocatable": {"cpu": "4"}, "capacity": {"cpu": "4"}}
    assert loaded_csi["kind"] == "CSINode"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("kind: Pod\nmetadata: {name: web}", "holds a Pod web"),
        ("", "there is no Node"),
        ("{", "cannot read nodes"),
        ("- node", "holds no Kubernetes object"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, text: str, complaint: str) -> None:
    """A file that holds no nodes is refused with a reason."""
    path = tmp_path / "nodes.yaml"
    path.write_text(text, encoding="utf-8")

    with pytest.raises(SandboxError, match=complaint):
        load_nodes(path)
