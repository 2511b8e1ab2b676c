"""Reconciling a workload: the affinity in its template, its pods' moves, its conditions, and how it counts."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import structlog

from mooring.api.conditions import Condition, ObjectCondition, PlacementAppliedReason
from mooring.api.policy import Policy
from mooring.api.status import WorkloadAttention
from mooring.cluster import records
from mooring.cluster.index import Cluster
from mooring.cluster.records import Key, NodeAffinity, Workload
from mooring.decide.affinity import fingerprint
from mooring.decide.decision import Decision, decide
from mooring.decide.locality import Locality, measure, summarize
from mooring.decide.rule import Origin
from mooring.decide.subject import subject_of_pod, subject_of_template
from mooring.locate.locator import Locator
from mooring.reconcile.conditions import differs, own_conditions
from mooring.reconcile.ledger import Ledger
from mooring.reconcile.mover import Mover
from mooring.reconcile.templates import Action, Plan, PodStanding, is_foreign, own_affinity, plan, wanted_affinity
from mooring.reconcile.writer import Event, FieldConflictError, Writer

_log = structlog.get_logger(__name__)

#: How often a workload that waits for room or for its policy's brakes is looked at again, in seconds.
RETRY_SECONDS: Final = 5.0
_ATTENTION: Final = frozenset(
    {
        PlacementAppliedReason.WOULD_BLOCK_ON_ATTACH,
        PlacementAppliedReason.FIELD_OWNED_BY_OTHER,
        PlacementAppliedReason.DISJOINT_VOLUMES,
        PlacementAppliedReason.REPLICAS_OFFLINE,
        PlacementAppliedReason.RELEASE_PENDING,
    }
)
_ONCE_WRITTEN: Final = frozenset(
    {PlacementAppliedReason.APPLIED.value, PlacementAppliedReason.FIELD_OWNED_BY_OTHER.value}
)


@dataclass(slots=True)
class _Memory:
    """What is remembered of one workload between two turns.

    Attributes:
        uid: of the workload that is remembered; another one of that name starts anew.
        generation: the generation that our last write made; anything older in the index is stale.
        written: the hash of our terms that were in the template last, unless others took their place.
        present: whether terms of ours are in it now.
        refused: (generation, hash) of a write that another manager's fields refused.
        told: our conditions as they were last written: a StatefulSet's controller drops them with each of its writes.
        reason: the last `PlacementApplied` reason that an event told of, for kinds without conditions.
    """

    uid: str
    generation: int = 0
    written: str = ""
    present: bool = False
    refused: tuple[int, str] = field(default=(0, ""))
    told: Sequence[records.Condition] = ()
    reason: str | None = None


class WorkloadReconciler:
    """Brings one workload at a time up to date."""

    def __init__(
        self, cluster: Cluster, locator: Locator, writer: Writer, ledger: Ledger, mover: Mover, *, by_hostname: bool
    ) -> None:
        self._cluster: Final = cluster
        self._locator: Final = locator
        self._writer: Final = writer
        self._ledger: Final = ledger
        self._mover: Final = mover
        self._by_hostname: Final = by_hostname
        self._memories: Final[dict[Key, _Memory]] = {}

    async def reconcile(self, key: Key) -> float | None:
        """Bring a workload up to date; returns in how many seconds to look again, if time may change the answer.

        Raises:
            ApiError: the API server refused a write.
        """
        workload = self._cluster.workload(key)
        if workload is None:
            self._memories.pop(key, None)
            self._mover.forget(key)
            self._ledger.record_workload(str(key), "", None)
            return None
        if workload.metadata.controller is not None or workload.metadata.deletion_timestamp is not None:
            return None  # whoever owns it writes its template
        decision = decide(subject_of_template(workload), self._cluster, self._locator)
        wanted = wanted_affinity(workload, decision, self._cluster, by_hostname=self._by_hostname)
        memory = self._memory_of(workload, wanted)
        if workload.metadata.generation < memory.generation:
            return None  # our own write has not come back yet; it will
        pods = self._pods(key)
        planned = plan(workload, decision, wanted, self._cluster, pods=pods, stripped=_was_stripped(memory, wanted))
        planned = self._hold(workload, planned, decision, memory)
        planned = await self._carry_out(workload, planned, decision, memory)
        if planned.action is Action.NOTHING:
            planned = await self._mover.evict(workload, planned, pods)
        await self._report(workload, decision, planned, pods, memory)
        return RETRY_SECONDS if planned.retry else None

    def _pods(self, key: Key) -> list[PodStanding]:
        """Measure a workload's pods, but for those that have ended or are about to."""
        standings = []
        for name in sorted(self._cluster.relations.pods_of_workload(key)):
            pod = self._cluster.pods[name]
            if pod.finished or pod.metadata.deletion_timestamp is not None:
                continue
            decision = decide(subject_of_pod(pod), self._cluster, self._locator)
            counts = decision.rule is not None and decision.selected
            standings.append(PodStanding(pod, decision, measure(decision, pod.spec.node_name) if counts else None))
        return standings

    def _memory_of(self, workload: Workload, wanted: NodeAffinity | None) -> _Memory:
        """What is remembered of a workload; of one that is new to this process, what its condition tells.

        A condition that says that terms were written, over a template that has none, tells that they were taken out.
        """
        own = own_affinity(workload)
        memory = self._memories.get(workload.id)
        if memory is None or memory.uid != workload.metadata.uid:
            memory = self._memories[workload.id] = _Memory(uid=workload.metadata.uid)
            told = _reason(workload.status.conditions) in _ONCE_WRITTEN
            if told and wanted is not None and not is_foreign(workload, wanted, own):
                memory.written = fingerprint(wanted)
        if own is not None and workload.metadata.generation >= memory.generation:
            memory.written = fingerprint(own)
        elif wanted is not None and is_foreign(workload, wanted, own):
            memory.written = ""  # ours gave way to a list of somebody's, who may give it up again
        memory.present = own is not None
        memory.told = own_conditions(workload.status.conditions) or memory.told
        return memory

    def _hold(self, workload: Workload, planned: Plan, decision: Decision, memory: _Memory) -> Plan:
        """Keep from a write what another manager refused before, and from a move what the policy's brakes hold."""
        affinity = planned.affinity
        if affinity is not None and memory.refused == (workload.metadata.generation, fingerprint(affinity)):
            return _owned_by_other()
        policy = decision.rule.policy if decision.rule else None
        if planned.moves and policy is not None:
            held = self._mover.brakes.hold(policy, workload.id, now=time.monotonic())
            if held:
                return Plan(reason=PlacementAppliedReason.DEFERRED, message=held, retry=True)
        return planned

    async def _carry_out(self, workload: Workload, planned: Plan, decision: Decision, memory: _Memory) -> Plan:
        if planned.action is Action.NOTHING:
            return planned
        affinity, brakes = planned.affinity, self._mover.brakes
        policy = decision.rule.policy if decision.rule else None
        moving = policy if planned.moves else None
        if moving is not None:
            brakes.begin(moving, workload.id, now=time.monotonic())
        try:
            memory.generation = await (
                self._writer.apply_affinity(workload, affinity)
                if affinity is not None
                else self._writer.release_affinity(workload)
            )
        except FieldConflictError as error:
            if moving is not None:
                brakes.abandon(workload.id)
            _log.info("left to its owner", workload=str(workload.id), error=str(error))
            if affinity is not None:
                memory.refused = (workload.metadata.generation, fingerprint(affinity))
            return _owned_by_other()
        except Exception:
            if moving is not None:
                brakes.abandon(workload.id)
            raise
        memory.written = fingerprint(affinity) if affinity is not None else ""
        if moving is not None:
            brakes.written(workload.id, memory.generation)
        what = "node affinity written" if affinity is not None else "node affinity released"
        rule = decision.rule.name if decision.rule else ""
        _log.info(what, workload=str(workload.id), rule=rule, moves=planned.moves)
        await self._writer.record_event(workload.kind, workload, _event_of(affinity, decision))
        return planned

    async def _report(
        self,
        workload: Workload,
        decision: Decision,
        planned: Plan,
        pods: Sequence[PodStanding],
        memory: _Memory,
    ) -> None:
        conditions = []
        summary = summarize(pod.locality for pod in pods if pod.locality is not None)
        if decision.rule is not None:
            conditions.append(summary.condition)
        if planned.reason is not None:
            conditions.append(_placement_condition(planned))
        policy = _policy_of(decision)
        attention = _attention(workload, planned, summary) if decision.rule is not None else None
        self._ledger.record_workload(str(workload.id), policy.key if policy else "", attention)
        told = _reason(memory.told) or memory.reason
        if workload.has_conditions and differs(conditions, own_conditions(workload.status.conditions)):
            memory.told = await self._writer.apply_conditions(workload, conditions, old=memory.told)
        memory.reason = planned.reason
        if planned.reason in _ATTENTION and told != planned.reason:
            event = Event(str(planned.reason), planned.message, warning=True)
            await self._writer.record_event(workload.kind, workload, event)


def _was_stripped(memory: _Memory, wanted: NodeAffinity | None) -> bool:
    """Whether the very terms that are wanted were in the template before, and somebody took them out."""
    return wanted is not None and not memory.present and memory.written == fingerprint(wanted)


def _owned_by_other() -> Plan:
    return Plan(
        reason=PlacementAppliedReason.FIELD_OWNED_BY_OTHER,
        message="another field manager owns the template's node affinity, which is left alone",
    )


def _policy_of(decision: Decision) -> Policy | None:
    rule = decision.rule
    return rule.policy if rule is not None and rule.origin is Origin.POLICY else None


def _placement_condition(planned: Plan) -> Condition:
    reason = planned.reason or PlacementAppliedReason.DEFERRED
    return Condition(
        type=ObjectCondition.PLACEMENT_APPLIED, status=reason.status, reason=reason, message=planned.message
    )


def _attention(workload: Workload, planned: Plan, summary: Locality) -> WorkloadAttention | None:
    if planned.reason in _ATTENTION:
        reason, message = str(planned.reason), planned.message
    elif summary.is_misplaced:
        reason, message = str(summary.reason), summary.message
    else:
        return None
    return WorkloadAttention(
        kind=workload.kind,
        namespace=workload.metadata.namespace,
        name=workload.name,
        reason=reason,
        message=message,
    )


def _reason(conditions: Sequence[records.Condition]) -> str | None:
    """What was last said of the template."""
    kind = ObjectCondition.PLACEMENT_APPLIED
    return next((condition.reason for condition in conditions if condition.type == kind), None)


def _event_of(affinity: NodeAffinity | None, decision: Decision) -> Event:
    if affinity is None:
        return Event("PlacementReleased", "the template's node affinity was released")
    rule = decision.rule.name if decision.rule else ""
    kind = "required" if affinity.required is not None else "preferred"
    return Event("PlacementApplied", f"{kind} node affinity was written to the template for {rule}")
