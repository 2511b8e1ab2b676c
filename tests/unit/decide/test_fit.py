"""Fit: what usually decides whether a node takes a pod."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from tests.unit.builders import cluster_of, need, node, pod, term

from mooring.cluster.records import PodSpec
from mooring.decide.fit import fits, hindrance


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
    ("given", "spec", "in_the_way"),
    [
        ({}, {}, ""),
        ({"cordoned": True}, {}, "is cordoned"),
        ({"ready": "False"}, {}, "is not ready"),
        ({"ready": "Unknown"}, {}, "is not ready"),
        ({"ready": None}, {}, "is not ready"),
        ({}, {"nodeSelector": {"disk": "ssd"}}, ""),
        ({}, {"nodeSelector": {"disk": "hdd"}}, "does not match the pod's nodeSelector"),
        ({}, {"nodeSelector": {"gpu": "yes"}}, "does not match the pod's nodeSelector"),
        ({}, _required(_SSD), ""),
        ({}, _required(_HDD), "does not match the pod's node affinity"),
        ({}, _required(_HDD, _SSD), ""),
        ({}, _required(_HERE), ""),
        ({}, _required(_ELSEWHERE), "does not match the pod's node affinity"),
        ({}, _required(), "does not match the pod's node affinity"),
        ({"taints": [_taint()]}, {}, "has the taint dedicated"),
        ({"taints": [_taint("NoExecute")]}, {}, "has the taint dedicated"),
        ({"taints": [_taint("PreferNoSchedule")]}, {}, ""),
    ],
)
def test_a_node_takes_a_pod(given: Mapping[str, Any], spec: Mapping[str, Any], in_the_way: str) -> None:
    """Readiness, cordons, taints, selectors and the pod's own required affinity."""
    there = node("n1", labels={"disk": "ssd"}, **given)

    assert hindrance(_spec(**spec), there, cluster_of(there)) == in_the_way
    assert fits(_spec(**spec), there, cluster_of(there)) is not bool(in_the_way)


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
    there = node("n1", taints=[_taint()])

    assert fits(_spec(tolerations=tolerations), there, cluster_of(there)) is tolerated


def test_every_taint_must_be_tolerated() -> None:
    """One that is not is enough to keep the pod away."""
    there = node("n1", taints=[_taint(), _taint(value="gpu")])

    assert not fits(_spec(tolerations=[_toleration()]), there, cluster_of(there))
    assert fits(_spec(tolerations=[_toleration(), _toleration(value="gpu")]), there, cluster_of(there))


@pytest.mark.parametrize(
    ("offered", "requests", "short_of"),
    [
        ({"cpu": "1", "memory": "1Gi", "pods": "2"}, {"cpu": "500m", "memory": "512Mi"}, ""),
        ({"cpu": "999m", "memory": "1Gi", "pods": "2"}, {"cpu": "500m"}, "cpu"),
        ({"cpu": "1", "memory": "1Gi", "pods": "2"}, {"memory": "513Mi"}, "memory"),
        ({"cpu": "1", "memory": "1Gi", "pods": "1"}, {}, "pods"),
        ({"cpu": "1", "memory": "1Gi"}, {}, "pods"),
        ({"cpu": "500m", "memory": "1Gi", "pods": "1"}, {"cpu": "1"}, "cpu, pods"),
        ({"cpu": "1", "memory": "1Gi", "pods": "2"}, {"nvidia.com/gpu": "1"}, ""),
    ],
)
def test_a_pod_fits_beside_what_runs_there(
    offered: Mapping[str, str], requests: Mapping[str, str], short_of: str
) -> None:
    """Another pod already takes half a core, half a gibibyte and one of the pods."""
    there = node("n1", allocatable=offered)
    running = pod("running", on="n1", requests={"cpu": "500m", "memory": "512Mi"}, phase="Running")
    cluster = cluster_of(there, running)

    assert hindrance(_spec(requests=requests), there, cluster) == (
        f"has too little room: {short_of}" if short_of else ""
    )
    assert fits(_spec(requests=requests), there, cluster) is not bool(short_of)


def test_the_room_that_is_kept_for_a_pod_is_its_own() -> None:
    """A nominated pod takes room from every other pod, and none from itself."""
    there = node("n1", allocatable={"cpu": "1", "memory": "1Gi", "pods": "1"})
    nominated = pod("web", "c1", requests={"cpu": "1"}, nominated="n1")
    cluster = cluster_of(there, nominated)

    assert fits(nominated.spec, there, cluster, pod=nominated.key)
    assert hindrance(nominated.spec, there, cluster) == "has too little room: cpu, pods"
    assert hindrance(nominated.spec, there, cluster, pod="shop/other") == "has too little room: cpu, pods"
