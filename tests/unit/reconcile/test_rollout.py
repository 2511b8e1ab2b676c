"""What a change of a template would do, read from each kind of workload."""

from typing import Any

import pytest
from tests.unit import builders

from mooring.cluster.records import Deployment, Workload
from mooring.cluster.resources import from_manifest
from mooring.reconcile.rollout import Rollout, max_unavailable, rollout_of

_DONE = {"observedGeneration": 1, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}


def made(kind: str, *, status: Any = None, generation: int = 1, **spec: Any) -> Workload:
    """A workload of two pods that are all there, unless its status says otherwise."""
    metadata = {"name": "web", "namespace": builders.NAMESPACE, "generation": generation}
    replicas = {} if kind in {"Job", "CronJob"} else {"replicas": 2}
    manifest = {"metadata": metadata, "spec": {**replicas, **spec}, "status": _DONE if status is None else status}
    parsed = from_manifest(kind, manifest)
    assert isinstance(parsed, Workload)
    return parsed


@pytest.mark.parametrize(
    ("workload", "rollout"),
    [
        (made("Deployment"), Rollout(wanted=2, pods=2, surges=True)),
        (made("Deployment", strategy={"type": "Recreate"}), Rollout(wanted=2, pods=2)),
        (made("Deployment", strategy={"rollingUpdate": {"maxUnavailable": 2}}), Rollout(wanted=2, pods=2)),
        (made("Deployment", paused=True), Rollout(wanted=2, pods=2, surges=True, idle=True)),
        (
            made("Deployment", status={**_DONE, "updatedReplicas": 1}),
            Rollout(wanted=2, pods=2, surges=True, under_way=True, serving=False),
        ),
        (made("Deployment", generation=2), Rollout(wanted=2, pods=2, surges=True, seen=False, serving=False)),
        (
            made("Deployment", status={**_DONE, "availableReplicas": 1}),
            Rollout(wanted=2, pods=2, surges=True, serving=False),
        ),
        (made("StatefulSet"), Rollout(wanted=2, pods=2)),
        (made("StatefulSet", updateStrategy={"type": "OnDelete"}), Rollout(wanted=2, pods=2, idle=True)),
        (
            made(
                "StatefulSet",
                status={**_DONE, "updatedReplicas": 1},
                updateStrategy={"rollingUpdate": {"partition": 1}},
            ),
            Rollout(wanted=2, pods=2),
        ),
        (made("ReplicaSet"), Rollout(wanted=2, pods=2, idle=True)),
        (
            made("ReplicaSet", status={**_DONE, "availableReplicas": 1}),
            Rollout(wanted=2, pods=2, idle=True, serving=False),
        ),
        (made("Job", suspend=True, status={}), Rollout(idle=True)),
        (made("Job", suspend=True, status={"startTime": "2026-01-01T00:00:00Z"}), Rollout(mutable=False)),
        (made("Job", status={}), Rollout(mutable=False)),
        (made("CronJob", status={}), Rollout(idle=True)),
    ],
)
def test_how_things_stand(workload: Workload, rollout: Rollout) -> None:
    """Each row is a workload and what is read from it."""
    assert rollout_of(workload) == rollout


@pytest.mark.parametrize(
    ("value", "replicas", "count"),
    [
        (0, 3, 0),
        (2, 3, 2),
        ("25%", 3, 0),
        ("25%", 4, 1),
        ("50%", 3, 1),
        ("100%", 3, 3),
        ("nonsense", 3, 0),
        (None, 1, 0),
    ],
)
def test_max_unavailable_is_rounded_down(value: int | str | None, replicas: int, count: int) -> None:
    """As the Deployment controller does; the default is a quarter."""
    strategy = {"type": "RollingUpdate"} | ({} if value is None else {"rollingUpdate": {"maxUnavailable": value}})
    deployment = made("Deployment", strategy=strategy, replicas=replicas)

    assert isinstance(deployment, Deployment)
    assert max_unavailable(deployment) == count
