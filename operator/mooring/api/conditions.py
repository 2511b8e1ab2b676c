"""Condition types and reasons: the words in which Mooring answers on pods, workloads, policies and locators.

Two questions, two conditions: `VolumeLocal` is the measured fact (do the pods run near their data?), and
`PlacementApplied` is what Mooring did about it. Reconciling and Stalled never appear on workloads, because kstatus
would take them for the state of the workload itself.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

FIELD_MANAGER: Final = "mooring"
"""Server-side apply's name for what Mooring writes."""


class ConditionStatus(StrEnum):
    """The three values of a condition's status."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class ObjectCondition(StrEnum):
    """Condition types on pods and workloads, prefixed because the objects are not ours."""

    VOLUME_LOCAL = "mooring.dev/VolumeLocal"
    PLACEMENT_APPLIED = "mooring.dev/PlacementApplied"


class PolicyCondition(StrEnum):
    """Condition types on policies. `Ready` says that the configuration is in force, not that all pods are local."""

    READY = "Ready"
    VOLUME_LOCAL = "VolumeLocal"
    STALLED = "Stalled"


class VolumeLocalReason(StrEnum):
    """Why pods count as near their data, or not, or cannot be judged."""

    ALL_LOCAL = "AllLocal"
    PARTLY_LOCAL = "PartlyLocal"
    NOT_LOCAL = "NotLocal"
    NO_PODS = "NoPods"
    NOT_SCHEDULED = "NotScheduled"
    VOLUME_UNBOUND = "VolumeUnbound"
    LOCATION_UNKNOWN = "LocationUnknown"
    LOCATION_COARSE = "LocationCoarse"

    @property
    def is_away(self) -> bool:
        """Whether pods run away from data whose place is known."""
        return self in {VolumeLocalReason.PARTLY_LOCAL, VolumeLocalReason.NOT_LOCAL}

    @property
    def status(self) -> ConditionStatus:
        """The status that goes with the reason."""
        if self is VolumeLocalReason.ALL_LOCAL:
            return ConditionStatus.TRUE
        if self.is_away:
            return ConditionStatus.FALSE
        return ConditionStatus.UNKNOWN


class PlacementAppliedReason(StrEnum):
    """What Mooring did with a workload, or why it did nothing."""

    APPLIED = "Applied"
    DEFERRED = "Deferred"
    WOULD_BLOCK_ON_ATTACH = "WouldBlockOnAttach"
    FIELD_OWNED_BY_OTHER = "FieldOwnedByOther"
    DISJOINT_VOLUMES = "DisjointVolumes"
    REPLICAS_OFFLINE = "ReplicasOffline"
    PER_POD = "PerPod"
    AUDIT_ONLY = "AuditOnly"
    OPTED_OUT = "OptedOut"
    RELEASE_PENDING = "ReleasePending"

    @property
    def status(self) -> ConditionStatus:
        """The status that goes with the reason."""
        return ConditionStatus.TRUE if self is PlacementAppliedReason.APPLIED else ConditionStatus.FALSE


class PolicyReason(StrEnum):
    """Reasons of the conditions that only policies have (`VolumeLocal` there uses `VolumeLocalReason`)."""

    IN_FORCE = "InForce"
    NO_SUCH_TOPOLOGY = "NoSuchTopology"
    """No node has the label that `spec.topologyKey` names: a person must mend one or the other."""


class LocatorCondition(StrEnum):
    """Condition types on VolumeLocators."""

    READY = "Ready"


class LocatorReason(StrEnum):
    """Why a VolumeLocator's resource is followed, or not."""

    FOLLOWING = "Following"
    READING = "Reading"
    """It has not been read to the end yet."""
    RESOURCE_ABSENT = "ResourceAbsent"
    """The cluster does not serve it: normal where the driver is not installed, and it may appear later."""
    NOT_READABLE = "NotReadable"
    """Mooring may not list and watch it."""
    INVALID_EXPRESSION = "InvalidExpression"
    UNREACHABLE = "Unreachable"
    """The API server, or the storage system's own API, does not answer."""

    @property
    def status(self) -> ConditionStatus:
        """The status that goes with the reason."""
        match self:
            case LocatorReason.FOLLOWING | LocatorReason.RESOURCE_ABSENT:
                # Whoever waits for what is installed (helm --wait, Flux) must not wait for drivers that are not.
                return ConditionStatus.TRUE
            case LocatorReason.READING:
                return ConditionStatus.UNKNOWN
            case _:
                return ConditionStatus.FALSE


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """A condition without its timestamps: what a decision says, before anybody writes it."""

    type: ObjectCondition | PolicyCondition | LocatorCondition
    status: ConditionStatus
    reason: VolumeLocalReason | PlacementAppliedReason | PolicyReason | LocatorReason
    message: str
