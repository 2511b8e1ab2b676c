"""Tiers: scores by the nearest level that a node shares with a replica."""

from collections.abc import Mapping

import pytest
from tests.unit.builders import RACK, REGION, ZONE

from mooring.cluster.topology import Level, Topology
from mooring.decide.tiers import NO_SCORES, Group, Scores, VolumeScores, tier_groups, wish_scores

_NODES = {
    "a1": {REGION: "r", ZONE: "a", RACK: "x"},
    "a2": {REGION: "r", ZONE: "a", RACK: "x"},
    "a3": {REGION: "r", ZONE: "a", RACK: "y"},
    "a4": {REGION: "r", ZONE: "a"},
    "b1": {REGION: "r", ZONE: "b", RACK: "x"},
    "b2": {REGION: "r", ZONE: "b"},
    "b3": {REGION: "r", ZONE: "b"},
    "far": {REGION: "q", ZONE: "c"},
    "bare": {},
}


def _topology() -> Topology:
    topology = Topology()
    for name, labels in _NODES.items():
        topology.put(name, labels)
    return topology


def _scored(*volumes: tuple[Group, ...]) -> dict[str, float]:
    scores = Scores(tuple(VolumeScores(groups) for groups in volumes))
    return {name: score for name in _NODES if (score := scores.of(name))}


@pytest.mark.parametrize(
    ("replicas", "precision", "scores"),
    [
        # Rack x of zone b is not rack x of zone a: b1 is only a region mate of a1.
        ("a1", Level.HOST, {"a1": 100, "a2": 50, "a3": 25, "a4": 25, "b1": 10, "b2": 10, "b3": 10}),
        # STORK scores b3 with 50 here, since the rack that neither has is "the same".
        ("b2", Level.HOST, {"b2": 100, "b1": 25, "b3": 25, "a1": 10, "a2": 10, "a3": 10, "a4": 10}),
        ("a1 b2", Level.HOST, {"a1": 100, "b2": 100, "a2": 50, "a3": 25, "a4": 25, "b1": 25, "b3": 25}),
        ("far", Level.HOST, {"far": 100}),
        ("bare", Level.HOST, {"bare": 100}),
        ("", Level.HOST, {}),
        # Where the place is known less finely, the scores stop at what is known.
        ("a1 a2", Level.RACK, {"a1": 50, "a2": 50, "a3": 25, "a4": 25, "b1": 10, "b2": 10, "b3": 10}),
        ("b1 b2 b3", Level.ZONE, {"b1": 25, "b2": 25, "b3": 25, "a1": 10, "a2": 10, "a3": 10, "a4": 10}),
        ("b1 b2", Level.REGION, {"a1": 10, "a2": 10, "a3": 10, "a4": 10, "b1": 10, "b2": 10, "b3": 10}),
    ],
)
def test_the_nearest_shared_level_decides(replicas: str, precision: Level, scores: Mapping[str, float]) -> None:
    """Node 100, rack 50, zone 25, region 10, and nothing beyond."""
    assert _scored(tier_groups(frozenset(replicas.split()), precision, _topology())) == scores


def test_a_node_whose_own_storage_is_down_gets_half() -> None:
    """At whatever tier it is; where it would have nothing it keeps nothing."""
    halved = frozenset({"a2", "a3", "b1", "far"})
    scores = tier_groups(frozenset({"a1"}), Level.HOST, _topology(), halved=halved)

    assert _scored(scores) == {"a1": 100, "a2": 25, "a3": 12.5, "a4": 25, "b1": 5, "b2": 10, "b3": 10}


def test_the_mean_is_over_all_volumes() -> None:
    """A node that is near to one of two volumes has half of its score from it."""
    topology = _topology()
    first, second = (tier_groups(frozenset({name}), Level.HOST, topology) for name in ("a1", "far"))

    assert _scored(first, second) == {
        "a1": 50,
        "a2": 25,
        "a3": 12.5,
        "a4": 12.5,
        "b1": 5,
        "b2": 5,
        "b3": 5,
        "far": 50,
    }
    assert _scored(first, ()) == {name: score / 2 for name, score in _scored(first).items()}


def test_a_node_in_no_group_has_nothing() -> None:
    """Nodes that nobody knows score 0, and so does everybody where nothing is preferred."""
    assert VolumeScores(((100, frozenset({"n1"})), (50, frozenset({"n1", "n2"})))).of("n2") == 50
    assert VolumeScores(((100, frozenset({"n1"})),)).of("ghost") == 0
    assert NO_SCORES.of("n1") == 0


@pytest.mark.parametrize(
    ("inverted", "scores"), [(False, {"a1": 100, "a2": 100}), (True, dict.fromkeys(_NODES.keys() - {"a1", "a2"}, 100))]
)
def test_a_wish_is_met_or_not(scores: Mapping[str, float], *, inverted: bool) -> None:
    """Everything for the nodes that meet it, whichever of both they are, and nothing for the rest."""
    wish = Scores((wish_scores(frozenset({"a1", "a2"}), inverted, 0.5),))

    assert {name: score for name in _NODES if (score := wish.of(name))} == scores


def test_the_mean_is_by_weight() -> None:
    """Two wishes that weigh as much as one volume together."""
    topology = _topology()
    volume = VolumeScores(tier_groups(frozenset({"a1"}), Level.HOST, topology))
    wishes = wish_scores(frozenset({"a1", "far"}), False, 0.75), wish_scores(frozenset({"b1", "a2"}), False, 0.25)
    scores = Scores((volume, *wishes))

    assert {name: scores.of(name) for name in ("a1", "a2", "b1", "far", "bare")} == {
        "a1": (100 + 75) / 2,
        "a2": (50 + 25) / 2,
        "b1": (10 + 25) / 2,
        "far": 75 / 2,
        "bare": 0,
    }
