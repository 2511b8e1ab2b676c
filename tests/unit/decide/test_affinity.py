"""Decisions as node affinity: the exact terms, since what is written on workloads must stay the same."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import pytest
from tests.unit import builders
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
    cluster_of,
    csi_node,
    data,
    decision_on,
    in_zones,
    need,
    node,
    on_hosts,
    pod,
    soft,
    strict,
    term,
)

from mooring.cluster.records import NodeAffinity, to_json
from mooring.decide.affinity import MAX_NODE_TERMS, fingerprint, node_affinity

_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
_PART_OF_ZONE_A = term(need(ZONE, "In", "a"), need(HOSTNAME, "NotIn", "a1"))
_NODES = [
    node("a1", region="r", zone="a", rack="x"),
    node("a2", region="r", zone="a", rack="y"),
    node("b1", region="r", zone="b", rack="x"),
]


def _affinity(*objects: Any, claims: Sequence[str] = ("c1",)) -> NodeAffinity | None:
    cluster = cluster_of(_NODES, *objects)
    return node_affinity(decision_on(pod("web", *claims), cluster), cluster.topology)


def _plain(affinity: NodeAffinity | None) -> Any:
    return msgspec.json.decode(msgspec.json.encode(to_json(affinity))) if affinity else None


def _named(*names: str) -> list[Mapping[str, Any]]:
    return [{"matchFields": [need("metadata.name", "In", name)]} for name in names]


def _labelled(*expressions: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [{"matchExpressions": list(expressions)}]


@pytest.mark.parametrize(
    ("key", "places", "terms"),
    [
        # Nodes by name, one a term: kube-scheduler then looks at these nodes only.
        (HOSTNAME, [[on_hosts("b1", "a1")]], _named("a1", "b1")),
        (HOSTNAME, [[on_hosts("a1", "a2")], [on_hosts("a2", "b1")]], _named("a2")),
        # Another topologyKey, or a place that is an area: one In expression for each volume.
        (ZONE, [[on_hosts("a1")]], _labelled(need(ZONE, "In", "a"))),
        (ZONE, [[on_hosts("b1", "a1")]], _labelled(need(ZONE, "In", "a", "b"))),
        (ZONE, [[in_zones("a")], [on_hosts("a2")]], _labelled(need(ZONE, "In", "a"))),
        (ZONE, [[in_zones("a", "b")], [on_hosts("a2")]], _labelled(need(ZONE, "In", "a", "b"), need(ZONE, "In", "a"))),
        (HOSTNAME, [[in_zones("a")]], _labelled(need(ZONE, "In", "a"))),
        (RACK, [[in_zones("a")]], _labelled(need(ZONE, "In", "a"))),
        (HOSTNAME, [[term(need(REGION, "In", "r"))]], _labelled(need(REGION, "In", "r"))),
        (HOSTNAME, [[in_zones("a")], [on_hosts("a1")]], _labelled(need(ZONE, "In", "a"), need(HOSTNAME, "In", "a1"))),
        # An area that no single label describes is the list of its nodes.
        (
            HOSTNAME,
            [[term(need(ZONE, "In", "a"), need(HOSTNAME, "NotIn", "a1"))]],
            _labelled(need(HOSTNAME, "In", "a2")),
        ),
        # Unknown places add nothing.
        (HOSTNAME, [[on_hosts("a1")], []], _named("a1")),
        (ZONE, [[]], None),
        # Nothing in common: no terms, but a reason elsewhere.
        (HOSTNAME, [[on_hosts("a1")], [on_hosts("b1")]], None),
    ],
)
def test_a_strict_rule_requires(key: str, places: Sequence[Sequence[Term]], terms: Any) -> None:
    """The nodes near all volumes, as required terms in a fixed order."""
    claims = [f"c{number}" for number, _ in enumerate(places)]
    volumes = [data(name, *place) for name, place in zip(claims, places, strict=True)]
    affinity = _affinity(volumes, strict(topologyKey=key), claims=claims)

    assert _plain(affinity) == (terms and {_REQUIRED: {"nodeSelectorTerms": terms}})


def test_racks_of_one_name_are_told_apart_by_their_zone() -> None:
    """An area whose own label is ambiguous is the list of its nodes."""
    in_rack = term(need(RACK, "In", "x"), need(ZONE, "In", "b"))

    assert _plain(_affinity(data("c1", in_rack), strict())) == {
        _REQUIRED: {"nodeSelectorTerms": _labelled(need(HOSTNAME, "In", "b1"))}
    }


@pytest.mark.parametrize(("count", "by_name"), [(MAX_NODE_TERMS, True), (MAX_NODE_TERMS + 1, False)])
def test_many_nodes_are_one_expression(count: int, *, by_name: bool) -> None:
    """A term a node is fast to schedule, until there are so many that the pod becomes large."""
    names = sorted(f"many-{number}" for number in range(count))
    affinity = _affinity([node(name) for name in names], data("c1", on_hosts(*names)), strict())

    assert _plain(affinity) == {
        _REQUIRED: {"nodeSelectorTerms": _named(*names) if by_name else _labelled(need(HOSTNAME, "In", *names))}
    }


def _weighted(weight: int, *expressions: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"weight": weight, "preference": {"matchExpressions": list(expressions)}}


_IN_REGION = need(REGION, "In", "r")
_IN_ZONE_A = [_IN_REGION, need(ZONE, "In", "a")]
_IN_ZONE_B = [_IN_REGION, need(ZONE, "In", "b")]


def _in_rack(zone: Sequence[Mapping[str, Any]], name: str) -> list[Mapping[str, Any]]:
    return [*zone, need(RACK, "In", name)]


@pytest.mark.parametrize(
    ("places", "terms"),
    [
        (
            [[on_hosts("a1")]],
            [
                _weighted(50, need(HOSTNAME, "In", "a1")),
                _weighted(25, *_in_rack(_IN_ZONE_A, "x")),
                _weighted(15, *_IN_ZONE_A),
                _weighted(10, _IN_REGION),
            ],
        ),
        # Replicas share what they have in common, and racks of one name in two zones are two.
        (
            [[on_hosts("b1", "a1")]],
            [
                _weighted(50, need(HOSTNAME, "In", "a1", "b1")),
                _weighted(25, *_in_rack(_IN_ZONE_A, "x")),
                _weighted(25, *_in_rack(_IN_ZONE_B, "x")),
                _weighted(15, *_IN_ZONE_A),
                _weighted(15, *_IN_ZONE_B),
                _weighted(10, _IN_REGION),
            ],
        ),
        # An area has no nearer terms.
        ([[in_zones("a")]], [_weighted(15, *_IN_ZONE_A), _weighted(10, _IN_REGION)]),
        # Each of several volumes has its share.
        (
            [[in_zones("a")], [in_zones("b")], []],
            [
                _weighted(8, *_IN_ZONE_A),
                _weighted(5, _IN_REGION),
                _weighted(8, *_IN_ZONE_B),
                _weighted(5, _IN_REGION),
            ],
        ),
        # A node without places is only itself.
        ([[on_hosts("lonely")]], [_weighted(100, need(HOSTNAME, "In", "lonely"))]),
        # Without a hostname label there is nothing to name it by.
        ([[term(fields=[need("metadata.name", "In", "bare")])]], None),
        ([[]], None),
    ],
)
def test_a_soft_rule_prefers(places: Sequence[Sequence[Term]], terms: Any) -> None:
    """One term for each volume and tier, with what the tier scores above the next one out."""
    claims = [f"c{number}" for number, _ in enumerate(places)]
    volumes = [data(name, *place) for name, place in zip(claims, places, strict=True)]
    affinity = _affinity(node("lonely"), bare_node("bare", {}), volumes, soft(), claims=claims)

    assert _plain(affinity) == (terms and {_PREFERRED: terms})


def test_no_weight_is_below_one() -> None:
    """However many volumes share the score: the API server takes weights from 1 to 100."""
    claims = [f"c{number}" for number in range(30)]
    affinity = _affinity([data(name, in_zones("a")) for name in claims], soft(), claims=claims)

    assert affinity is not None
    assert {term.weight for term in affinity.preferred or ()} == {1}


@pytest.mark.parametrize(
    ("annotations", "rule"),
    [
        ({}, soft(updateMode="Audit")),
        ({}, strict(updateMode="Audit")),
        ({}, soft(placement="Anywhere")),
        ({DISABLE: "true"}, soft()),
    ],
)
def test_a_rule_that_does_not_act_adds_nothing(annotations: Mapping[str, str], rule: Any) -> None:
    """Audit, Anywhere and opt-outs leave affinity alone."""
    cluster = cluster_of(_NODES, data("c1", on_hosts("a1")), rule)
    decision = decision_on(pod("web", "c1", annotations=annotations), cluster)

    assert node_affinity(decision, cluster.topology) is None


def test_disabled_scores_leave_the_required_terms() -> None:
    """With both of STORK's annotations the pod is still strict."""
    cluster = cluster_of(_NODES, data("c1", on_hosts("a1")))
    subject = pod("web", "c1", annotations={PREFER_LOCAL: "true", DISABLE: "true"})

    assert _plain(node_affinity(decision_on(subject, cluster), cluster.topology)) == {
        _REQUIRED: {"nodeSelectorTerms": _named("a1")}
    }


@pytest.mark.parametrize("rule", [strict(), soft()])
def test_states_of_storage_are_not_carried(rule: Any) -> None:
    """They come and go, and a template that changes restarts its pods."""
    objects = [data("c1", on_hosts("a1", "b1")), [csi_node(name, DRIVER) for name in ("a1", "b1")], rule]
    troubled = [node("b1", region="r", zone="b", rack="x", states={DRIVER: "Offline"}), csi_node("a1", DRIVER)]

    assert _plain(_affinity(*objects, *troubled)) == _plain(_affinity(*objects))


def test_replicas_that_are_all_offline_add_no_terms() -> None:
    """The reason is said on the pod; terms would only hide it."""
    offline = node("a1", zone="a", states={DRIVER: "Offline"})

    assert _affinity(offline, data("c1", on_hosts("a1")), strict()) is None


def test_a_fingerprint_depends_on_the_terms_alone() -> None:
    """The same terms have the same hash in every process and release; others have another."""
    first = fingerprint(_of(_named("a1")))

    assert first == fingerprint(_of(_named("a1"))) == "e8acc9ffd0af4d1a"
    assert len({first, fingerprint(_of(_named("a2"))), fingerprint(_of(_labelled(need(HOSTNAME, "In", "a1"))))}) == 3


def test_a_fingerprint_survives_the_api_server() -> None:
    """What the API server sends back, with fields in another order, is recognised."""
    affinity = _affinity(data("c1", on_hosts("a1")), soft())
    assert affinity is not None
    sent = _plain(affinity)
    back = {_PREFERRED: [dict(reversed(list(entry.items()))) for entry in sent[_PREFERRED]]}

    assert fingerprint(msgspec.convert(back, NodeAffinity)) == fingerprint(affinity)


def _of(terms: Sequence[Mapping[str, Any]]) -> NodeAffinity:
    return msgspec.convert({_REQUIRED: {"nodeSelectorTerms": list(terms)}}, NodeAffinity)


def test_affinity_is_the_same_in_whatever_order_nodes_came() -> None:
    """Terms are sorted, so that writing them again changes nothing."""
    objects = [*_NODES, *data("c1", on_hosts("a1", "a2", "b1")), soft()]
    one, other = (builders.cluster_of(*given) for given in (objects, reversed(objects)))
    subject = pod("web", "c1")

    assert node_affinity(decision_on(subject, one), one.topology) == node_affinity(
        decision_on(subject, other), other.topology
    )
