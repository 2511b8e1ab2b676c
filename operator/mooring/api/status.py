"""What Mooring reports on a policy: counters, conditions, and the workloads that need attention."""

from typing import Annotated, Final

from pydantic import ConfigDict, Field

from mooring.api.selectors import ApiModel

UNSEEN: Final = {"observedGeneration": -1}
"""The status of what nobody has read yet: without it kstatus takes a new policy for one that is in force."""
MAX_WORKLOADS: Final = 20
"""Workloads listed in a status: enough to act on, few enough for a status that is written often."""

Count = Annotated[int, Field(ge=0, json_schema_extra={"format": "int32"})]
Generation = Annotated[int, Field(ge=0, json_schema_extra={"format": "int64"})]
ObservedGeneration = Annotated[int, Field(ge=-1, json_schema_extra={"format": "int64"})]
CONDITION_TYPE_PATTERN: Final = (
    r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$"
)


class StatusModel(ApiModel):
    """A part of a status: fields of another version of Mooring are passed over."""

    model_config = ConfigDict(extra="ignore")


class StatusCondition(StatusModel):
    """A condition in the form of metav1.Condition, so that `kubectl wait` and kstatus understand it."""

    type: Annotated[str, Field(max_length=316, pattern=CONDITION_TYPE_PATTERN)]
    """What the condition is about, such as Ready."""
    status: Annotated[str, Field(json_schema_extra={"enum": ["True", "False", "Unknown"]})]
    """Whether it holds: True, False or Unknown."""
    observed_generation: Generation | None = None
    """The metadata.generation that the condition was computed from."""
    last_transition_time: Annotated[str, Field(json_schema_extra={"format": "date-time"})]
    """When status last changed."""
    reason: Annotated[str, Field(min_length=1, max_length=1024, pattern=r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$")]
    """Why, in one CamelCase word for programs."""
    message: Annotated[str, Field(max_length=32768)]
    """Why, in a sentence for people."""


Conditions = Annotated[
    tuple[StatusCondition, ...],
    Field(
        max_length=16,
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
    ),
]


class PodCounts(StatusModel):
    """Pods of the policy (not finished, not of a DaemonSet, with a selected claim); `matched` is the sum."""

    matched: Count = 0
    """Pods that the policy selects."""
    local: Count = 0
    """Pods that run near every selected volume."""
    remote: Count = 0
    """Pods that run away from a selected volume."""
    unknown: Count = 0
    """Pods that are not scheduled, or whose volumes' place is not known."""
    overridden: Count = 0
    """Pods for which another policy, an annotation or an opt-out won."""


class WorkloadAttention(StatusModel):
    """A workload that needs attention, and why."""

    kind: Annotated[str, Field(max_length=63)]
    """The workload's kind, such as Deployment."""
    namespace: Annotated[str, Field(max_length=63)]
    """The workload's namespace."""
    name: Annotated[str, Field(max_length=253)]
    """The workload's name."""
    reason: Annotated[str, Field(max_length=1024)]
    """Why it needs attention, in one CamelCase word for programs."""
    message: Annotated[str, Field(max_length=32768)]
    """Why it needs attention, in a sentence for people."""


class PolicyStatus(StatusModel):
    """What Mooring made of the policy, as of `observedGeneration`."""

    observed_generation: ObservedGeneration = -1
    """The metadata.generation of the policy that this status was computed from; -1 until there is one."""
    conditions: Conditions = ()
    """Ready: the policy is in force. VolumeLocal: whether its pods run near their data. Stalled: a person must act."""
    pods: PodCounts = Field(default_factory=PodCounts)
    """How many pods the policy selects, and how they stand to their data."""
    workloads: Annotated[
        tuple[WorkloadAttention, ...],
        Field(max_length=MAX_WORKLOADS, json_schema_extra={"x-kubernetes-list-type": "atomic"}),
    ] = ()
    """Workloads that need attention, at most 20 of them, sorted by kind, namespace and name."""
    workloads_total: Count = 0
    """How many workloads need attention, listed or not."""
