"""What every object has: metadata and conditions."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import msgspec


class Key(NamedTuple):
    """Which object: its kind, and `namespace/name` (or `name`) as the index keys it."""

    kind: str
    name: str

    def __str__(self) -> str:
        """As people say it: `Deployment/shop/mysql`."""
        return f"{self.kind}/{self.name}"


class Record(msgspec.Struct, rename="camel", gc=False, omit_defaults=True):
    """A part of an API object. `gc=False` is safe because records never form cycles."""


class Owner(Record):
    """One `metadata.ownerReferences` entry."""

    kind: str
    name: str
    uid: str = ""
    controller: bool = False


class Metadata(Record):
    """`metadata`, with the annotations that are not Mooring's vocabulary dropped."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    owner_references: tuple[Owner, ...] = ()
    deletion_timestamp: str | None = None

    @property
    def controller(self) -> Owner | None:
        """The owner that manages this object, if there is one."""
        return next((owner for owner in self.owner_references if owner.controller), None)


class Object(Record):
    """Anything with metadata."""

    metadata: Metadata

    @property
    def name(self) -> str:
        """`metadata.name`."""
        return self.metadata.name

    @property
    def key(self) -> str:
        """`namespace/name`, or `name` for what has no namespace; unique in its kind."""
        meta = self.metadata
        return f"{meta.namespace}/{meta.name}" if meta.namespace else meta.name

    @property
    def labels(self) -> Mapping[str, str]:
        """`metadata.labels`, never None."""
        return self.metadata.labels or {}

    @property
    def annotations(self) -> Mapping[str, str]:
        """The annotations that Mooring reads, never None."""
        return self.metadata.annotations or {}


class Condition(Record):
    """A status condition; the reason and message of others' conditions are kept only where they are read."""

    type: str
    status: str = "Unknown"
    reason: str = ""
    message: str = ""
    last_transition_time: str | None = None


def holds(conditions: Iterable[Condition], kind: str, *, status: str = "True") -> bool:
    """Whether a condition has this status; one that is not there has none."""
    return any(condition.type == kind and condition.status == status for condition in conditions)


def to_json(record: Record) -> Any:
    """Turn a record back into what the API server reads, without the fields that are at their defaults."""
    return msgspec.to_builtins(record)
