"""What changing a workload's template would do now: which pods it restarts, and whether new ones meet old ones."""

import math
from typing import Final

import msgspec

from mooring.cluster.records import CronJob, Deployment, Job, ReplicaSet, StatefulSet, Workload


class Rollout(msgspec.Struct, frozen=True, kw_only=True):
    """The state of a workload as far as its template is concerned.

    Attributes:
        mutable: whether the API server takes a change of the template at all.
        idle: whether a change restarts nothing by the workload's kind or state, pods or no pods: it is paused, its
            pods are replaced by hand only, or its template is for pods to come.
        seen: whether the workload's controller has taken it in as it is; what is counted is older where it has not.
        under_way: whether somebody's rollout is under way, which a change would join.
        wanted: how many pods there should be.
        pods: how many there are, as the workload's controller last said.
        surges: whether a rollout starts a new pod before the old one is gone.
        serving: whether all pods that should be there are there, as the template says, and available.
    """

    mutable: bool = True
    idle: bool = False
    seen: bool = True
    under_way: bool = False
    wanted: int = 1
    pods: int = 0
    surges: bool = False
    serving: bool = True


def rollout_of(workload: Workload) -> Rollout:
    """Read how things stand with a workload's pods."""
    if isinstance(workload, Deployment):
        spec = workload.spec
        surges = spec.strategy.type != "Recreate" and max_unavailable(workload) < spec.replicas
        return _replicated(workload, spec.replicas, idle=spec.paused, surges=surges)
    if isinstance(workload, StatefulSet):
        strategy = workload.spec.update_strategy
        held = strategy.rolling_update.partition
        return _replicated(workload, workload.spec.replicas, idle=strategy.type == "OnDelete", held_back=held)
    if isinstance(workload, ReplicaSet):
        status = workload.status
        return Rollout(
            idle=True,
            wanted=workload.spec.replicas,
            pods=status.replicas,
            serving=status.replicas == workload.spec.replicas == status.available_replicas,
        )
    if isinstance(workload, Job):
        # Before Kubernetes 1.36 the template of a Job that has ever started stays as it is.
        waiting = workload.spec.suspend and workload.status.start_time is None
        return Rollout(mutable=waiting, idle=waiting)
    assert isinstance(workload, CronJob)  # noqa: S101 - there are no others
    return Rollout(idle=True)


def _replicated(workload: Workload, wanted: int, *, idle: bool, surges: bool = False, held_back: int = 0) -> Rollout:
    """Read the counts; `held_back` pods are left out of rollouts."""
    status = workload.status
    seen = status.observed_generation >= workload.metadata.generation
    updated = status.updated_replicas + min(held_back, status.replicas)
    return Rollout(
        idle=idle,
        seen=seen,
        under_way=status.replicas > updated,
        wanted=wanted,
        pods=status.replicas,
        surges=surges,
        serving=seen and min(updated, status.available_replicas) >= wanted and status.replicas <= updated,
    )


_DEFAULT_MAX_UNAVAILABLE: Final = "25%"


def max_unavailable(deployment: Deployment) -> int:
    """How many pods a rollout may be short of: a percentage is rounded down, as the Deployment controller does."""
    rolling = deployment.spec.strategy.rolling_update
    value = rolling.max_unavailable if rolling else _DEFAULT_MAX_UNAVAILABLE
    if isinstance(value, int):
        return value
    try:
        return math.floor(deployment.spec.replicas * float(value.removesuffix("%")) / 100)
    except ValueError:
        return 0
