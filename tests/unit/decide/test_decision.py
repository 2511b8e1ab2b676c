"""Decisions: who passes, who scores what, and why nobody does."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from tests.unit.builders import (
    DISABLE,
    DRIVER,
    HOSTNAME,
    PREFER_LOCAL,
    RACK,
    REGION,
    ZONE,
    Term,
    bare_node,
    claim,
    csi_node,
    data,
    decision_on,
    eligible,
    in_zones,
    need,
    node,
    on_hosts,
    pod,
    soft,
    storage_class,
    strict,
    term,
    volume,
)

from mooring.decide.decision import Decision, Obstacle, intersection
from mooring.decide.filter import some
from mooring.decide.volumes import VolumeState

_NODES = [
    node("a1", region="r", zone="a", rack="x"),
    node("a2", region="r", zone="a", rack="x"),
    node("a3", region="r", zone="a", rack="y"),
    node("b1", region="r", zone="b", rack="x"),
]
_NAMES = ["a1", "a2", "a3", "b1"]
_REGISTERED = [csi_node(name, DRIVER) for name in _NAMES]


def _scores(decision: Decision) -> list[float]:
    return [decision.scores.of(name) for name in _NAMES]


def _eligible(decision: Decision) -> str:
    return " ".join(eligible(decision, _NAMES))


@pytest.mark.parametrize(
    ("key", "terms", "eligible", "state"),
    [
        (HOSTNAME, [on_hosts("a1")], "a1", VolumeState.LOCATED),
        (HOSTNAME, [on_hosts("a1", "b1")], "a1 b1", VolumeState.LOCATED),
        (RACK, [on_hosts("a1")], "a1 a2 b1", VolumeState.LOCATED),
        (ZONE, [on_hosts("a1")], "a1 a2 a3", VolumeState.LOCATED),
        (ZONE, [in_zones("a")], "a1 a2 a3", VolumeState.LOCATED),
        (REGION, [in_zones("a")], "a1 a2 a3 b1", VolumeState.LOCATED),
        # Known less finely than asked for: the area will do.
        (HOSTNAME, [in_zones("a")], "a1 a2 a3", VolumeState.COARSE),
        (RACK, [in_zones("b")], "b1", VolumeState.COARSE),
        ("example.com/room", [in_zones("b")], "b1", VolumeState.COARSE),
        # Unknown is not remote.
        (HOSTNAME, [], "a1 a2 a3 b1", VolumeState.UNKNOWN),
        (HOSTNAME, [on_hosts("ghost")], "a1 a2 a3 b1", VolumeState.UNKNOWN),
        (HOSTNAME, [term(need(ZONE, "Exists"))], "a1 a2 a3 b1", VolumeState.UNKNOWN),
    ],
)
def test_a_strict_rule_refuses_nodes_beyond_the_topology_key(
    key: str, terms: Sequence[Term], eligible: str, state: VolumeState
) -> None:
    """A topologyKey is one label; where the place is not known that finely, its area; where not at all, nothing."""
    decision = decision_on(pod("web", "c1"), _NODES, data("c1", *terms), strict(topologyKey=key))

    assert _eligible(decision) == eligible
    assert [view.state for view in decision.volumes] == [state]
    assert decision.obstacle is None


def test_every_selected_volume_must_be_near() -> None:
    """Two volumes leave what is near to both; one that is not selected has no say."""
    volumes = [data("c1", on_hosts("a1", "a2")), data("c2", on_hosts("a2", "b1")), data("c3", on_hosts("a3"))]
    labelled = [volumes[2][1], claim("c3", "pv-c3", labels={"scratch": "true"})]
    rule = strict(volumeSelector={"drivers": [DRIVER]})
    both = decision_on(pod("web", "c1", "c2"), _NODES, volumes, rule)
    other = decision_on(pod("web", "c1", "c3"), _NODES, volumes[0], labelled, volume("pv-c3", driver="nfs"), rule)

    assert _eligible(both) == "a2"
    assert _eligible(other) == "a1 a2"
    assert [view.claim for view in other.selected] == ["c1"]


@pytest.mark.parametrize(
    ("rule", "objects", "eligible", "scores"),
    [
        (soft(), [], "a1 a2 a3 b1", [100, 50, 25, 10]),
        (strict(), [], "a1", [100, 50, 25, 10]),
        (soft(updateMode="Audit"), [], "a1 a2 a3 b1", [0, 0, 0, 0]),
        (strict(updateMode="Audit"), [], "a1 a2 a3 b1", [0, 0, 0, 0]),
        (soft(placement="Anywhere"), [], "a1 a2 a3 b1", [0, 0, 0, 0]),
    ],
)
def test_what_a_rule_does_to_nodes(rule: Any, objects: Sequence[Any], eligible: str, scores: Sequence[float]) -> None:
    """Soft prefers, strict refuses as well, Audit and Anywhere leave nodes alone."""
    decision = decision_on(pod("web", "c1"), _NODES, _REGISTERED, data("c1", on_hosts("a1")), rule, *objects)

    assert (_eligible(decision), _scores(decision)) == (eligible, scores)


def test_strict_and_disabled_filters_without_scoring() -> None:
    """With both of STORK's annotations the filter stays and all nodes score equally."""
    subject = pod("web", "c1", annotations={PREFER_LOCAL: "true", DISABLE: "true"})
    decision = decision_on(subject, _NODES, data("c1", on_hosts("a1")))

    assert (_eligible(decision), _scores(decision)) == ("a1", [0, 0, 0, 0])


def test_the_score_is_the_mean_over_known_volumes() -> None:
    """A volume whose place is not known neither draws nor dilutes."""
    known = [data("c1", on_hosts("a1")), data("c2", on_hosts("b1"))]
    both = decision_on(pod("web", "c1", "c2"), _NODES, known, soft())
    with_unknown = decision_on(pod("web", "c1", "c2", "c3"), _NODES, known, data("c3"), soft())

    assert _scores(both) == [55, 30, 17.5, 55]
    assert _scores(with_unknown) == _scores(both)


def test_zone_mates_without_rack_labels_are_no_rack_mates() -> None:
    """STORK gives 50 here, for the rack label that both lack."""
    nodes = [node(name, region="r", zone="z") for name in ("n1", "n2")]
    decision = decision_on(pod("web", "c1"), nodes, data("c1", on_hosts("n1")), soft())

    assert [decision.scores.of(name) for name in ("n1", "n2")] == [100, 25]


@pytest.mark.parametrize(
    ("changed", "eligible", "scores"),
    [
        # The replica's own node cannot serve it: its rack mates stay near to nothing, and the other replica counts.
        (node("a1", region="r", zone="a", rack="x", states={DRIVER: "Offline"}), "a2 a3 b1", [10, 10, 10, 100]),
        (node("a1", region="r", zone="a", rack="x", states={DRIVER: "Degraded"}), "a2 a3 b1", [10, 10, 10, 100]),
        # Reachable without disks of its own: it may run pods, with half the score of what is left for it.
        (node("a1", region="r", zone="a", rack="x", states={DRIVER: "StorageDown"}), "a1 a2 a3 b1", [5, 10, 10, 100]),
        (node("a2", region="r", zone="a", rack="x", states={DRIVER: "StorageDown"}), "a1 a2 a3 b1", [100, 25, 25, 100]),
        # Another driver's trouble, and words that are no state, mean nothing.
        (node("a1", region="r", zone="a", rack="x", states={"other": "Offline"}), "a1 a2 a3 b1", [100, 50, 25, 100]),
        (node("a1", region="r", zone="a", rack="x", states={DRIVER: "Fine"}), "a1 a2 a3 b1", [100, 50, 25, 100]),
        # A node without the driver cannot run the pod, and its replica cannot be read there.
        (csi_node("a1"), "a2 a3 b1", [10, 10, 10, 100]),
        (csi_node("a1", "other"), "a2 a3 b1", [10, 10, 10, 100]),
    ],
)
def test_the_state_of_storage_counts(changed: Any, eligible: str, scores: Sequence[float]) -> None:
    """Replicas on broken storage draw nothing; broken nodes are refused, though the rule be soft."""
    decision = decision_on(pod("web", "c1"), _NODES, _REGISTERED, data("c1", on_hosts("a1", "b1")), soft(), changed)

    assert (_eligible(decision), _scores(decision)) == (eligible, scores)


@pytest.mark.parametrize(("key", "eligible"), [(HOSTNAME, "b1"), (ZONE, "b1"), (REGION, "a1 a2 a3 b1")])
def test_strict_means_near_data_that_can_be_read(key: str, eligible: str) -> None:
    """Neither a node with a replica on a disk that is down nor its neighbours will do, while another replica works."""
    down = node("a1", region="r", zone="a", rack="x", states={DRIVER: "StorageDown"})
    decision = decision_on(pod("web", "c1"), _NODES, data("c1", on_hosts("a1", "b1")), strict(topologyKey=key), down)

    assert _eligible(decision) == eligible


def test_a_driver_that_registers_nowhere_refuses_nobody() -> None:
    """It may need no CSINode entry; and a node that is not in the cache gets the benefit of the doubt."""
    unregistered = decision_on(pod("web", "c1"), _NODES, data("c1"), soft())
    registered = decision_on(pod("web", "c1"), _NODES, _REGISTERED[:2], data("c1"), soft())

    assert _eligible(unregistered) == "a1 a2 a3 b1"
    assert eligible(registered, [*_NAMES, "newcomer"]) == ["a1", "a2", "newcomer"]


@pytest.mark.parametrize(
    ("objects", "obstacle", "detail"),
    [
        (
            [data("c1", on_hosts("a1")), data("c2", on_hosts("b1"))],
            Obstacle.DISJOINT,
            "the volumes have no node in common: c1 on a1; c2 on b1",
        ),
        (
            [data("c1", on_hosts("a1")), data("c2", in_zones("b"))],
            Obstacle.DISJOINT,
            "the volumes have no node in common: c1 on a1; c2 on b1",
        ),
        (
            [data("c1", on_hosts("a1")), data("c2"), node("a1", states={DRIVER: "StorageDown"})],
            Obstacle.OFFLINE,
            "no node with the data of c1 has its storage online",
        ),
        (
            [data("c1", on_hosts("a1")), data("c2", on_hosts("a2")), csi_node("b1", DRIVER)],
            Obstacle.OFFLINE,
            "no node with the data of c1, c2 has its storage online",
        ),
        (
            [data("c1", on_hosts("bare")), data("c2"), bare_node("bare", {})],
            None,
            "",
        ),
        (
            [data("c1", replicas="bare"), data("c2"), bare_node("bare", {})],
            Obstacle.DISJOINT,
            "no node with the data of c1 has the label kubernetes.io/hostname",
        ),
    ],
)
def test_a_rule_that_no_node_can_meet_says_so(objects: Sequence[Any], obstacle: Obstacle | None, detail: str) -> None:
    """One reason for all nodes, and not a pod that hangs without one; an unknown place is no obstacle."""
    decision = decision_on(pod("web", "c1", "c2"), _NODES, strict(), *objects)

    assert (decision.obstacle, decision.obstacle_detail) == (obstacle, detail)
    assert _eligible(decision) == ("" if obstacle else "a1 a2 a3 b1")
    if obstacle:
        assert next(decision.refusals("a1")).message == detail


@pytest.mark.parametrize("objects", [[data("c2", on_hosts("b1"))], [node("a1", states={DRIVER: "Offline"})]])
def test_a_soft_rule_has_no_obstacle(objects: Sequence[Any]) -> None:
    """What cannot be had is merely not preferred."""
    decision = decision_on(pod("web", "c1", "c2"), _NODES, soft(), data("c1", on_hosts("a1")), *objects)

    assert decision.obstacle is None
    assert "a3" in eligible(decision, _NAMES)


def test_an_area_is_near_as_long_as_any_of_it_works() -> None:
    """Where only the zone is known, a node whose own disks are down reaches the data like any other of the zone."""
    objects = [_NODES, _REGISTERED, data("c1", in_zones("a")), strict()]
    down = decision_on(pod("web", "c1"), *objects, node("a1", zone="a", states={DRIVER: "StorageDown"}))
    offline = decision_on(pod("web", "c1"), *objects, node("a1", zone="a", states={DRIVER: "Offline"}))

    assert _eligible(down) == "a1 a2 a3"
    assert _eligible(offline) == "a2 a3"


@pytest.mark.parametrize(
    ("objects", "state", "detail"),
    [
        ([], VolumeState.UNBOUND, "the claim does not exist"),
        ([claim("c1")], VolumeState.UNBOUND, "the claim is not bound"),
        ([claim("c1", "pv", phase="Pending"), volume("pv")], VolumeState.UNBOUND, "the claim is not bound"),
        ([claim("c1", "pv", phase="Lost")], VolumeState.UNBOUND, "the claim is not bound"),
        ([claim("c1", "pv")], VolumeState.UNKNOWN, "the volume does not exist"),
        (
            [claim("c1", "pv"), volume("pv")],
            VolumeState.UNKNOWN,
            "neither a VolumeLocator nor an annotation nor the volume's nodeAffinity says where the data lies",
        ),
        ([claim("c1", "pv"), volume("pv", replicas="a1,ghost")], VolumeState.LOCATED, "no such node: ghost"),
    ],
)
def test_each_volume_says_what_is_known_of_it(objects: Sequence[Any], state: VolumeState, detail: str) -> None:
    """A claim that is missing, unbound or nowhere known is reported, and a located one only with what is odd."""
    decision = decision_on(pod("web", "c1"), _NODES, soft(), *objects)

    assert [(view.state, view.detail) for view in decision.volumes] == [(state, detail)]
    assert [view.counts for view in decision.volumes] == [state is VolumeState.LOCATED]


def test_claims_outside_the_rule_carry_no_opinion() -> None:
    """Neither their place nor their driver's troubles matter."""
    far = [claim("c2", "pv-c2", storage_class="shared"), volume("pv-c2", on_hosts("b1"), driver="nfs")]
    rule = strict(volumeSelector={"drivers": [DRIVER]})
    objects = [_NODES, data("c1", on_hosts("a1")), far, storage_class("shared", "nfs"), csi_node("b1", "nfs"), rule]
    decision = decision_on(pod("web", "c1", "c2", "c1"), *objects)

    assert [(view.claim, view.state) for view in decision.volumes] == [
        ("c1", VolumeState.LOCATED),
        ("c2", VolumeState.NOT_SELECTED),
    ]
    assert _eligible(decision) == "a1"


def test_no_rule_is_no_opinion() -> None:
    """Everything passes, nothing is preferred, and nothing is said of volumes."""
    decision = decision_on(pod("web", "c1"), _NODES, _REGISTERED[:1], data("c1", on_hosts("a1")))

    assert (_eligible(decision), _scores(decision)) == ("a1 a2 a3 b1", [0, 0, 0, 0])
    assert (decision.rule, decision.volumes, decision.near) == (None, (), frozenset())


def test_refusals_give_every_reason_in_order() -> None:
    """The data first, then the driver, then its storage."""
    objects = [_NODES, csi_node("a1", DRIVER), data("c1", on_hosts("a1")), strict()]
    decision = decision_on(pod("web", "c1"), *objects, node("b1", states={DRIVER: "Degraded"}))

    assert [test.message for test in decision.refusals("b1")] == [
        "not near the data of c1, which lies on a1",
        f"the driver {DRIVER} is not registered on the node",
        f"the storage of {DRIVER} on the node is Degraded",
    ]
    assert list(decision.refusals("a1")) == []


def test_eligible_nodes_keep_their_order() -> None:
    """Kube-scheduler's order is its own business; names that nobody knows are refused by a strict rule."""
    decision = decision_on(pod("web", "c1"), _NODES, data("c1", on_hosts("a1", "b1")), strict())

    assert eligible(decision, ["b1", "ghost", "a1"]) == ["b1", "a1"]


def test_near_is_measured_whatever_the_rules_strictness() -> None:
    """Soft or strict, the nodes near every volume are the same."""
    objects: Mapping[str, Any] = {"c1": data("c1", on_hosts("a1", "a2")), "c2": data("c2", on_hosts("a2"))}
    decisions = [decision_on(pod("web", *objects), _NODES, *objects.values(), rule()) for rule in (soft, strict)]

    assert [decision.near for decision in decisions] == [{"a2"}, {"a2"}]


@pytest.mark.parametrize(
    ("nodes", "text"),
    [("", "no node"), ("n2 n1", "n1, n2"), ("n1 n2 n3", "n1, n2, n3"), ("n5 n4 n3 n2 n1", "n1, n2, n3 and 2 more")],
)
def test_a_few_nodes_are_named(nodes: str, text: str) -> None:
    """An event has little room."""
    assert some(frozenset(nodes.split())) == text


def test_an_intersection_of_nothing_is_empty() -> None:
    """No volume at all makes no node near."""
    assert intersection([]) == frozenset()
    assert intersection([{"a", "b", "c"}, {"b", "c"}, {"c", "d"}]) == {"c"}
