"""The best node for a soft pod: what decides, in which order, and what is never chosen."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit import builders
from tests.unit.builders import (
    DRIVER,
    HOSTNAME,
    cluster_of,
    csi_node,
    data,
    decision_on,
    flat,
    in_zones,
    need,
    node,
    on_hosts,
    soft,
    term,
)
from tests.unit.worlds import World, selectors

from mooring.cluster.index import Cluster
from mooring.cluster.records import Affinity, Node, NodeAffinity, Pod, PreferredTerm, Term
from mooring.cluster.room import allocatable, requested
from mooring.cluster.topology import Level
from mooring.decide.nominate import best_node, drawn_to, roomy_nodes
from mooring.locate.selector import matches_selector, matches_term

_APP: Final = {"app": "web"}
_OWN: Final = {"labelSelector": {"matchLabels": _APP}}
_FULL: Final = {"cpu": "4", "memory": "8Gi", "pods": "0"}
#: Each of these is one tier farther from a1, and the last one no tier at all.
_PLACES: Final[Mapping[str, Any]] = {
    "a1": {"region": "r", "zone": "a", "rack": "x"},
    "a2": {"region": "r", "zone": "a", "rack": "x"},
    "a3": {"region": "r", "zone": "a", "rack": "y"},
    "b1": {"region": "r", "zone": "b", "rack": "x"},
    "far": {"region": "s", "zone": "a", "rack": "x"},
}
_ON_A1: Final = data("c1", replicas="a1")


def place(name: str, **fields: Any) -> Node:
    """A node at its place."""
    return node(name, **_PLACES[name], **fields)


_NODES: Final = [place(name) for name in _PLACES]


def wanting(*claims: str, **fields: Any) -> Pod:
    """A pod of a Deployment that asks for a core."""
    fields = {"requests": {"cpu": "1"}, "labels": _APP, "made_by": "web", **fields}
    return builders.pod("web-0", *(claims or ("c1",)), **fields)


def best(pod: Pod, *objects: Any, rule: Any = None) -> str:
    """The best node among the five, with what else there is; later objects replace earlier ones."""
    cluster = cluster_of(_NODES, rule or soft(), objects, pod)
    return best_node(pod, decision_on(pod, cluster), cluster)


def _requiring(*terms: Mapping[str, Any]) -> Mapping[str, Any]:
    selector = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": list(terms)}}
    return {"affinity": {"nodeAffinity": selector}}


def _preferring(weight: int, *expressions: Any) -> Mapping[str, Any]:
    preferred = [{"weight": weight, "preference": {"matchExpressions": list(expressions)}}]
    return {"affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": preferred}}}


def _spread(when: str, key: str = HOSTNAME) -> Mapping[str, Any]:
    return {"topologySpreadConstraints": [{"topologyKey": key, "maxSkew": 1, "whenUnsatisfiable": when, **_OWN}]}


def _apart(key: str = HOSTNAME) -> Mapping[str, Any]:
    terms = [{"topologyKey": key, **_OWN}]
    return {"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}}


def sibling(on: str = "", number: int = 1, **fields: Any) -> Pod:
    """Another pod of the Deployment, which asks for nothing."""
    return builders.pod(f"web-{number}", "other", on=on, labels=_APP, made_by="web", **fields)


@pytest.mark.parametrize(
    ("full", "chosen"),
    [("", "a1"), ("a1", "a2"), ("a1 a2", "a3"), ("a1 a2 a3", "b1"), ("a1 a2 a3 b1", ""), ("a2 b1", "a1")],
)
def test_the_nearest_tier_with_a_node_that_fits_decides(full: str, chosen: str) -> None:
    """The data's node, its rack, its zone and its region; beyond them the pod is left to the scheduler."""
    assert best(wanting(), _ON_A1, [place(name, allocatable=_FULL) for name in full.split()]) == chosen


_TAINT: Final = {"key": "dedicated", "value": "db", "effect": "NoSchedule"}


@pytest.mark.parametrize(
    ("pod", "objects"),
    [
        (wanting(), [place("a1", cordoned=True)]),
        (wanting(), [place("a1", ready="False")]),
        (wanting(), [place("a1", taints=[_TAINT])]),
        (wanting(), [place("a1", allocatable={"cpu": "999m", "memory": "8Gi", "pods": "9"})]),
        (wanting(requests={"cpu": "3"}), [builders.pod("runs", on="a1", requests={"cpu": "2"})]),
        (wanting(requests={"cpu": "3"}), [builders.pod("comes", nominated="a1", requests={"cpu": "2"})]),
        (wanting(nodeSelector={HOSTNAME: "a2"}), []),
        (wanting(**_requiring(term(need(HOSTNAME, "NotIn", "a1")))), []),
        (wanting(**_requiring(term(fields=[need("metadata.name", "In", "a2")]))), []),
        (wanting("c1", "c2"), [data("c2", on_hosts("a2", "far"))]),
        (wanting("c1", "c2"), [data("c2", on_hosts("a2"), driver="other")]),
        (wanting(), [csi_node("a2", DRIVER), data("c1", replicas="a1,a2")]),
        (wanting(), [place("a1", states={DRIVER: "Offline"}), data("c1", replicas="a1,a2")]),
        (wanting(**_apart()), [sibling("a1")]),
        (wanting(**_apart()), [sibling(nominated="a1")]),
        (wanting(**_spread("DoNotSchedule")), [sibling("a1")]),
    ],
    ids=[
        "cordoned",
        "not ready",
        "tainted",
        "too small",
        "full",
        "full once the nominated run",
        "nodeSelector",
        "required affinity",
        "required affinity by name",
        "another volume cannot be mounted there",
        "nor one of another driver",
        "the driver is not registered",
        "the storage is offline",
        "a sibling it must not meet",
        "a sibling that is to run there",
        "spread",
    ],
)
def test_a_node_that_cannot_take_the_pod_is_never_chosen(pod: Pod, objects: Sequence[Any]) -> None:
    """Whatever keeps the pod off the node with the data, the next best one is nominated."""
    assert best(wanting(), _ON_A1) == "a1"

    assert best(pod, _ON_A1, *objects) == "a2"


def test_a_taint_that_is_tolerated_is_no_obstacle() -> None:
    """As for kube-scheduler."""
    toleration = {"key": "dedicated", "operator": "Exists"}

    assert best(wanting(tolerations=[toleration]), _ON_A1, place("a1", taints=[_TAINT])) == "a1"


#: Where nothing else decides, a1 is chosen by its name; each reason below speaks for a2 and outweighs all after it.
_SCORE: Final = data("c2", replicas="a2")
_WISH: Final = _preferring(1, need(HOSTNAME, "In", "a2"))
_CROWD: Final = _spread("ScheduleAnyway")
_BUSY: Final = builders.pod("busy", requests={"cpu": "2"})


@pytest.mark.parametrize(
    ("pod", "objects", "chosen"),
    [
        (wanting(), [], "a1"),
        (wanting(), [builders.pod("busy", on="a1", requests={"cpu": "500m"})], "a2"),
        (wanting(), [builders.pod("busy", on="a1", requests={"memory": "1Gi"})], "a2"),
        (wanting(), [builders.pod("busy", nominated="a1", requests={"cpu": "500m"})], "a2"),
        (
            wanting(),
            [
                builders.pod("one", on="a1", requests={"cpu": "1", "memory": "1Gi"}),
                builders.pod("other", on="a2", requests={"memory": "3Gi"}),
            ],
            "a1",
        ),
        (wanting(**_CROWD), [sibling("a1")], "a2"),
        (wanting(**_CROWD), [sibling("a1"), builders.pod("busy", on="a2", requests={"cpu": "2"})], "a2"),
        (wanting(**_CROWD), [sibling("a1"), sibling("a2", 2), sibling("a2", 3)], "a1"),
        (wanting(**_WISH), [sibling("a2")], "a2"),
        (wanting(**_CROWD, **_WISH), [sibling("a2"), builders.pod("busy", on="a2", requests={"cpu": "2"})], "a2"),
        (wanting(**_preferring(1, need(HOSTNAME, "In", "far"))), [], "a1"),
        (wanting("c1", "c2", "c3"), [data("c2", replicas="a2"), data("c3", replicas="a2")], "a2"),
        (
            wanting("c1", "c2", "c3", **_preferring(100, need(HOSTNAME, "In", "a1"))),
            [data("c2", replicas="a2"), data("c3", replicas="a2")],
            "a2",
        ),
    ],
    ids=[
        "name",
        "CPU",
        "memory",
        "nominated pods count",
        "the scarcer of both",
        "siblings",
        "siblings before free capacity",
        "fewer siblings",
        "its own preference",
        "its own preference before siblings and free capacity",
        "a preference for another tier",
        "score",
        "score before its own preference",
    ],
)
def test_within_a_tier_the_best_node_is_chosen(pod: Pod, objects: Sequence[Any], chosen: str) -> None:
    """Score, then the pod's own preferred affinity, then distance from siblings, then free capacity, then the name."""
    assert best(pod, data("c1", replicas="a1,a2"), *objects) == chosen


def test_preferences_weigh_what_they_say() -> None:
    """The heavier one wins, and those that match the same node add up."""
    preferred = [
        {"weight": weight, "preference": {"matchExpressions": [need(HOSTNAME, "In", name)]}}
        for weight, name in ((3, "a1"), (2, "a2"), (2, "a2"))
    ]
    affinity = {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": preferred}}

    assert best(wanting(affinity=affinity), data("c1", replicas="a1,a2")) == "a2"


def test_the_room_that_is_kept_for_the_pod_is_its_own() -> None:
    """A pod that is looked at again stays where it was nominated to, were it the last that fits there."""
    tight = {"cpu": "1", "memory": "8Gi", "pods": "1"}
    tight_nodes = [place("a1", allocatable=tight), place("a2", allocatable=tight)]

    assert best(wanting(nominated="a1"), data("c1", replicas="a1,a2"), tight_nodes) == "a1"
    assert best(wanting(nominated="a2"), data("c1", replicas="a1,a2"), tight_nodes) == "a1"


def test_promises_count_before_the_api_server_has_answered() -> None:
    """Two pods that are nominated at once do not get the same room."""
    one, other = (builders.pod(f"web-{number}", "c1", requests={"cpu": "3"}) for number in (0, 1))
    cluster = cluster_of(_NODES, soft(), _ON_A1, one, other)
    decision = decision_on(one, cluster)
    assert best_node(one, decision, cluster) == "a1"

    cluster.usage.promise(one, "a1")

    assert best_node(other, decision_on(other, cluster), cluster) == "a2"


@pytest.mark.parametrize(
    ("objects", "rule"),
    [
        ([data("c1", on_hosts("a1"))], soft()),
        ([data("c1")], soft()),
        ([data("c1", in_zones("a"))], soft()),
        ([data("c1", replicas="a1")], soft(updateMode="Audit", placement="Anywhere")),
        ([data("c1", replicas="gone")], soft()),
        ([builders.claim("c1")], soft()),
    ],
    ids=["only its node can mount it", "unknown", "an area", "no rule", "nowhere", "unbound"],
)
def test_a_pod_that_nothing_draws_is_left_to_the_scheduler(objects: Sequence[Any], rule: Any) -> None:
    """Nothing is nominated where kube-scheduler finds the node by itself, or where there is none to find."""
    assert best(wanting(), *objects, rule=rule) == ""


def test_the_pod_is_drawn_to_usable_replicas_of_all_its_volumes() -> None:
    """Those whose storage works, of the volumes that draw it."""
    objects = [data("c1", replicas="a1,b1"), data("c2", replicas="a2"), data("c3", on_hosts("a1", "a3"))]
    offline = place("b1", states={DRIVER: "Offline"})

    assert drawn_to(decision_on(wanting("c1", "c2", "c3"), _NODES, offline, *objects, soft())) == {"a1", "a2"}
    assert drawn_to(decision_on(wanting("c3"), _NODES, *objects, soft())) == frozenset()


def _crowded(count: int, *, fitting: str) -> list[Node]:
    """A full node with the data, and so many of its zone, of which one has room."""
    names = [f"mate-{number:03}" for number in range(count)]
    return [
        node("home", zone="z", allocatable=_FULL),
        *(node(name, zone="z", allocatable=None if name == fitting else _FULL) for name in names),
    ]


def _mate(uid: str, nodes: Sequence[Node], *, gone: Sequence[Node] = ()) -> str:
    """What is chosen for a pod of this uid, in a cluster in which some more nodes were once."""
    pod = builders.pod("web-0", "c1", uid=uid)
    cluster = cluster_of(nodes, gone, soft(), data("c1", replicas="home"))
    for each in gone:
        cluster.remove("Node", each.name)
    return best_node(pod, decision_on(pod, cluster), cluster)


def test_of_an_outer_tier_at_most_100_nodes_are_looked_at() -> None:
    """Which ones differs from pod to pod, so that a burst finds what room there is; all of them, if there are fewer."""
    few, many = _crowded(99, fitting="mate-042"), _crowded(399, fitting="mate-042")

    assert {_mate(f"uid-{number}", few) for number in range(20)} == {"mate-042"}
    found = [_mate(f"uid-{number}", many) for number in range(100)]
    # A quarter of all pods look at any one node.
    assert 10 <= found.count("mate-042") <= 40
    assert found.count("") == 100 - found.count("mate-042")


def test_in_a_large_zone_what_came_and_went_does_not_matter() -> None:
    """Two replicas with different memories look at the same nodes."""
    home, *mates = _crowded(300, fitting="mate-042")
    roomy = [home, *(node(each.name, zone="z") for each in mates)]
    gone = [node(f"gone-{number}", zone="z") for number in range(1500)]

    for uid in ("a", "b", "c"):
        assert _mate(uid, roomy) == _mate(uid, list(reversed(roomy)), gone=gone)


_NAMES: Final = ("n1", "n2", "n3", "n4", "n5", "n6")
_REPLICAS: Final = st.sets(st.sampled_from(_NAMES), min_size=1, max_size=2)
_ANY_NODE: Final = st.builds(
    lambda zone, rack, trouble, cpu: {
        "zone": zone,
        "rack": rack,
        "allocatable": {"cpu": cpu, "memory": "8Gi", "pods": "4"},
        **trouble,
    },
    st.sampled_from("ab"),
    st.sampled_from(["", "x", "x", "y"]),
    st.sampled_from(
        [{}] * 6 + [{"cordoned": True}, {"ready": "False"}, {"taints": [_TAINT]}, {"states": {DRIVER: "Offline"}}]
    ),
    st.sampled_from("124"),
)
_ANY_SIBLING: Final = st.builds(
    lambda number, place: sibling(number=number, requests={"cpu": "1"}, **place),
    st.integers(1, 6),
    st.sampled_from([{how: name} for how in ("on", "nominated") for name in _NAMES]),
)


@st.composite
def _soft_worlds(draw: st.DrawFn) -> World:
    """Nodes in all conditions with siblings on them, and a pod with data on one or two, and wishes of its own."""
    nodes = [node(name, region="r", **draw(_ANY_NODE)) for name in _NAMES]
    drawing = [data(name, replicas=",".join(sorted(draw(_REPLICAS)))) for name in ("c1", "c2")]
    tied = data("c3", on_hosts(*draw(_REPLICAS), "n1", "n2"))
    siblings = draw(st.lists(_ANY_SIBLING, max_size=5, unique_by=lambda found: found.name))
    claims = draw(st.sampled_from([["c1"], ["c1", "c2"], ["c1", "c3"]]))
    wishes = draw(st.lists(st.tuples(st.integers(1, 3), st.sampled_from(_NAMES)), max_size=3))
    affinity = NodeAffinity(
        required=draw(st.none() | selectors()),
        preferred=tuple(
            PreferredTerm(weight, msgspec.convert(term(need(HOSTNAME, "In", name)), Term)) for weight, name in wishes
        ),
    )
    pod = wanting(*claims, **draw(st.sampled_from([{}, _CROWD])))
    pod.spec.affinity = Affinity(node_affinity=affinity)
    return World(objects=flat([nodes, drawing, tied, siblings, pod, soft()]), pod=pod)


@settings(deadline=None, max_examples=200)
@given(world=_soft_worlds())
def test_the_choice_is_the_best_of_all_nodes(world: World) -> None:
    """The same as going through the whole cluster, and only nodes that would take the pod."""
    cluster = world.cluster
    decision = decision_on(world.pod, cluster)
    replicas = drawn_to(decision)
    found = [
        (
            tier,
            -decision.scores.of(each.name),
            -sum(
                wish.weight
                for wish in world.pod.spec.node_affinity.preferred or ()
                if matches_term(wish.preference, each.name, each.labels)
            ),
            _siblings_on(each.name, world) if world.pod.spec.topology_spread_constraints else 0,
            -_free(each, cluster),
            each.name,
        )
        for each in world.nodes.values()
        if (tier := _tier(each.name, replicas, cluster)) is not None
        and not any(decision.refusals(each.name))
        and _takes(each, world, cluster)
    ]

    assert best_node(world.pod, decision, cluster) == (min(found)[-1] if found else "")


@settings(deadline=None, max_examples=100)
@given(world=_soft_worlds(), data=st.data())
def test_the_order_in_which_objects_came_does_not_matter(world: World, data: st.DataObject) -> None:
    """Every replica nominates the same node."""
    one, other = world.cluster, cluster_of(*data.draw(st.permutations(list(world.objects))))

    assert best_node(world.pod, decision_on(world.pod, one), one) == best_node(
        world.pod, decision_on(world.pod, other), other
    )


# What makes a node good, worked out the long way round.


def _tier(name: str, replicas: Any, cluster: Cluster) -> Level | None:
    topology = cluster.topology
    places = {level: {topology.place(replica, level) for replica in replicas} - {None} for level in Level}
    return next((level for level in Level if topology.place(name, level) in places[level]), None)


def _takes(there: Node, world: World, cluster: Cluster) -> bool:
    if there.spec.unschedulable or there.spec.taints or there.status.conditions[0].status != "True":
        return False
    volumes = [world.volume_of(name).spec.node_affinity for name in world.pod.claims]
    required = [world.pod.spec.node_affinity.required, *(found.required for found in volumes if found)]
    if not all(found is None or matches_selector(found, there.name, there.labels) for found in required):
        return False
    wanted = cluster.usage.of(there.name).plus(requested(world.pod.spec))
    return all(amount <= offered for amount, offered in zip(wanted, allocatable(there), strict=True))


def _siblings_on(name: str, world: World) -> int:
    pods = [found for found in world.objects if isinstance(found, Pod)]
    return sum(name in {found.spec.node_name, found.status.nominated_node_name} for found in pods)


def _free(there: Node, cluster: Cluster) -> float:
    whole, used = allocatable(there), cluster.usage.of(there.name)
    return min(1 - used.cpu / whole.cpu, 1 - used.memory / whole.memory)


_LATE: Final = builders.storage_class("late", binding="WaitForFirstConsumer")
_NEW: Final = [builders.claim("new", storage_class="late", size="1Gi"), _LATE]


def _wishing(key: str, *values: str, **fields: Any) -> Mapping[str, Any]:
    return {"matchExpressions": [{"key": key, "operator": "In", "values": list(values)}], **fields}


def _left(**gibibytes: int) -> list[Any]:
    """What is free on each node; nothing on the others."""
    return [builders.capacity(name, "late", f"{free}Gi", labels={HOSTNAME: name}) for name, free in gibibytes.items()]


@pytest.mark.parametrize(
    ("new_volumes", "objects", "chosen"),
    [
        ({"nodeAffinity": [_wishing(HOSTNAME, "b1", "far", enforcement="Preferred")]}, [], "b1"),
        (
            {
                "nodeAffinity": [
                    _wishing(HOSTNAME, "b1", "far", enforcement="Preferred", weight=2),
                    _wishing(HOSTNAME, "far", "a1", enforcement="Preferred"),
                ]
            },
            [],
            "far",
        ),
        ({}, _left(a2=4, a3=9, b1=2), "a3"),
        ({"capacity": "LeastFree"}, _left(a2=4, a3=9, b1=2), "b1"),
        ({"capacity": "LeastFree"}, [_left(a2=4, a3=9, b1=2), place("b1", allocatable=_FULL)], "a2"),
        ({"nodeAffinity": [_wishing(HOSTNAME, "b1", enforcement="Preferred")]}, _left(a2=4, a3=9, b1=2), "b1"),
        ({"nodeAffinity": [_wishing(HOSTNAME, "b1", "a2")]}, _left(a2=4, a3=9, b1=2), "a2"),
        ({"nodeAffinity": [_wishing(HOSTNAME, "b1")]}, _left(a2=4, a3=9), ""),
    ],
    ids=[
        "a wish",
        "two wishes",
        "most free",
        "least free",
        "least free with room for the pod",
        "a wish before room",
        "a rule before room",
        "nowhere",
    ],
)
def test_a_node_is_chosen_for_new_volumes(new_volumes: Any, objects: Any, chosen: str) -> None:
    """By what is wished for, then by what is free, of all nodes that meet what is required."""
    pod = wanting("new")

    assert best(pod, _NEW, objects, rule=soft(newVolumes=new_volumes)) == chosen


@pytest.mark.parametrize(("first", "chosen"), [(_spread("ScheduleAnyway"), "a3"), (_apart(), "a3")])
def test_a_pod_keeps_apart_from_its_siblings_with_a_new_volume(first: Mapping[str, Any], chosen: str) -> None:
    """Its own wishes count before what is free."""
    occupied = [sibling(on="a2", number=7)]

    assert best(wanting("new", **first), _NEW, _left(a2=9, a3=4), occupied, rule=soft(newVolumes={})) == chosen


def test_data_that_is_there_counts_before_new_volumes() -> None:
    """The new volume is made near it; elsewhere only where a rule forbids that, and then as near as may be."""
    pod = wanting("c1", "new")

    assert best(pod, _ON_A1, _NEW, _left(a1=2, far=9), rule=soft(newVolumes={})) == "a1"
    assert best(pod, _ON_A1, _NEW, _left(a3=2, far=9), rule=soft(newVolumes={})) == "a3"
    assert best(pod, _ON_A1, _NEW, _left(far=9), rule=soft(newVolumes={})) == "far"


def test_promised_room_is_not_given_twice() -> None:
    """Not to the next pod, and not in the same pool by another node."""
    cluster = cluster_of(_NODES, soft(newVolumes={}), _NEW, builders.claim("next", storage_class="late", size="1Gi"))
    for pool in _left(a1=1, a2=1):
        cluster.put("CSIStorageCapacity", pool)
    first, second = wanting("new", uid="1"), builders.pod("web-1", "next")
    node_name = best_node(first, decision_on(first, cluster), cluster)
    cluster.promise(first, node_name)

    assert {node_name, best_node(second, decision_on(second, cluster), cluster)} == {"a1", "a2"}
    assert best_node(first, decision_on(first, cluster), cluster) == node_name


@pytest.mark.parametrize(
    ("objects", "chosen", "names"),
    [
        ([], "", []),
        (_left(a1=1, a2=2, far=1), "", ["a2", "a1", "far"]),
        (_left(a1=1, a2=2, far=1), "far", ["far", "a2", "a1"]),
    ],
)
def test_nodes_with_room_are_named(objects: Any, chosen: str, names: list[str]) -> None:
    """The chosen one first, and nobody where there is room everywhere."""
    cluster = cluster_of(_NODES, soft(newVolumes={}), _NEW, objects)

    assert list(roomy_nodes(decision_on(wanting("new"), cluster), cluster, chosen=chosen)) == names


def test_of_many_nodes_with_room_the_best_are_named() -> None:
    """A pod with thousands of names would be too large."""
    many = [node(f"m{number}") for number in range(150)]
    pools = _left(**{each.name: 1 + number for number, each in enumerate(many)})
    cluster = cluster_of(_NODES, many, soft(newVolumes={}), _NEW, pools)
    names = roomy_nodes(decision_on(wanting("new"), cluster), cluster, chosen="m0")

    assert list(names) == ["m0", *(f"m{number}" for number in range(149, 50, -1))]


def test_siblings_do_not_hide_the_node_that_is_left() -> None:
    """However many nodes come before it."""
    many = [node(f"m{number}") for number in range(150)]
    siblings = [sibling(on=each.name, number=number) for number, each in enumerate(many) if each.name != "m0"]
    away = builders.term(need(HOSTNAME, "Exists"))["matchExpressions"]
    policy = soft(newVolumes={"nodeAffinity": [{"matchExpressions": away, "enforcement": "Preferred"}]})
    cluster = cluster_of(many, siblings, policy, _NEW)
    pod = wanting("new", **_apart())

    assert best_node(pod, decision_on(pod, cluster), cluster) == "m0"
