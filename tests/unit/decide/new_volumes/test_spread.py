"""Spread: which values of a label are open for the next volume of a StatefulSet's template."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit import builders
from tests.unit.builders import HOSTNAME, ZONE, bare_node, capacity, csi_node, need, stateful_set, term
from tests.unit.decide.new_volumes.support import NAMES, NODES, decided, eligible, made, new

from mooring.cluster.records import Expression

_POD: Final = builders.pod("db-9", "data-db-9")
_ZONES: Final = {"a": "n1", "b": "n3", "c": "n5"}


def _filled(*zones: str) -> list[Any]:
    """A StatefulSet whose first volumes are in these zones, with the tenth one to come."""
    volumes = [made(f"data-db-{number}", _ZONES[zone]) for number, zone in enumerate(zones)]
    return [stateful_set("db", "data", replicas=10), new("data-db-9"), *volumes]


@pytest.mark.parametrize(
    ("filled", "max_skew", "nodes"),
    [
        ("", 1, "anywhere"),
        ("a", 1, "n3 n4 n5 n6"),
        ("ab", 1, "n5 n6"),
        ("abc", 1, "anywhere"),
        ("abca", 1, "n3 n4 n5 n6"),
        ("aa", 1, "n3 n4 n5 n6"),
        ("aa", 2, "n3 n4 n5 n6"),
        ("aa", 3, "anywhere"),
        ("aabb", 2, "n5 n6"),
        ("aabbc", 2, "anywhere"),
    ],
)
def test_what_is_fuller_than_the_rest_is_closed(filled: str, max_skew: int, nodes: str) -> None:
    """With the volume that is to come, no value may be more than maxSkew ahead of the emptiest."""
    decision = decided(_POD, _filled(*filled), spread={"topologyKey": ZONE, "maxSkew": max_skew})

    assert eligible(decision) == nodes
    assert decision.demands.are_exclusive


def test_a_spread_that_is_only_preferred_scores() -> None:
    """The emptiest values are best, whatever the skew, and no node is refused."""
    spread = {"topologyKey": ZONE, "maxSkew": 2, "whenUnsatisfiable": "ScheduleAnyway"}
    decision = decided(_POD, _filled("a"), spread=spread)

    assert eligible(decision) == "anywhere"
    assert [decision.scores.of(name) for name in NAMES] == [0, 0, 100, 100, 100, 100]
    assert not decision.demands.are_exclusive


_FULL: Final = [capacity(f"left-{zone}", "late", "1Gi", labels={ZONE: zone}) for zone in "ab"]


@pytest.mark.parametrize(
    ("objects", "pod"),
    [
        ([], builders.pod("db-9", "data-db-9", nodeSelector={"room": "blue"})),
        ([_FULL, new("data-db-9", size="1Gi")], _POD),
        ([csi_node(name, builders.DRIVER) for name in NAMES[:4]], _POD),
        (
            [],
            builders.pod(
                "db-9",
                "data-db-9",
                affinity={
                    "nodeAffinity": {
                        "requiredDuringSchedulingIgnoredDuringExecution": {
                            "nodeSelectorTerms": [term(need(ZONE, "In", "a")), term(need(HOSTNAME, "In", "n3"))]
                        }
                    }
                },
            ),
        ),
    ],
    ids=["nodeSelector", "no room", "no driver", "affinity"],
)
def test_only_values_that_can_be_filled_count(objects: Sequence[Any], pod: Any) -> None:
    """Otherwise a pod would wait for ever for what stays empty."""
    blue = [builders.node(name, zone=zone, labels={"room": "blue"}) for name, zone in (("n1", "a"), ("n3", "b"))]
    spread = {"topologyKey": ZONE}

    assert eligible(decided(pod, blue, _filled("a"), objects, spread=spread)) == "n3 n4"
    assert eligible(decided(pod, blue, _filled("a", "b"), objects, spread=spread)) == "n1 n2 n3 n4"


@pytest.mark.parametrize(
    "objects",
    [
        [new("data-db-0", selected="n1")],
        [new("data-db-0"), builders.pod("db-0", "data-db-0", on="n1")],
        [new("data-db-0"), builders.pod("db-0", "data-db-0", nominated="n1")],
    ],
    ids=["sent to a node", "its pod runs", "its pod is nominated"],
)
def test_volumes_count_before_they_are_made(objects: Sequence[Any]) -> None:
    """From the moment that their place is known."""
    assert eligible(decided(_POD, _filled(), objects, spread={"topologyKey": ZONE})) == "n3 n4 n5 n6"


@pytest.mark.parametrize(
    "objects",
    [
        made("data-db-10", "n1"),
        made("data-db-99", "n1"),
        made("log-db-0", "n1"),
        made("data-db-zero", "n1"),
        made("data-other-0", "n1"),
        made("data-db-0", "n1", "n3"),
        [new("data-db-0")],
        [builders.claim("data-db-0", "pv-gone")],
    ],
    ids=[
        "beyond the replicas",
        "far beyond",
        "another template",
        "not a number",
        "another StatefulSet",
        "in two zones",
        "no place yet",
        "unknown volume",
    ],
)
def test_other_volumes_do_not_count(objects: Sequence[Any]) -> None:
    """Nor those that fill no value for sure."""
    assert eligible(decided(_POD, _filled(), objects, spread={"topologyKey": ZONE})) == "anywhere"


def test_ordinals_may_start_elsewhere() -> None:
    """`spec.ordinals.start` shifts which claims are of the StatefulSet."""
    moved = stateful_set("db", "data", replicas=2, start=8)
    objects = [moved, new("data-db-9"), made("data-db-8", "n1"), made("data-db-0", "n3")]

    assert eligible(decided(_POD, objects, spread={"topologyKey": ZONE})) == "n3 n4 n5 n6"


@pytest.mark.parametrize(
    ("pod", "claims"),
    [
        (builders.pod("web", "c"), [new("c")]),
        (builders.pod("db-9", "shared"), [new("shared")]),
        (builders.pod("db-x", "data-db-x"), [new("data-db-x")]),
        (builders.pod("gone-9", "data-gone-9"), [new("data-gone-9")]),
    ],
    ids=["no StatefulSet's", "of no template", "not a number", "its StatefulSet is not there"],
)
def test_only_claims_of_templates_are_spread(pod: Any, claims: Sequence[Any]) -> None:
    """Others are nobody's siblings."""
    assert decided(pod, _filled("a"), claims, spread={"topologyKey": ZONE}).demands.all == ()


def test_a_huge_number_is_no_work() -> None:
    """A name or a number of replicas may be as large as somebody cares to write."""
    name = f"db-{10**30}"
    objects = [stateful_set("db", "data", replicas=2**31 - 1), new(f"data-{name}"), made("data-db-0", "n1")]

    assert eligible(decided(builders.pod(name, f"data-{name}"), objects, spread={"topologyKey": ZONE})) == "n3 n4 n5 n6"


def test_a_node_without_the_label_is_not_chosen() -> None:
    """As with topologySpreadConstraints."""
    decision = decided(_POD, bare_node("bare", {}), _filled(), spread={"topologyKey": ZONE})

    assert builders.eligible(decision, [*NAMES, "bare"]) == list(NAMES)


def test_each_template_is_spread_by_itself() -> None:
    """A pod with two claims goes where both may be."""
    pod = builders.pod("db-9", "data-db-9", "log-db-9")
    objects = [_filled("a"), new("log-db-9"), made("log-db-0", "n3")]

    assert eligible(decided(pod, objects, spread={"topologyKey": ZONE})) == "n5 n6"


@given(zones=st.lists(st.sampled_from("abc"), max_size=9), skew=st.integers(1, 4))
def test_what_is_open_is_what_the_skew_allows(zones: Sequence[str], skew: int) -> None:
    """Counted anew with the volume in each zone; and what is said by labels is the same."""
    (demand,) = decided(_POD, _filled(*zones), spread={"topologyKey": ZONE, "maxSkew": skew}).demands.all

    def skewed(zone: str) -> int:
        counts = Counter([*zones, zone])
        return counts[zone] - min(counts[each] for each in "abc")

    found = {zone for zone in "abc" if skewed(zone) <= skew}
    assert demand.nodes == {each.name for each in NODES if each.labels[ZONE] in found}
    assert demand.expressions == (Expression(ZONE, "In", tuple(sorted(found))),)
