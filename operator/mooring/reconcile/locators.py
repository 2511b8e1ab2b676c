"""Reconciling a VolumeLocator: its status, from what is followed and what was read."""

from collections.abc import Callable
from typing import Final

from mooring.api.conditions import Condition, LocatorCondition
from mooring.api.locator import KIND, Locator
from mooring.api.locator_status import ExpressionFailure, LocatorStatus, ReplicaCounts
from mooring.api.status import StatusCondition
from mooring.cluster.index import Cluster
from mooring.cluster.records import Key
from mooring.cluster.standing import Standing
from mooring.locate.systems import LocatorSummary, StorageSystems
from mooring.reconcile.conditions import transition_time
from mooring.reconcile.writer import Writer

#: Replicas come and go all the time: what they come to is looked at this often, in seconds.
COUNT_SECONDS: Final = 10.0


class LocatorReconciler:
    """Writes one locator's status at a time, where it has changed."""

    def __init__(
        self, cluster: Cluster, systems: StorageSystems, writer: Writer, standing: Callable[[str], Standing]
    ) -> None:
        """Take what a status is made of; `standing` says how it stands with a locator."""
        self._cluster: Final = cluster
        self._systems: Final = systems
        self._writer: Final = writer
        self._standing: Final = standing

    async def reconcile(self, key: Key) -> float | None:
        """Bring a locator's status up to date; returns when to look again.

        Raises:
            ApiError: the API server refused the write.
        """
        locator: Locator | None = self._cluster.all(KIND).get(key.name)
        if locator is None:
            return None
        status = _status(locator, self._standing(locator.name), self._systems.summary(locator.name))
        if status != locator.status:
            await self._writer.apply_locator_status(locator, status)
        return COUNT_SECONDS


def _status(locator: Locator, standing: Standing, summary: LocatorSummary) -> LocatorStatus:
    return LocatorStatus(
        observed_generation=locator.generation,
        conditions=(_stamped(_ready(standing), locator),),
        resource=standing.resource,
        volumes=summary.volumes,
        replicas=ReplicaCounts(total=summary.total, usable=summary.usable, unknown=summary.unknown),
        failures=tuple(
            ExpressionFailure(object=each.object, expression=each.expression, message=each.message[:1024])
            for each in summary.failures
        ),
        failures_total=summary.failures_total,
    )


def _ready(standing: Standing) -> Condition:
    """Whether what a locator names is followed."""
    reason = standing.reason
    return Condition(type=LocatorCondition.READY, status=reason.status, reason=reason, message=standing.message)


def _stamped(condition: Condition, locator: Locator) -> StatusCondition:
    return StatusCondition(
        type=condition.type,
        status=condition.status,
        observed_generation=locator.generation,
        last_transition_time=transition_time(condition, locator.status.conditions),
        reason=condition.reason,
        message=condition.message,
    )
