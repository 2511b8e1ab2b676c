"""The brakes of `updateMode: Reconcile`: how many workloads move at a time, and how soon one moves again."""

from typing import Final, NamedTuple

from mooring.api.policy import Policy
from mooring.cluster.index import Cluster
from mooring.cluster.records import Key
from mooring.reconcile.rollout import rollout_of


class _Move(NamedTuple):
    """A move: by which policy and since when, and what its write made.

    Attributes:
        generation: of the workload; None while the move is being written.
        evicted: the pod that was evicted (uid), or empty for a rollout.
    """

    policy: str
    since: float
    generation: int | None = None
    evicted: str = ""


class Brakes:
    """Remembers the moves of this process. After a restart they count anew, which can only make moves rarer."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster: Final = cluster
        self._moves: dict[Key, _Move] = {}

    def hold(self, policy: Policy, workload: Key, *, now: float) -> str:
        """Why a workload may not be moved now, or empty where it may. `now` is a monotonic time in seconds."""
        self._moves = {key: move for key, move in self._moves.items() if self._cluster.workload(key) is not None}
        disruption = policy.spec.disruption
        before = self._moves.get(workload)
        if before is not None and now - before.since < disruption.cooldown_seconds:
            return f"it was moved less than {disruption.cooldown} ago (disruption.cooldown)"
        moving = [key for key, move in self._moves.items() if move.policy == policy.key and self._is_moving(key, move)]
        if len(moving) >= disruption.max_concurrent:
            names = ", ".join(str(key) for key in sorted(moving)[:3])
            return f"{len(moving)} moves of this policy are under way: {names} (disruption.maxConcurrent)"
        return ""

    def begin(self, policy: Policy, workload: Key, *, now: float) -> None:
        """Note a move before it is written: other workers ask while the write is under way."""
        self._moves[workload] = _Move(policy.key, now)

    def written(self, workload: Key, generation: int, *, evicted: str = "") -> None:
        """Note what the write of a move made; until the index has seen it, what that says of the rollout is old."""
        if workload in self._moves:  # else it was deleted meanwhile
            self._moves[workload] = self._moves[workload]._replace(generation=generation, evicted=evicted)

    def abandon(self, workload: Key) -> None:
        """Forget a move that could not be written."""
        self._moves.pop(workload, None)

    def _is_moving(self, key: Key, move: _Move) -> bool:
        """Whether a move is not over yet: until its new pods serve, the next one would take down even more."""
        workload = self._cluster.workload(key)
        if workload is None:
            return False
        if move.generation is None or workload.metadata.generation < move.generation:
            return True
        return not rollout_of(workload).serving or (bool(move.evicted) and not self._is_replaced(key, move.evicted))

    def _is_replaced(self, workload: Key, evicted: str) -> bool:
        """Whether the evicted pod is gone and as many serve as should; the workload's own status is late at first."""
        pods = [self._cluster.pods[name] for name in self._cluster.relations.pods_of_workload(workload)]
        record = self._cluster.workload(workload)
        wanted = rollout_of(record).wanted if record is not None else 0
        gone = all(pod.metadata.uid != evicted for pod in pods)
        return gone and sum(pod.is_ready and pod.metadata.deletion_timestamp is None for pod in pods) >= wanted
