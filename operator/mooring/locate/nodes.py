"""A storage system's own names of nodes, and what it says of the storage on them."""

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from typing import Final

from mooring.api.annotations import NodeStorageState
from mooring.api.locator import LocatorSpec
from mooring.cluster.index import Cluster
from mooring.locate.records import StorageNode
from mooring.locate.shelf import Groups, Shelf
from mooring.locate.wording import Wording

Changed = Callable[[StorageNode | None, StorageNode | None], None]


class StorageNodes:
    """The nodes as one VolumeLocator's storage system names them."""

    def __init__(self, spec: LocatorSpec, wording: Wording, cluster: Cluster, *, changed: Changed) -> None:
        """Begin with no entry.

        Args:
            spec: the VolumeLocator's spec.
            wording: words for who reports a state.
            cluster: the index, which knows nodes and takes states.
            changed: called after each change, with the entry before and after it.
        """
        self.shelf: Final = Shelf[StorageNode](self._entry_changed)
        self.label: Final = spec.replicas.node_label if spec.replicas is not None else None
        self._wording: Final = wording
        self._driver: Final = spec.driver
        self._cluster: Final = cluster
        self._changed: Final = changed
        self._by_id: Final = Groups[StorageNode]()

    def entries(self, said: str) -> tuple[StorageNode, ...]:
        """The entries that say what an id stands for."""
        return self._by_id.of(said)

    def resolve(self, said: str) -> AbstractSet[str]:
        """The existing nodes that a storage system means: by an entry of this id, by label, or by name."""
        topology = self._cluster.topology
        if entries := self._by_id.of(said):
            return {entry.node for entry in entries} & topology.nodes
        labelled = topology.with_label(self.label, said) if self.label is not None else frozenset()
        return labelled or {said} & topology.nodes

    def _entry_changed(self, old: StorageNode | None, new: StorageNode | None) -> None:
        # One that names no node leads nowhere. Two may speak of one node: each reports for itself.
        if old is not None and old.node:
            self._by_id.discard(old.id, old)
            self._report(old, None)
        if new is not None and new.node:
            self._by_id.add(new.id, new)
            self._report(new, new.state)
        self._changed(old, new)

    def _report(self, entry: StorageNode, state: NodeStorageState | None) -> None:
        self._cluster.storage.report(self._wording.state(entry), self._driver, entry.node, state)
