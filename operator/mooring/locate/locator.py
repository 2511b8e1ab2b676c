"""Locations, remembered until something they were computed from changes."""

from typing import Final, NamedTuple

from mooring.cluster.index import Cluster
from mooring.cluster.records import PersistentVolume
from mooring.locate.location import Location
from mooring.locate.sources import locate


class _Remembered(NamedTuple):
    volume: PersistentVolume
    topology_version: int
    location: Location


class Locator:
    """Answers where a volume's data lies, at the cost of a lookup while nothing has changed."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster: Final = cluster
        self._remembered: Final[dict[str, _Remembered]] = {}

    def locate(self, volume: PersistentVolume) -> Location:
        """Say where a volume's data lies."""
        version = self._cluster.topology_version
        known = self._remembered.get(volume.name)
        # Records are replaced, never changed, so that identity says whether the volume is still the same.
        if known is not None and known.volume is volume and known.topology_version == version:
            return known.location
        location = locate(volume, self._cluster)
        self._remembered[volume.name] = _Remembered(volume, version, location)
        return location

    def forget(self, volume: str) -> None:
        """Drop what is remembered of a volume that is gone."""
        self._remembered.pop(volume, None)
