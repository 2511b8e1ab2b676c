"""Snapshots: what kubectl writes and what people write, and errors that say where."""

import json
import textwrap
from pathlib import Path

import pytest

from mooring.cluster.index import Cluster
from mooring.cluster.snapshot import SnapshotError, load

_NODE = "apiVersion: v1\nkind: Node\nmetadata: {name: n1}\n"
_POLICY = """
apiVersion: mooring.dev/v1alpha1
kind: VolumePlacementPolicy
metadata: {name: databases}
spec: {podSelector: {matchLabels: {tier: database}}}
"""


def _load(folder: Path, text: str, *, name: str = "all.yaml") -> Cluster:
    cluster = Cluster()
    (folder / name).write_text(text, encoding="utf-8")
    load(folder, cluster)
    return cluster


def test_a_folder_is_read_with_all_its_manifests(tmp_path: Path) -> None:
    """YAML and JSON at any depth, several documents in a file, empty ones between them; nothing else is touched."""
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "nodes.yaml").write_text(f"---\n{_NODE}---\n---\n{_NODE.replace('n1', 'n2')}", encoding="utf-8")
    (tmp_path / "deep" / "er" / "node.json").write_text(
        json.dumps({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n3"}}), encoding="utf-8"
    )
    (tmp_path / "policy.yml").write_text(_POLICY, encoding="utf-8")
    (tmp_path / "README.md").write_text("not: [yaml", encoding="utf-8")
    cluster = Cluster()

    assert load(tmp_path, cluster) == 4
    assert sorted(cluster.nodes) == ["n1", "n2", "n3"]
    assert cluster.policy("VolumePlacementPolicy/default/databases") is not None


def test_a_single_file_is_enough(tmp_path: Path) -> None:
    """A path may be a file, whatever its name ends in."""
    path = tmp_path / "snapshot.txt"
    path.write_text(_NODE, encoding="utf-8")

    assert load(path, Cluster()) == 1


@pytest.mark.parametrize(
    "text",
    [
        "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Node, metadata: {name: n1}}",
        "apiVersion: v1\nkind: NodeList\nitems: [{metadata: {name: n1}}]",
        "kind: List\nitems:\n- kind: List\n  items: [{kind: Node, metadata: {name: n1}}]",
        "kind: Node\nmetadata: {name: n1}",
    ],
)
def test_lists_are_unpacked(tmp_path: Path, text: str) -> None:
    """As kubectl prints them, as the API server sends them, and one inside another."""
    assert list(_load(tmp_path, text).nodes) == ["n1"]


def test_the_items_of_a_typed_list_of_policies_are_policies(tmp_path: Path) -> None:
    """The API server's lists do not repeat apiVersion and kind in each item."""
    text = (
        "apiVersion: mooring.dev/v1alpha1\nkind: VolumePlacementPolicyList\n"
        "items: [{metadata: {name: databases, namespace: shop}, spec: {podSelector: {}}}]"
    )

    assert _load(tmp_path, text).policy("VolumePlacementPolicy/shop/databases") is not None


@pytest.mark.parametrize(
    "text",
    [
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}",
        "apiVersion: longhorn.io/v1beta2\nkind: Node\nmetadata: {name: n1}\nspec: {allowScheduling: true}",
        "apiVersion: apps.example.com/v1\nkind: Deployment\nmetadata: {name: d}",
        "apiVersion: v1\nkind: PodList\nitems: []",
        "apiVersion: v1\nkind: List\nitems: null",
        "# nothing but a comment",
        "",
    ],
)
def test_what_no_decision_reads_is_passed_over(tmp_path: Path, text: str) -> None:
    """Other kinds, kinds of the same name in other groups, and nothing at all."""
    (tmp_path / "all.yaml").write_text(text, encoding="utf-8")
    cluster = Cluster()

    assert load(tmp_path, cluster) == 0
    assert not cluster.nodes
    assert not cluster.all("Deployment")


def test_manifests_are_read_as_kubectl_reads_them(tmp_path: Path) -> None:
    """The default namespace, plain numbers as quantities, fields that are null, and dates that are strings."""
    text = """
    apiVersion: v1
    kind: Pod
    metadata: {name: web, creationTimestamp: null, deletionTimestamp: 2026-01-02T03:04:05Z, labels: {day: 2026-01-02}}
    spec:
      tolerations:
      nodeSelector:
      volumes: [{name: data, persistentVolumeClaim: {claimName: c1}}]
      containers: [{name: main, resources: {requests: {cpu: 1, memory: 0.5}}}]
    status: {}
    """
    pod = _load(tmp_path, text).pods["default/web"]

    assert (pod.claims, pod.spec.tolerations, pod.spec.node_selector) == (("c1",), (), None)
    assert (pod.labels, pod.metadata.deletion_timestamp) == ({"day": "2026-01-02"}, "2026-01-02T03:04:05Z")
    assert pod.spec.containers[0].resources is not None
    assert pod.spec.containers[0].resources.requests == {"cpu": 1, "memory": 0.5}


def test_what_volumes_are_made_of_is_read(tmp_path: Path) -> None:
    """Free capacity and snapshots, of the storage groups only: others have snapshots of their own."""
    text = """
    {apiVersion: storage.k8s.io/v1, kind: CSIStorageCapacity, metadata: {name: c}, storageClassName: s, capacity: 1Gi}
    ---
    {apiVersion: snapshot.storage.k8s.io/v1, kind: VolumeSnapshot, metadata: {name: monday}}
    ---
    {apiVersion: example.com/v1, kind: VolumeSnapshot, metadata: {name: tuesday}}
    """
    cluster = _load(tmp_path, textwrap.dedent(text))

    assert list(cluster.all("CSIStorageCapacity")) == ["default/c"]
    assert list(cluster.all("VolumeSnapshot")) == ["default/monday"]
    assert cluster.capacity.rooms("s") == {}


def test_a_given_namespace_is_kept(tmp_path: Path) -> None:
    """Only what names none is of the default namespace, and what has none gets none."""
    text = f"kind: Pod\nmetadata: {{name: web, namespace: shop}}\n---\n{_NODE}"
    cluster = _load(tmp_path, text)

    assert (list(cluster.pods), list(cluster.nodes)) == (["shop/web"], ["n1"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("kind: Node\nmetadata: {name: n1, labels: {zone: 1}}", r"all\.yaml, document 1: Node: .*labels"),
        (f"---\n# first\n---\n{_NODE}---\nkind: Node\nspec: {{}}", r"document 3: Node: metadata\.name is required"),
        ("kind: Pod\nmetadata: {namespace: shop}", r"document 1: Pod: metadata\.name is required"),
        ("kind: Pod\nmetadata: web", r"document 1: Pod: metadata\.name is required"),
        ("kind: Pod\nmetadata: {name: p}\nspec: {volumes: x}", r"document 1: Pod: .*\$\.spec\.volumes"),
        (_POLICY.replace("podSelector", "podSelectr"), r"document 1: VolumePlacementPolicy: .*spec\.podSelect"),
        ("kind: List\nitems: [{kind: Node, metadata: {name: n1}}, {kind: Node}]", r"document 1, item 2: Node: "),
        ("kind: List\nitems: [n1]", r"document 1: an item of a list is a mapping, not str"),
        ("just words", r"document 1: a manifest is a mapping with a kind"),
        ("metadata: {name: n1}", r"document 1: a manifest is a mapping with a kind"),
        ("kind: [Node]", r"document 1: a manifest is a mapping with a kind"),
        ("a: [", r"all\.yaml: not YAML: "),
    ],
)
def test_an_error_names_the_file_the_document_and_the_field(tmp_path: Path, text: str, message: str) -> None:
    """A person finds the place without counting."""
    with pytest.raises(SnapshotError, match=message):
        _load(tmp_path, text)


def test_a_file_that_is_no_text_is_an_error_of_the_snapshot(tmp_path: Path) -> None:
    """Bytes that are not UTF-8 are named like any other mistake."""
    (tmp_path / "all.yaml").write_bytes(b"kind: \xff\xfe")

    with pytest.raises(SnapshotError, match=r"all\.yaml: not YAML"):
        load(tmp_path, Cluster())


def test_a_path_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    """A typing error must not look like an empty cluster."""
    with pytest.raises(SnapshotError, match="no such file or folder"):
        load(tmp_path / "nowhere", Cluster())
