"""Reconciling a Deployment: the affinity in its template, its conditions, and its place in a policy's status."""

import time
from dataclasses import dataclass, field
from typing import Final

import structlog

from mooring.api.conditions import Condition, ObjectCondition, PlacementAppliedReason
from mooring.api.policy import Policy
from mooring.api.status import WorkloadAttention
from mooring.cluster.index import Cluster
from mooring.cluster.records import Deployment, NodeAffinity
from mooring.decide.affinity import fingerprint
from mooring.decide.decision import Decision, decide
from mooring.decide.locality import Locality, measure, summarize
from mooring.decide.rule import Origin
from mooring.decide.subject import subject_of_pod, subject_of_template
from mooring.locate.locator import Locator
from mooring.reconcile.brakes import Brakes
from mooring.reconcile.conditions import differs, own_conditions
from mooring.reconcile.ledger import Ledger
from mooring.reconcile.templates import Action, Plan, is_foreign, own_affinity, plan, wanted_affinity
from mooring.reconcile.writer import FieldConflictError, Writer

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
    """What is remembered of one Deployment between two turns.

    Attributes:
        uid: of the Deployment that is remembered; another one of that name starts anew.
        generation: the generation that our last write made; anything older in the index is stale.
        written: the hash of our terms that were in the template last.
        present: whether terms of ours are in it now.
        refused: (generation, hash) of a write that another manager's fields refused.
    """

    uid: str
    generation: int = 0
    written: str = ""
    present: bool = False
    refused: tuple[int, str] = field(default=(0, ""))


class DeploymentReconciler:
    """Brings one Deployment at a time up to date."""

    def __init__(self, cluster: Cluster, locator: Locator, writer: Writer, ledger: Ledger) -> None:
        self._cluster: Final = cluster
        self._locator: Final = locator
        self._writer: Final = writer
        self._ledger: Final = ledger
        self._brakes: Final = Brakes(cluster)
        self._memories: Final[dict[str, _Memory]] = {}

    async def reconcile(self, key: str) -> float | None:
        """Bring a Deployment up to date; returns in how many seconds to look again, if time may change the answer.

        Raises:
            ApiError: the API server refused a write.
        """
        deployment = self._cluster.deployments.get(key)
        if deployment is None:
            self._memories.pop(key, None)
            self._ledger.record_workload(f"Deployment/{key}", "", None)
            return None
        if deployment.metadata.controller is not None or deployment.metadata.deletion_timestamp is not None:
            return None  # whoever owns it writes its template
        decision = decide(subject_of_template(deployment), self._cluster, self._locator)
        wanted = wanted_affinity(decision, self._cluster)
        memory = self._memory_of(deployment, wanted)
        if deployment.metadata.generation < memory.generation:
            return None  # our own write has not come back yet; it will
        localities = self._measure(key)
        planned = self._plan(deployment, decision, localities, memory, stripped=_was_stripped(memory, wanted))
        planned = await self._carry_out(deployment, planned, decision, memory)
        await self._report(deployment, decision, planned, localities)
        return RETRY_SECONDS if planned.retry else None

    def _measure(self, key: str) -> list[Locality]:
        localities = []
        for name in sorted(self._cluster.pods_of_deployment(key)):
            pod = self._cluster.pods[name]
            if pod.finished or pod.metadata.deletion_timestamp is not None:
                continue
            decision = decide(subject_of_pod(pod), self._cluster, self._locator)
            if decision.rule is not None and decision.selected:
                localities.append(measure(decision, pod.spec.node_name))
        return localities

    def _memory_of(self, deployment: Deployment, wanted: NodeAffinity | None) -> _Memory:
        """What is remembered of a Deployment; of one that is new to this process, what its condition tells.

        A condition that says that terms were written, over a template that has none, tells that they were taken out.
        """
        own = own_affinity(deployment)
        memory = self._memories.get(deployment.key)
        if memory is None or memory.uid != deployment.metadata.uid:
            memory = self._memories[deployment.key] = _Memory(uid=deployment.metadata.uid)
            told = _condition(deployment, ObjectCondition.PLACEMENT_APPLIED) in _ONCE_WRITTEN
            if told and wanted is not None and not is_foreign(deployment, wanted, own):
                memory.written = fingerprint(wanted)
        if own is not None and deployment.metadata.generation >= memory.generation:
            memory.written = fingerprint(own)
        memory.present = own is not None
        return memory

    def _plan(
        self,
        deployment: Deployment,
        decision: Decision,
        localities: list[Locality],
        memory: _Memory,
        *,
        stripped: bool,
    ) -> Plan:
        planned = plan(deployment, decision, self._cluster, localities=localities, stripped=stripped)
        if planned.affinity is not None and memory.refused == (
            deployment.metadata.generation,
            fingerprint(planned.affinity),
        ):
            return _owned_by_other()
        policy = decision.rule.policy if decision.rule else None
        if planned.moves and policy is not None:
            held = self._brakes.hold(policy, deployment.key, now=time.monotonic())
            if held:
                return Plan(reason=PlacementAppliedReason.DEFERRED, message=held, retry=True)
        return planned

    async def _carry_out(self, deployment: Deployment, planned: Plan, decision: Decision, memory: _Memory) -> Plan:
        if planned.action is Action.NOTHING:
            return planned
        affinity = planned.affinity
        policy = decision.rule.policy if decision.rule else None
        moving = policy if planned.moves else None
        if moving is not None:
            self._brakes.begin(moving, deployment.key, now=time.monotonic())
        try:
            memory.generation = await self._writer.apply_affinity(deployment, affinity)
        except FieldConflictError as error:
            if moving is not None:
                self._brakes.abandon(deployment.key)
            _log.info("left to its owner", deployment=deployment.key, error=str(error))
            if affinity is not None:
                memory.refused = (deployment.metadata.generation, fingerprint(affinity))
            return _owned_by_other()
        except Exception:
            if moving is not None:
                self._brakes.abandon(deployment.key)
            raise
        memory.written = fingerprint(affinity) if affinity is not None else ""
        if moving is not None:
            self._brakes.written(deployment.key, memory.generation)
        what = "node affinity written" if affinity is not None else "node affinity released"
        _log.info(
            what, deployment=deployment.key, rule=decision.rule.name if decision.rule else "", moves=planned.moves
        )
        await self._event(deployment, *_event_of(affinity, decision))
        return planned

    async def _report(
        self, deployment: Deployment, decision: Decision, planned: Plan, localities: list[Locality]
    ) -> None:
        conditions = []
        summary = summarize(localities)
        if decision.rule is not None:
            conditions.append(summary.condition)
        if planned.reason is not None:
            conditions.append(_placement_condition(planned))
        policy = _policy_of(decision)
        attention = _attention(deployment, planned, summary) if decision.rule is not None else None
        self._ledger.record_workload(f"Deployment/{deployment.key}", policy.key if policy else "", attention)
        if not differs(conditions, own_conditions(deployment.status.conditions)):
            return
        await self._writer.apply_deployment_conditions(deployment, conditions)
        if planned.reason in _ATTENTION and _condition(deployment, ObjectCondition.PLACEMENT_APPLIED) != planned.reason:
            await self._event(deployment, str(planned.reason), planned.message, True)

    async def _event(self, deployment: Deployment, reason: str, message: str, warning: bool = False) -> None:
        await self._writer.record_event(
            deployment, kind="Deployment", api_version="apps/v1", reason=reason, message=message, warning=warning
        )


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


def _attention(deployment: Deployment, planned: Plan, summary: Locality) -> WorkloadAttention | None:
    if planned.reason in _ATTENTION:
        reason, message = str(planned.reason), planned.message
    elif summary.reason.status == "False":
        reason, message = str(summary.reason), summary.message
    else:
        return None
    return WorkloadAttention(
        kind="Deployment",
        namespace=deployment.metadata.namespace,
        name=deployment.name,
        reason=reason,
        message=message,
    )


def _condition(deployment: Deployment, kind: ObjectCondition) -> str | None:
    return next((condition.reason for condition in deployment.status.conditions if condition.type == kind), None)


def _event_of(affinity: NodeAffinity | None, decision: Decision) -> tuple[str, str]:
    if affinity is None:
        return "PlacementReleased", "the template's node affinity was released"
    rule = decision.rule.name if decision.rule else ""
    kind = "required" if affinity.required is not None else "preferred"
    return "PlacementApplied", f"{kind} node affinity was written to the template for {rule}"
