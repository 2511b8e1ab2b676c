"""Objects of a storage system, read as a VolumeLocator says."""

from typing import Any

import pytest
from tests.unit.builders import volume
from tests.unit.locate.storage import NODES_PART, SERVING_PART, locator

from mooring.api.annotations import NodeStorageState
from mooring.locate.expressions import InvalidExpressionError
from mooring.locate.reading import Reader
from mooring.locate.records import Replica, Server, StorageNode


def _copy(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "r1", "namespace": "disks"}, "spec": {"volume": "v", "node": "n1", **spec}}


@pytest.mark.parametrize(
    ("expressions", "spec", "replica"),
    [
        ({}, {}, Replica(key="disks/r1", volume="v", node="n1")),
        ({"usable": "object.spec.up"}, {"up": False}, Replica(key="disks/r1", volume="v", node="n1", usable=False)),
        ({}, {"node": ""}, Replica(key="disks/r1", volume="v")),
        # What is no whole copy never counts, wherever it is and however it is.
        (
            {"whole": "object.spec.disks > 0", "usable": "object.spec.up"},
            {"disks": 0},
            Replica(key="disks/r1", volume="v", usable=False, whole=False),
        ),
        # What fails is unknown, and the first failure says why.
        (
            {"usable": "object.spec.up"},
            {},
            Replica(
                key="disks/r1",
                volume="v",
                node="n1",
                usable=None,
                problem="spec.replicas.usable: no such field or key: up",
            ),
        ),
        (
            {"usable": "object.spec.up"},
            {"up": "yes"},
            Replica(
                key="disks/r1",
                volume="v",
                node="n1",
                usable=None,
                problem="spec.replicas.usable: gives a string, not a bool",
            ),
        ),
        (
            {},
            {"node": 7},
            Replica(key="disks/r1", volume="v", usable=None, problem="spec.replicas.node: gives an int, not a string"),
        ),
        (
            {"whole": "object.spec.whole"},
            {"node": 7},
            Replica(
                key="disks/r1", volume="v", usable=None, problem="spec.replicas.whole: no such field or key: whole"
            ),
        ),
        (
            {},
            {"volume": None},
            Replica(key="disks/r1", node="n1", usable=None, problem="spec.replicas.volume: gives null, not a string"),
        ),
    ],
)
def test_a_replica_is_read(expressions: dict[str, str], spec: dict[str, Any], replica: Replica) -> None:
    """Its volume, its node, whether it can be used, and whether it is a whole copy."""
    assert Reader(locator(replicas=expressions).spec).replica(_copy(**spec)) == replica


@pytest.mark.parametrize(
    ("state", "spec", "entry"),
    [
        (None, {"id": "7"}, StorageNode(key="n1", id="7", node="n1")),
        ("object.spec.state", {"id": "7", "state": ""}, StorageNode(key="n1", id="7", node="n1")),
        (
            "object.spec.ready ? 'Online' : 'Degraded'",
            {"id": "7", "ready": False},
            StorageNode(key="n1", id="7", node="n1", state=NodeStorageState.DEGRADED),
        ),
        (
            "object.spec.state",
            {"id": "7", "state": "ok"},
            StorageNode(
                key="n1",
                id="7",
                node="n1",
                problem="spec.nodes.state: 'ok' is not a storage state (Online, StorageDown, Degraded, Offline)",
            ),
        ),
        (
            "object.spec.state",
            {"id": "7"},
            StorageNode(key="n1", id="7", node="n1", problem="spec.nodes.state: no such field or key: state"),
        ),
        (
            None,
            {"id": 7},
            StorageNode(key="n1", node="n1", problem="spec.nodes.id: gives an int, not a string"),
        ),
    ],
)
def test_a_storage_systems_node_is_read(state: str | None, spec: dict[str, Any], entry: StorageNode) -> None:
    """What it is called there and here, and how its storage is; an unknown state leaves the name good."""
    nodes = NODES_PART if state is None else {**NODES_PART, "state": state}

    assert Reader(locator(nodes=nodes).spec).node_entry({"metadata": {"name": "n1"}, "spec": spec}) == entry


@pytest.mark.parametrize(
    ("spec", "server"),
    [
        ({"nodeName": "n1"}, Server(key="disks/share-v", volume="v", node="n1")),
        (
            {},
            Server(
                key="disks/share-v",
                volume="v",
                usable=None,
                problem="spec.serving.node: no such field or key: nodeName",
            ),
        ),
    ],
)
def test_a_server_is_read(spec: dict[str, Any], server: Server) -> None:
    """Who serves a shared volume; a pod that has no node yet serves nobody."""
    pod = {"metadata": {"name": "share-v", "namespace": "disks", "labels": {"volume": "v"}}, "spec": spec}

    assert Reader(locator(serving=SERVING_PART).spec).server(pod) == server


@pytest.mark.parametrize(
    ("expression", "key"),
    [
        ("volume.spec.csi.volumeHandle", "Pvc-1/0"),
        (" volume.metadata.name ", "pv-1"),
        ("volume.spec.csi.volumeHandle.split('/')[0].upperAscii()", "PVC-1"),
        ("volume.metadata.labels['disk']", "d7"),
        ("volume.spec.csi.volumeAttributes['mooring.dev/disk']", "d8"),
        ("volume.metadata.labels['other']", ""),
    ],
)
def test_a_volumes_key_is_told(expression: str, key: str) -> None:
    """By handle or name without CEL, by anything else of the volume with it; a failure gives no key."""
    attributes = {"mooring.dev/disk": "d8"}
    found = volume("pv-1", labels={"disk": "d7"}, attributes=attributes)
    assert found.spec.csi is not None
    found.spec.csi.volume_handle = "Pvc-1/0"

    assert Reader(locator(volume=expression).spec).volume_key(found) == key


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ("volume.metadata.labels['other']", "spec.volume: no such field or key: labels"),
        ("volume.spec.csi.driver == ''", "spec.volume: gives a bool, not a string"),
        ("''", "spec.volume: gives an empty string"),
    ],
)
def test_why_a_volume_has_no_key_is_told(expression: str, problem: str) -> None:
    """The place of such a volume cannot be looked up."""
    assert Reader(locator(volume=expression).spec).volume_problem(volume("pv")) == problem


def test_an_in_tree_volume_has_no_handle() -> None:
    """Its driver is nobody's, so that hardly anyone asks."""
    assert Reader(locator().spec).volume_key(volume("pv", driver="")) == ""


def test_a_replicas_strings_are_shared() -> None:
    """Ten thousands of replicas lie on some hundred nodes and belong to some thousand volumes."""
    reader = Reader(locator().spec)
    first, second = (reader.replica(_copy(volume="a-volume", node="a-node")) for _ in range(2))

    assert first.node is second.node
    assert first.volume is second.volume


def test_everything_that_does_not_compile_is_told_at_once() -> None:
    """With the field of each, so that a page of YAML is mended in one go."""
    spec = locator(
        volume="volume.",
        replicas={"usable": "1 +", "whole": "fetch()"},
        nodes={**NODES_PART, "state": "("},
        serving={**SERVING_PART, "node": "&"},
    ).spec
    with pytest.raises(InvalidExpressionError) as refusal:
        Reader(spec)

    fields = [failure.field for failure in refusal.value.failures]
    assert fields == [
        "spec.volume",
        "spec.replicas.usable",
        "spec.replicas.whole",
        "spec.nodes.state",
        "spec.serving.node",
    ]
