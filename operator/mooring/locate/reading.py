"""A VolumeLocator's expressions at work: objects of a storage system become records.

An expression that fails on an object makes what the object says unknown; it is never an exception.
"""

from collections.abc import Iterator, Mapping
from sys import intern
from typing import Any, Final

from mooring.api.annotations import NodeStorageState, parse_storage_state
from mooring.api.locator import LocatorSpec
from mooring.cluster.records import PersistentVolume, to_json
from mooring.locate.expressions import Expression, Failure, InvalidExpressionError, Scope
from mooring.locate.records import Replica, Server, StorageNode

#: The keys by which nearly all storage systems name a volume; they take no CEL to tell.
_HANDLE: Final = "volume.spec.csi.volumeHandle"
_NAME: Final = "volume.metadata.name"


class Reader:
    """Reads objects as one VolumeLocator says."""

    def __init__(self, spec: LocatorSpec) -> None:
        """Compile the locator's expressions.

        Raises:
            InvalidExpressionError: some do not compile; `failures` has each, with its field.
        """
        compiled: dict[str, dict[str, Expression]] = {}
        failures: list[Failure] = []
        for part, name, text in _expressions(spec):
            try:
                compiled.setdefault(part, {})[name] = Expression(text, field=f"{part}.{name}")
            except InvalidExpressionError as error:
                failures += error.failures
        if failures:
            raise InvalidExpressionError(failures)
        self._key: Final = _Part(compiled["spec"], "volume")
        self._key_text: Final = spec.volume.strip()
        self._replicas: Final = _Part(compiled.get("spec.replicas", {}), "object")
        self._nodes: Final = _Part(compiled.get("spec.nodes", {}), "object")
        self._serving: Final = _Part(compiled.get("spec.serving", {}), "object")
        self._tells_state: Final = spec.nodes is not None and spec.nodes.state is not None

    def volume_key(self, volume: PersistentVolume) -> str:
        """The key by which the storage system names a volume; empty where it has none, or the expression fails."""
        if self._key_text == _HANDLE:
            return volume.spec.csi.volume_handle if volume.spec.csi is not None else ""
        if self._key_text == _NAME:
            return volume.name
        return self._key.open(to_json(volume)).string("volume")

    def volume_problem(self, volume: PersistentVolume) -> str:
        """Why a volume has no key, such as `spec.volume: no such field or key: csi`."""
        said = self._key.open(to_json(volume))
        said.string("volume")
        return said.problem or "spec.volume: gives an empty string"

    def replica(self, obj: Mapping[str, Any]) -> Replica:
        """Read an object of `spec.replicas`, as decoded from JSON."""
        said = self._replicas.open(obj)
        key, volume = _key_of(obj), intern(said.string("volume"))
        if said.boolean("whole") is False:
            return Replica(key=key, volume=volume, usable=False, whole=False, problem=said.problem)
        node, usable = intern(said.string("node")), said.boolean("usable")
        known = None if said.problem else usable
        return Replica(key=key, volume=volume, node=node, usable=known, problem=said.problem)

    def node_entry(self, obj: Mapping[str, Any]) -> StorageNode:
        """Read an object of `spec.nodes`, as decoded from JSON. An empty state says nothing of the storage."""
        said = self._nodes.open(obj)
        id_, node = said.string("id"), said.string("node")
        text = said.string("state") if self._tells_state else ""
        state, problem = _state(text)
        return StorageNode(
            key=_key_of(obj), id=intern(id_), node=intern(node), state=state, problem=said.problem or problem
        )

    def server(self, obj: Mapping[str, Any]) -> Server:
        """Read an object of `spec.serving`, as decoded from JSON."""
        said = self._serving.open(obj)
        volume, node, usable = said.string("volume"), said.string("node"), said.boolean("usable")
        known = None if said.problem else usable
        return Server(key=_key_of(obj), volume=intern(volume), node=intern(node), usable=known, problem=said.problem)


class _Part:
    """The expressions of one part of a locator, by the last step of their field."""

    def __init__(self, expressions: Mapping[str, Expression], variable: str) -> None:
        self._expressions: Final = expressions
        self._scope: Final = Scope(variable, expressions.values())

    def open(self, obj: Mapping[str, Any]) -> "_Said":
        return _Said(self._expressions, self._scope, obj)


class _Said:
    """What the expressions of a part say of one object, and the first failure among those that were asked."""

    def __init__(self, expressions: Mapping[str, Expression], scope: Scope, obj: Mapping[str, Any]) -> None:
        self._expressions: Final = expressions
        self._context: Final = scope.open(obj)
        self.problem = ""

    def string(self, name: str) -> str:
        value = self._expressions[name].string(self._context)
        if isinstance(value, Failure):
            self.problem = self.problem or str(value)
            return ""
        return value

    def boolean(self, name: str) -> bool | None:
        value = self._expressions[name].boolean(self._context)
        if isinstance(value, Failure):
            self.problem = self.problem or str(value)
            return None
        return value


def _expressions(spec: LocatorSpec) -> Iterator[tuple[str, str, str]]:
    """Each expression of a locator: the part that it stands in, its own name there, and its text."""
    yield "spec", "volume", spec.volume
    if (replicas := spec.replicas) is not None:
        yield "spec.replicas", "volume", replicas.volume
        yield "spec.replicas", "node", replicas.node
        yield "spec.replicas", "usable", replicas.usable
        yield "spec.replicas", "whole", replicas.whole
    if (nodes := spec.nodes) is not None:
        yield "spec.nodes", "id", nodes.id
        yield "spec.nodes", "node", nodes.node
        if nodes.state is not None:
            yield "spec.nodes", "state", nodes.state
    if (serving := spec.serving) is not None:
        yield "spec.serving", "volume", serving.volume
        yield "spec.serving", "node", serving.node
        yield "spec.serving", "usable", serving.usable


def _state(text: str) -> tuple[NodeStorageState | None, str]:
    reading = parse_storage_state(text)
    return reading.state, f"spec.nodes.state: {reading.problem}" if text and reading.problem else ""


def _key_of(obj: Mapping[str, Any]) -> str:
    metadata = obj["metadata"]
    namespace = metadata.get("namespace")
    return f"{namespace}/{metadata['name']}" if namespace else metadata["name"]
