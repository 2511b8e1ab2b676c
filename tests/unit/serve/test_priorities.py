"""Scores on the wire are those of the decision, however they are put there."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.builders import RACK, REGION, ZONE

from mooring.cluster.topology import Level, Topology
from mooring.decide.stork import StorkScores
from mooring.decide.tiers import Scores, VolumeScores, away_from, tier_groups, wish_scores
from mooring.serve.names import NameList
from mooring.serve.priorities import encode_priorities, encode_stork, wire_score

_NODES = [f"node-{number}" for number in range(12)]
_SOME = st.frozensets(st.sampled_from(_NODES))
_LABELS = st.fixed_dictionaries({}, optional={key: st.sampled_from(["1", "2"]) for key in (REGION, ZONE, RACK)})
_VOLUMES = st.lists(st.tuples(_SOME, st.sampled_from(Level), _SOME), max_size=3)


@pytest.mark.parametrize(
    ("score", "wire"),
    [
        (0, 0),
        (0.1, 1),
        (4, 1),
        (5, 1),
        (10, 1),
        (14.9, 1),
        (15, 2),
        (25, 3),
        (50, 5),
        (75, 8),
        (94.9, 9),
        (95, 10),
        (100, 10),
    ],
)
def test_a_tenth_rounded_half_up(score: float, wire: int) -> None:
    """Any locality is worth at least 1, and none is worth 0."""
    assert wire_score(score) == wire


@given(
    names=st.lists(st.sampled_from([*_NODES, "newcomer"]), unique=True),
    labels=st.lists(_LABELS, min_size=len(_NODES), max_size=len(_NODES)),
    volumes=_VOLUMES,
    kept_off=st.lists(_SOME, max_size=2),
    wishes=st.lists(st.tuples(_SOME, st.booleans(), st.integers(1, 100)), max_size=3),
)
def test_every_candidate_gets_its_score(
    names: list[str],
    labels: list[dict[str, str]],
    volumes: list[tuple[frozenset[str], Level, frozenset[str]]],
    kept_off: list[frozenset[str]],
    wishes: list[tuple[frozenset[str], bool, int]],
) -> None:
    """Candidates come in order, each with the score that the decision gives it, whatever the places of the nodes."""
    topology = Topology()
    for name, theirs in zip(_NODES, labels, strict=True):
        topology.put(name, theirs)
    near = [VolumeScores(tier_groups(replicas, level, topology, halved=halved)) for replicas, level, halved in volumes]
    total = sum(weight for _, _, weight in wishes)
    wished = [wish_scores(nodes, inverted, weight / total) for nodes, inverted, weight in wishes]
    scores = Scores((*near, *(away_from(nodes) for nodes in kept_off), *wished))
    # A node that is not known yet is in no group, not even in one that holds all the others.
    cluster_size = len(_NODES) if "newcomer" not in names else len(_NODES) + 1

    answer = json.loads(encode_priorities(NameList.of(names), scores, cluster_size=cluster_size))

    assert answer == [{"Host": name, "Score": wire_score(scores.of(name))} for name in names]


def test_a_node_that_is_not_known_yet_scores_nothing_where_others_do() -> None:
    """Its place is not known either."""
    scores = Scores((VolumeScores(((100.0, frozenset({"node-1"})),)),))

    answer = json.loads(encode_priorities(NameList.of(["node-1", "new"]), scores, cluster_size=2))

    assert answer == [{"Host": "node-1", "Score": 10}, {"Host": "new", "Score": 0}]


def test_storks_numbers_go_out_as_they_are() -> None:
    """In order, and above 100 where several volumes add up."""
    scores = StorkScores(
        (VolumeScores(((100.0, frozenset({"node-1"})),)), VolumeScores(((0.0, frozenset()),), rest=100))
    )

    assert json.loads(encode_stork(NameList.of(["node-2", "node-1"]), scores)) == [
        {"Host": "node-2", "Score": 100},
        {"Host": "node-1", "Score": 200},
    ]
    assert encode_stork(NameList.of([]), scores) == b"[]"
