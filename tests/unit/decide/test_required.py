"""What a strict rule requires of a pod that asks for nodes itself: both hold, and asking twice changes nothing."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit import builders
from tests.unit.builders import (
    DRIVER,
    HOSTNAME,
    PREFER_LOCAL,
    ZONE,
    bare_node,
    cluster_of,
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
from tests.unit.worlds import SHARED, World, one_policy, selectors, worlds

from mooring.cluster.records import Node, NodeSelector, to_json
from mooring.decide.decision import Decision, Obstacle, decide, intersection
from mooring.decide.required import MAX_NODE_TERMS, required_affinity
from mooring.decide.subject import subject_of_pod
from mooring.locate.locator import Locator
from mooring.locate.selector import matches_selector

_NODES = [
    node("a1", zone="a"),
    node("a2", zone="a"),
    node("b1", zone="b"),
]
_SSD = need("disk", "In", "ssd")
_GPU = need("gpu", "Exists")

Terms = Sequence[Mapping[str, Any]]

strict_worlds = worlds(policies=one_policy(whenUnsatisfiable="DoNotSchedule"))
away_worlds = worlds(policies=one_policy(whenUnsatisfiable="DoNotSchedule", placement="Remote"))
tried = settings(deadline=None, max_examples=200)


def _named(name: str, *expressions: Mapping[str, Any]) -> Mapping[str, Any]:
    return term(*expressions, fields=[need("metadata.name", "In", name)])


def _selector(terms: Terms | None) -> NodeSelector | None:
    return None if terms is None else msgspec.convert({"nodeSelectorTerms": terms}, NodeSelector)


def _required(
    own: Terms | None, *objects: Any, claims: Sequence[str] = ("c1",), by_hostname: bool = False
) -> NodeSelector | None:
    cluster = cluster_of(_NODES, *objects)
    decision = decision_on(pod("web", *claims), cluster)
    return required_affinity(decision, cluster.topology, _selector(own), by_hostname=by_hostname)


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        # Nothing of its own: the nodes.
        (None, [_named("a1"), _named("b1")]),
        # Every term with every node.
        ([term(_SSD)], [_named("a1", _SSD), _named("b1", _SSD)]),
        (
            [term(_SSD), term(_GPU)],
            [_named("a1", _SSD), _named("b1", _SSD), _named("a1", _GPU), _named("b1", _GPU)],
        ),
        # A term without requirements selects nothing, and still does.
        ([term(), term(_SSD)], [term(), _named("a1", _SSD), _named("b1", _SSD)]),
        ([term()], [term()]),
        # A term that names a node says it once, and what contradicts itself goes while something else stays.
        ([_named("a1", _SSD)], [_named("a1", _SSD)]),
        ([_named("a2"), _named("b1")], [_named("b1")]),
        (
            [term(_SSD, fields=[need("metadata.name", "NotIn", "a1")])],
            [term(_SSD, fields=[need("metadata.name", "NotIn", "a1"), need("metadata.name", "In", "b1")])],
        ),
        # If all contradict, they stay contradictions.
        ([_named("a2", _SSD)], [_named("a2", _SSD, need(HOSTNAME, "In", "a1", "b1"))]),
        (
            [term(fields=[need("metadata.name", "NotIn", "a1"), need("metadata.name", "NotIn", "b1")])],
            [
                term(
                    need(HOSTNAME, "In", "a1", "b1"),
                    fields=[need("metadata.name", "NotIn", "a1"), need("metadata.name", "NotIn", "b1")],
                )
            ],
        ),
    ],
)
def test_the_users_terms_and_the_nodes(own: Terms | None, expected: Any) -> None:
    """One matchFields node a term, and the user's own requirements in each."""
    assert _required(own, data("c1", on_hosts("b1", "a1")), strict()) == _selector(expected)


@pytest.mark.parametrize(
    ("place", "key", "expression"),
    [
        (in_zones("a"), HOSTNAME, need(ZONE, "In", "a")),
        (on_hosts("a1"), ZONE, need(ZONE, "In", "a")),
        (on_hosts("a1", "b1"), ZONE, need(ZONE, "In", "a", "b")),
    ],
)
def test_an_area_is_an_expression_in_every_term(place: Any, key: str, expression: Mapping[str, Any]) -> None:
    """Where the rule does not ask for nodes, or nobody knows them, each term gets the label."""
    objects = data("c1", place), strict(topologyKey=key)

    assert _required(None, *objects) == _selector([term(expression)])
    assert _required([term(_SSD), term(), _named("a2"), term(_GPU, expression)], *objects) == _selector(
        [term(_SSD, expression), term(), _named("a2", expression), term(_GPU, expression)]
    )


@pytest.mark.parametrize("own", [None, [term(_SSD)], [term(_SSD), term(), term(_GPU)]])
def test_hostnames_instead_of_names(own: Terms | None) -> None:
    """For autoscalers that do not read matchFields: one expression in every term."""
    hosts = need(HOSTNAME, "In", "a1", "b1")
    expected = {
        None: [term(hosts)],
        1: [term(_SSD, hosts)],
        3: [term(_SSD, hosts), term(), term(_GPU, hosts)],
    }

    required = _required(own, data("c1", on_hosts("a1", "b1")), strict(), by_hostname=True)

    assert required == _selector(expected[len(own) if own else None])


@pytest.mark.parametrize(("count", "by_name"), [(MAX_NODE_TERMS // 2, True), (MAX_NODE_TERMS // 2 + 1, False)])
def test_a_large_product_is_an_expression(count: int, *, by_name: bool) -> None:
    """It is the number of terms that the pod would have that counts, not that of the nodes."""
    names = sorted(f"many-{number}" for number in range(count))
    objects = [node(name) for name in names], data("c1", on_hosts(*names)), strict()
    own = [term(_SSD), term(_GPU)]

    required = _required(own, *objects)

    if by_name:
        assert required == _selector([_named(name, expression) for expression in (_SSD, _GPU) for name in names])
    else:
        assert required == _selector([term(expression, need(HOSTNAME, "In", *names)) for expression in (_SSD, _GPU)])
    assert required is not None
    assert _required(to_json(required)["nodeSelectorTerms"], *objects) == required


@pytest.mark.parametrize(
    "rule",
    [
        soft(),
        strict(updateMode="Audit"),
        builders.policy("p", placement="Anywhere"),
        strict(podSelector={"matchLabels": {"a": "b"}}),
    ],
    ids=["soft", "audit", "anywhere", "none"],
)
def test_what_is_not_strict_requires_nothing(rule: Any) -> None:
    """The user's terms stay as they are, none if there are none."""
    for own in (None, [term(_SSD)], [term()]):
        assert _required(own, data("c1", on_hosts("a1")), rule) == _selector(own)


def test_unknown_places_require_nothing() -> None:
    """A claim that is missing or unbound adds nothing; the other volumes hold as usual."""
    assert _required([term(_SSD)], builders.claim("c1"), strict()) == _selector([term(_SSD)])
    assert _required(None, builders.claim("c2"), strict(), claims=["c1", "c2"]) is None
    objects = builders.claim("c2"), data("c3", on_hosts("a1")), strict()
    assert _required(None, *objects, claims=["c1", "c2", "c3"]) == _selector([_named("a1")])


@pytest.mark.parametrize("own", [None, [term(need(ZONE, "Exists")), _named("a1")]])
def test_volumes_without_a_node_in_common_leave_none(own: Terms | None) -> None:
    """A strict pod waits where its rule can be met nowhere: it does not run away from half of its data."""
    objects = data("c1", on_hosts("a1")), data("c2", on_hosts("b1")), strict()
    cluster = cluster_of(_NODES, *objects)
    decision = decision_on(pod("web", "c1", "c2"), cluster)

    required = required_affinity(decision, cluster.topology, _selector(own))

    assert decision.obstacle is Obstacle.DISJOINT
    assert required is not None
    assert _selected(required, cluster.nodes) == set()
    assert required_affinity(decision, cluster.topology, required) == required


def test_a_label_that_no_node_with_the_data_has_leaves_none() -> None:
    """Nodes without the label are never near; a label that must be there and not be there says so."""
    bare = bare_node("bare", {HOSTNAME: "bare"})

    assert _required([term(_SSD)], bare, data("c1", on_hosts("bare")), strict(topologyKey=ZONE)) == _selector(
        [term(_SSD, need(ZONE, "Exists"), need(ZONE, "DoesNotExist"))]
    )


def test_replicas_that_are_all_offline_are_waited_for() -> None:
    """Affinity does not carry states: the pod stays with its data until it is back."""
    offline = node("a1", zone="a", states={DRIVER: "Offline"})
    for place, expected in ((on_hosts("a1"), [_named("a1")]), (in_zones("a"), [term(need(ZONE, "In", "a"))])):
        others = [node("a2", zone="a", states={DRIVER: "Offline"}), offline]
        assert _required(None, *others, data("c1", place), strict()) == _selector(expected)


def test_an_annotation_is_as_strict_as_a_policy() -> None:
    """STORK's preferLocalNodeOnly is carried under any scheduler."""
    cluster = cluster_of(_NODES, data("c1", on_hosts("a1")))
    decision = decision_on(pod("web", "c1", annotations={PREFER_LOCAL: "true"}), cluster)

    assert required_affinity(decision, cluster.topology, None) == _selector([_named("a1")])


_AWAY = builders.strict("away", placement="Remote")
_NOT_A1 = need(HOSTNAME, "NotIn", "a1")


@pytest.mark.parametrize("by_hostname", [True, False])
@pytest.mark.parametrize(
    ("own", "expected"),
    [
        (None, [term(_NOT_A1)]),
        ([term(_SSD), term(), _named("a1")], [term(_SSD, _NOT_A1), term(), _named("a1", _NOT_A1)]),
        ([term(_NOT_A1)], [term(_NOT_A1)]),
        ([term()], [term()]),
    ],
)
def test_nodes_with_the_data_are_excluded_by_label(own: Terms | None, expected: Any, *, by_hostname: bool) -> None:
    """In every term of the user's; never by name, for nearly all nodes are left."""
    assert _required(own, data("c1", replicas="a1"), _AWAY, by_hostname=by_hostname) == _selector(expected)


def test_every_volume_to_stay_away_from_is_excluded_as_far_as_it_reaches() -> None:
    """By the topologyKey's label, once for each different place."""
    rule = strict(placement="Remote", topologyKey=ZONE)
    objects = data("c1", replicas="a1"), data("c2", replicas="b1"), data("c3", replicas="a2"), data("c4"), rule

    required = _required(None, *objects, claims=["c1", "c2", "c3", "c4"])

    assert required == _selector([term(need(ZONE, "NotIn", "a"), need(ZONE, "NotIn", "b"))])


def test_near_the_one_and_away_from_the_other() -> None:
    """Nodes by name for the one, and an expression for the other in each term; a soft rule requires the other alone."""
    only = builders.claim("c2", "v", annotations={"mooring.dev/preferRemoteNodeOnly": "true"})
    objects = data("c1", on_hosts("a1", "b1")), only, builders.volume("v", replicas="a1", labels=SHARED)

    assert _required(None, *objects, strict(), claims=["c1", "c2"]) == _selector(
        [_named("a1", _NOT_A1), _named("b1", _NOT_A1)]
    )
    assert _required(None, *objects, soft(), claims=["c1", "c2"]) == _selector([term(_NOT_A1)])


def test_replicas_without_the_label_exclude_nobody() -> None:
    """Nobody shares with them what they do not have."""
    rule = strict(placement="Remote", topologyKey="example.com/room")

    assert _required(None, data("c1", replicas="a1"), rule) is None


@tried
@given(world=strict_worlds | away_worlds, own=selectors(), by_hostname=st.booleans())
def test_a_node_is_selected_if_the_user_selects_it_and_it_is_near(
    world: World, own: NodeSelector | None, *, by_hostname: bool
) -> None:
    """Neither more nor less, whatever the terms and the places; states of storage aside."""
    decision, required = _decided(world, own, by_hostname=by_hostname)
    local = [view.placed for view in decision.required if not view.remote]
    near = intersection(local) if local else set(world.nodes)
    near = near - set[str]().union(*(view.placed for view in decision.required if view.remote))

    assert _selected(required, world.nodes) == _selected(own, world.nodes) & near


@tried
@given(world=strict_worlds | away_worlds | worlds(ragged=True), own=selectors(), by_hostname=st.booleans())
def test_a_users_terms_are_never_loosened(world: World, own: NodeSelector | None, *, by_hostname: bool) -> None:
    """A node that the user excludes stays excluded, also where labels differ from node to node."""
    _, required = _decided(world, own, by_hostname=by_hostname)

    assert _selected(required, world.nodes) <= _selected(own, world.nodes)


@tried
@given(world=strict_worlds | away_worlds | worlds(ragged=True), own=selectors(), by_hostname=st.booleans())
def test_asking_twice_changes_nothing(world: World, own: NodeSelector | None, *, by_hostname: bool) -> None:
    """The API server asks again where another webhook changed the pod after us."""
    decision, required = _decided(world, own, by_hostname=by_hostname)

    again = required_affinity(decision, world.cluster.topology, required, by_hostname=by_hostname)

    assert again == required
    assert required is None or len(required.node_selector_terms) <= MAX_NODE_TERMS


def _decided(world: World, own: NodeSelector | None, *, by_hostname: bool) -> tuple[Decision, NodeSelector | None]:
    cluster = world.cluster
    decision = decide(subject_of_pod(world.pod), cluster, Locator(cluster))
    return decision, required_affinity(decision, cluster.topology, own, by_hostname=by_hostname)


def _selected(selector: NodeSelector | None, nodes: Mapping[str, Node]) -> set[str]:
    if selector is None:
        return set(nodes)
    return {name for name, found in nodes.items() if matches_selector(selector, name, found.labels)}


_LATE = builders.storage_class("late", binding="WaitForFirstConsumer")
_NEW = builders.claim("c1", storage_class="late", labels={"app": "db"}, size="1Gi"), _LATE
_APART = {"volumeAntiAffinity": [{"topologyKey": ZONE, "matchExpressions": [need("app", "In", "db")]}]}
_SSD_ONLY = {"nodeAffinity": [{"matchExpressions": [_SSD, _GPU]}]}


def _asked(own: Terms | None, new_volumes: Any, *objects: Any, **how: Any) -> NodeSelector | None:
    cluster = cluster_of(_NODES, _NEW, objects)
    if not any(builders.kind_of(each).endswith("Policy") for each in builders.flat(objects)):
        cluster.put("VolumePlacementPolicy", soft(newVolumes=new_volumes))
    return required_affinity(decision_on(pod("web", "c1", "c2"), cluster), cluster.topology, _selector(own), **how)


@pytest.mark.parametrize(
    ("new_volumes", "how", "expressions"),
    [
        (_SSD_ONLY, {}, [_SSD, _GPU]),
        (_APART, {}, []),
        (_APART, {"chosen": "b1"}, [need(ZONE, "In", "b")]),
        (_APART, {"chosen": "bare"}, [need(ZONE, "DoesNotExist")]),
        ({**_APART, **_SSD_ONLY}, {"chosen": "b1"}, [_SSD, _GPU, need(ZONE, "In", "b")]),
        ({}, {"chosen": "b1"}, []),
        ({}, {"chosen": "b1", "among": ("b1", "a2")}, [need(HOSTNAME, "In", "a2", "b1")]),
    ],
)
@pytest.mark.parametrize("by_hostname", [False, True])
def test_what_new_volumes_ask_for_is_in_every_term(
    new_volumes: Any, how: Any, expressions: Sequence[Any], *, by_hostname: bool
) -> None:
    """By labels; where nothing is asked for, nothing changes, and an empty term stays as it is."""
    bare = bare_node("bare", {HOSTNAME: "bare"})
    own = [term(need("own", "Exists")), term()]

    assert _asked(None, new_volumes, bare, by_hostname=by_hostname, **how) == (
        _selector([term(*expressions)]) if expressions else None
    )
    assert _asked(own, new_volumes, bare, by_hostname=by_hostname, **how) == _selector(
        [term(need("own", "Exists"), *expressions), term()]
    )


def test_data_that_is_there_and_volumes_that_are_not_are_required_together() -> None:
    """The nodes of the one, and what the others ask of them."""
    found = _asked(None, {}, data("c2", on_hosts("a1", "b1")), strict(newVolumes=_APART), chosen="b1")

    assert found == _selector([_named(name, need(ZONE, "In", "b")) for name in ("a1", "b1")])


def test_a_copy_is_required_where_its_source_is() -> None:
    """Under a strict rule a clone is treated as the volume that it is made of."""
    clone = builders.claim("c1", storage_class="late", source={"kind": "PersistentVolumeClaim", "name": "c2"})

    assert _asked(None, {}, clone, data("c2", on_hosts("b1")), strict()) == _selector([_named("b1")])
