"""The brakes of `updateMode: Reconcile`: how many workloads move at a time, and how soon one moves again."""

from typing import Final, NamedTuple

from mooring.api.policy import Policy
from mooring.cluster.index import Cluster


class _Move(NamedTuple):
    """A move: by which policy and since when, and the generation that it made, None while it is being written."""

    policy: str
    since: float
    generation: int | None


class Brakes:
    """Remembers the moves of this process. After a restart they count anew, which can only make moves rarer."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster: Final = cluster
        self._moves: dict[str, _Move] = {}

    def hold(self, policy: Policy, deployment: str, *, now: float) -> str:
        """Why a Deployment may not be moved now, or empty where it may. `now` is a monotonic time in seconds."""
        self._moves = {key: move for key, move in self._moves.items() if key in self._cluster.deployments}
        disruption = policy.spec.disruption
        before = self._moves.get(deployment)
        if before is not None and now - before.since < disruption.cooldown_seconds:
            return f"it was moved less than {disruption.cooldown} ago (disruption.cooldown)"
        moving = [key for key, move in self._moves.items() if move.policy == policy.key and self._is_moving(key, move)]
        if len(moving) >= disruption.max_concurrent:
            names = ", ".join(sorted(moving)[:3])
            return f"{len(moving)} moves of this policy are under way: {names} (disruption.maxConcurrent)"
        return ""

    def begin(self, policy: Policy, deployment: str, *, now: float) -> None:
        """Note a move before it is written: other workers ask while the write is under way."""
        self._moves[deployment] = _Move(policy.key, now, None)

    def written(self, deployment: str, generation: int) -> None:
        """Note what the write of a move made; until the index has seen it, what that says of the rollout is old."""
        if deployment in self._moves:  # else it was deleted meanwhile
            self._moves[deployment] = self._moves[deployment]._replace(generation=generation)

    def abandon(self, deployment: str) -> None:
        """Forget a move that could not be written."""
        self._moves.pop(deployment, None)

    def _is_moving(self, deployment: str, move: _Move) -> bool:
        """Whether a move is not over yet: until its new pods serve, the next one would take down even more."""
        record = self._cluster.deployments[deployment]
        if move.generation is None or record.metadata.generation < move.generation:
            return True
        status, wanted = record.status, record.spec.replicas
        behind = status.observed_generation < record.metadata.generation
        serving = min(status.updated_replicas, status.available_replicas)
        return behind or serving < wanted or status.replicas > status.updated_replicas
