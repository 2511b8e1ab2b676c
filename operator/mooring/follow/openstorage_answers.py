"""What OpenStorage's SDK answers, as its REST gateway writes it, and what that means for volumes and nodes.

The gateway (grpc-gateway 1.16, in api/server/sdk/rest_gateway.go of libopenstorage/openstorage) writes the names of
api/api.proto as they are there, and leaves out whatever is empty or zero; an enumeration's value without a name is a
number. What each status of a node means is STORK's reading of it (drivers/volume/portworx/portworx.go, mapNodeStatus),
and so is which replicas are in use (getReplicasNotInCurrent).
"""

from typing import Final

import msgspec

from mooring.api.annotations import NodeStorageState
from mooring.locate.records import Replica, StorageNode

_STATES: Final = {
    "STATUS_NONE": NodeStorageState.ONLINE,
    "STATUS_OK": NodeStorageState.ONLINE,
    "STATUS_STORAGE_DOWN": NodeStorageState.STORAGE_DOWN,
    "STATUS_POOLMAINTENANCE": NodeStorageState.STORAGE_DOWN,
    "STATUS_STORAGE_DEGRADED": NodeStorageState.DEGRADED,
    "STATUS_STORAGE_REBALANCE": NodeStorageState.DEGRADED,
    "STATUS_STORAGE_DRIVE_REPLACE": NodeStorageState.DEGRADED,
    "STATUS_INIT": NodeStorageState.OFFLINE,
    "STATUS_OFFLINE": NodeStorageState.OFFLINE,
    "STATUS_ERROR": NodeStorageState.OFFLINE,
    "STATUS_NOT_IN_QUORUM": NodeStorageState.OFFLINE,
    "STATUS_NOT_IN_QUORUM_NO_STORAGE": NodeStorageState.OFFLINE,
    "STATUS_DECOMMISSION": NodeStorageState.OFFLINE,
    "STATUS_MAINTENANCE": NodeStorageState.OFFLINE,
    "STATUS_NEEDS_REBOOT": NodeStorageState.OFFLINE,
}

#: Where a volume's replicas were made, and which of them are in use: node ids with commas between them.
_MADE: Final = "ReplicaSetCreateMid"
_IN_USE: Final = "ReplicaSetCurrMid"


class _Node(msgspec.Struct):
    id: str = ""
    status: str | int = "STATUS_NONE"
    scheduler_node_name: str = ""
    hostname: str = ""


class _Nodes(msgspec.Struct):
    nodes: list[_Node] = []


class _Locator(msgspec.Struct):
    name: str = ""


class _ReplicaSet(msgspec.Struct):
    nodes: list[str] = []


class _RuntimeState(msgspec.Struct):
    runtime_state: dict[str, str] = {}


class SdkVolume(msgspec.Struct):
    """A volume: `openstorage.api.Volume`, as much of it as says where the data is."""

    id: str = ""
    locator: _Locator = msgspec.field(default_factory=_Locator)
    replica_sets: list[_ReplicaSet] = []
    runtime_state: list[_RuntimeState] = []

    @property
    def names(self) -> frozenset[str]:
        """What PersistentVolumes may call it: CSI's by its id, those of the in-tree kind by its name too."""
        return frozenset({self.id, self.locator.name} - {""})


class _Inspection(msgspec.Struct):
    volume: SdkVolume


class _Inspections(msgspec.Struct):
    volumes: list[msgspec.Raw] = []


_nodes: Final = msgspec.json.Decoder(_Nodes)
_inspection: Final = msgspec.json.Decoder(_Inspection)
_inspections: Final = msgspec.json.Decoder(_Inspections)


def read_nodes(answer: bytes) -> list[StorageNode]:
    """Read the nodes (`SdkNodeEnumerateWithFiltersResponse`).

    Raises:
        ValueError: the answer is something else.
    """
    nodes = _nodes.decode(answer).nodes
    if not nodes:
        raise ValueError("no nodes")  # a storage system that is only starting, or none at all
    online = {_name(node) for node in nodes if _state(node) is NodeStorageState.ONLINE}
    return [_node(node, is_stale=_name(node) in online) for node in nodes]


def split_volumes(answer: bytes) -> list[msgspec.Raw]:
    """Split many volumes (`SdkVolumeInspectWithFiltersResponse`), to be read one by one.

    Raises:
        ValueError: the answer is something else.
    """
    return _inspections.decode(answer).volumes


def read_volume(answer: bytes | msgspec.Raw) -> SdkVolume:
    """Read one volume (`SdkVolumeInspectResponse`).

    Raises:
        ValueError: the answer is something else.
    """
    return _inspection.decode(answer).volume


def replicas(volume: SdkVolume, key: str) -> tuple[Replica, ...]:
    """Where the data of a volume is, which PersistentVolumes name by `key`."""
    lost = _not_in_use(volume)
    source = f"OpenStorage volume {volume.id} ({'runtime_state' if lost else 'replica_sets'})"
    return tuple(
        Replica(key=f"{key}/{node}", volume=key, node=node, usable=node not in lost, source=source)
        for node in sorted(_holders(volume))
    )


def _holders(volume: SdkVolume) -> frozenset[str]:
    """The ids of the nodes with a replica.

    A striped volume has several sets of them, each with a part of the data. Where no node has all parts, any that has
    one is as near to the data as can be, as it is for STORK.
    """
    sets = [frozenset(replica_set.nodes) for replica_set in volume.replica_sets if replica_set.nodes]
    if not sets:
        return frozenset()
    return frozenset.intersection(*sets) or frozenset[str]().union(*sets)


def _not_in_use(volume: SdkVolume) -> frozenset[str]:
    """The ids of the nodes whose replica fell out of the set in use, and is being, or waits to be, resynchronized.

    That none is in use is said of a volume that is not attached, or not at all: it says nothing of the replicas.
    """
    lost: set[str] = set()
    for said in volume.runtime_state:
        made, in_use = _ids(said, _MADE), _ids(said, _IN_USE)
        if in_use:
            lost |= made - in_use
    return frozenset(lost)


def _ids(said: _RuntimeState, name: str) -> frozenset[str]:
    return frozenset(said.runtime_state.get(name, "").split(",")) - {""}


def _node(node: _Node, *, is_stale: bool) -> StorageNode:
    # A node that came back under a new id leaves the old one behind, Offline for ever: it says nothing of the node.
    state = _state(node)
    return StorageNode(
        key=node.id,
        id=node.id,
        node=_name(node),
        state=None if is_stale and state is not NodeStorageState.ONLINE else state,
        source=f"OpenStorage node {node.id} (scheduler_node_name)",
    )


def _name(node: _Node) -> str:
    """The node's name in Kubernetes, which is its host's in lower case unless Portworx knows better."""
    return node.scheduler_node_name or node.hostname.lower()


def _state(node: _Node) -> NodeStorageState | None:
    """How its storage is; a status that is newer than this table says nothing."""
    return _STATES.get(node.status) if isinstance(node.status, str) else None
