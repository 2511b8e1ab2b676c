"""Decisions as node affinity: the exact terms, since what is written on workloads must stay the same."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
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
from tests.unit.worlds import SHARED, World, selectors, worlds

from mooring.cluster.records import NodeAffinity, NodeSelector, PreferredTerm, to_json
from mooring.decide.affinity import PodAffinity, fingerprint, node_affinity, own_part, pod_affinity
from mooring.decide.decision import decide
from mooring.decide.required import MAX_NODE_TERMS
from mooring.decide.subject import subject_of_template
from mooring.locate.locator import Locator
from mooring.locate.selector import matches_selector

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


_AWAY_FROM_A1 = need(HOSTNAME, "NotIn", "a1")


@pytest.mark.parametrize(
    ("key", "volumes", "terms"),
    [
        (HOSTNAME, [data("c1", replicas="a1")], [_weighted(100, _AWAY_FROM_A1)]),
        (ZONE, [data("c1", replicas="a1")], [_weighted(100, need(ZONE, "NotIn", "a"))]),
        (
            HOSTNAME,
            [data("c1", replicas="a1"), data("c2", replicas="b1,a2"), data("c3", on_hosts("a1")), data("c4")],
            [_weighted(50, _AWAY_FROM_A1), _weighted(50, need(HOSTNAME, "NotIn", "a2", "b1"))],
        ),
        (RACK, [data("c1", replicas="lonely")], None),
    ],
)
def test_a_soft_remote_rule_prefers_the_others(key: str, volumes: Sequence[Any], terms: Any) -> None:
    """One term a volume, which share the weight."""
    claims = [claim.name for claim, _ in volumes]
    rule = soft(placement="Remote", topologyKey=key)

    assert _plain(_affinity(node("lonely"), volumes, rule, claims=claims)) == (terms and {_PREFERRED: terms})


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (
            {},
            {_PREFERRED: [_weighted(25, need(HOSTNAME, "In", "b1")), _weighted(12, *_in_rack(_IN_ZONE_B, "x"))]},
        ),
        (
            {"mooring.dev/preferRemoteNodeOnly": "true"},
            {_REQUIRED: {"nodeSelectorTerms": _labelled(_AWAY_FROM_A1)}},
        ),
    ],
)
def test_a_volume_that_wants_to_be_remote_beside_another(words: Mapping[str, str], expected: Any) -> None:
    """Both are preferred, or the one is required: one list is ours, by which it is recognised."""
    files = builders.claim("c2", "v", annotations=words), builders.volume("v", replicas="a1", labels=SHARED)
    found = _plain(_affinity(data("c1", on_hosts("b1")), files, soft(), claims=["c1", "c2"]))

    if _PREFERRED in expected:
        assert found[_PREFERRED][:2] == expected.pop(_PREFERRED)
        assert found.pop(_PREFERRED)[-1] == _weighted(50, _AWAY_FROM_A1)
    assert found == expected


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


def test_hostnames_instead_of_names() -> None:
    """For autoscalers that do not read matchFields."""
    cluster = cluster_of(_NODES, data("c1", on_hosts("b1", "a1")), strict())

    affinity = node_affinity(decision_on(pod("web", "c1"), cluster), cluster.topology, by_hostname=True)

    assert _plain(affinity) == {_REQUIRED: {"nodeSelectorTerms": _labelled(need(HOSTNAME, "In", "a1", "b1"))}}


_OLD = NodeAffinity(required=_of(_named("b1")).required)
_TODAY = NodeAffinity(required=_of(_named("a1")).required)
_THEIRS = NodeAffinity(required=_of(_labelled(need("disk", "In", "ssd"))).required)
_WISH = msgspec.convert([_weighted(7, need("disk", "In", "ssd"))], tuple[PreferredTerm, ...])
_OLD_WISH = msgspec.convert([_weighted(9, need(HOSTNAME, "In", "b1"))], tuple[PreferredTerm, ...])
_TODAYS_WISH = msgspec.convert(
    [
        _weighted(50, need(HOSTNAME, "In", "a1")),
        _weighted(25, *_in_rack(_IN_ZONE_A, "x")),
        _weighted(15, *_IN_ZONE_A),
        _weighted(10, _IN_REGION),
    ],
    tuple[PreferredTerm, ...],
)
_PRODUCT = msgspec.convert(
    {"nodeSelectorTerms": [term(need("disk", "In", "ssd"), fields=[need("metadata.name", "In", "a1")])]}, NodeSelector
)


def _with(affinity: NodeAffinity, preferred: tuple[PreferredTerm, ...]) -> NodeAffinity:
    return NodeAffinity(required=affinity.required, preferred=preferred)


def _wish(preferred: tuple[PreferredTerm, ...]) -> NodeAffinity:
    return NodeAffinity(preferred=preferred)


def test_own_part_is_what_has_the_hash() -> None:
    """Each list is Mooring's or it is not; a mark that fits neither means that somebody changed the list."""
    both = _with(_OLD, _WISH)

    assert own_part(fingerprint(_OLD), both) == _OLD
    assert own_part(fingerprint(_wish(_WISH)), both) == _wish(_WISH)
    assert own_part(fingerprint(both), both) is None
    assert own_part(fingerprint(_TODAY), both) is None
    assert own_part(None, both) is None
    assert own_part(fingerprint(NodeAffinity()), NodeAffinity()) is None


@pytest.mark.parametrize(
    ("rule", "current", "marked", "expected", "mark"),
    [
        # Strict, and nothing there: today's answer, marked.
        (strict(), NodeAffinity(), None, _TODAY, _TODAY),
        # The user's own terms: the product, which is nobody's alone.
        (strict(), _THEIRS, None, NodeAffinity(required=_PRODUCT), None),
        (strict(), _with(_THEIRS, _WISH), None, NodeAffinity(required=_PRODUCT, preferred=_WISH), None),
        (strict(), _wish(_WISH), None, _with(_TODAY, _WISH), _TODAY),
        # From a template of ours: today's answer in its place.
        (strict(), _OLD, _OLD, _TODAY, _TODAY),
        (strict(), _TODAY, _TODAY, _TODAY, _TODAY),
        (strict(), _with(_OLD, _WISH), _OLD, _with(_TODAY, _WISH), _TODAY),
        (strict(), _with(_THEIRS, _OLD_WISH), _wish(_OLD_WISH), NodeAffinity(required=_PRODUCT), None),
        (strict(), _wish(_OLD_WISH), _wish(_OLD_WISH), _TODAY, _TODAY),
        (soft(), _OLD, _OLD, _wish(_TODAYS_WISH), _wish(_TODAYS_WISH)),
        (soft(), _with(_OLD, _WISH), _OLD, _wish(_WISH + _TODAYS_WISH), None),
        (soft(), _wish(_OLD_WISH), _wish(_OLD_WISH), _wish(_TODAYS_WISH), _wish(_TODAYS_WISH)),
        (soft(), _wish(_TODAYS_WISH), _wish(_TODAYS_WISH), _wish(_TODAYS_WISH), _wish(_TODAYS_WISH)),
        (soft(), _with(_THEIRS, _OLD_WISH), _wish(_OLD_WISH), _with(_THEIRS, _TODAYS_WISH), _wish(_TODAYS_WISH)),
        # A soft rule adds nothing to a pod that has nothing of ours.
        (soft(), NodeAffinity(), None, NodeAffinity(), None),
        (soft(), _with(_THEIRS, _WISH), None, _with(_THEIRS, _WISH), None),
        # No rule today: what is ours goes, with its mark; what is not stays.
        ((), _OLD, _OLD, NodeAffinity(), None),
        ((), _with(_OLD, _WISH), _OLD, _wish(_WISH), None),
        ((), _with(_THEIRS, _OLD_WISH), _wish(_OLD_WISH), _THEIRS, None),
        (strict(updateMode="Audit"), _OLD, _OLD, NodeAffinity(), None),
        # A mark that does not fit any more: somebody made the list theirs.
        (soft(), _THEIRS, _OLD, _THEIRS, None),
        ((), _OLD, _TODAY, _OLD, None),
    ],
)
def test_a_pod_gets_todays_answer(
    rule: Any, current: NodeAffinity, marked: NodeAffinity | None, expected: NodeAffinity, mark: NodeAffinity | None
) -> None:
    """Our part is replaced or taken away, the user's is kept, and the mark says what is wholly ours."""
    cluster = cluster_of(_NODES, data("c1", on_hosts("a1")), rule)
    decision = decision_on(pod("web", "c1"), cluster)
    given = fingerprint(marked) if marked else None

    placed = pod_affinity(decision, cluster.topology, current, mark=given)

    assert placed == PodAffinity(expected, fingerprint(mark) if mark else None)
    assert pod_affinity(decision, cluster.topology, placed.affinity, mark=placed.mark) == placed


def test_volumes_without_a_node_in_common_do_not_set_a_pod_free() -> None:
    """Where a template would get nothing, the pod's terms match no node, rather than being those of yesterday."""
    cluster = cluster_of(_NODES, data("c1", on_hosts("a1")), data("c2", on_hosts("b1")), strict())
    decision = decision_on(pod("web", "c1", "c2"), cluster)

    placed = pod_affinity(decision, cluster.topology, _OLD, mark=fingerprint(_OLD))

    assert _plain(placed.affinity) == {
        _REQUIRED: {"nodeSelectorTerms": _labelled(need(HOSTNAME, "In", "a1"), need(HOSTNAME, "In", "b1"))}
    }
    assert placed.mark == fingerprint(placed.affinity)


@pytest.mark.parametrize(
    ("rule", "current", "marked", "expected", "mark"),
    [
        # Beside nothing, ours alone and marked; beside wishes of the user's, after them and nobody's alone.
        (soft(), NodeAffinity(), None, _wish(_TODAYS_WISH), _wish(_TODAYS_WISH)),
        (soft(), _THEIRS, None, _with(_THEIRS, _TODAYS_WISH), _wish(_TODAYS_WISH)),
        (soft(), _wish(_WISH), None, _wish(_WISH + _TODAYS_WISH), None),
        (soft(), _wish(()), None, _wish(_TODAYS_WISH), _wish(_TODAYS_WISH)),
        # What is there already is not added again.
        (soft(), _wish(_TODAYS_WISH[:2] + _WISH), None, _wish(_TODAYS_WISH[:2] + _WISH + _TODAYS_WISH[2:]), None),
        (soft(), _wish(_OLD_WISH), _wish(_OLD_WISH), _wish(_TODAYS_WISH), _wish(_TODAYS_WISH)),
        # Only a soft rule that acts prefers anything.
        (strict(), _wish(_WISH), None, _with(_TODAY, _WISH), _TODAY),
        (soft(updateMode="Audit"), _wish(_WISH), None, _wish(_WISH), None),
        ((), _wish(_WISH), None, _wish(_WISH), None),
    ],
)
def test_a_pod_that_is_not_nominated_gets_preferences(
    rule: Any, current: NodeAffinity, marked: NodeAffinity | None, expected: NodeAffinity, mark: NodeAffinity | None
) -> None:
    """The soft rule's own, beside what the user prefers."""
    cluster = cluster_of(_NODES, data("c1", on_hosts("a1")), rule)
    decision = decision_on(pod("web", "c1"), cluster)
    given = fingerprint(marked) if marked else None

    placed = pod_affinity(decision, cluster.topology, current, mark=given, prefer=True)

    assert placed == PodAffinity(expected, fingerprint(mark) if mark else None)
    assert pod_affinity(decision, cluster.topology, placed.affinity, mark=placed.mark, prefer=True) == placed


@pytest.mark.parametrize(
    ("current", "marked", "expected"),
    [
        (NodeAffinity(), None, NodeAffinity()),
        (_THEIRS, None, _THEIRS),
        (_with(_THEIRS, _WISH), None, _with(_THEIRS, _WISH)),
        (_OLD, _OLD, NodeAffinity()),
        (_with(_OLD, _WISH), _OLD, _wish(_WISH)),
        (_wish(_OLD_WISH), _wish(_OLD_WISH), NodeAffinity()),
    ],
)
def test_what_comes_later_is_not_required_yet(
    current: NodeAffinity, marked: NodeAffinity | None, expected: NodeAffinity
) -> None:
    """A gated pod keeps what the user requires, so that it can be narrowed; an answer of ours that is old goes."""
    cluster = cluster_of(_NODES, data("c1", on_hosts("a1")), strict())
    decision = decision_on(pod("web", "c1", "missing"), cluster)
    given = fingerprint(marked) if marked else None

    assert pod_affinity(decision, cluster.topology, current, mark=given, later=True) == PodAffinity(expected)


_ANY_POD = st.fixed_dictionaries(
    {
        "required": selectors(),
        "preferred": st.sampled_from([None, (), _WISH, _OLD_WISH]),
        "ours": st.sampled_from(["required", "preferred", ""]),
    }
)
_ANY_WAY = st.fixed_dictionaries({"by_hostname": st.booleans(), "prefer": st.booleans(), "later": st.booleans()})


def _marked(given: Mapping[str, Any]) -> tuple[NodeAffinity, NodeAffinity, str | None]:
    """What a pod asks for, the part of it that is the user's, and the mark of the rest."""
    current = NodeAffinity(required=given["required"], preferred=given["preferred"])
    ours = NodeAffinity(**{given["ours"]: getattr(current, given["ours"])}) if given["ours"] else NodeAffinity()
    if ours in (NodeAffinity(), _wish(())):
        return current, current, None
    return current, msgspec.structs.replace(current, **{given["ours"]: None}), fingerprint(ours)


@settings(deadline=None)
@given(world=worlds(), given_pod=_ANY_POD, how=_ANY_WAY)
def test_asking_twice_changes_nothing(world: World, given_pod: Mapping[str, Any], how: Mapping[str, bool]) -> None:
    """Whatever the rule, the pod and the mark: what comes out goes in and comes out the same."""
    cluster = world.cluster
    decision = decision_on(world.pod, cluster)
    current, _, mark = _marked(given_pod)

    once = pod_affinity(decision, cluster.topology, current, mark=mark, **how)
    twice = pod_affinity(decision, cluster.topology, once.affinity, mark=once.mark, **how)

    assert twice == once
    assert (once.mark is not None) is (own_part(once.mark, once.affinity) is not None)


@settings(deadline=None)
@given(world=worlds(), given_pod=_ANY_POD, how=_ANY_WAY)
def test_what_the_user_asks_for_is_never_loosened(
    world: World, given_pod: Mapping[str, Any], how: Mapping[str, bool]
) -> None:
    """No node is allowed that the user's terms exclude, and all that is preferred stays preferred."""
    cluster = world.cluster
    current, theirs, mark = _marked(given_pod)

    found = pod_affinity(decision_on(world.pod, cluster), cluster.topology, current, mark=mark, **how).affinity

    if theirs.required is not None:
        assert found.required is not None
        for name, there in world.nodes.items():
            assert matches_selector(theirs.required, name, there.labels) or not matches_selector(
                found.required, name, there.labels
            )
    if how["later"]:
        assert found.required == theirs.required
    preferred = theirs.preferred or ()
    assert (found.preferred or ())[: len(preferred)] == preferred


def test_affinity_is_the_same_in_whatever_order_nodes_came() -> None:
    """Terms are sorted, so that writing them again changes nothing."""
    objects = [*_NODES, *data("c1", on_hosts("a1", "a2", "b1")), soft()]
    one, other = (builders.cluster_of(*given) for given in (objects, reversed(objects)))
    subject = pod("web", "c1")

    assert node_affinity(decision_on(subject, one), one.topology) == node_affinity(
        decision_on(subject, other), other.topology
    )


def _wished(weight: int, *expressions: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"enforcement": "Preferred", "weight": weight, "matchExpressions": list(expressions)}


_NEW = [
    builders.claim("c2", storage_class="late"),
    builders.storage_class("late", binding="WaitForFirstConsumer"),
]
_SSD, _TAPE = need("disk", "In", "ssd"), need("disk", "NotIn", "tape")


@pytest.mark.parametrize(
    ("wishes", "terms"),
    [
        ([_wished(1, _SSD)], [_weighted(100, _SSD)]),
        ([_wished(30, _SSD), _wished(10, _TAPE, _SSD)], [_weighted(75, _SSD), _weighted(25, _TAPE, _SSD)]),
        ([_wished(100, _SSD), *[_wished(100, need("disk", "In", f"d{n}")) for n in range(2)], _wished(1, _TAPE)], None),
    ],
)
def test_wishes_for_new_volumes_are_preferences(wishes: Any, terms: Any) -> None:
    """Together they weigh as much as one volume, and each as much as it may at least."""
    cluster = cluster_of(_NODES, _NEW, soft(newVolumes={"nodeAffinity": wishes}))
    decision = decision_on(pod("web", "c2"), cluster)
    found = pod_affinity(decision, cluster.topology, NodeAffinity(), mark=None, prefer=True)
    preferred = _plain(found.affinity)[_PREFERRED]

    assert [each["weight"] for each in preferred] == (
        [33, 33, 33, 1] if terms is None else [each["weight"] for each in terms]
    )
    assert terms is None or preferred == terms
    assert found.mark == fingerprint(found.affinity)


def test_wishes_are_beside_the_data_of_a_soft_rule() -> None:
    """And all that is preferred under a strict one."""
    rule: dict[str, Any] = {"newVolumes": {"nodeAffinity": [_wished(1, _SSD)]}}
    found = {}
    for policy in (soft(**rule), strict(**rule)):
        cluster = cluster_of(_NODES, _NEW, data("c1", on_hosts("b1")), policy)
        decision = decision_on(pod("web", "c1", "c2"), cluster)
        found[policy.name] = _plain(
            pod_affinity(decision, cluster.topology, NodeAffinity(), mark=None, prefer=True).affinity
        )

    assert found["soft"][_PREFERRED][0] == _weighted(100, _SSD)
    assert len(found["soft"][_PREFERRED]) > 1
    assert found["strict"] == {
        _REQUIRED: {"nodeSelectorTerms": _named("b1")},
        _PREFERRED: [_weighted(100, _SSD)],
    }


def test_a_template_carries_nothing_of_new_volumes() -> None:
    """Each pod gets its own answer."""
    cluster = cluster_of(_NODES, _NEW, soft(newVolumes={"nodeAffinity": [_wished(1, _SSD)]}))
    workload = builders.deployment("web", "c2")

    assert node_affinity(decide(subject_of_template(workload), cluster, Locator(cluster)), cluster.topology) is None
