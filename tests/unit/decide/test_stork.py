"""STORK's own numbers, as extender.go counts them."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from tests.unit.builders import (
    DISABLE,
    DRIVER,
    PREFER_LOCAL,
    claim,
    cluster_of,
    csi_node,
    data,
    decision_on,
    in_zones,
    node,
    on_hosts,
    pod,
    soft,
    strict,
    volume,
)
from tests.unit.worlds import SHARED

from mooring.decide.stork import stork_scores

_NAMES = ["a1", "a2", "a3", "b1", "far"]
_PLACES: Mapping[str, Any] = {
    "a1": {"region": "r", "zone": "a", "rack": "x"},
    "a2": {"region": "r", "zone": "a", "rack": "x"},
    "a3": {"region": "r", "zone": "a", "rack": "y"},
    "b1": {"region": "r", "zone": "b"},
    "far": {},
}
_NODES = [node(name, **places) for name, places in _PLACES.items()]
_ON_A1 = data("c", replicas="a1")
_RUNNING = [csi_node(name, DRIVER) for name in _NAMES]


def _in_state(name: str, state: str) -> Any:
    return node(name, **_PLACES[name], states={DRIVER: state})


def _files(replicas: str) -> Any:
    """A volume that wants to be remote."""
    return claim("f", "pv-f"), volume("pv-f", replicas=replicas, labels=SHARED)


@pytest.mark.parametrize(
    ("claims", "objects", "scores"),
    [
        ("c", [_ON_A1], [100, 50, 25, 10, 5]),
        ("c", [data("c", replicas="a1,b1")], [100, 50, 25, 100, 5]),
        # A plain sum, so that two volumes outweigh one.
        ("c d", [_ON_A1, data("d", replicas="a1")], [200, 100, 50, 20, 5]),
        ("c d", [_ON_A1, data("d", replicas="far")], [100, 50, 25, 10, 100]),
        # Nothing known: 5 for everybody.
        ("c", [data("c")], [5, 5, 5, 5, 5]),
        ("c", [claim("c")], [5, 5, 5, 5, 5]),
        ("c d", [_ON_A1, data("d")], [100, 50, 25, 10, 5]),
        # Where the place is an area, its score.
        ("c", [data("c", in_zones("a"))], [25, 25, 25, 10, 5]),
        # Half where the node's own storage is down, truncated; a replica there counts as a rack mate's half.
        ("c", [_ON_A1, _in_state("a2", "StorageDown")], [100, 25, 25, 10, 5]),
        ("c", [_ON_A1, _in_state("a3", "StorageDown")], [100, 50, 12, 10, 5]),
        ("c", [_ON_A1, _in_state("b1", "StorageDown")], [100, 50, 25, 5, 5]),
        ("c", [data("c", replicas="a1,b1"), _in_state("a1", "StorageDown")], [25, 50, 25, 100, 5]),
        ("c d", [_ON_A1, data("d", replicas="a1"), _in_state("a3", "StorageDown")], [200, 100, 24, 20, 5]),
        # Broken storage scores nothing and lends its neighbours nothing.
        ("c", [data("c", replicas="a1,b1"), _in_state("a1", "Offline")], [0, 10, 10, 100, 5]),
        ("c", [data("c", replicas="a1,b1"), _in_state("a1", "Degraded")], [0, 10, 10, 100, 5]),
        # Nor does a node without the driver.
        ("c", [data("c", replicas="a1,b1"), _RUNNING[1:], csi_node("a1")], [0, 10, 10, 100, 5]),
        ("c", [data("c"), _RUNNING[1:]], [0, 5, 5, 5, 5]),
        # A volume to stay away from: its own nodes are set to 5, whatever else lies there.
        ("f", [_files("a1")], [5, 100, 100, 100, 100]),
        ("f", [_files("a1"), _in_state("a2", "StorageDown")], [5, 5, 100, 100, 100]),
        ("f", [_files("a1"), _in_state("a2", "Offline")], [5, 0, 100, 100, 100]),
        ("c f", [_ON_A1, _files("b1")], [200, 150, 125, 5, 100]),
        ("c f", [_ON_A1, _files("a1")], [5, 150, 125, 110, 100]),
        ("c f", [_ON_A1, _files("b1"), _in_state("a2", "StorageDown")], [200, 25, 125, 5, 100]),
    ],
)
@pytest.mark.parametrize("rule", [soft(), strict()])
def test_each_node_gets_storks_number(claims: str, objects: Sequence[Any], scores: Sequence[int], rule: Any) -> None:
    """The sum over the volumes in whole numbers, 5 for none, and 0 where the storage cannot be used."""
    cluster = cluster_of(_NODES, rule, objects)
    found = stork_scores(decision_on(pod("web", *claims.split()), cluster), cluster)

    assert [found.of(name) for name in _NAMES] == scores


@pytest.mark.parametrize(
    ("rule", "annotations"),
    [
        ((), {}),
        (soft(updateMode="Audit"), {}),
        (soft(placement="Anywhere"), {}),
        (soft(), {DISABLE: "true"}),
        (soft(), {DISABLE: "true", PREFER_LOCAL: "true"}),
    ],
)
def test_no_opinion_is_5_everywhere(rule: Any, annotations: dict[str, str]) -> None:
    """As where hyperconvergence is disabled, though a node's storage be broken."""
    cluster = cluster_of(_NODES, rule, data("c", on_hosts("a1")), _in_state("a1", "Offline"))
    found = stork_scores(decision_on(pod("web", "c", annotations=annotations), cluster), cluster)

    assert {found.of(name) for name in _NAMES} == {5}


def test_a_volume_that_is_skipped_adds_nothing() -> None:
    """Neither near nor far."""
    skipped = (
        claim("d", "pv-d", annotations={"mooring.dev/skipSchedulerScoring": "true"}),
        volume("pv-d", replicas="far"),
    )
    cluster = cluster_of(_NODES, soft(), _ON_A1, skipped)
    found = stork_scores(decision_on(pod("web", "c", "d"), cluster), cluster)

    assert [found.of(name) for name in _NAMES] == [100, 50, 25, 10, 5]


def test_zone_mates_without_rack_labels_are_no_rack_mates() -> None:
    """STORK gives 50 for the rack label that both lack, which is a mistake and not copied."""
    nodes = [node(name, region="r", zone="z") for name in ("n1", "n2")]
    cluster = cluster_of(nodes, soft(), data("c", replicas="n1"))
    found = stork_scores(decision_on(pod("web", "c"), cluster), cluster)

    assert [found.of(name) for name in ("n1", "n2", "newcomer")] == [100, 25, 5]
