"""A writer that takes down what it is asked to write; what an API server makes of it, tests/e2e asks a real one."""

from collections.abc import Sequence
from typing import Any

from mooring.api.conditions import Condition
from mooring.api.locator import Locator
from mooring.api.locator_status import LocatorStatus
from mooring.cluster.records import NodeSelector, Pod
from mooring.reconcile.writer import Event, Writer


class Recorder(Writer):
    """Takes down each write, or fails it.

    Attributes:
        written: what was written, in order: the verb, the object's name, and what about it.
        failing: the errors that writes end with, by verb, each once.
    """

    def __init__(self, **failing: Exception) -> None:
        self.written: list[tuple[str, str, Any]] = []
        self.failing = failing

    def _take(self, verb: str, pod: Pod, what: Any) -> None:
        if verb in self.failing:
            raise self.failing.pop(verb)
        self.written.append((verb, pod.name, what))

    async def nominate(self, pod: Pod, node: str) -> None:
        """Take down a nomination."""
        self._take("nominate", pod, node)

    async def let_through(self, pod: Pod, required: NodeSelector | None) -> None:
        """Take down a release."""
        self._take("let_through", pod, required)

    async def evict(self, pod: Pod) -> None:
        """Take down an eviction."""
        self._take("evict", pod, None)

    async def apply_pod_conditions(self, pod: Pod, conditions: Sequence[Condition]) -> None:
        """Take down nothing: conditions are not what these tests are about."""

    async def apply_locator_status(self, locator: Locator, status: LocatorStatus) -> None:
        """Take down a locator's status."""
        self.written.append(("status", locator.name, status))

    async def record_event(self, kind: str, obj: Any, event: Event, *, once: bool = False) -> None:
        """Take down an event's reason."""
        if kind == "Pod":
            assert once
            self._take("event", obj, event.reason)
