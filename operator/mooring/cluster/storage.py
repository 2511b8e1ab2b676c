"""What CSI drivers say of nodes: where they are registered, by which labels they tell nodes apart, and how they are."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import Final

from mooring.api.annotations import STORAGE_STATE_PREFIX, UNSCHEDULABLE, NodeStorageState, parse_storage_state
from mooring.cluster.records import CSINode
from mooring.cluster.topology import discard

_NONE: Final[frozenset[str]] = frozenset()


class Storage:
    """Drivers by node and nodes by driver, kept up to date node by node."""

    def __init__(self) -> None:
        self._nodes: Final[defaultdict[str, set[str]]] = defaultdict(set)
        self._topology_keys: Final[Counter[tuple[str, str]]] = Counter()
        self._states: Final[defaultdict[str, dict[str, NodeStorageState]]] = defaultdict(dict)
        self._closed: Final[set[str]] = set()

    def nodes_with(self, driver: str) -> AbstractSet[str]:
        """Nodes on which a CSI driver is registered; empty where it needs no CSINode entry, or is unknown."""
        return self._nodes.get(driver, _NONE)

    def is_topology_key(self, driver: str, key: str) -> bool:
        """Whether a CSI driver declares this node label as one of its topology keys anywhere."""
        return self._topology_keys[driver, key] > 0

    def states(self, driver: str) -> Mapping[str, NodeStorageState]:
        """The nodes of whose storage something is said, and what; the others are taken for Online."""
        return self._states.get(driver, {})

    @property
    def closed(self) -> AbstractSet[str]:
        """The nodes that are annotated to take no pods with volumes."""
        return self._closed

    def register(self, old: CSINode | None, new: CSINode | None) -> None:
        """Learn of a node's drivers, in place of what was known of them."""
        if old is not None:
            for driver in old.spec.drivers or ():
                discard(self._nodes, driver.name, old.name)
                self._topology_keys.subtract((driver.name, key) for key in driver.topology_keys or ())
        if new is not None:
            for driver in new.spec.drivers or ():
                self._nodes[driver.name].add(new.name)
                self._topology_keys.update((driver.name, key) for key in driver.topology_keys or ())

    def annotate(self, node: str, annotations: Mapping[str, str]) -> None:
        """Learn what a node's annotations say, in place of what they said before."""
        for states in self._states.values():
            states.pop(node, None)
        for driver, state in _stated(annotations):
            self._states[driver][node] = state
        if UNSCHEDULABLE.read(annotations).value:
            self._closed.add(node)
        else:
            self._closed.discard(node)


def _stated(annotations: Mapping[str, str]) -> Iterable[tuple[str, NodeStorageState]]:
    for key, value in annotations.items():
        state = parse_storage_state(value).state if key.startswith(STORAGE_STATE_PREFIX) else None
        if state is not None:
            yield key.removeprefix(STORAGE_STATE_PREFIX), state
