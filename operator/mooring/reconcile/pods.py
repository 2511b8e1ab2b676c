"""Reconciling a pod: its `VolumeLocal` condition, its events, and how it counts for policies."""

from typing import Final

from mooring.api.conditions import ObjectCondition, VolumeLocalReason
from mooring.cluster.index import Cluster
from mooring.cluster.records import Pod
from mooring.decide.decision import decide
from mooring.decide.locality import Locality, measure
from mooring.decide.subject import subject_of_pod
from mooring.locate.locator import Locator
from mooring.reconcile.conditions import differs, own_conditions
from mooring.reconcile.ledger import Ledger, standing, standings
from mooring.reconcile.writer import Writer

_AWAY: Final = frozenset({VolumeLocalReason.NOT_LOCAL, VolumeLocalReason.PARTLY_LOCAL})


class PodReconciler:
    """Measures one pod at a time and says so on it."""

    def __init__(self, cluster: Cluster, locator: Locator, writer: Writer, ledger: Ledger) -> None:
        self._cluster: Final = cluster
        self._locator: Final = locator
        self._writer: Final = writer
        self._ledger: Final = ledger
        self._complaints: Final[dict[str, tuple[str, ...]]] = {}

    async def reconcile(self, key: str) -> float | None:
        """Bring a pod's condition up to date.

        Raises:
            ApiError: the API server refused a write.
        """
        pod = self._cluster.pods.get(key)
        if pod is None or pod.finished:
            self._ledger.record_pod(key, {}, None)
            self._complaints.pop(key, None)
            return None
        decision = decide(subject_of_pod(pod), self._cluster, self._locator)
        locality = measure(decision, pod.spec.node_name) if decision.rule and decision.selected else None
        verdict = standings(decision, locality)
        self._ledger.record_pod(key, verdict, standing(locality) if locality else None)
        if pod.metadata.deletion_timestamp is None:
            await self._write_condition(pod, locality)
            await self._complain(pod, decision.resolution.problems)
        return None

    async def _write_condition(self, pod: Pod, locality: Locality | None) -> None:
        wanted = [locality.condition] if locality else []
        old = own_conditions(pod.status.conditions)
        if not differs(wanted, old):
            return
        await self._writer.apply_pod_conditions(pod, wanted)
        before = next((condition.status for condition in old if condition.type == ObjectCondition.VOLUME_LOCAL), None)
        if locality is None or before == locality.reason.status or locality.reason is VolumeLocalReason.NOT_SCHEDULED:
            return
        if locality.reason in _AWAY or before is not None:
            await self._event(pod, str(locality.reason), locality.message, warning=locality.reason in _AWAY)

    async def _complain(self, pod: Pod, problems: tuple[str, ...]) -> None:
        """Say once what is wrong with a pod's annotations."""
        if not problems or self._complaints.get(pod.key) == problems:
            return
        self._complaints[pod.key] = problems
        for problem in problems:
            await self._event(pod, "AnnotationIgnored", problem, warning=True)

    async def _event(self, pod: Pod, reason: str, message: str, *, warning: bool) -> None:
        await self._writer.record_event(
            pod, kind="Pod", api_version="v1", reason=reason, message=message, warning=warning
        )
