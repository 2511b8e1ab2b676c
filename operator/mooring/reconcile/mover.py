"""Carrying out the moves of `updateMode: Reconcile` by eviction, with every brake on."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final, Protocol

import structlog

from mooring.api.policy import Policy
from mooring.cluster.index import Cluster
from mooring.cluster.records import Key, Workload
from mooring.reconcile.brakes import Brakes
from mooring.reconcile.evictions import Attempts, choose
from mooring.reconcile.templates import Plan, PodStanding
from mooring.reconcile.writer import Event, EvictionRefusedError, Writer

_log = structlog.get_logger(__name__)


#: After an outage of the API server its controllers come back in their own time (seen: half a minute later than this
#: one), and until then nobody replaces what is evicted. In seconds.
CALM_SECONDS: Final = 60.0


class Probe(Protocol):
    """Knows whether admission answers pods."""

    async def answers(self) -> bool:
        """Whether it is known to answer now."""


class Mover:
    """Evicts one pod at a time, where its replacement will do better.

    Attributes:
        brakes: shared by moves of both kinds.
    """

    def __init__(
        self, cluster: Cluster, writer: Writer, probe: Probe, *, nominates: bool, calm_for: Callable[[], float]
    ) -> None:
        """Take what a move needs; `calm_for` is for how many seconds the API server has been there."""
        self.brakes: Final = Brakes(cluster)
        self._cluster: Final = cluster
        self._writer: Final = writer
        self._probe: Final = probe
        self._calm_for: Final = calm_for
        self._nominates: Final = nominates
        self._attempts: Final = Attempts()

    def forget(self, workload: Key) -> None:
        """Forget a workload that is gone."""
        self._attempts.forget(workload)

    async def evict(self, workload: Workload, planned: Plan, pods: list[PodStanding]) -> Plan:
        """Evict a pod of a workload if that brings it to its data; returns the plan with what was done or why not.

        Raises:
            ApiError: the API server refused, and not because of a PodDisruptionBudget.
        """
        choice = choose(workload, planned, pods, self._cluster, self._attempts, nominates=self._nominates)
        if choice.pod is None or choice.attempt is None:
            return _noted(planned, choice.why_none) if choice.why_none else planned
        pod, rule = choice.pod.pod, choice.pod.decision.rule
        policy = rule.policy if rule is not None else None
        assert policy is not None  # noqa: S101 - only policies ask for moves
        held = await self._held(policy, workload.id)
        if held:
            return _noted(planned, held)
        self.brakes.begin(policy, workload.id, now=time.monotonic())
        try:
            await self._writer.evict(pod)
        except EvictionRefusedError as error:
            self.brakes.abandon(workload.id)
            _log.info("eviction refused", pod=pod.key, error=str(error))
            return _noted(planned, f"a PodDisruptionBudget does not allow the eviction of {pod.name} now")
        except Exception:
            self.brakes.abandon(workload.id)
            raise
        self.brakes.written(workload.id, workload.metadata.generation, evicted=pod.metadata.uid)
        self._attempts.note(workload.id, choice.attempt)
        _log.info("evicted", pod=pod.key, workload=str(workload.id), rule=policy.key)
        event = Event("EvictedForData", f"pod {pod.name} was evicted, so that its replacement runs near its data")
        await self._writer.record_event(workload.kind, workload, event)
        return _noted(planned, f"{pod.name} was evicted and gets its place when it is created anew")

    async def _held(self, policy: Policy, workload: Key) -> str:
        held = self.brakes.hold(policy, workload, now=time.monotonic())
        if held:
            return held
        if self._calm_for() < CALM_SECONDS:
            return "the API server was away a moment ago, and its controllers may still be"
        if await self._probe.answers():
            return ""
        return "pods are evicted only while the admission webhook is known to answer, and it does not"


def _noted(planned: Plan, note: str) -> Plan:
    return replace(planned, message=f"{planned.message}; {note}", retry=True)
