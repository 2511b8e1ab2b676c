"""What a storage system says, one object at a time: replicas, its names of nodes, and who serves a shared volume."""

import msgspec

from mooring.api.annotations import NodeStorageState


class Said(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What one object says.

    Attributes:
        key: which object: `namespace/name`, or `name` for what has no namespace; unique among its kind.
        problem: which expression failed on it and why, as `spec.replicas.usable: gives an int, not a bool`; empty where
            none did.
        source: what says it, such as `OpenStorage volume 123 (replica_sets)`, where that is no object of the locator's
            resource.
    """

    key: str
    problem: str = ""
    source: str = ""


class Replica(Said, frozen=True, gc=False, kw_only=True):
    """A volume's data on one node.

    Attributes:
        volume: the key of the volume; empty where the object belongs to none.
        node: the node as the storage system names it: a name, a label's value or an id; empty where it has none yet.
        usable: whether the data can be used; None where that is unknown, because an expression failed.
        whole: whether it is a whole copy of the data; one that is not never counts.
    """

    volume: str = ""
    node: str = ""
    usable: bool | None = True
    whole: bool = True


class StorageNode(Said, frozen=True, gc=False, kw_only=True):
    """What the storage system calls a node, and how its storage there is.

    Attributes:
        id: its own name of the node, as replicas give it.
        node: the node's name in Kubernetes.
        state: how the storage is; None where nothing is said of it.
    """

    id: str = ""
    node: str = ""
    state: NodeStorageState | None = None


class Server(Said, frozen=True, gc=False, kw_only=True):
    """A node from which a shared volume is served to all others.

    Attributes:
        volume: the key of the volume; empty where the object belongs to none.
        node: the node, named as replicas name theirs.
        usable: whether it is being served from there; None where that is unknown, because an expression failed.
    """

    volume: str = ""
    node: str = ""
    usable: bool | None = True
