"""Where the data lies, by each thing that can say so."""

from collections.abc import Sequence

import pytest
from tests.unit.builders import (
    HOSTNAME,
    RACK,
    REGION,
    ZONE,
    Term,
    cluster_of,
    csi_node,
    in_zones,
    need,
    node,
    on_hosts,
    term,
    volume,
)

from mooring.cluster.index import Cluster
from mooring.cluster.records import PersistentVolume
from mooring.cluster.topology import Level
from mooring.locate.location import UNKNOWN_LOCATION, Location
from mooring.locate.locator import Locator

_NODE_KEY = "topology.example/node"
_SEGMENT_KEY = "topology.example/segment"
_NAME = "metadata.name"


def _cluster() -> Cluster:
    """Zone a of two racks, zone b of one rack, and a node of another region; drivers' segments cut across."""
    places = {
        "a1": ("r1", "a", "x", "in-rack"),
        "a2": ("r1", "a", "x", "in-rack"),
        "a3": ("r1", "a", "y", "in-region"),
        "b1": ("r1", "b", "x", "in-region"),
        "far": ("r2", "c", "", "anywhere"),
        "bare": ("", "", "", "anywhere"),
    }
    nodes = [
        node(name, region=region, zone=zone, rack=rack, labels={_SEGMENT_KEY: segment, _NODE_KEY: f"id-{name}"})
        for name, (region, zone, rack, segment) in places.items()
    ]
    return cluster_of(nodes, [csi_node(name, "csi.example", keys=[_NODE_KEY, _SEGMENT_KEY]) for name in places])


def _locate(volume: PersistentVolume, cluster: Cluster) -> Location:
    return Locator(cluster).locate(volume)


@pytest.mark.parametrize(
    ("terms", "nodes", "precision"),
    [
        # A hostname, and a driver's key with one node per value, name nodes.
        ([on_hosts("a1")], "a1", Level.HOST),
        ([on_hosts("a1", "b1", "ghost")], "a1 b1", Level.HOST),
        ([term(need(_NODE_KEY, "In", "id-a1", "id-b1"))], "a1 b1", Level.HOST),
        ([term(fields=[need(_NAME, "In", "a1")])], "a1", Level.HOST),
        # Labels of places name areas.
        ([term(need(RACK, "In", "x"))], "a1 a2 b1", Level.RACK),
        ([in_zones("a")], "a1 a2 a3", Level.ZONE),
        ([in_zones("a", "b")], "a1 a2 a3 b1", Level.ZONE),
        ([term(need(REGION, "In", "r1"))], "a1 a2 a3 b1", Level.REGION),
        # A driver's key with several nodes per value is as fine as what they have in common.
        ([term(need(_SEGMENT_KEY, "In", "in-rack"))], "a1 a2", Level.RACK),
        ([term(need(_SEGMENT_KEY, "In", "in-region"))], "a3 b1", Level.REGION),
        ([term(need(_SEGMENT_KEY, "In", "in-rack", "in-region"))], "a1 a2 a3 b1", Level.REGION),
        ([term(need(_SEGMENT_KEY, "In", "in-rack", "gone"))], "a1 a2", Level.RACK),
        # Several requirements: the finest decides. Several terms: the coarsest.
        ([term(need(ZONE, "In", "a"), need(HOSTNAME, "In", "a1", "b1"))], "a1", Level.HOST),
        ([term(need(REGION, "In", "r1"), need(ZONE, "In", "b"))], "b1", Level.ZONE),
        ([on_hosts("b1"), in_zones("a")], "a1 a2 a3 b1", Level.ZONE),
        ([on_hosts("a1"), on_hosts("b1")], "a1 b1", Level.HOST),
        ([on_hosts("ghost"), in_zones("b")], "b1", Level.ZONE),
        ([on_hosts("a1"), in_zones("nowhere")], "a1", Level.HOST),
        # Other operators narrow a place down and name none.
        ([term(need(ZONE, "In", "a"), need(HOSTNAME, "NotIn", "a1"))], "a2 a3", Level.ZONE),
        ([term(need(ZONE, "In", "a"), need(RACK, "Exists"))], "a1 a2 a3", Level.ZONE),
        ([term(need(ZONE, "In", "a"), fields=[need(_NAME, "NotIn", "a1")])], "a2 a3", Level.ZONE),
    ],
)
def test_node_affinity_locates_as_finely_as_its_keys(terms: Sequence[Term], nodes: str, precision: Level) -> None:
    """The nodes that match, and how finely the keys tell them apart."""
    location = _locate(volume("v", *terms), _cluster())

    assert (location.nodes, location.precision) == (frozenset(nodes.split()), precision)
    assert (location.known, location.offline, location.problem) == (True, frozenset(), "")


@pytest.mark.parametrize(
    ("terms", "keys"),
    [
        ([on_hosts("a1")], HOSTNAME),
        ([in_zones("a")], ZONE),
        ([term(need(_NODE_KEY, "In", "id-a1"))], _NODE_KEY),
        ([term(fields=[need(_NAME, "In", "a1")])], _NAME),
        # The key that tells the place, not those that narrow it down; of several terms each.
        ([term(need(REGION, "In", "r1"), need(ZONE, "In", "b"), need(RACK, "Exists"))], ZONE),
        ([on_hosts("a1"), in_zones("b"), on_hosts("a2")], f"{HOSTNAME}, {ZONE}"),
    ],
)
def test_node_affinity_is_named_with_the_keys_that_tell(terms: Sequence[Term], keys: str) -> None:
    """A person can look up the field, and sees by which labels the place is known."""
    location = _locate(volume("v", *terms), _cluster())

    assert location.source == f"spec.nodeAffinity of PersistentVolume v ({keys})"


@pytest.mark.parametrize(
    ("terms", "problem"),
    [
        ([], "neither a VolumeLocator nor an annotation nor the volume's nodeAffinity says where the data lies"),
        ([on_hosts("ghost")], "no existing node matches the volume's nodeAffinity"),
        ([term()], "no existing node matches the volume's nodeAffinity"),
        ([term(need(ZONE, "NotIn", "a"))], "the nodeAffinity's labels name no place"),
        ([term(need(ZONE, "Exists"))], "the nodeAffinity's labels name no place"),
        ([term(need("generation", "Gt", "0"))], "no existing node matches the volume's nodeAffinity"),
        ([term(fields=[need(_NAME, "NotIn", "a1")])], "the nodeAffinity's labels name no place"),
        ([term(need(_SEGMENT_KEY, "In", "anywhere"))], "the nodeAffinity's labels name no place"),
        ([on_hosts("a1"), term(need(ZONE, "Exists"))], "the nodeAffinity's labels name no place"),
    ],
)
def test_node_affinity_that_names_no_place_leaves_it_unknown(terms: Sequence[Term], problem: str) -> None:
    """Unknown, with a sentence that says why, and no node to be near to."""
    location = _locate(volume("v", *terms), _cluster())

    assert (location.known, location.nodes, location.problem) == (False, frozenset(), problem)


@pytest.mark.parametrize(
    ("terms", "replicas", "confined"),
    [
        # The volume's own affinity says where it can be used, and that is all that is known of its place.
        ([on_hosts("a1")], None, True),
        ([in_zones("a")], None, True),
        # Replicas on some of the nodes that may use it.
        ([], "a1", False),
        ([in_zones("a")], "a1", False),
        ([on_hosts("a1", "b1")], "a1", False),
        # Replicas on all of them.
        ([on_hosts("a1")], "a1", True),
        ([on_hosts("a1")], "a1,b1", True),
        ([in_zones("a")], "a1,a2,a3", True),
        ([in_zones("a")], "a1,a2,a3,ghost", True),
        # An unknown place confines nobody.
        ([], None, False),
        ([on_hosts("ghost")], "a1", False),
    ],
)
def test_a_volume_may_be_confined_to_its_data(terms: Sequence[Term], replicas: str | None, *, confined: bool) -> None:
    """Where no other node can mount it, kube-scheduler looks nowhere else by itself."""
    assert _locate(volume("v", *terms, replicas=replicas), _cluster()).confined is confined


def test_a_key_of_another_driver_names_no_place() -> None:
    """Only the volume's own driver says what its key means; in-tree volumes have none."""
    own, other, in_tree = (
        _locate(volume("v", term(need(_NODE_KEY, "In", "id-a1")), driver=driver), _cluster())
        for driver in ("csi.example", "csi.other", "")
    )

    assert (own.known, other.known, in_tree.known) == (True, False, False)


def test_a_drivers_key_that_shares_its_place_is_read_by_level() -> None:
    """A driver that declares the zone label as its topology key locates by zone, even with one node in it."""
    cluster = cluster_of(node("n1", zone="a"), csi_node("n1", "csi.example", keys=[ZONE]))

    assert _locate(volume("v", in_zones("a")), cluster).precision is Level.ZONE


@pytest.mark.parametrize(
    ("replicas", "terms", "nodes", "problem"),
    [
        ("a1", [], "a1", ""),
        (" a1 ,, b1 ", [], "a1 b1", ""),
        ("a1,ghost", [], "a1", "no such node: ghost"),
        ("ghost,banshee", [], "", "no such node: banshee, ghost"),
        ("", [], "", "the annotation names no node: ''"),
        (" , ", [], "", "the annotation names no node: ' , '"),
        ("a1,b1", [in_zones("a")], "a1", ""),
        ("a1,b1,far", [in_zones("a"), on_hosts("far")], "a1 far", ""),
        ("b1", [in_zones("a")], "", "the volume's own node affinity excludes every replica node"),
        ("a1", [term(need(ZONE, "Exists"))], "a1", ""),
        ("bare", [term(need(ZONE, "Exists"))], "", "the volume's own node affinity excludes every replica node"),
    ],
)
def test_the_annotation_names_nodes(replicas: str, terms: Sequence[Term], nodes: str, problem: str) -> None:
    """It wins over the node affinity, which narrows it down; nodes that do not exist do not count."""
    location = _locate(volume("v", *terms, replicas=replicas), _cluster())

    assert (location.nodes, location.problem) == (frozenset(nodes.split()), problem)
    assert location.precision is (Level.HOST if nodes else None)
    assert location.source.startswith("annotation mooring.dev/replica-nodes of PersistentVolume v")


def test_what_is_not_there_is_at_no_known_place() -> None:
    """The location of a volume that does not exist yet constrains nothing."""
    assert not UNKNOWN_LOCATION.known
    assert not UNKNOWN_LOCATION.nodes


def test_what_the_node_affinity_takes_away_is_said() -> None:
    """A replica that is there, but does not count, has two sources to look at."""
    narrowed = _locate(volume("v", in_zones("a"), replicas="a1,b1"), _cluster())
    whole = _locate(volume("v", in_zones("a"), replicas="a1,a2"), _cluster())

    said = "annotation mooring.dev/replica-nodes of PersistentVolume v"
    assert narrowed.source == f"{said}, within spec.nodeAffinity of PersistentVolume v"
    assert whole.source == said
