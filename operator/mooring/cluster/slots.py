"""How many volumes of each CSI driver a node can attach, and how many it has to already."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Final, NamedTuple

from mooring.cluster.records import CSINode

_NONE: Final[Mapping[str, int]] = {}


class Slot(NamedTuple):
    """Where a volume is attached, by which driver."""

    driver: str
    node: str


class Slots:
    """The slots of each node that has a limit (CSINode's `allocatable.count`), less those in use."""

    def __init__(self) -> None:
        self._limits: Final[defaultdict[str, dict[str, int]]] = defaultdict(dict)
        self._in_use: Final[defaultdict[str, Counter[str]]] = defaultdict(Counter)

    def short(self, driver: str, count: int, *, own: Mapping[str, int]) -> AbstractSet[str]:
        """The nodes that cannot attach so many volumes more, if `own` of those in use on each do not count."""
        limits, in_use = self._limits.get(driver, _NONE), self._in_use.get(driver, _NONE)
        return {node for node, limit in limits.items() if limit - in_use.get(node, 0) + own.get(node, 0) < count}

    def limit(self, old: CSINode | None, new: CSINode | None) -> None:
        """Learn the limits of a node, in place of what was known of them."""
        for node, driver in _limited(old):
            del self._limits[driver][node]
            if not self._limits[driver]:
                del self._limits[driver]
        for (node, driver), limit in _limited(new).items():
            self._limits[driver][node] = limit

    def move(self, old: AbstractSet[Slot], new: AbstractSet[Slot]) -> None:
        """Take a volume from the slots where it was and put it into those where it is needed now."""
        for driver, node in new - old:
            self._in_use[driver][node] += 1
        for driver, node in old - new:
            self._in_use[driver][node] -= 1
            if not self._in_use[driver][node]:
                del self._in_use[driver][node]
            if not self._in_use[driver]:
                del self._in_use[driver]


def _limited(found: CSINode | None) -> dict[tuple[str, str], int]:
    """The limits that a node states, by node and driver; a driver that states none has none."""
    drivers = (found.spec.drivers if found else None) or ()
    return {
        (found.name, driver.name): driver.allocatable.count
        for driver in drivers
        if found is not None and driver.allocatable is not None and driver.allocatable.count is not None
    }
