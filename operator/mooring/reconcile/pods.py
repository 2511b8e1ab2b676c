"""Reconciling a pod: its `VolumeLocal` condition, its events, and how it counts for policies."""

import time
from collections import defaultdict
from typing import Final

from mooring.api.conditions import ObjectCondition, VolumeLocalReason
from mooring.cluster.index import Cluster
from mooring.cluster.records import Key, Pod
from mooring.decide.decision import decide
from mooring.decide.locality import Locality, measure
from mooring.decide.subject import subject_of_pod
from mooring.decide.waiting import why_waiting
from mooring.locate.locator import Locator
from mooring.reconcile.conditions import differs, own_conditions
from mooring.reconcile.ledger import Ledger, standing, standings
from mooring.reconcile.writer import Event, Writer

#: kube-apiserver forgets events after an hour (--event-ttl); a pod that still waits then needs a new one.
_EVENT_SECONDS: Final = 3660.0


class PodReconciler:
    """Measures one pod at a time and says so on it."""

    def __init__(self, cluster: Cluster, locator: Locator, writer: Writer, ledger: Ledger) -> None:
        self._cluster: Final = cluster
        self._locator: Final = locator
        self._writer: Final = writer
        self._ledger: Final = ledger
        self._said: Final[defaultdict[str, dict[Event, float]]] = defaultdict(dict)

    async def reconcile(self, key: Key) -> float | None:
        """Bring a pod's condition up to date, and say what is in its way; returns when to say it again, if need be.

        Raises:
            ApiError: the API server refused a write.
        """
        pod = self._cluster.pods.get(key.name)
        if pod is None or pod.finished:
            self._ledger.record_pod(key.name, {}, None)
            self._said.pop(key.name, None)
            return None
        decision = decide(subject_of_pod(pod), self._cluster, self._locator)
        locality = measure(decision, pod.spec.node_name) if decision.rule and decision.selected else None
        verdict = standings(decision, locality)
        self._ledger.record_pod(pod.key, verdict, standing(locality) if locality else None)
        if pod.metadata.deletion_timestamp is not None:
            return None
        await self._write_condition(pod, locality)
        for problem in decision.resolution.problems:
            await self._say_once(pod, Event("AnnotationIgnored", problem, warning=True))
        reason = why_waiting(pod, decision, self._cluster)
        if not reason:
            return None
        await self._say_once(pod, Event("WaitingForData", reason, warning=True))
        return _EVENT_SECONDS

    async def _write_condition(self, pod: Pod, locality: Locality | None) -> None:
        wanted = [locality.condition] if locality else []
        old = own_conditions(pod.status.conditions)
        if not differs(wanted, old):
            return
        await self._writer.apply_pod_conditions(pod, wanted)
        before = next((condition.status for condition in old if condition.type == ObjectCondition.VOLUME_LOCAL), None)
        if locality is None or before == locality.reason.status or locality.reason is VolumeLocalReason.NOT_SCHEDULED:
            return
        if locality.reason.is_away or before is not None:
            event = Event(str(locality.reason), locality.message, warning=locality.reason.is_away)
            await self._writer.record_event("Pod", pod, event)

    async def _say_once(self, pod: Pod, event: Event) -> None:
        """Record an event unless the API server still has it."""
        said, now = self._said[pod.key], time.monotonic()
        if now >= said.get(event, float("-inf")) + _EVENT_SECONDS:
            said[event] = now
            await self._writer.record_event("Pod", pod, event, once=True)
