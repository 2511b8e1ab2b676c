"""Moving one pod at a time where a rollout cannot: its replacement gets its place when it is created. Pure.

An eviction gains something only where the replacement is then led to the data, by its affinity (strict) or by a
nomination (soft), and only where a near node has room for it. One that did not help is not tried again until something
changes (VPA evicts for ever where its webhook does not do what its updater expects: autoscaler #2633, #6884, #9362).
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from mooring.api.conditions import PlacementAppliedReason as Reason
from mooring.api.policy import UpdateMode
from mooring.cluster.index import Cluster
from mooring.cluster.records import Key, Workload
from mooring.decide.gate import is_nominated
from mooring.reconcile.rollout import rollout_of
from mooring.reconcile.templates import Plan, PodStanding, has_room_near

#: Pods of these kinds are made anew where they are evicted from, and lose nothing but time. A Job's lose their work.
_EVICTABLE: Final = frozenset({"Deployment", "StatefulSet", "ReplicaSet"})
#: What may be said of a template whose own rollout brings no pod to its data.
_WITHOUT_ROLLOUT: Final = frozenset(
    {Reason.APPLIED, Reason.WOULD_BLOCK_ON_ATTACH, Reason.FIELD_OWNED_BY_OTHER, Reason.PER_POD}
)


class Attempt(NamedTuple):
    """An eviction: whom it was to move, where, and how many pods of the slot were away from their data before it.

    Attributes:
        slot: what is the same in a pod and its replacement: a StatefulSet's pod's name; empty for pods that have none.
        target: policy, its generation and the nodes near the data.
    """

    slot: str
    target: tuple[str, int, frozenset[str]]
    away: int


class Attempts:
    """The evictions of this process, by workload."""

    def __init__(self) -> None:
        self._by_workload: Final[dict[Key, dict[str, Attempt]]] = {}

    def note(self, workload: Key, attempt: Attempt) -> None:
        """Remember an eviction."""
        self._by_workload.setdefault(workload, {})[attempt.slot] = attempt

    def forget(self, workload: Key) -> None:
        """Forget a workload that is gone."""
        self._by_workload.pop(workload, None)

    def was_in_vain(self, workload: Key, attempt: Attempt) -> bool:
        """Whether the same was tried before, and as many pods are away as then."""
        before = self._by_workload.get(workload, {}).get(attempt.slot)
        return before is not None and before.target == attempt.target and attempt.away >= before.away


class Choice(NamedTuple):
    """A pod to evict, or None and why there is none; empty where there is nothing to say."""

    pod: PodStanding | None
    attempt: Attempt | None = None
    why_none: str = ""


def choose(
    workload: Workload,
    planned: Plan,
    pods: Sequence[PodStanding],
    cluster: Cluster,
    attempts: Attempts,
    *,
    nominates: bool,
) -> Choice:
    """Choose the pod of a workload that is to be evicted next; `nominates` is whether soft rules lead pods anywhere."""
    away = [pod for pod in pods if pod.is_away]
    wanted = [pod for pod in away if _may_be_moved(pod, nominates=nominates)]
    if workload.kind not in _EVICTABLE or planned.reason not in _WITHOUT_ROLLOUT or not wanted:
        return Choice(None)
    rollout = rollout_of(workload)
    # The rollout that our own write began is not under way yet as far as its controller has said.
    if (rollout.under_way or not rollout.seen) and not rollout.idle:
        return Choice(None, why_none="a rollout is under way")
    in_vain = False
    # The highest ordinal first, as a StatefulSet's own rollouts go.
    for pod in sorted(wanted, key=lambda each: (len(each.pod.name), each.pod.name), reverse=True):
        attempt = _attempt(workload, pod, away=len(away))
        if not has_room_near(workload, pod.decision, cluster):
            continue
        if not attempts.was_in_vain(workload.id, attempt):
            return Choice(pod, attempt)
        in_vain = True
    if in_vain:
        return Choice(None, why_none="evicting a pod did not bring it to its data; it is tried again when that changes")
    return Choice(None, why_none="no node near the data has room for the pod")


def _may_be_moved(pod: PodStanding, *, nominates: bool) -> bool:
    decision, rule = pod.decision, pod.decision.rule
    if rule is None or rule.update_mode is not UpdateMode.RECONCILE:
        return False
    if not rule.strict and not (nominates and is_nominated(decision)):
        return False
    return decision.obstacle is None and pod.pod.metadata.deletion_timestamp is None


def _attempt(workload: Workload, pod: PodStanding, *, away: int) -> Attempt:
    rule = pod.decision.rule
    policy = rule.policy if rule is not None else None
    name, generation = (policy.key, policy.generation) if policy is not None else ("", 0)
    slot = pod.pod.name if workload.kind == "StatefulSet" else ""
    return Attempt(slot, (name, generation, frozenset(pod.decision.near)), 1 if slot else away)
