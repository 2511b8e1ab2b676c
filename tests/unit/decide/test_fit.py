"""Fit: what usually decides whether a node takes a pod."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from tests.unit.builders import cluster_of, need, node, pod, term

from mooring.cluster.records import PodSpec
from mooring.decide.fit import accepts, fits, has_room


def _spec(**spec: Any) -> PodSpec:
    """The spec of a pod with a claim: of others only their requests are kept."""
    return pod("web", "c1", **spec).spec


def _taint(effect: str = "NoSchedule", value: str = "db") -> Mapping[str, str]:
    return {"key": "dedicated", "value": value, "effect": effect}


def _toleration(**given: str) -> Mapping[str, str]:
    return {"key": "dedicated", "value": "db", "effect": "NoSchedule"} | given


def _required(*terms: Mapping[str, Any]) -> Mapping[str, Any]:
    selector = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": list(terms)}}
    return {"affinity": {"nodeAffinity": selector}}


_HDD = term(need("disk", "In", "hdd"))
_SSD = term(need("disk", "In", "ssd"))
_ELSEWHERE = term(fields=[need("metadata.name", "In", "n2")])
_HERE = term(fields=[need("metadata.name", "In", "n1")])


@pytest.mark.parametrize(
    ("given", "spec", "accepted"),
    [
        ({}, {}, True),
        ({"cordoned": True}, {}, False),
        ({"ready": "False"}, {}, False),
        ({"ready": "Unknown"}, {}, False),
        ({"ready": None}, {}, False),
        ({}, {"nodeSelector": {"disk": "ssd"}}, True),
        ({}, {"nodeSelector": {"disk": "hdd"}}, False),
        ({}, {"nodeSelector": {"gpu": "yes"}}, False),
        ({}, _required(_SSD), True),
        ({}, _required(_HDD), False),
        ({}, _required(_HDD, _SSD), True),
        ({}, _required(_HERE), True),
        ({}, _required(_ELSEWHERE), False),
        ({}, _required(), False),
        ({"taints": [_taint()]}, {}, False),
        ({"taints": [_taint("NoExecute")]}, {}, False),
        ({"taints": [_taint("PreferNoSchedule")]}, {}, True),
    ],
)
def test_a_node_takes_a_pod(given: Mapping[str, Any], spec: Mapping[str, Any], *, accepted: bool) -> None:
    """Readiness, cordons, taints, selectors and the pod's own required affinity."""
    there = node("n1", labels={"disk": "ssd"}, **given)

    assert accepts(_spec(**spec), there) is accepted
    assert fits(_spec(**spec), there, cluster_of(there)) is accepted


@pytest.mark.parametrize(
    ("tolerations", "tolerated"),
    [
        ([_toleration()], True),
        ([_toleration(operator="Equal")], True),
        ([_toleration(effect="")], True),
        ([_toleration(effect="NoExecute")], False),
        ([_toleration(value="web")], False),
        ([_toleration(key="other")], False),
        ([{"key": "dedicated", "operator": "Exists"}], True),
        ([{"key": "other", "operator": "Exists"}], False),
        ([{"operator": "Exists"}], True),
        ([{"operator": "Exists", "effect": "NoExecute"}], False),
        ([_toleration(value="web"), _toleration()], True),
    ],
)
def test_taints_are_tolerated(tolerations: Sequence[Mapping[str, str]], *, tolerated: bool) -> None:
    """By key, value and effect, each of which may be left open."""
    assert accepts(_spec(tolerations=tolerations), node("n1", taints=[_taint()])) is tolerated


def test_every_taint_must_be_tolerated() -> None:
    """One that is not is enough to keep the pod away."""
    there = node("n1", taints=[_taint(), _taint(value="gpu")])

    assert not accepts(_spec(tolerations=[_toleration()]), there)
    assert accepts(_spec(tolerations=[_toleration(), _toleration(value="gpu")]), there)


@pytest.mark.parametrize(
    ("offered", "requests", "room"),
    [
        ({"cpu": "1", "memory": "1Gi", "pods": "2"}, {"cpu": "500m", "memory": "512Mi"}, True),
        ({"cpu": "999m", "memory": "1Gi", "pods": "2"}, {"cpu": "500m"}, False),
        ({"cpu": "1", "memory": "1Gi", "pods": "2"}, {"memory": "513Mi"}, False),
        ({"cpu": "1", "memory": "1Gi", "pods": "1"}, {}, False),
        ({"cpu": "1", "memory": "1Gi"}, {}, False),
        ({"cpu": "1", "memory": "1Gi", "pods": "2"}, {"nvidia.com/gpu": "1"}, True),
    ],
)
def test_a_pod_fits_beside_what_runs_there(
    offered: Mapping[str, str], requests: Mapping[str, str], *, room: bool
) -> None:
    """Another pod already takes half a core, half a gibibyte and one of the pods."""
    there = node("n1", allocatable=offered)
    running = pod("running", on="n1", requests={"cpu": "500m", "memory": "512Mi"}, phase="Running")
    cluster = cluster_of(there, running)

    assert has_room(_spec(requests=requests), there, cluster) is room
    assert fits(_spec(requests=requests), there, cluster) is room
