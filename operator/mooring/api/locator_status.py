"""What Mooring reports on a VolumeLocator: whether its resource is followed, how much was read, and what failed."""

from typing import Annotated, Final

from pydantic import Field

from mooring.api.status import Conditions, Count, ObservedGeneration, StatusModel

MAX_FAILURES: Final = 5
"""Failures listed in a status: samples, since what fails on one object mostly fails on all of them."""


class ReplicaCounts(StatusModel):
    """Replicas that were read; those that are neither usable nor unknown cannot be used."""

    total: Count = 0
    """Replicas that were read."""
    usable: Count = 0
    """Replicas that can be used, on a node that exists or not."""
    unknown: Count = 0
    """Replicas of which an expression failed, so that nothing is known of them."""


class ExpressionFailure(StatusModel):
    """An object on which an expression failed."""

    object: Annotated[str, Field(max_length=317)]
    """The object, as namespace/name or name."""
    expression: Annotated[str, Field(max_length=63)]
    """The field of the expression, such as spec.replicas.usable."""
    message: Annotated[str, Field(max_length=1024)]
    """What went wrong, in a sentence for people."""


class LocatorStatus(StatusModel):
    """What Mooring made of the locator, as of `observedGeneration`."""

    observed_generation: ObservedGeneration = -1
    """The metadata.generation of the locator that this status was computed from; -1 until there is one."""
    conditions: Conditions = ()
    """Ready: what the locator names is followed; its reason says why not, such as ResourceAbsent."""
    resource: Annotated[str, Field(max_length=400)] = ""
    """What is followed, such as longhorn.io/v1beta2 replicas; empty while nothing is."""
    volumes: Count = 0
    """Volumes of which a replica was read."""
    replicas: ReplicaCounts = Field(default_factory=ReplicaCounts)
    """How many replicas were read, and how they are."""
    failures: Annotated[
        tuple[ExpressionFailure, ...],
        Field(max_length=MAX_FAILURES, json_schema_extra={"x-kubernetes-list-type": "atomic"}),
    ] = ()
    """Samples of objects on which an expression failed, at most 5 of them."""
    failures_total: Count = 0
    """On how many objects an expression failed, listed or not."""
