"""Pods: what keeps schedulers away from them, and what a scheduler has said of them."""

import json

import pytest
from tests.unit import builders

from mooring.cluster.records import Condition, to_json

_SPREAD = {"maxSkew": 2, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway", "labelSelector": {}}


@pytest.mark.parametrize("gates", [[], ["mooring.dev/placement"], ["mooring.dev/placement", "example.com/quota"]])
def test_gates_go_by_their_names(gates: list[str]) -> None:
    """Their order does not matter."""
    assert builders.pod("web", "c1", gates=gates).gates == set(gates)


@pytest.mark.parametrize(
    ("status", "reason", "on", "given_up"),
    [
        ("False", "Unschedulable", "", True),
        ("True", "", "", False),
        ("", "", "", False),
        ("False", "Unschedulable", "n1", False),
        ("False", "SchedulingGated", "", False),
    ],
    ids=["tried in vain", "scheduled", "not tried", "has its node by now", "gated"],
)
def test_a_pod_was_given_up(status: str, reason: str, on: str, *, given_up: bool) -> None:
    """Once a scheduler has tried: the API server says of a gated pod too that it is not scheduled."""
    pod = builders.pod("web", "c1", on=on)
    pod.status.conditions = (Condition(type="PodScheduled", status=status, reason=reason),) if status else ()

    assert pod.was_given_up is given_up


def test_what_placement_goes_by_is_kept() -> None:
    """Gates, spread constraints and the nominated node survive the slimming of a pod with a claim."""
    pod = builders.pod("web", "c1", gates=["a"], nominated="n1", topologySpreadConstraints=[_SPREAD])

    spec = json.loads(json.dumps(to_json(pod.spec)))
    assert (spec["schedulingGates"], spec["topologySpreadConstraints"]) == ([{"name": "a"}], [_SPREAD])
    assert pod.status.nominated_node_name == "n1"


def test_gates_of_a_pod_without_a_claim_are_kept() -> None:
    """Somebody may have written ours by hand, and it has to be taken away all the same."""
    assert builders.pod("web", gates=["mooring.dev/placement"]).gates == {"mooring.dev/placement"}


def test_a_spread_constraint_says_its_defaults() -> None:
    """As the API server's: one more than elsewhere, and a requirement."""
    (constraint,) = builders.pod("web", "c1", topologySpreadConstraints=[{}]).spec.topology_spread_constraints

    assert (constraint.max_skew, constraint.when_unsatisfiable) == (1, "DoNotSchedule")
