"""Where CSI drivers have room for new volumes: CSIStorageCapacity objects, matched with nodes as both come and go."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Final, NamedTuple

from mooring.cluster.records import CSIStorageCapacity
from mooring.cluster.topology import Topology, discard

_NO_POOLS: Final[frozenset["Pool"]] = frozenset()


class Claimed(NamedTuple):
    """Room that is spoken for: bytes of a storage class, for a volume that is to be used on a node."""

    storage_class: str
    node: str
    size: int


class Pool:
    """What one CSIStorageCapacity reports.

    Attributes:
        report: the object.
        nodes: the existing nodes that can use volumes made here.
        largest: how large one volume may be, in bytes.
        left: bytes that are free and not spoken for; negative where more was promised than there was.
    """

    __slots__ = ("largest", "left", "nodes", "report")

    def __init__(self, report: CSIStorageCapacity) -> None:
        self.report = report
        self.nodes: Final[set[str]] = set()
        self.largest = report.largest_volume
        self.left = report.free_bytes

    def update(self, report: CSIStorageCapacity) -> None:
        """Take in a newer report of the same class and nodes."""
        self.left += report.free_bytes - self.report.free_bytes
        self.largest = report.largest_volume
        self.report = report

    def free(self, own: Sequence[Claimed] = ()) -> int:
        """Bytes that nobody has spoken for but these claims; never negative."""
        return max(0, self.left + sum(claimed.size for claimed in own if self.serves(claimed)))

    def takes(self, sizes: Sequence[int], own: Sequence[Claimed] = ()) -> bool:
        """Whether there is room for volumes of these sizes (at least one), and each of them may be as large as that."""
        return max(sizes) <= self.largest and sum(sizes) <= self.free(own)

    def serves(self, claimed: Claimed) -> bool:
        """Whether what is spoken for is spoken for here."""
        return claimed.storage_class == self.report.storage_class_name and claimed.node in self.nodes


class Pools:
    """The pools of each storage class that a node can use.

    Which they are is found when a pool or a node comes or changes, so that asking takes a lookup. Pools whose selectors
    name the same label keys are found by the values that a node has for these: thousands of nodes and as many pools of
    one node each come up in any order, and nobody compares each with each.
    """

    def __init__(self, topology: Topology) -> None:
        self._topology: Final = topology
        self._by_key: Final[dict[str, Pool]] = {}
        self._by_class: Final[defaultdict[str, set[Pool]]] = defaultdict(set)
        self._by_labels: Final[dict[tuple[str, ...], defaultdict[tuple[str | None, ...], set[Pool]]]] = {}
        self._by_node: Final[dict[str, defaultdict[str, set[Pool]]]] = {}
        self._claimed: Final[defaultdict[tuple[str, str], int]] = defaultdict(int)

    def knows(self, storage_class: str) -> bool:
        """Whether anybody says what is free for a class."""
        return storage_class in self._by_class

    def at(self, node: str, storage_class: str) -> Collection[Pool] | None:
        """The pools of a class that a node can use; None if that class has none anywhere, so that nobody says."""
        if not self.knows(storage_class):
            return None
        return self._by_node[node].get(storage_class, _NO_POOLS) if node in self._by_node else _NO_POOLS

    # Written out, and what is one's own apart: these two run over the pools of the whole cluster.

    def rooms(self, storage_class: str, own: Sequence[Claimed]) -> Mapping[str, int]:
        """How many bytes are free in the roomiest pool of a class that a node can use, by node; of those with any."""
        rooms: dict[str, int] = {}
        for pool in self._by_class.get(storage_class, ()):
            for node in pool.nodes:
                if pool.left > rooms.get(node, 0):
                    rooms[node] = pool.left
        for pool in self._touched(storage_class, own):
            for node in pool.nodes:
                rooms[node] = max(pool.free(own), rooms.get(node, 0))
        return rooms

    def without_room(self, storage_class: str, sizes: Sequence[int], own: Sequence[Claimed]) -> AbstractSet[str]:
        """The nodes that can use no pool of a class with room for volumes of these sizes (at least one)."""
        pools = self._by_class.get(storage_class)
        if not pools:
            return frozenset()
        total, largest = sum(sizes), max(sizes)
        roomy = [pool.nodes for pool in pools if pool.left >= total and pool.largest >= largest]
        roomy += [pool.nodes for pool in self._touched(storage_class, own) if pool.takes(sizes, own)]
        return self._topology.nodes - set[str]().union(*roomy)

    def put(self, report: CSIStorageCapacity) -> Pool:
        """Learn what a pool has free, in place of what was known of it."""
        pool = self._by_key.get(report.key)
        if pool is not None and _is_alike(pool.report, report):
            pool.update(report)
            return pool
        self.remove(report.key)
        pool = self._by_key[report.key] = Pool(report)
        self._by_class[report.storage_class_name].add(pool)
        keys, values = _labels_of(report)
        self._by_labels.setdefault(keys, defaultdict(set))[values].add(pool)
        for node in self._nodes_of(report):
            self._join(pool, node)
        return pool

    def remove(self, key: str) -> None:
        """Forget a pool."""
        pool = self._by_key.pop(key, None)
        if pool is None:
            return
        for node in list(pool.nodes):
            self._leave(pool, node)
        discard(self._by_class, pool.report.storage_class_name, pool)
        keys, values = _labels_of(pool.report)
        discard(self._by_labels[keys], values, pool)
        if not self._by_labels[keys]:
            del self._by_labels[keys]

    def place(self, node: str) -> None:
        """Learn where a node is: it has come, it has new labels, or it is gone."""
        before = {pool for pools in self._by_node.get(node, {}).values() for pool in pools}
        now = self._pools_of(node)
        for pool in before - now:
            self._leave(pool, node)
        for pool in now - before:
            self._join(pool, node)

    def claim(self, claimed: Claimed, *, times: int = 1) -> None:
        """Speak for room, or with `times=-1` give it back."""
        storage_class, node, size = claimed
        self._claimed[storage_class, node] += times * size
        if not self._claimed[storage_class, node]:
            del self._claimed[storage_class, node]
        for pool in self.at(node, storage_class) or ():
            pool.left -= times * size

    def _touched(self, storage_class: str, own: Sequence[Claimed]) -> set[Pool]:
        """The pools of a class in which any of these claims may be spoken for."""
        return {pool for claimed in own for pool in self.at(claimed.node, storage_class) or ()}

    def _nodes_of(self, report: CSIStorageCapacity) -> list[str]:
        """The nodes that a pool's selector selects; a pool without one serves none (volumebinding's nodeHasAccess)."""
        selector = report.node_topology
        if selector is None:
            return []
        by_label = [self._topology.with_label(key, value) for key, value in (selector.match_labels or {}).items()]
        candidates: AbstractSet[str] = min(by_label, key=len, default=self._topology.nodes)
        return [node for node in candidates if selector.selects(self._topology.labels(node))]

    def _pools_of(self, node: str) -> set[Pool]:
        """The pools whose selectors select a node; none for one that does not exist."""
        if node not in self._topology:
            return set()
        labels = self._topology.labels(node)
        return {
            pool
            for keys, pools in self._by_labels.items()
            for pool in pools.get(tuple(labels.get(key) for key in keys), _NO_POOLS)
            if (selector := pool.report.node_topology) is not None and selector.selects(labels)
        }

    def _join(self, pool: Pool, node: str) -> None:
        name = pool.report.storage_class_name
        pool.nodes.add(node)
        pool.left -= self._claimed.get((name, node), 0)
        self._by_node.setdefault(node, defaultdict(set))[name].add(pool)

    def _leave(self, pool: Pool, node: str) -> None:
        name = pool.report.storage_class_name
        pool.nodes.discard(node)
        pool.left += self._claimed.get((name, node), 0)
        discard(self._by_node[node], name, pool)
        if not self._by_node[node]:
            del self._by_node[node]


def _is_alike(old: CSIStorageCapacity, new: CSIStorageCapacity) -> bool:
    """Whether a report is of the same class and nodes as the one before; almost always it is."""
    return (old.storage_class_name, old.node_topology) == (new.storage_class_name, new.node_topology)


def _labels_of(report: CSIStorageCapacity) -> tuple[tuple[str, ...], tuple[str | None, ...]]:
    """The labels that a node must have, as keys and values; what a selector asks besides is asked of nodes that do."""
    selector = report.node_topology
    labels = sorted(((selector.match_labels if selector else None) or {}).items())
    return tuple(key for key, _ in labels), tuple(value for _, value in labels)
