"""Keeping apart from siblings, as tables: spread constraints and anti-affinity, and whose pods count."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from tests.unit import builders
from tests.unit.builders import HOSTNAME, ZONE, bare_node, cluster_of, node

from mooring.decide.apart import Siblings

_APP = {"app": "web"}
_OWN = {"matchLabels": _APP}
_OTHERS = {"matchLabels": {"app": "db"}}
_BY_EXPRESSION = {"matchExpressions": [{"key": "app", "operator": "In", "values": ["web"]}]}
_NODES = [node("a1", zone="a"), node("a2", zone="a"), node("b1", zone="b"), bare_node("bare", {})]


def spread(key: str, when: str = "DoNotSchedule", *, skew: int = 1, selector: Any = None) -> Mapping[str, Any]:
    """The spec of a pod with one spread constraint, over its own siblings unless a selector says otherwise."""
    constraint = {"topologyKey": key, "maxSkew": skew, "whenUnsatisfiable": when, "labelSelector": selector or _OWN}
    return {"topologySpreadConstraints": [constraint]}


def apart(key: str, *, required: bool, selector: Any = None) -> Mapping[str, Any]:
    """The spec of a pod that must, or would rather, be within no value of a label in which a sibling is."""
    term = {"topologyKey": key, "labelSelector": selector or _OWN}
    terms = (
        {"requiredDuringSchedulingIgnoredDuringExecution": [term]}
        if required
        else {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 5, "podAffinityTerm": term}]}
    )
    return {"affinity": {"podAntiAffinity": terms}}


def siblings(spec: Mapping[str, Any], on: str = "", *others: Any) -> Siblings:
    """The siblings of a pod with this spec: one on each of these nodes, and further pods."""
    pod = builders.pod("web-0", "c1", labels=_APP, made_by="web", **spec)
    running = [
        builders.pod(f"web-{number}", "c1", labels=_APP, made_by="web", on=name)
        for number, name in enumerate(on.split(), start=1)
    ]
    return Siblings(pod, cluster_of(_NODES, pod, running, *others))


def allowed(found: Siblings) -> str:
    """The nodes on which the pod may be, in order."""
    return " ".join(each.name for each in _NODES if found.allow(each.name))


@pytest.mark.parametrize(
    ("spec", "on", "nodes"),
    [
        ({}, "a1 a2 b1", "a1 a2 b1 bare"),
        # A spread constraint: one more than where there are fewest, and never on a node without the label.
        (spread(ZONE), "", "a1 a2 b1"),
        (spread(ZONE), "a1", "b1"),
        (spread(ZONE), "a1 b1", "a1 a2 b1"),
        (spread(ZONE), "a1 a2 b1", "b1"),
        (spread(ZONE, skew=2), "a1", "a1 a2 b1"),
        (spread(ZONE, skew=2), "a1 a2", "b1"),
        (spread(HOSTNAME), "a1", "a2 b1"),
        (spread(HOSTNAME), "a1 a2 b1", "a1 a2 b1"),
        (spread(ZONE), "bare", "a1 a2 b1"),
        (spread(ZONE), "ghost", "a1 a2 b1"),
        (spread(ZONE, "ScheduleAnyway"), "a1 a1", "a1 a2 b1 bare"),
        (spread("rack"), "a1", ""),
        # Anti-affinity: none at all, and a node without the label is within nothing.
        (apart(ZONE, required=True), "", "a1 a2 b1 bare"),
        (apart(ZONE, required=True), "a1", "b1 bare"),
        (apart(HOSTNAME, required=True), "a1", "a2 b1 bare"),
        (apart(ZONE, required=True), "a1 b1", "bare"),
        (apart(ZONE, required=False), "a1 b1", "a1 a2 b1 bare"),
        # Both: each has to be kept.
        ({**spread(ZONE), **apart(HOSTNAME, required=True)}, "a1 b1", "a2"),
        (spread(ZONE, selector=_BY_EXPRESSION), "a1", "b1"),
        # What is about other pods is left to kube-scheduler.
        (spread(ZONE, selector=_OTHERS), "a1", "a1 a2 b1 bare"),
        (apart(ZONE, required=True, selector=_OTHERS), "a1", "a1 a2 b1 bare"),
        (spread(ZONE, selector={"matchLabels": {}}), "a1", "b1"),
        ({"topologySpreadConstraints": [{"topologyKey": ZONE}]}, "a1", "a1 a2 b1 bare"),
    ],
)
def test_constraints_keep_a_pod_off_nodes(spec: Mapping[str, Any], on: str, nodes: str) -> None:
    """What kube-scheduler would refuse because of the pod's siblings is never nominated."""
    assert allowed(siblings(spec, on)) == nodes


@pytest.mark.parametrize(
    ("spec", "on", "crowds"),
    [
        ({}, "a1 a1 b1", [0, 0, 0, 0]),
        (spread(ZONE, "ScheduleAnyway"), "a1 a1 b1", [2, 2, 1, 0]),
        (spread(HOSTNAME, "ScheduleAnyway"), "a1 a1 b1", [2, 0, 1, 0]),
        (apart(HOSTNAME, required=False), "a1", [1, 0, 0, 0]),
        ({**spread(ZONE, "ScheduleAnyway"), **apart(HOSTNAME, required=False)}, "a1", [2, 1, 0, 0]),
        (spread(ZONE, "ScheduleAnyway", selector=_OTHERS), "a1", [0, 0, 0, 0]),
    ],
)
def test_siblings_crowd_nodes(spec: Mapping[str, Any], on: str, crowds: Sequence[int]) -> None:
    """Each counts where the pod would rather not have it, once for every wish."""
    found = siblings(spec, on)

    assert [found.crowd(each.name) for each in _NODES] == crowds


@pytest.mark.parametrize(
    ("other", "crowd"),
    [
        (builders.pod("web-1", "c1", made_by="web", on="a1"), 1),
        (builders.pod("web-1", "c1", made_by="web", nominated="a1"), 1),
        (builders.pod("web-1", "c1", made_by="web"), 0),
        (builders.pod("web-1", "c1", made_by="web", on="a1", phase="Succeeded"), 0),
        (builders.pod("web-1", "c1", made_by="db", on="a1"), 0),
        (builders.pod("web-1", "c1", on="a1"), 0),
        (builders.pod("web-0", "c1", labels=_APP, made_by="web", nominated="a1"), 0),
    ],
    ids=["runs", "is nominated", "is nowhere", "has ended", "another workload's", "nobody's", "the pod itself"],
)
def test_siblings_are_the_workloads_other_pods_that_take_room(other: Any, crowd: int) -> None:
    """Those that run and those that are to run: a burst of pods is spread before the first one runs."""
    assert siblings(spread(ZONE, "ScheduleAnyway"), "", other).crowd("a1") == crowd


def test_a_pod_of_its_own_has_no_siblings() -> None:
    """Whatever it says of others."""
    pod = builders.pod("web-0", "c1", labels=_APP, **apart(ZONE, required=True))
    other = builders.pod("web-1", "c1", labels=_APP, on="a1")

    assert Siblings(pod, cluster_of(_NODES, pod, other)).allow("a1")


def test_a_value_counts_while_a_node_has_it() -> None:
    """The least crowded place is one of those that are there: without its last node a place is none."""
    pod = builders.pod("web-0", "c1", labels=_APP, made_by="web", **spread(HOSTNAME))
    other = builders.pod("web-1", "c1", labels=_APP, made_by="web", on="a1")
    cluster = cluster_of(node("a1"), node("a2"), pod, other)
    assert not Siblings(pod, cluster).allow("a1")

    cluster.remove("Node", "a2")

    assert Siblings(pod, cluster).allow("a1")
