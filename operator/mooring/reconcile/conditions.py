"""Conditions as they are compared and stamped before they are written."""

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Protocol

from mooring.api.conditions import Condition, ObjectCondition
from mooring.cluster import records


class Stamped(Protocol):
    """A condition that was written before, on a policy or on another object."""

    @property
    def type(self) -> str:
        """What it is about."""

    @property
    def status(self) -> str:
        """True, False or Unknown."""

    @property
    def last_transition_time(self) -> str | None:
        """When the status last changed."""


def own_conditions(conditions: Iterable[records.Condition]) -> list[records.Condition]:
    """Mooring's own among an object's conditions."""
    return [condition for condition in conditions if condition.type in set(ObjectCondition)]


def differs(wanted: Sequence[Condition], old: Sequence[records.Condition]) -> bool:
    """Whether writing these conditions would change anything but a time."""
    new = {(str(c.type), str(c.status), str(c.reason), c.message) for c in wanted}
    return new != {(c.type, c.status, c.reason, c.message) for c in old}


def transition_time(condition: Condition, old: Iterable[Stamped]) -> str:
    """When a condition's status last changed: now, unless it is what it was (metav1.Condition)."""
    before = next((each for each in old if each.type == condition.type), None)
    same = before is not None and before.status == condition.status
    return (before.last_transition_time if same and before is not None else None) or now()


def now() -> str:
    """The present time, as the API server writes it."""
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
