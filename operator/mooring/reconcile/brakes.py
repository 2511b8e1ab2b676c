"""The brakes of `updateMode: Reconcile`: how many workloads move at a time, and how soon one moves again."""

from typing import Final

from mooring.api.policy import Policy
from mooring.cluster.index import Cluster


class Brakes:
    """Remembers the moves of this process. After a restart they count anew, which can only make moves rarer."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster: Final = cluster
        self._moved: dict[str, tuple[str, float]] = {}

    def hold(self, policy: Policy, deployment: str, *, now: float) -> str:
        """Why a Deployment may not be moved now, or empty where it may. `now` is a monotonic time in seconds."""
        self._moved = {key: move for key, move in self._moved.items() if key in self._cluster.deployments}
        disruption = policy.spec.disruption
        _, since = self._moved.get(deployment, ("", float("-inf")))
        if now - since < disruption.cooldown_seconds:
            return f"it was moved less than {disruption.cooldown} ago (disruption.cooldown)"
        moving = [key for key, (by, _) in self._moved.items() if by == policy.key and self._is_moving(key)]
        if len(moving) >= disruption.max_concurrent:
            names = ", ".join(sorted(moving)[:3])
            return f"{len(moving)} moves of this policy are under way: {names} (disruption.maxConcurrent)"
        return ""

    def moved(self, policy: Policy, deployment: str, *, now: float) -> None:
        """Note that a Deployment's move has begun."""
        self._moved[deployment] = (policy.key, now)

    def _is_moving(self, deployment: str) -> bool:
        record = self._cluster.deployments[deployment]
        status = record.status
        behind = status.observed_generation < record.metadata.generation
        return behind or status.updated_replicas < record.spec.replicas or status.replicas > status.updated_replicas
