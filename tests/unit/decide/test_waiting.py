"""What is said of a pod that waits because of a rule."""

from collections.abc import Sequence
from typing import Any

import pytest
from tests.unit import builders
from tests.unit.builders import PREFER_LOCAL, data, decision_on, node, on_hosts, soft, strict

from mooring.api.annotations import GATE
from mooring.cluster.records import Condition, Pod
from mooring.decide.waiting import why_held, why_waiting

_GIVEN_UP = (Condition(type="PodScheduled", status="False", reason="Unschedulable"),)
_CORDONED = node("n1", cordoned=True)
_FULL = node("n2", allocatable={"cpu": "1", "memory": "8Gi", "pods": "9"})


def waiting(*, given_up: bool = True, on: str = "", **fields: Any) -> Pod:
    """A pod with one claim that kube-scheduler could not place."""
    pod = builders.pod("web", "db", on=on, requests={"cpu": "2"}, **fields)
    pod.status.conditions = _GIVEN_UP if given_up else ()
    return pod


def said(pod: Pod, *objects: Any) -> str:
    """What is said of it, with its data on n1 and n2."""
    cluster = builders.cluster_of(_CORDONED, _FULL, data("db", on_hosts("n1", "n2")), *objects)
    return why_waiting(pod, decision_on(pod, cluster), cluster)


def test_every_near_node_has_its_reason() -> None:
    """The rule, the nodes with the data, and what keeps the pod off each."""
    assert said(waiting(), strict()) == (
        "VolumePlacementPolicy/shop/strict keeps the pod near the data of db: "
        "n1 is cordoned; n2 has too little room: cpu"
    )


@pytest.mark.parametrize(
    ("pod", "policy"),
    [
        (waiting(given_up=False), strict()),
        (waiting(on="n3"), strict()),
        (waiting(), soft()),
        (waiting(), strict(updateMode="Audit")),
        (waiting(), ()),
    ],
    ids=["not tried yet", "runs", "soft", "audit", "no rule"],
)
def test_nothing_is_said_of_others(pod: Pod, policy: Any) -> None:
    """What waits for another reason, or not at all, is none of our business."""
    assert said(pod, policy) == ""


def test_an_obstacle_is_named() -> None:
    """A strict rule that can be met nowhere says why."""
    volumes = [{"name": name, "persistentVolumeClaim": {"claimName": name}} for name in ("a", "b")]
    pod = waiting(annotations={PREFER_LOCAL: "true"}, volumes=volumes)
    message = said(pod, data("a", on_hosts("n1")), data("b", on_hosts("n2")))

    assert "the volumes have no node in common" in message


def test_a_node_with_room_is_left_to_the_scheduler() -> None:
    """What else is in the way (other pods, ports) kube-scheduler says itself."""
    assert "n3 has room; kube-scheduler says" in said(
        waiting(annotations={PREFER_LOCAL: "true"}),
        node("n3"),
        builders.volume("pv-db", on_hosts("n3")),
    )


def test_an_event_is_short() -> None:
    """Five nodes are named, the others counted."""
    names = [f"m{number}" for number in range(8)]
    message = said(waiting(), strict(), [node(name, cordoned=True) for name in names], data("db", on_hosts(*names)))

    assert message.count("is cordoned") == 5
    assert message.endswith("and 3 more nodes")


def test_the_room_that_is_kept_for_the_pod_is_not_in_its_way() -> None:
    """A nominated pod fits where it is nominated to."""
    tight = node("n3", allocatable={"cpu": "2", "memory": "8Gi", "pods": "1"})
    pod = waiting(annotations={PREFER_LOCAL: "true"}, nominated="n3")

    assert "n3 has room" in said(pod, tight, builders.volume("pv-db", on_hosts("n3")), pod)
    assert "n3 has too little room" in said(
        pod, tight, builders.volume("pv-db", on_hosts("n3")), builders.pod("other", nominated="n3")
    )


def held(*gates: str, claims: Sequence[str] = ("db",), rule: Any = None) -> str:
    """What is said of a gated pod, whose claims are there but for `logs` and `cache`."""
    pod = builders.pod("web", *claims, gates=gates)
    objects = [data("db", on_hosts("n1")), builders.claim("cache"), rule or soft()]
    return why_held(pod, decision_on(pod, *objects))


@pytest.mark.parametrize("rule", [soft(), strict()], ids=["soft", "strict"])
def test_a_pod_behind_our_gate_says_what_it_waits_for(rule: Any) -> None:
    """Each claim with its reason, also where another gate stands beside ours."""
    reasons = "logs: the claim does not exist; cache: the claim is not bound"

    said_of_it = f"the pod is placed once its claims are there: {reasons}"
    assert held(GATE, claims=["db", "logs", "cache"], rule=rule) == said_of_it
    assert held(GATE, "example.com/quota", claims=["db", "logs", "cache"], rule=rule) == said_of_it


def test_a_pod_that_waits_for_nothing_or_somebody_else_is_not_held() -> None:
    """Without our gate, or with all claims there."""
    assert held(claims=["logs"]) == ""
    assert held("example.com/quota", claims=["logs"]) == ""
    assert held(GATE) == ""


def test_a_rule_that_keeps_a_pod_away_says_so() -> None:
    """A strict Remote rule names what the pod should be away from."""
    message = said(waiting(), strict(placement="Remote"), data("db", replicas="n1"))

    assert message == "VolumePlacementPolicy/shop/strict keeps the pod away from the data of db"


def test_a_restore_is_said() -> None:
    """A claim whose data is being restored keeps pods of every rule waiting."""
    restoring = builders.claim("db", "pv-db", annotations={"stork.libopenstorage.org/restore-in-progress": "true"})

    assert said(waiting(), soft(), restoring) == "a restore of db is in progress"


_LATE = builders.storage_class("late", binding="WaitForFirstConsumer")


_NOTHING_DOES = (
    "no node will do for the new volumes of c: "
    "not near the volumes that newVolumes.volumeAffinity[0] asks for: there is none yet"
)


def _rule(key: str, value: str) -> dict[str, Any]:
    return {"matchExpressions": [{"key": key, "operator": "In", "values": [value]}]}


@pytest.mark.parametrize(
    ("new_volumes", "gates", "reason"),
    [
        ({}, [GATE], ""),
        ({"nodeAffinity": [_rule("disk", "ssd")]}, [GATE], ""),
        (
            {"volumeAffinity": [_rule("app", "web")]},
            [GATE],
            _NOTHING_DOES,
        ),
        (
            {"volumeAntiAffinity": [_rule("app", "db")]},
            [GATE],
            "the pod is placed once a node that will do for the new volumes of c has room for it",
        ),
        ({"volumeAntiAffinity": [_rule("app", "db")]}, [], ""),
        ({"volumeAntiAffinity": [_rule("app", "db")]}, [GATE, "example.com/quota"], ""),
    ],
    ids=["nothing", "labels", "no node will do", "a node must be chosen", "not gated", "somebody else's gate"],
)
def test_a_pod_of_new_volumes_that_is_held_says_why(new_volumes: Any, gates: Sequence[str], reason: str) -> None:
    """What would do, or why nothing does."""
    pod = builders.pod("web", "c", gates=gates)
    new = builders.claim("c", storage_class="late", labels={"app": "db"})

    assert why_held(pod, decision_on(pod, node("n1"), soft(newVolumes=new_volumes), new, _LATE)) == reason


def test_a_claim_that_is_missing_is_said_first() -> None:
    """It may change what the others ask for."""
    pod = builders.pod("web", "c", "gone", gates=[GATE])
    new = builders.claim("c", storage_class="late")
    policy = soft(newVolumes={"volumeAffinity": [_rule("app", "web")]})

    assert why_held(pod, decision_on(pod, node("n1"), policy, new, _LATE)).startswith(
        "the pod is placed once its claims"
    )


def test_a_pod_that_is_bound_by_its_new_volumes_says_so() -> None:
    """After the gate as well: with what was asked of the node."""
    pod = waiting()
    new = builders.claim("db", storage_class="late")
    cluster = builders.cluster_of(_CORDONED, soft(newVolumes={"nodeAffinity": [_rule("disk", "ssd")]}), new, _LATE)

    assert why_waiting(pod, decision_on(pod, cluster), cluster) == (
        "VolumePlacementPolicy/shop/soft keeps the pod from nodes that will not do for its new volumes: "
        "the node's labels are not those that newVolumes.nodeAffinity[0] asks for"
    )
