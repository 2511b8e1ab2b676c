"""Snapshots with a storage system's own objects: extender and explain answer from them as a VolumeLocator says."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from tests.e2e import manifests
from tests.e2e.process import MooringProcess

from mooring.sandbox.nodes import make_nodes

_DRIVER = "driver.longhorn.io"
_NODES = ["node-1", "node-2", "node-3"]


def _replica(number: int, *, failed_at: str = "") -> manifests.Manifest:
    """Give a replica of Longhorn's on node-NUMBER, of a volume that is detached."""
    return {
        "apiVersion": "longhorn.io/v1beta2",
        "kind": "Replica",
        "metadata": {"name": f"pv-data-r-{number}", "namespace": "longhorn-system"},
        "spec": {"volumeName": "pv-data", "nodeID": f"node-{number}", "failedAt": failed_at},
        "status": {"currentState": "stopped"},
    }


def _locator() -> manifests.Manifest:
    replicas = {
        "resource": {"group": "longhorn.io", "resource": "replicas"},
        "volume": "object.spec.volumeName",
        "node": "object.spec.nodeID",
        "usable": 'object.spec.failedAt == ""',
    }
    return {
        "apiVersion": "mooring.dev/v1alpha1",
        "kind": "VolumeLocator",
        "metadata": {"name": "longhorn"},
        "spec": {"driver": _DRIVER, "replicas": replicas},
    }


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a cluster into one file, the locator last."""
    pod = manifests.pod("db", "data", annotations=manifests.STRICT)
    claim = manifests.claim("data", volume_name="pv-data") | {"status": {"phase": "Bound"}}
    for each in (claim, pod):
        each["metadata"]["namespace"] = "shop"
    everything = [
        _replica(2),
        _replica(3, failed_at="2026-08-01T10:00:00Z"),
        pod,
        claim,
        manifests.volume("pv-data", "data", "shop", driver=_DRIVER),
        *make_nodes(nodes=3, zones=1, racks=1),
        _locator(),
    ]
    path = tmp_path_factory.mktemp("snapshot") / "cluster.yaml"
    path.write_text(yaml.safe_dump_all(everything), encoding="utf-8")
    return path


def test_the_extender_answers_from_the_driver_s_objects(served: MooringProcess) -> None:
    """Only the node with the replica that has not failed may run a strict pod."""
    pod = manifests.pod("db", "data", annotations=manifests.STRICT)
    pod["metadata"]["namespace"] = "shop"

    answer = served.ask("filter", {"Pod": pod, "Nodes": None, "NodeNames": _NODES})

    assert answer["NodeNames"] == ["node-2"]
    assert set(answer["FailedAndUnresolvableNodes"]) == {"node-1", "node-3"}


def test_explain_names_locator_resource_object_and_field(snapshot: Path) -> None:
    """Whoever wonders about an answer reads where it comes from."""
    command = [sys.executable, "-m", "mooring", "explain", "--snapshot", str(snapshot), "-n", "shop", "pod/db"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    told = json.loads(subprocess.run([*command, "-o", "json"], capture_output=True, text=True, check=True).stdout)

    for word in ("VolumeLocator longhorn", "spec.nodeID", "replicas.longhorn.io", "longhorn-system/pv-data-r-2"):
        assert word in text
    assert [node["name"] for node in told["nodes"] if node["eligible"]] == ["node-2"]


def test_an_object_without_a_name_is_told(tmp_path: Path, snapshot: Path) -> None:
    """A mistake among the driver's objects gives an exit code and a sentence, as one anywhere else."""
    broken = tmp_path / "broken.yaml"
    broken.write_text(snapshot.read_text(encoding="utf-8").replace("name: pv-data-r-2", "nam: x"), encoding="utf-8")
    command = [sys.executable, "-m", "mooring", "explain", "--snapshot", str(broken), "-n", "shop", "pod/db"]

    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert "document 1: Replica: metadata.name is required" in done.stderr
