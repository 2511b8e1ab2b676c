"""Storage systems in a few words, for tests that read like tables: VolumeLocators, and what their objects say."""

from collections.abc import Mapping
from typing import Any, Final

from tests.unit.builders import DRIVER, volume

from mooring.api.annotations import NodeStorageState
from mooring.api.locator import Locator as VolumeLocator
from mooring.api.locator import parse_locator
from mooring.cluster.index import Cluster
from mooring.locate.location import Location
from mooring.locate.locator import Locator
from mooring.locate.records import Replica, Said, Server, StorageNode
from mooring.locate.systems import Part, State

VOLUME: Final = volume("v")
NODES_PART: Final = {
    "resource": {"group": "disks.example", "resource": "hosts"},
    "id": "object.spec.id",
    "node": "object.metadata.name",
}
SERVING_PART: Final = {
    "resource": {"resource": "pods"},
    "volume": "object.metadata.labels['volume']",
    "node": "object.spec.nodeName",
}

_PARTS: Final[Mapping[type[Said], Part]] = {
    Replica: Part.REPLICAS,
    StorageNode: Part.NODES,
    Server: Part.SERVING,
}


def locator(
    name: str = "disks", *, driver: str = DRIVER, replicas: Mapping[str, Any] | None = None, **spec: Any
) -> VolumeLocator:
    """A VolumeLocator whose replicas are `copies.disks.example`; further fields of its spec as they are in YAML."""
    part = {
        "resource": {"group": "disks.example", "resource": "copies"},
        "volume": "object.spec.volume",
        "node": "object.spec.node",
        **(replicas or {}),
    }
    return parse_locator(
        {
            "apiVersion": "mooring.dev/v1alpha1",
            "kind": "VolumeLocator",
            "metadata": {"name": name},
            "spec": {"driver": driver, "replicas": part, **spec},
        }
    )


def replica(key: str, node: str, *, volume: str = "v", **fields: Any) -> Replica:
    """A replica, by default of the volume `v`."""
    return Replica(key=key, volume=volume, node=node, **fields)


def host(key: str, node: str, *, id: str = "", state: NodeStorageState | None = None, **fields: Any) -> StorageNode:  # noqa: A002 - as the record has it
    """A storage system's entry of a node."""
    return StorageNode(key=key, id=id, node=node, state=state, **fields)


def server(key: str, node: str, *, volume: str = "v", **fields: Any) -> Server:
    """A node that serves a volume, by default `v`."""
    return Server(key=key, volume=volume, node=node, **fields)


class Storage:
    """An index with VolumeLocators, and whatever was read for them."""

    def __init__(self, cluster: Cluster, *locators: VolumeLocator) -> None:
        """Take locators into an index; nothing has been read for them."""
        self.cluster: Final = cluster
        self.locator: Final = Locator(cluster)
        self.systems: Final = self.locator.systems
        for each in locators:
            cluster.put("VolumeLocator", each)

    def says(self, *records: Said, of: str = "disks") -> None:
        """Take in records."""
        for record in records:
            self.systems.sink(of, _PARTS[type(record)]).put("", record)

    def forgets(self, *records: Said, of: str = "disks") -> None:
        """Take out records."""
        for record in records:
            self.systems.sink(of, _PARTS[type(record)]).remove("", record.key)

    def is_(self, state: State, *, of: str = "disks") -> None:
        """Learn how a locator stands."""
        self.systems.set_state(of, state)

    def where(self, volume: Any = VOLUME) -> Location:
        """Where a volume's data lies."""
        return self.locator.locate(volume)


def followed(cluster: Cluster, *records: Said, locator_: VolumeLocator | None = None) -> Storage:
    """A storage system of which everything has been read."""
    storage = Storage(cluster, locator_ or locator())
    storage.says(*records)
    storage.is_(State.FOLLOWING)
    return storage
