"""What storage systems say of their volumes: the read model that VolumeLocators fill and locations come from.

Nothing here waits or does I/O. Whoever reads a storage system gets the reader of its locator, puts what that makes of
objects into the locator's sinks, and says how it stands.
"""

from collections.abc import Iterable
from typing import Any, Final

from mooring.api.locator import KIND, Locator
from mooring.cluster.index import Change, Cluster
from mooring.cluster.records import PersistentVolume
from mooring.locate.finding import Finding
from mooring.locate.reading import Reader
from mooring.locate.shelf import Shelf
from mooring.locate.standing import FailureSample, LocatorSummary, Part, State
from mooring.locate.store import Store

__all__ = ["FailureSample", "LocatorSummary", "Part", "State", "StorageSystems"]


class StorageSystems:
    """Every VolumeLocator's records.

    It follows VolumeLocators and PersistentVolumes in the index, in whichever order they come. What was read for a
    locator is forgotten when its spec changes, or when it goes.
    """

    def __init__(self, cluster: Cluster) -> None:
        """Take what the index holds now, and listen to what changes."""
        self._cluster: Final = cluster
        self._stores: Final[dict[str, Store]] = {}
        self._by_driver: Final[dict[str, tuple[Store, ...]]] = {}
        for locator in cluster.all(KIND).values():
            self._add(locator)
        cluster.listen(self._changed)

    def reader(self, locator: str) -> Reader | None:
        """What reads a locator's objects; None where there is no such locator, or an expression does not compile."""
        store = self._stores.get(locator)
        return store.reader if store is not None else None

    def sink(self, locator: str, part: Part) -> Shelf[Any]:
        """Where the records of a part go. One that is kept beyond a change of the locator's spec takes nothing more.

        Raises:
            KeyError: there is no such locator.
        """
        return self._stores[locator].shelf(part)

    def set_state(self, locator: str, state: State) -> None:
        """Learn how a locator's storage system can be read; a new locator's is READING.

        FOLLOWING is to be set once each part has been put into its sink completely.
        """
        if locator in self._stores:
            self._stores[locator].set_state(state)

    def summary(self, locator: str) -> LocatorSummary:
        """What has come of a locator; nothing, if there is no such one."""
        store = self._stores.get(locator)
        return store.summary() if store is not None else LocatorSummary()

    def findings(self, volume: PersistentVolume) -> Finding | None:
        """Where a volume's data lies, as its driver's locators say; None where they have nothing to say of it.

        Of several locators the first by name that has a replica, or a server, of the volume answers. While none has,
        one that has not been read yet leaves the place unknown.
        """
        stores = self._by_driver.get(volume.driver, ())
        return _first(store.find(volume) for store in stores) or _first(store.why_silent(volume) for store in stores)

    def _changed(self, change: Change) -> None:
        if change.kind == KIND:
            self._locator_changed(change.old, change.new)
        elif change.kind == "PersistentVolume" and change.old is not change.new:
            self._volume_changed(change.old, change.new)

    def _locator_changed(self, old: Locator | None, new: Locator | None) -> None:
        # Mooring's own writes of the status change nothing here.
        if old is not None and new is not None and old.spec == new.spec:
            return
        if old is not None:
            self._drop(old)
        if new is not None:
            self._add(new)
        self._cluster.touch_topology()

    def _add(self, locator: Locator) -> None:
        store = Store(locator.name, locator.spec, self._cluster)
        self._stores[locator.name] = store
        driver = locator.spec.driver
        others = self._by_driver.get(driver, ())
        self._by_driver[driver] = tuple(sorted((*others, store), key=lambda each: each.name))
        for volume in self._cluster.all("PersistentVolume").values():
            if volume.driver == driver:
                store.put_volume(volume)

    def _drop(self, locator: Locator) -> None:
        store = self._stores.pop(locator.name)
        store.close()
        driver = locator.spec.driver
        left = tuple(other for other in self._by_driver[driver] if other is not store)
        if left:
            self._by_driver[driver] = left
        else:
            del self._by_driver[driver]

    def _volume_changed(self, old: PersistentVolume | None, new: PersistentVolume | None) -> None:
        if old is not None:
            for store in self._by_driver.get(old.driver, ()):
                store.remove_volume(old)
        if new is not None:
            for store in self._by_driver.get(new.driver, ()):
                store.put_volume(new)


def _first(findings: Iterable[Finding | None]) -> Finding | None:
    return next((finding for finding in findings if finding is not None), None)
