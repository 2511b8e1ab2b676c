"""Snapshots: a storage system's own objects among the manifests, for what the locators beside them say of them."""

from pathlib import Path

import pytest

from mooring.api.annotations import NodeStorageState
from mooring.cluster.index import Cluster
from mooring.cluster.snapshot import SnapshotError, load
from mooring.locate.locator import Locator
from mooring.locate.snapshot import load_storage

_NODES = "".join(
    f"kind: Node\napiVersion: v1\nmetadata: {{name: {name}, labels: {{kubernetes.io/hostname: {name}}}}}\n---\n"
    for name in ("n1", "n2", "n3")
)
_VOLUME = """
apiVersion: v1
kind: PersistentVolume
metadata: {name: pv}
spec: {csi: {driver: csi.example.com, volumeHandle: vol-1}}
---
"""
_LOCATOR = """
apiVersion: mooring.dev/v1alpha1
kind: VolumeLocator
metadata: {name: example}
spec:
  driver: csi.example.com
  replicas:
    resource: {group: example.com, resource: replicas, namespace: storage}
    volume: object.spec.volume
    node: object.spec.node
    usable: object.spec.healthy
---
"""
_REPLICA = """
apiVersion: example.com/v1
kind: Replica
metadata: {{name: {name}, namespace: {namespace}}}
spec: {{volume: vol-1, node: {node}, healthy: {healthy}}}
---
"""
_REPLICAS = "".join(
    (
        _REPLICA.format(name="r1", namespace="storage", node="n1", healthy="true"),
        _REPLICA.format(name="r2", namespace="storage", node="n2", healthy="false"),
        _REPLICA.format(name="r3", namespace="elsewhere", node="n3", healthy="true"),
    )
)


def _load(folder: Path, *texts: str) -> tuple[Cluster, Locator]:
    for number, text in enumerate(texts):
        (folder / f"{number}.yaml").write_text(text, encoding="utf-8")
    cluster = Cluster()
    locator = Locator(cluster)
    load(folder, cluster)
    load_storage(folder, cluster, locator.systems)
    return cluster, locator


def _nodes(cluster: Cluster, locator: Locator) -> tuple[set[str], set[str]]:
    """The nodes with the data of the only volume, and those of them whose replica is offline."""
    volume = cluster.volume("pv")
    assert volume is not None
    location = locator.locate(volume)
    return set(location.nodes), set(location.offline)


@pytest.mark.parametrize(
    "texts",
    [
        (_NODES + _VOLUME + _LOCATOR + _REPLICAS,),
        (_REPLICAS, _LOCATOR, _VOLUME, _NODES),
        (_LOCATOR, _REPLICAS, _NODES, _VOLUME),
    ],
)
def test_a_locator_reads_what_lies_beside_it(tmp_path: Path, texts: tuple[str, ...]) -> None:
    """In one file or many and in any order; of the resource that it names, only the objects that it selects."""
    assert _nodes(*_load(tmp_path, *texts)) == ({"n1", "n2"}, {"n2"})


def test_lists_of_a_storage_system_s_objects_are_unpacked(tmp_path: Path) -> None:
    """As `kubectl get replicas.example.com -o yaml` prints them, and as the API server sends them."""
    listed = """
    apiVersion: example.com/v1
    kind: ReplicaList
    items:
    - {metadata: {name: r1, namespace: storage}, spec: {volume: vol-1, node: n3, healthy: true}}
    """

    assert _nodes(*_load(tmp_path, _NODES + _VOLUME + _LOCATOR, listed)) == ({"n3"}, set())


def test_what_is_not_in_the_snapshot_is_not_there(tmp_path: Path) -> None:
    """The locator is followed, so that the volume's own node affinity is next to be asked."""
    term = "{matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [n3]}]}"
    volume = _VOLUME.replace("vol-1}", f"vol-1}}, nodeAffinity: {{required: {{nodeSelectorTerms: [{term}]}}}}")

    assert _nodes(*_load(tmp_path, _NODES + volume + _LOCATOR)) == ({"n3"}, set())


def test_ids_states_and_servers_are_read(tmp_path: Path) -> None:
    """Every part of a locator is fed, also with kinds that decisions read themselves."""
    parts = """
  nodes:
    resource: {group: example.com, resource: nodes}
    id: object.spec.id
    node: object.metadata.name
    state: object.spec.state
  serving:
    resource: {resource: pods, labelSelector: {matchLabels: {serves: volumes}}}
    volume: object.metadata.annotations.volume
    node: object.spec.nodeName
---
"""
    locator = _LOCATOR.rstrip("-\n") + parts
    replicas = _REPLICA.format(name="r1", namespace="storage", node="id-2", healthy="true")
    nodes = "".join(
        f"apiVersion: example.com/v1\nkind: Node\nmetadata: {{name: n{number}}}\n"
        f"spec: {{id: id-{number}, state: {state}}}\n---\n"
        for number, state in ((1, "Online"), (2, "Degraded"))
    )
    cluster, found = _load(tmp_path, _NODES + _VOLUME + locator + replicas + nodes)

    assert _nodes(cluster, found) == ({"n2"}, set())
    assert cluster.storage.states("csi.example.com")["n2"] is NodeStorageState.DEGRADED

    pod = (
        "apiVersion: v1\nkind: Pod\nmetadata: {name: nfs, labels: {serves: volumes}, annotations: {volume: vol-1}}\n"
        "spec: {nodeName: n3, containers: []}\n"
    )
    assert _nodes(*_load(tmp_path, _NODES + _VOLUME + locator + replicas + nodes, pod)) == ({"n3"}, set())


def test_an_object_without_a_name_is_an_error_of_the_snapshot(tmp_path: Path) -> None:
    """Named with its file, as any other mistake; kinds that no locator names are passed over."""
    nameless = _REPLICAS.replace("name: r1, ", "")

    with pytest.raises(SnapshotError, match=r"1\.yaml, document 1: Replica: metadata\.name is required"):
        _load(tmp_path, _LOCATOR, nameless)
    cluster, locator = _load(tmp_path, _LOCATOR.replace("group: example.com", "group: example.org"), nameless, _VOLUME)
    assert _nodes(cluster, locator) == (set(), set())


def test_an_expression_that_fails_leaves_the_place_unknown(tmp_path: Path) -> None:
    """It is said with the object and the field, and nothing else suffers."""
    cluster, locator = _load(tmp_path, _NODES + _VOLUME + _LOCATOR + _REPLICAS.replace("node: n1, ", ""))
    volume = cluster.volume("pv")
    assert volume is not None

    assert "spec.replicas.node" in locator.locate(volume).problem
    assert locator.systems.summary("example").failures_total == 1


@pytest.mark.parametrize("mistake", ["object..node", "nodeOf(object)"])
def test_a_locator_that_does_not_compile_reads_nothing(tmp_path: Path, mistake: str) -> None:
    """Lint says so; a snapshot answers from what is left."""
    cluster, locator = _load(tmp_path, _NODES + _VOLUME + _LOCATOR.replace("object.spec.node", mistake) + _REPLICAS)

    assert _nodes(cluster, locator) == (set(), set())
    assert "spec.replicas.node" in locator.systems.summary("example").invalid


def test_an_open_storage_api_is_out_of_reach(tmp_path: Path) -> None:
    """Where the data lies is unknown then, and said to be."""
    text = """
    apiVersion: mooring.dev/v1alpha1
    kind: VolumeLocator
    metadata: {name: example}
    spec: {driver: csi.example.com, openStorage: {endpoint: "http://px-api"}}
    """
    cluster, locator = _load(tmp_path, _NODES + _VOLUME, text)
    volume = cluster.volume("pv")
    assert volume is not None

    location = locator.locate(volume)
    assert not location.known
    assert "VolumeLocator example" in location.problem
