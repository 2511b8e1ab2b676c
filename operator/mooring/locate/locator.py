"""Locations, remembered until something they were computed from changes."""

from typing import Final, NamedTuple

from mooring.cluster.index import Change, Cluster
from mooring.cluster.records import PersistentVolume
from mooring.locate.location import Location
from mooring.locate.sources import locate
from mooring.locate.systems import StorageSystems


class _Remembered(NamedTuple):
    volume: PersistentVolume
    topology_version: int
    location: Location


class Locator:
    """Answers where a volume's data lies, at the cost of a lookup while nothing has changed.

    Attributes:
        systems: what storage systems say, by VolumeLocator.
    """

    def __init__(self, cluster: Cluster) -> None:
        """Take the index, and follow what it says of volumes."""
        self._cluster: Final = cluster
        self._remembered: Final[dict[str, _Remembered]] = {}
        cluster.listen(self._changed)
        self.systems: Final = StorageSystems(cluster)

    def locate(self, volume: PersistentVolume) -> Location:
        """Say where a volume's data lies."""
        version = self._cluster.topology_version
        known = self._remembered.get(volume.name)
        # Records are replaced, never changed, so that identity says whether the volume is still the same.
        if known is not None and known.volume is volume and known.topology_version == version:
            return known.location
        location = locate(volume, self._cluster, self.systems)
        self._remembered[volume.name] = _Remembered(volume, version, location)
        return location

    def _changed(self, change: Change) -> None:
        """Drop what is remembered of a volume that is gone, or of which its storage system says something new."""
        if change.kind == "PersistentVolume":
            self._remembered.pop(change.key, None)
