"""Places: which nodes share one, and which only seem to."""

import pytest
from tests.unit.builders import HOSTNAME, RACK, REGION, ZONE

from mooring.cluster.topology import Level, Topology

_BETA_ZONE = "failure-domain.beta.kubernetes.io/zone"

_TOPOLOGY = Topology()
for _name, _labels in {
    "a1": {REGION: "r1", ZONE: "a", RACK: "x"},
    "a2": {REGION: "r1", ZONE: "a", RACK: "x"},
    "a3": {REGION: "r1", ZONE: "a", RACK: "y"},
    "b1": {REGION: "r1", ZONE: "b", RACK: "x"},
    "other-region": {REGION: "r2", ZONE: "a", RACK: "x"},
    "no-rack-1": {REGION: "r1", ZONE: "c"},
    "no-rack-2": {REGION: "r1", ZONE: "c"},
    "no-region": {ZONE: "a"},
    "bare": {},
}.items():
    _TOPOLOGY.put(_name, {HOSTNAME: f"host-{_name}"} | _labels)


@pytest.mark.parametrize(
    ("nodes", "level", "mates"),
    [
        ("a1", Level.HOST, "a1"),
        ("a1", Level.RACK, "a1 a2"),
        ("a1", Level.ZONE, "a1 a2 a3"),
        ("a1", Level.REGION, "a1 a2 a3 b1 no-rack-1 no-rack-2"),
        ("a1 b1", Level.RACK, "a1 a2 b1"),
        ("other-region", Level.RACK, "other-region"),
        ("other-region", Level.ZONE, "other-region"),
        ("no-rack-1", Level.RACK, ""),
        ("no-rack-1", Level.ZONE, "no-rack-1 no-rack-2"),
        ("no-region", Level.ZONE, "no-region"),
        ("no-region", Level.REGION, ""),
        ("bare", Level.ZONE, ""),
        ("bare", Level.HOST, "bare"),
        ("ghost", Level.HOST, ""),
        ("", Level.ZONE, ""),
    ],
)
def test_mates_share_a_whole_place(nodes: str, level: Level, mates: str) -> None:
    """A rack is a rack of its zone and a zone one of its region; without a label there is no place to share."""
    assert set().union(*_TOPOLOGY.mates(nodes.split(), level)) == set(mates.split())


@pytest.mark.parametrize(
    ("nodes", "key", "sharing"),
    [
        ("a1", HOSTNAME, "a1"),
        ("a1", ZONE, "a1 a2 a3 other-region no-region"),
        ("a1 b1", ZONE, "a1 a2 a3 b1 other-region no-region"),
        ("no-rack-1", RACK, ""),
        ("ghost", HOSTNAME, ""),
    ],
)
def test_sharing_goes_by_one_label_only(nodes: str, key: str, sharing: str) -> None:
    """A topologyKey is the label it names, as it is for kube-scheduler."""
    assert _TOPOLOGY.sharing(nodes.split(), key) == set(sharing.split())


@pytest.mark.parametrize(
    ("nodes", "level"),
    [
        ("a1", Level.HOST),
        ("bare", Level.HOST),
        ("a1 a2", Level.RACK),
        ("a1 a3", Level.ZONE),
        ("a1 b1", Level.REGION),
        ("no-rack-1 no-rack-2", Level.ZONE),
        ("a1 other-region", None),
        ("a1 no-region", None),
        ("a1 bare", None),
        ("bare ghost", None),
        ("", None),
    ],
)
def test_the_common_level_is_the_finest_that_all_share(nodes: str, level: Level | None) -> None:
    """One node is a host; nodes without the label of a level share nothing at it."""
    assert _TOPOLOGY.common_level(set(nodes.split())) is level


@pytest.mark.parametrize(
    ("key", "level"),
    [
        (HOSTNAME, Level.HOST),
        ("px/rack", Level.RACK),
        ("linstor/rack", Level.RACK),
        (ZONE, Level.ZONE),
        (_BETA_ZONE, Level.ZONE),
        ("failure-domain.beta.kubernetes.io/region", Level.REGION),
        ("example.com/room", None),
    ],
)
def test_labels_name_levels(key: str, level: Level | None) -> None:
    """Standard labels, the beta ones, and the racks of several storage systems."""
    assert _TOPOLOGY.level_of(key) is level


def test_values_of_a_label_come_and_go_with_their_last_node() -> None:
    """A value is there as long as any node has it, also where a node gets another one."""
    topology = Topology()
    for name, zone in {"n1": "a", "n2": "a", "n3": "b"}.items():
        topology.put(name, {ZONE: zone, HOSTNAME: name})
    assert (topology.values(ZONE), topology.values(RACK)) == ({"a", "b"}, frozenset())

    topology.remove("n1")
    topology.put("n3", {ZONE: "c"})
    assert topology.values(ZONE) == {"a", "c"}
    assert topology.values(HOSTNAME) == {"n2"}

    topology.put("n2", {})
    assert topology.values(ZONE) == {"c"}
    assert [topology.has_label(key) for key in (ZONE, HOSTNAME)] == [True, False]


def test_the_first_rack_label_of_the_list_counts() -> None:
    """The list is configurable, and its order decides."""
    topology = Topology(rack_labels=("example.com/rack", "px/rack"))
    topology.put("n1", {"px/rack": "p", "example.com/rack": "e"})

    assert topology.place("n1", Level.RACK) == (("example.com/rack", "e"),)
    assert topology.level_of(RACK) is None


def test_beta_labels_stand_in_where_the_stable_ones_are_missing() -> None:
    """The stable label counts where both are there; an empty value is no place."""
    topology = Topology()
    topology.put("old", {_BETA_ZONE: "a"})
    topology.put("both", {_BETA_ZONE: "a", ZONE: "b"})
    topology.put("empty", {ZONE: "", _BETA_ZONE: "a"})

    assert topology.place("old", Level.ZONE) == ((_BETA_ZONE, "a"),)
    assert topology.place("both", Level.ZONE) == ((ZONE, "b"),)
    assert topology.mates(["old"], Level.ZONE) == [{"old", "empty"}]


def test_a_node_that_is_gone_leaves_nothing() -> None:
    """Neither its labels nor its places are kept."""
    topology = Topology()
    topology.put("n1", {ZONE: "a"})
    place = topology.place("n1", Level.ZONE)
    topology.remove("n1")
    topology.remove("n1")

    assert place is not None
    assert "n1" not in topology
    assert not topology.nodes
    assert not topology.with_label(ZONE, "a")
    assert not topology.values(ZONE)
    assert not topology.has_label(ZONE)
    assert not topology.within(Level.ZONE, place)
    assert topology.labels("n1") == {}
