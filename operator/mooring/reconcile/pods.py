"""Reconciling a pod: its `VolumeLocal` condition, its events, how it counts, and a nomination that came to nothing."""

import time
from dataclasses import dataclass, field
from typing import Final

from mooring.api.conditions import ObjectCondition, VolumeLocalReason
from mooring.cluster.index import Cluster
from mooring.cluster.records import Key, Pod
from mooring.cluster.room import Amount
from mooring.decide.decision import Decision, decide
from mooring.decide.gate import is_nominated
from mooring.decide.locality import Locality, measure
from mooring.decide.nominate import best_node, drawn_to
from mooring.decide.subject import subject_of_pod
from mooring.decide.waiting import why_held, why_waiting
from mooring.locate.locator import Locator
from mooring.reconcile.conditions import differs, own_conditions
from mooring.reconcile.ledger import Ledger, standing, standings
from mooring.reconcile.nominator import Nominator
from mooring.reconcile.throttle import Throttle
from mooring.reconcile.waiters import Waiters
from mooring.reconcile.writer import Event, Writer

#: kube-apiserver forgets events after an hour (--event-ttl); a pod that still waits then needs a new one.
_EVENT_SECONDS: Final = 3660.0
#: Most pods are scheduled within a second: one that is merely new is not reported on, for each report is a write.
_NEW_SECONDS: Final = 5.0
#: Where hundreds of pods are created at a time, the API server has better things to do than to take in reports: with
#: all of them at once the pods themselves come a third slower to their nodes.
_REPORTS_PER_SECOND: Final = 20
#: Whoever runs the pod writes its status at the same moment, and would have to do it again (seen with fake nodes).
_SETTLE_SECONDS: Final = 1.0


@dataclass(slots=True)
class _Memory:
    """What is remembered of one pod between two turns.

    Attributes:
        uid: of the pod that is remembered; another one of that name starts anew.
        since: when it was first seen.
        said: the events about it, and when they were recorded.
        nominated: the node that was nominated last, and what others asked for on it then.
        slot: when its condition may be written, while it waits for that.
    """

    uid: str
    since: float = field(default_factory=time.monotonic)
    said: dict[Event, float] = field(default_factory=dict)
    nominated: tuple[str, Amount] | None = None
    slot: float | None = None


class PodReconciler:
    """Measures one pod at a time and says so on it."""

    def __init__(
        self, cluster: Cluster, locator: Locator, writer: Writer, ledger: Ledger, waiters: Waiters, *, nominates: bool
    ) -> None:
        self._cluster: Final = cluster
        self._locator: Final = locator
        self._writer: Final = writer
        self._ledger: Final = ledger
        self._waiters: Final = waiters
        self._nominator: Final = Nominator(cluster, writer) if nominates else None
        self._reports: Final = Throttle(per_second=_REPORTS_PER_SECOND, burst=_REPORTS_PER_SECOND)
        self._memories: Final[dict[str, _Memory]] = {}

    async def reconcile(self, key: Key) -> float | None:
        """Bring a pod's condition up to date, and say what is in its way; returns when to look again, if need be.

        Raises:
            ApiError: the API server refused a write.
        """
        pod = self._cluster.pods.get(key.name)
        if pod is None or pod.finished:
            self._ledger.record_pod(key.name, {}, None)
            self._memories.pop(key.name, None)
            self._waiters.wait(key.name, ())
            return None
        decision = decide(subject_of_pod(pod), self._cluster, self._locator)
        locality = measure(decision, pod.spec.node_name) if decision.rule and decision.selected else None
        verdict = standings(decision, locality)
        self._ledger.record_pod(pod.key, verdict, standing(locality) if locality else None)
        if pod.metadata.deletion_timestamp is not None:
            return None
        memory = self._memory_of(pod)
        await self._nominate_again(pod, decision, memory)
        for problem in decision.problems:
            reason = "RuleIgnored" if problem in decision.demands.problems else "AnnotationIgnored"
            await self._say_once(pod, Event(reason, problem, warning=True), memory)
        new_for = memory.since + _NEW_SECONDS - time.monotonic()
        if new_for > 0 and not pod.spec.node_name and not pod.was_given_up:
            return new_for
        wanted = [locality.condition] if locality else []
        if differs(wanted, own_conditions(pod.status.conditions)):
            wait = self._await_slot(memory)
            if wait > 0:
                return wait
            await self._write_condition(pod, locality)
        held = why_held(pod, decision)
        if held:
            await self._say_once(pod, Event("WaitingForVolume", held, warning=True), memory)
        reason = why_waiting(pod, decision, self._cluster)
        if reason:
            await self._say_once(pod, Event("WaitingForData", reason, warning=True), memory)
        return _EVENT_SECONDS if held or reason else None

    def note_nomination(self, pod: Pod) -> None:
        """Remember which node is nominated for a pod, by whichever replica."""
        node = pod.status.nominated_node_name
        self._memory_of(pod).nominated = (node, self._cluster.usage.of(node, besides=pod.key))

    def _memory_of(self, pod: Pod) -> _Memory:
        memory = self._memories.get(pod.key)
        if memory is None or memory.uid != pod.metadata.uid:
            memory = self._memories[pod.key] = _Memory(uid=pod.metadata.uid)
        return memory

    async def _nominate_again(self, pod: Pod, decision: Decision, memory: _Memory) -> None:
        """Nominate a node for a pod that a scheduler gave up, once there is room near its data; until then it waits.

        The attempt that finds nothing clears a nomination. The same node is not nominated again before its usage
        changes: it may not take the pod for a reason that only kube-scheduler knows.
        """
        gave_up = pod.was_given_up and not pod.status.nominated_node_name
        if self._nominator is None or not gave_up or not is_nominated(decision):
            self._waiters.wait(pod.key, ())
            return
        node = best_node(pod, decision, self._cluster)
        attempt = (node, self._cluster.usage.of(node, besides=pod.key))
        if not node or attempt == memory.nominated:
            self._waiters.wait(pod.key, drawn_to(decision))
            return
        await self._nominator.nominate(pod, node)
        memory.nominated = attempt

    def _await_slot(self, memory: _Memory) -> float:
        """In how many seconds a pod may be reported on; 0 for now, and then the slot is used."""
        if memory.slot is None:
            memory.slot = max(self._reports.book(), time.monotonic() + _SETTLE_SECONDS)
        wait = memory.slot - time.monotonic()
        if wait <= 0:
            memory.slot = None
        return max(0.0, wait)

    async def _write_condition(self, pod: Pod, locality: Locality | None) -> None:
        old = own_conditions(pod.status.conditions)
        await self._writer.apply_pod_conditions(pod, [locality.condition] if locality else [])
        before = next((condition.status for condition in old if condition.type == ObjectCondition.VOLUME_LOCAL), None)
        if locality is None or before == locality.reason.status or locality.reason is VolumeLocalReason.NOT_SCHEDULED:
            return
        if locality.is_misplaced or before is not None:
            event = Event(str(locality.reason), locality.message, warning=locality.is_misplaced)
            await self._writer.record_event("Pod", pod, event)

    async def _say_once(self, pod: Pod, event: Event, memory: _Memory) -> None:
        """Record an event unless the API server still has it."""
        now = time.monotonic()
        if now >= memory.said.get(event, float("-inf")) + _EVENT_SECONDS:
            memory.said[event] = now
            await self._writer.record_event("Pod", pod, event, once=True)
