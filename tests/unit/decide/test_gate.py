"""The scheduling gate: who is held back, and with what a pod is let through."""

from collections.abc import Sequence
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit import builders
from tests.unit.builders import (
    DISABLE,
    DRIVER,
    HOSTNAME,
    PREFER_LOCAL,
    ZONE,
    claim,
    data,
    decision_on,
    flat,
    in_zones,
    node,
    on_hosts,
    soft,
    storage_class,
    strict,
)
from tests.unit.worlds import World, one_policy, selectors, worlds

from mooring.api.annotations import GATE
from mooring.cluster.index import Cluster
from mooring.cluster.records import Affinity, Expression, NodeAffinity, NodeSelector, Owner, Pod, Term
from mooring.decide.gate import Release, is_nominated, needs_gate, release
from mooring.locate.selector import matches_selector

_NODES: Final = [node(f"n{number}", zone="a" if number < 3 else "b") for number in (1, 2, 3)]
_DRAWN: Final = data("c", replicas="n1")
_CONFINED: Final = data("c", on_hosts("n1"))
_IMMEDIATE: Final = storage_class("fast", DRIVER)
_LATE: Final = storage_class("late", DRIVER, binding="WaitForFirstConsumer")
_RESTORING: Final = {"mooring.dev/restore-in-progress": "true"}


def needs(rule: Any, *objects: Any, pod: Pod | None = None) -> bool:
    """Whether a pod with the claim c is gated."""
    return needs_gate(decision_on(pod or builders.pod("web", "c"), _NODES, rule, *objects))


@pytest.mark.parametrize("rule", [soft(), strict()], ids=["soft", "strict"])
@pytest.mark.parametrize(
    ("objects", "awaited"),
    [
        ([], True),
        ([claim("c")], True),
        ([claim("c", storage_class="fast"), _IMMEDIATE], True),
        ([claim("c", storage_class="unheard-of")], True),
        ([claim("c", storage_class="late"), _LATE], False),
        ([claim("c", phase="Lost")], False),
        ([claim("c", "pv-c")], True),
        ([claim("c", "pv-c", annotations=_RESTORING), builders.volume("pv-c", on_hosts("n1"))], True),
        ([claim("c", "pv-c"), builders.volume("pv-c")], False),
        ([_CONFINED], False),
    ],
    ids=[
        "missing",
        "pending without a class",
        "pending, bound at once",
        "pending, of no class that is there",
        "pending until it has a node",
        "lost",
        "bound to a volume that is not known yet",
        "being restored",
        "of an unknown place",
        "confined to its node",
    ],
)
def test_a_pod_waits_for_its_claims(rule: Any, objects: Sequence[Any], *, awaited: bool) -> None:
    """Soft or strict, as long as kube-scheduler would not place it either; never for a claim that waits for the pod."""
    assert needs(rule, *objects) is awaited


@pytest.mark.parametrize(
    ("rule", "objects", "gated"),
    [
        (soft(), [_DRAWN], True),
        (soft(topologyKey=ZONE), [_DRAWN], True),
        (soft(), [data("c", on_hosts("n1", "n2"), replicas="n1")], True),
        (soft(), [data("c", on_hosts("n1"), replicas="n1")], False),
        (soft(), [data("c", in_zones("a"))], False),
        (soft(placement="Remote"), [_DRAWN], False),
        (soft(placement="Anywhere"), [_DRAWN], False),
        (strict(), [_DRAWN], False),
        (strict(), [data("c", replicas="gone")], False),
        ((), [_DRAWN], False),
        (soft(updateMode="Audit"), [_DRAWN], False),
        (soft(updateMode="Audit"), [], False),
        (strict(updateMode="Audit"), [], False),
        ((), [], False),
        (soft(volumeSelector={"drivers": ["other"]}), [], False),
        (soft(volumeSelector={"drivers": ["other"]}), [_DRAWN], False),
    ],
    ids=[
        "soft",
        "soft by zone",
        "replicas on some of the nodes that can mount it",
        "a replica on the only node that can",
        "an area",
        "away from its data",
        "no opinion",
        "strict",
        "strict, and nowhere",
        "no rule",
        "audit",
        "audit, a claim is missing",
        "strict audit, a claim is missing",
        "no rule, a claim is missing",
        "a missing claim that no rule is about",
        "a claim that no rule is about",
    ],
)
def test_a_soft_pod_waits_for_its_nomination(rule: Any, objects: Sequence[Any], *, gated: bool) -> None:
    """Where its data draws it to nodes that kube-scheduler would not find by itself; a strict one has its affinity."""
    assert needs(rule, *objects) is gated


def _of_daemon_set() -> Pod:
    pod = builders.pod("agent", "c")
    pod.metadata.owner_references = (Owner(kind="DaemonSet", name="agent", uid="u", controller=True),)
    return pod


@pytest.mark.parametrize(
    ("pod", "gated"),
    [
        (builders.pod("web", "c"), True),
        (builders.pod("web", "c", on="n2"), False),
        (_of_daemon_set(), False),
        (builders.pod("web"), False),
        (builders.pod("web", "c", annotations={DISABLE: "true"}), False),
        (builders.pod("web", "c", annotations={PREFER_LOCAL: "true"}), False),
        (builders.pod("web", "c", labels={"mooring.dev/ignore": "true"}), False),
    ],
    ids=["any", "its node is said", "a DaemonSet's", "without a claim", "disabled", "strict by annotation", "ignored"],
)
@pytest.mark.parametrize("objects", [[_DRAWN], []], ids=["drawn", "missing"])
def test_some_pods_are_never_gated(pod: Pod, objects: Sequence[Any], *, gated: bool) -> None:
    """A pod whose node is said already cannot be, and what no rule acts on is left alone."""
    strict_and_missing = PREFER_LOCAL in pod.annotations and not objects

    assert needs(soft(), *objects, pod=pod) is (gated or strict_and_missing)


def test_a_cluster_that_is_only_looked_at_gates_nothing() -> None:
    """Every rule is an audit there."""
    cluster = _read_only(_NODES, soft(), _DRAWN)

    assert not needs_gate(decision_on(builders.pod("web", "c"), cluster))
    assert not needs_gate(decision_on(builders.pod("web", "missing"), cluster))


def _read_only(*objects: Any) -> Cluster:
    cluster = Cluster(read_only=True)
    for obj in flat(objects):
        cluster.put(builders.kind_of(obj), obj)
    return cluster


def released(rule: Any, *objects: Any, pod: Pod | None = None, by_hostname: bool = False) -> Release | None:
    """How a gated pod with the claim c is let through."""
    pod = pod or gated()
    cluster = builders.cluster_of(_NODES, rule, objects, pod)
    return release(pod, decision_on(pod, cluster), cluster, by_hostname=by_hostname)


def gated(*gates: str, claims: Sequence[str] = ("c",), required: NodeSelector | None = None) -> Pod:
    """A pod behind our gate and these, perhaps with affinity of its own."""
    pod = builders.pod("web", *claims, gates=[GATE, *gates])
    if required is not None:
        pod.spec.affinity = Affinity(node_affinity=NodeAffinity(required=required))
    return pod


def _named(*names: str) -> NodeSelector:
    fields = [Expression("metadata.name", "In", (name,)) for name in names]
    return NodeSelector(tuple(Term(match_fields=(field,)) for field in fields))


def _hosts(*names: str) -> Expression:
    return Expression(HOSTNAME, "In", names)


_SSD: Final = Expression("disk", "In", ("ssd",))
_NOT_N9: Final = Expression("metadata.name", "NotIn", ("n9",))


@pytest.mark.parametrize("rule", [soft(), strict()], ids=["soft", "strict"])
@pytest.mark.parametrize(
    "objects", [[], [claim("c")], [claim("c", "pv-c")]], ids=["missing", "pending", "volume not known"]
)
def test_a_pod_is_held_while_it_waits_for_a_claim(rule: Any, objects: Sequence[Any]) -> None:
    """Also where its other volumes are there."""
    assert released(rule, *objects) is None
    assert released(rule, *objects, data("d", replicas="n1"), pod=gated(claims=["c", "d"])) is None


@pytest.mark.parametrize("rule", [soft(), strict()], ids=["soft", "strict"])
def test_while_somebody_elses_gate_stands_nothing_happens(rule: Any) -> None:
    """A nomination would keep room that nobody uses; the same without our gate, where there is nothing to take off."""
    assert released(rule, _DRAWN, pod=gated("example.com/quota")) is None
    assert released(rule, _DRAWN, pod=builders.pod("web", "c", gates=["example.com/quota"])) is None
    assert released(rule, _DRAWN, pod=builders.pod("web", "c")) is None
    assert released(rule, _DRAWN) is not None


@pytest.mark.parametrize("rule", [(), soft(placement="Anywhere"), soft(updateMode="Audit"), strict(updateMode="Audit")])
@pytest.mark.parametrize("objects", [[_DRAWN], []], ids=["located", "missing"])
@pytest.mark.parametrize("others", [[], ["example.com/quota"]], ids=["our gate only", "another gate"])
def test_a_pod_that_no_rule_acts_on_any_more_is_let_through(
    rule: Any, objects: Sequence[Any], others: Sequence[str]
) -> None:
    """At once and as it is: whatever held it is not there any more."""
    assert released(rule, *objects, pod=gated(*others)) == Release()


def test_a_cluster_that_is_only_looked_at_is_let_go() -> None:
    """What was gated before the setting came is not held because of it."""
    assert release(gated(), decision_on(gated(), _read_only(_NODES, strict())), _read_only(_NODES)) == Release()


@pytest.mark.parametrize(
    ("objects", "node_name"),
    [
        ([_DRAWN], "n1"),
        ([_DRAWN, node("n1", zone="a", cordoned=True)], "n2"),
        ([_DRAWN, *(node(name, cordoned=True) for name in ("n1", "n2", "n3"))], ""),
        ([_CONFINED], ""),
        ([data("c")], ""),
    ],
    ids=["its data's node", "the next best", "none fits", "the scheduler finds it by itself", "unknown place"],
)
def test_a_soft_pod_is_nominated(objects: Sequence[Any], node_name: str) -> None:
    """Or let through without a nomination, and in no case with affinity."""
    assert released(soft(), *objects) == Release(node=node_name)
    own = NodeSelector((Term(match_expressions=(Expression(HOSTNAME, "Exists"),)),))
    assert released(soft(), *objects, pod=gated(required=own)) == Release(node=node_name)


@pytest.mark.parametrize(
    ("own", "objects", "by_hostname", "required"),
    [
        # Nothing of its own: a term for each node, by name.
        (None, [_DRAWN], False, _named("n1")),
        (None, [data("c", replicas="n2,n1")], False, _named("n1", "n2")),
        (None, [data("c", replicas="n2,n1")], True, NodeSelector((Term((_hosts("n1", "n2"),)),))),
        (None, [data("c", in_zones("a"))], False, NodeSelector((Term((Expression(ZONE, "In", ("a",)),)),))),
        # Terms of its own: as many as before, each with one requirement more, at its end.
        (
            NodeSelector((Term((_SSD,)), Term((), (_NOT_N9,)))),
            [data("c", replicas="n2,n1")],
            False,
            NodeSelector((Term((_SSD, _hosts("n1", "n2"))), Term((_hosts("n1", "n2"),), (_NOT_N9,)))),
        ),
        # One without requirements selects nothing and must stay so.
        (
            NodeSelector((Term(), Term((_SSD,)))),
            [_DRAWN],
            False,
            NodeSelector((Term(), Term((_SSD, _hosts("n1"))))),
        ),
        # What is there already is not written again.
        (NodeSelector((Term((_SSD, _hosts("n1"))),)), [_DRAWN], False, None),
        (None, [data("c")], False, None),
        (NodeSelector((Term((_SSD,)),)), [data("c")], False, None),
    ],
)
def test_a_strict_pod_gets_what_it_requires(
    own: NodeSelector | None, objects: Sequence[Any], required: NodeSelector | None, *, by_hostname: bool
) -> None:
    """In the form that the API server takes for a gated pod, and no nomination."""
    found = released(strict(), *objects, pod=gated(required=own), by_hostname=by_hostname)

    assert found == Release(required=required)


def test_a_strict_pod_whose_data_is_nowhere_is_let_through() -> None:
    """It waits in the scheduler's queue then, which says why; what it requires, no node fulfils."""
    disjoint = [data("c", replicas="n1"), data("d", replicas="n2")]

    found = released(strict(), *disjoint, pod=gated(claims=["c", "d"]))

    assert found is not None
    assert found.required is not None
    assert not any(matches_selector(found.required, each.name, each.labels) for each in _NODES)


@settings(deadline=None)
@given(
    world=worlds(policies=one_policy(whenUnsatisfiable="DoNotSchedule")) | worlds(ragged=True),
    own=selectors(),
    by_hostname=st.booleans(),
)
def test_terms_only_gain_requirements(world: World, own: NodeSelector | None, *, by_hostname: bool) -> None:
    """What the API server allows for a gated pod: as many terms, what was there in front, empty terms as they are."""
    pod = gated(claims=world.pod.claims, required=own)
    pod.metadata.annotations = world.pod.metadata.annotations
    cluster = world.cluster
    found = release(pod, decision_on(pod, cluster), cluster, by_hostname=by_hostname)
    if found is None or found.required is None:
        return
    required = found.required
    assert required != own
    if own is None:
        assert not by_hostname or all(not each.match_fields for each in required.node_selector_terms)
        return
    for before, after in zip(own.node_selector_terms, required.node_selector_terms, strict=True):
        assert after.match_fields == before.match_fields
        assert after.match_expressions[: len(before.match_expressions)] == before.match_expressions
        assert before != Term() or after == Term()
    # Gaining again what was gained changes nothing: a pod that could not be let through is tried again.
    pod.spec.affinity = Affinity(node_affinity=NodeAffinity(required=required))
    assert release(pod, decision_on(pod, cluster), cluster, by_hostname=by_hostname) == Release(node=found.node)


@pytest.mark.parametrize(
    ("rule", "objects", "nominated"),
    [
        (soft(), _DRAWN, True),
        (soft(), _CONFINED, False),
        (strict(), _DRAWN, False),
        (soft(updateMode="Audit"), _DRAWN, False),
        ((), _DRAWN, False),
        (soft(placement="Remote"), _DRAWN, False),
    ],
)
def test_nominations_are_for_drawn_pods_of_soft_rules(rule: Any, objects: Any, *, nominated: bool) -> None:
    """The same question at admission, at release, and whenever a pod could not be placed."""
    assert is_nominated(decision_on(builders.pod("web", "c"), _NODES, rule, *objects)) is nominated


def _rule(key: str, value: str, **fields: Any) -> dict[str, Any]:
    return {"matchExpressions": [{"key": key, "operator": "In", "values": [value]}], **fields}


_APP: Final = {"app": "db"}
_NEW: Final = [claim("c", storage_class="late", size="2Gi", labels=_APP), _LATE]
_APART: Final = {"volumeAntiAffinity": [_rule("app", "db", topologyKey=ZONE)]}
_SSD_ONLY: Final = {"nodeAffinity": [_rule("disk", "ssd")]}
_TOGETHER: Final = {"volumeAffinity": [_rule("app", "web", topologyKey=ZONE)]}
_IN_ZONE_A: Final = builders.capacity("a", "late", "3Gi", labels={ZONE: "a"})
_OCCUPANT: Final = [claim("d", "pv-d", labels=_APP), builders.volume("pv-d", on_hosts("n1"))]
_NEIGHBOUR: Final = [claim("d", "pv-d", labels={"app": "web"}), builders.volume("pv-d", on_hosts("n3"))]


@pytest.mark.parametrize("rule", [soft, strict], ids=["soft", "strict"])
@pytest.mark.parametrize(
    ("new_volumes", "objects", "gated"),
    [
        ({}, [], False),
        (_SSD_ONLY, [], False),
        ({"nodeAffinity": [_rule("disk", "ssd", enforcement="Preferred")]}, [], True),
        (_APART, [], True),
        (_TOGETHER, [], True),
        ({"volumeAffinity": [_rule("app", "web", enforcement="Preferred")]}, _NEIGHBOUR, True),
        ({}, [_IN_ZONE_A], True),
        (_APART, [claim("c", "pv-c"), builders.volume("pv-c", on_hosts("n1"))], False),
    ],
    ids=["nothing", "labels", "wish", "apart", "near what is not there", "near by wish", "room", "volume is there"],
)
def test_a_pod_of_new_volumes_waits_for_a_node(
    rule: Any, new_volumes: Any, objects: Sequence[Any], *, gated: bool
) -> None:
    """Where somebody has to weigh them, soft or strict; what nodes' labels say for good needs nobody."""
    assert needs(rule(newVolumes=new_volumes), _NEW, objects) is gated
    assert not needs(rule(newVolumes=new_volumes, updateMode="Audit"), _NEW, objects)
    assert is_nominated(decision_on(builders.pod("web", "c"), _NODES, rule(newVolumes=new_volumes), _NEW, objects)) is (
        gated
    )


def _zone(*values: str) -> NodeSelector:
    return NodeSelector((Term((Expression(ZONE, "In", values),)),))


@pytest.mark.parametrize(
    ("new_volumes", "objects", "found"),
    [
        (_APART, [], Release(node="n1", required=_zone("a"))),
        (_APART, _OCCUPANT, Release(node="n3", required=_zone("b"))),
        (_TOGETHER, _NEIGHBOUR, Release(node="n3", required=_zone("b"))),
        ({"spread": {"topologyKey": ZONE}}, [], Release()),
        ({}, [_IN_ZONE_A], Release(node="n1", required=NodeSelector((Term((_hosts("n1", "n2"),)),)))),
        ({}, [builders.capacity("all", "late", "3Gi")], Release(node="n1")),
        (_SSD_ONLY, [], Release(required=NodeSelector((Term((_SSD,)),)))),
        ({"nodeAffinity": [_rule(ZONE, "b", enforcement="Preferred")]}, [], Release(node="n3")),
    ],
    ids=[
        "bound to its place",
        "and away from others'",
        "near others",
        "not a StatefulSet's",
        "where there is room, by name",
        "where there is room everywhere",
        "labels",
        "wish",
    ],
)
def test_a_pod_of_new_volumes_is_sent_to_a_node(new_volumes: Any, objects: Sequence[Any], found: Release) -> None:
    """And bound as far as what it asks for depends on that; kube-scheduler knows nothing of it."""
    assert released(soft(newVolumes=new_volumes), _NEW, objects) == found


@pytest.mark.parametrize(
    ("new_volumes", "objects", "held"),
    [
        (_APART, [node(name, zone="a", cordoned=True) for name in ("n1", "n2", "n3")], True),
        (_TOGETHER, [], True),
        (_TOGETHER, [_NEIGHBOUR, node("n3", zone="b", cordoned=True)], False),
        ({}, [builders.capacity("all", "late", "1Gi")], True),
        ({}, [_IN_ZONE_A, [node(name, zone="a", cordoned=True) for name in ("n1", "n2")]], True),
        ({"nodeAffinity": [_rule("disk", "tape")]}, [], False),
    ],
    ids=[
        "its place must be known",
        "near what is not there",
        "its place is known",
        "no room",
        "no node with room, whose names are right only now",
        "labels",
    ],
)
def test_a_pod_of_new_volumes_is_held_until_a_node_will_do(
    new_volumes: Any, objects: Sequence[Any], *, held: bool
) -> None:
    """Unless what it is bound to stays right whatever happens: then the scheduler says what it waits for."""
    assert (released(soft(newVolumes=new_volumes), _NEW, *objects) is None) is held


def test_a_copy_is_sent_to_its_source_as_far_as_it_may() -> None:
    """A clone of a volume on n1 belongs on n1, and elsewhere where rules forbid that."""
    clone = [claim("c", storage_class="late", source={"kind": "PersistentVolumeClaim", "name": "d"}), _LATE]
    source = data("d", on_hosts("n1"))
    away = {"nodeAffinity": [{"matchExpressions": [{"key": HOSTNAME, "operator": "NotIn", "values": ["n1"]}]}]}

    assert released(soft(), clone, source) == Release(node="n1")
    assert released(strict(), clone, source) == Release(required=_named("n1"))
    found = released(soft(newVolumes=away), clone, source)
    assert found is not None
    assert found.node == "n2"
