"""The brakes: how many Deployments move at a time, and how soon one moves again."""

from collections.abc import Mapping
from typing import Any

import pytest
from tests.unit import builders

from mooring.cluster.index import Cluster
from mooring.cluster.records import Condition, Key
from mooring.cluster.resources import from_manifest
from mooring.reconcile.brakes import Brakes

_SETTLED = {"observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}


def put(cluster: Cluster, name: str, *, generation: int = 2, **status: Any) -> Key:
    """Put a Deployment of two replicas into the index, settled unless its status says otherwise; gives its key."""
    manifest = {
        "metadata": {"name": name, "namespace": builders.NAMESPACE, "generation": generation},
        "spec": {"replicas": 2},
        "status": {**_SETTLED, **status},
    }
    cluster.put("Deployment", from_manifest("Deployment", manifest))
    return Key("Deployment", f"{builders.NAMESPACE}/{name}")


def brakes_on(cluster: Cluster, *, max_concurrent: int = 1, cooldown: str = "0s") -> tuple[Brakes, Any]:
    """Give brakes and a policy."""
    return Brakes(cluster), builders.policy("p", disruption={"maxConcurrent": max_concurrent, "cooldown": cooldown})


def test_the_first_move_is_free() -> None:
    """Nothing has moved: nothing holds."""
    cluster = Cluster()
    brakes, policy = brakes_on(cluster, cooldown="10m")

    assert brakes.hold(policy, put(cluster, "a"), now=0) == ""


def test_the_cooldown_ends() -> None:
    """A Deployment may move again when the time is over, and its neighbours at any time."""
    cluster = Cluster()
    brakes, policy = brakes_on(cluster, cooldown="10m")
    a, b = put(cluster, "a"), put(cluster, "b")
    brakes.begin(policy, a, now=100)
    brakes.written(a, 2)

    assert "disruption.cooldown" in brakes.hold(policy, a, now=699)
    assert brakes.hold(policy, a, now=700) == ""
    assert brakes.hold(policy, b, now=100) == ""


@pytest.mark.parametrize(
    ("status", "held"),
    [
        ({}, False),
        ({"observedGeneration": 1}, True),
        ({"updatedReplicas": 1}, True),
        ({"availableReplicas": 1}, True),
        ({"replicas": 3}, True),
    ],
    ids=["over", "not-seen", "not-updated", "not-serving", "old-pods-left"],
)
def test_a_move_is_over_when_its_pods_serve(status: Mapping[str, Any], held: bool) -> None:
    """Until then no other move of the policy begins."""
    cluster = Cluster()
    brakes, policy = brakes_on(cluster)
    a, b = put(cluster, "a", **status), put(cluster, "b")
    brakes.begin(policy, a, now=0)
    brakes.written(a, 2)

    assert ("disruption.maxConcurrent" in brakes.hold(policy, b, now=1)) is held


def test_a_move_counts_before_it_is_seen() -> None:
    """While the write is under way, and until the index has what it made, the old status says nothing."""
    cluster = Cluster()
    brakes, policy = brakes_on(cluster)
    a, b = put(cluster, "a"), put(cluster, "b")
    brakes.begin(policy, a, now=0)
    assert str(a) in brakes.hold(policy, b, now=0)

    brakes.written(a, 3)
    assert str(a) in brakes.hold(policy, b, now=0)

    put(cluster, "a", generation=3, observedGeneration=3)
    assert brakes.hold(policy, b, now=0) == ""


def test_a_move_that_failed_is_none() -> None:
    """It neither counts nor cools down."""
    cluster = Cluster()
    brakes, policy = brakes_on(cluster, cooldown="10m")
    a, b = put(cluster, "a"), put(cluster, "b")
    brakes.begin(policy, a, now=0)
    brakes.abandon(a)

    assert [brakes.hold(policy, key, now=0) for key in (a, b)] == ["", ""]


def test_an_eviction_is_over_when_the_replacement_serves() -> None:
    """The workload's own counts are late at first: the evicted pod and its replacement are looked at themselves."""
    cluster = Cluster()
    brakes, policy = brakes_on(cluster)
    a, b = put(cluster, "a"), put(cluster, "b")
    for number, ready in ((1, "True"), (2, "True")):
        put_pod(cluster, f"a-{number}", ready=ready)
    brakes.begin(policy, a, now=0)
    brakes.written(a, 2, evicted="uid of a-1")
    assert str(a) in brakes.hold(policy, b, now=1)

    cluster.remove("Pod", f"{builders.NAMESPACE}/a-1")
    assert str(a) in brakes.hold(policy, b, now=1)

    put_pod(cluster, "a-3", ready="False")
    assert str(a) in brakes.hold(policy, b, now=1)

    put_pod(cluster, "a-3", ready="True")
    assert brakes.hold(policy, b, now=1) == ""


def put_pod(cluster: Cluster, name: str, *, ready: str) -> None:
    """Put a pod of Deployment a into the index."""
    pod = builders.pod(name, "c", made_by="a", on="n1")
    pod.metadata.uid = f"uid of {name}"
    pod.status.conditions = (Condition(type="Ready", status=ready),)
    cluster.put("Pod", pod)


def test_more_at_a_time_and_other_policies() -> None:
    """The limit is the policy's own, and moves of other policies do not count."""
    cluster = Cluster()
    brakes, policy = brakes_on(cluster, max_concurrent=2)
    other = builders.policy("other", disruption={"maxConcurrent": 1})
    a, b, c = (put(cluster, name) for name in "abc")
    brakes.begin(policy, a, now=0)

    assert brakes.hold(policy, b, now=0) == ""
    assert brakes.hold(other, b, now=0) == ""
    brakes.begin(policy, b, now=0)
    assert "2 moves of this policy are under way" in brakes.hold(policy, c, now=0)


def test_a_deployment_that_is_gone_holds_nothing() -> None:
    """Deleted in the middle of its move, it is forgotten, even if the write comes back later."""
    cluster = Cluster()
    brakes, policy = brakes_on(cluster)
    a, b = put(cluster, "a"), put(cluster, "b")
    brakes.begin(policy, a, now=0)
    cluster.remove("Deployment", a.name)

    assert brakes.hold(policy, b, now=0) == ""
    brakes.written(a, 3)
    assert brakes.hold(policy, b, now=0) == ""
