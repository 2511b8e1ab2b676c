"""Reconciling a policy: its status, from the verdicts on its pods and workloads."""

from typing import Final

from mooring.api.conditions import Condition, ConditionStatus, PolicyCondition, PolicyReason, VolumeLocalReason
from mooring.api.policy import Placement, Policy
from mooring.api.status import MAX_WORKLOADS, PodCounts, PolicyStatus, StatusCondition
from mooring.cluster.index import Cluster
from mooring.cluster.records import Key
from mooring.reconcile.conditions import transition_time
from mooring.reconcile.ledger import Ledger
from mooring.reconcile.writer import Writer


class PolicyReconciler:
    """Writes one policy's status at a time, where it has changed."""

    def __init__(self, cluster: Cluster, writer: Writer, ledger: Ledger) -> None:
        self._cluster: Final = cluster
        self._writer: Final = writer
        self._ledger: Final = ledger

    async def reconcile(self, key: Key) -> float | None:
        """Bring a policy's status up to date.

        Raises:
            ApiError: the API server refused the write.
        """
        policy = self._cluster.policy(key.name)
        if policy is None:
            return None
        workloads = self._ledger.attention(policy.key)
        counts = self._ledger.counts(policy.key)
        status = PolicyStatus(
            observed_generation=policy.generation,
            conditions=_stamped(_conditions(policy, counts, self._cluster), policy),
            pods=counts,
            workloads=tuple(workloads[:MAX_WORKLOADS]),
            workloads_total=len(workloads),
        )
        if status != policy.status:
            await self._writer.apply_policy_status(policy, status)
        return None


def _conditions(policy: Policy, counts: PodCounts, cluster: Cluster) -> list[Condition]:
    conditions = _standing(policy, cluster)
    if policy.spec.placement is not Placement.ANYWHERE:
        reason, message = _locality(counts)
        conditions.append(
            Condition(type=PolicyCondition.VOLUME_LOCAL, status=reason.status, reason=reason, message=message)
        )
    return conditions


def _standing(policy: Policy, cluster: Cluster) -> list[Condition]:
    """Whether a policy is in force, in the words from which kstatus tells Current, InProgress and Failed."""
    key = policy.spec.topology_key
    if not cluster.nodes or cluster.topology.has_label(key):
        return [
            _condition(PolicyCondition.READY, ConditionStatus.TRUE, PolicyReason.IN_FORCE, "the policy is in force")
        ]
    message = f"no node has the label {key} (spec.topologyKey), so that no node is near any data"
    return [
        _condition(PolicyCondition.READY, ConditionStatus.FALSE, PolicyReason.NO_SUCH_TOPOLOGY, message),
        _condition(PolicyCondition.STALLED, ConditionStatus.TRUE, PolicyReason.NO_SUCH_TOPOLOGY, message),
    ]


def _condition(kind: PolicyCondition, status: ConditionStatus, reason: PolicyReason, message: str) -> Condition:
    return Condition(type=kind, status=status, reason=reason, message=message)


def _locality(counts: PodCounts) -> tuple[VolumeLocalReason, str]:
    own = counts.matched - counts.overridden
    if own == 0:
        return VolumeLocalReason.NO_PODS, "no pod is under this policy"
    if counts.remote:
        reason = VolumeLocalReason.PARTLY_LOCAL if counts.local else VolumeLocalReason.NOT_LOCAL
        return reason, f"{counts.remote} of {own} pods run away from their data"
    if counts.local == own:
        return VolumeLocalReason.ALL_LOCAL, f"all {own} pods run near their data"
    return VolumeLocalReason.LOCATION_UNKNOWN, f"{counts.unknown} of {own} pods cannot be measured yet"


def _stamped(conditions: list[Condition], policy: Policy) -> tuple[StatusCondition, ...]:
    return tuple(
        StatusCondition(
            type=condition.type,
            status=condition.status,
            observed_generation=policy.generation,
            last_transition_time=transition_time(condition, policy.status.conditions),
            reason=condition.reason,
            message=condition.message,
        )
        for condition in conditions
    )
