"""How a locator's facts are put in words: which locator, which fields, which objects."""

import re
from collections.abc import Iterable, Sequence
from typing import Final

from mooring.api.locator import FollowedResource, LocatorSpec
from mooring.locate.records import Replica, Said, Server, StorageNode

#: Objects named in one sentence; the rest are counted.
_LIMIT: Final = 3
#: A path into the object, without the method that may be called at its end.
_PATH: Final = re.compile(r"""\bobject((?:\.[A-Za-z_]\w*(?!\w|\s*\()|\['[^']*'\]|\["[^"]*"\])+)""")


class Wording:
    """Words for what one VolumeLocator says."""

    def __init__(self, locator: str, spec: LocatorSpec) -> None:
        """Prepare what is the same for all objects."""
        self.locator: Final = f"VolumeLocator {locator}"
        self._resources: Final[dict[type[Said], str]] = {}
        self._places: Final[dict[type[Said], str]] = {}
        self._health: Final[dict[type[Said], str]] = {}
        if (replicas := spec.replicas) is not None:
            self._learn(Replica, replicas.resource, place=replicas.node, health=replicas.usable)
        if (nodes := spec.nodes) is not None:
            self._learn(StorageNode, nodes.resource, place=nodes.id, health=nodes.state or "")
        if (serving := spec.serving) is not None:
            self._learn(Server, serving.resource, place=serving.node, health=serving.usable)

    def _learn(self, record: type[Said], resource: FollowedResource, *, place: str, health: str) -> None:
        self._resources[record] = f"{resource.resource}.{resource.group}".removesuffix(".")
        self._places[record] = fields_of(place)
        self._health[record] = fields_of(health)

    def place(self, records: Sequence[Said]) -> str:
        """Where records of one part say which node they mean: `spec.nodeID of replicas.longhorn.io ns/r-1, ns/r-2`.

        Of the storage system's nodes it is the field of the id.
        """
        return self._of(self._places, records)

    def state(self, node: StorageNode) -> str:
        """Where a node's state stands: `VolumeLocator longhorn: status.conditions of nodes.longhorn.io ns/node-1`."""
        return f"{self.locator}: {self._of(self._health, [node])}"

    def unusable(self, records: Sequence[Said]) -> str:
        """Records of one part, and the fields that say how they are: `replicas.longhorn.io ns/r-1 (spec.failedAt)`."""
        fields = "" if records[0].source else self._health.get(type(records[0]), "")
        return f"{self.objects(records)} ({fields})" if fields else self.objects(records)

    def objects(self, records: Sequence[Said]) -> str:
        """Records of one part: `replicas.longhorn.io ns/r-1, ns/r-2, ns/r-3 and 2 more`."""
        if records[0].source:
            return listed({record.source for record in records})
        return f"{self._resources.get(type(records[0]), '')} {listed({record.key for record in records})}".lstrip()

    def _of(self, fields: dict[type[Said], str], records: Sequence[Said]) -> str:
        field = "" if records[0].source else fields.get(type(records[0]), "")
        return f"{field} of {self.objects(records)}" if field else self.objects(records)


def fields_of(expression: str) -> str:
    """The fields of the object that an expression reads, such as `spec.failedAt, spec.active`."""
    paths = dict.fromkeys(path.removeprefix(".") for path in _PATH.findall(expression))
    # `has(object.status) && has(object.status.phase)` reads the phase.
    return ", ".join(path for path in paths if not any(other.startswith((f"{path}.", f"{path}[")) for other in paths))


def listed(names: Iterable[str]) -> str:
    """Name a few, in order, and count the rest."""
    ordered = sorted(names)
    more = f" and {len(ordered) - _LIMIT} more" if len(ordered) > _LIMIT else ""
    return ", ".join(ordered[:_LIMIT]) + more
