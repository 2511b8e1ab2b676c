"""The parts of a VolumeLocator, how its storage system can be read, and what has come of it."""

from collections.abc import Sequence
from enum import StrEnum

import msgspec


class Part(StrEnum):
    """What of a storage system is read: replicas become Replica records, nodes StorageNode, serving Server."""

    REPLICAS = "replicas"
    NODES = "nodes"
    SERVING = "serving"


class State(StrEnum):
    """How a storage system can be read."""

    ABSENT = "absent"
    """There is no such resource: the locator is passed over, and what it said is forgotten."""
    READING = "reading"
    """It is being read; until that has been completed once, the places of the driver's volumes are unknown."""
    FOLLOWING = "following"
    """All of it has been read, and is kept up to date."""
    UNREACHABLE = "unreachable"
    """It cannot be read now; what was read before holds, and locations say until when it was."""


class FailureSample(msgspec.Struct, frozen=True):
    """An object on which an expression failed, the expression's field, and why."""

    object: str
    expression: str
    message: str


class LocatorSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What a VolumeLocator has brought, for its status.

    Attributes:
        total: the replicas read.
        usable: those that are whole and can be used, on a node that exists or not.
        unknown: those of which nothing is known, because an expression failed.
        volumes: the volumes of which a replica was read, whether there is a PersistentVolume of them or not.
        invalid: which expressions do not compile, and why; nothing is read then.
        failures: samples of objects on which an expression failed, in the order of their names; at most five.
        failures_total: on how many objects one failed.
    """

    total: int = 0
    usable: int = 0
    unknown: int = 0
    volumes: int = 0
    invalid: str = ""
    failures: Sequence[FailureSample] = ()
    failures_total: int = 0
