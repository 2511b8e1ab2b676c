"""Namespaces, nodes, and which CSI drivers run on a node."""

import msgspec

from mooring.cluster.records.metadata import Condition, Object, Record
from mooring.cluster.records.quantities import Quantity


class Namespace(Object):
    """A namespace: its labels choose cluster policies and opt it out."""


class Taint(Record):
    """A node's taint."""

    key: str
    effect: str
    value: str = ""


class NodeSpec(Record):
    """What keeps pods away from a node."""

    unschedulable: bool = False
    taints: tuple[Taint, ...] = ()


class NodeStatus(Record):
    """What a node offers."""

    allocatable: dict[str, Quantity] | None = None
    conditions: tuple[Condition, ...] = ()


class Node(Object):
    """A node."""

    spec: NodeSpec = msgspec.field(default_factory=NodeSpec)
    status: NodeStatus = msgspec.field(default_factory=NodeStatus)


class VolumeLimit(Record):
    """How many volumes of a driver a node takes; None for any number."""

    count: int | None = None


class CSIDriverOnNode(Record):
    """One driver's registration on a node. `topology_keys` name the node labels that the driver set."""

    name: str
    topology_keys: tuple[str, ...] | None = None
    allocatable: VolumeLimit | None = None


class CSINodeSpec(Record):
    """The drivers of a node."""

    drivers: tuple[CSIDriverOnNode, ...] | None = None


class CSINode(Object):
    """Which CSI drivers run on the node of the same name."""

    spec: CSINodeSpec = msgspec.field(default_factory=CSINodeSpec)
