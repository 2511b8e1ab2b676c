"""What nodes have left for volumes: bytes for new ones, and slots to attach any.

CSIStorageCapacity says what is free, and always says it late: a claim that was given a node a moment ago is in no
report yet, and kube-scheduler checks each claim of a pod against the same report. So each claim counts here, from when
a node is found for its pod until a report can have it.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Final, NamedTuple

from mooring.cluster.pools import Claimed, Pools
from mooring.cluster.records import (
    CSINode,
    CSIStorageCapacity,
    PersistentVolume,
    PersistentVolumeClaim,
    Pod,
    StorageClass,
)
from mooring.cluster.slots import Slot, Slots
from mooring.cluster.topology import Topology

SETTLING_SECONDS: Final = 10.0
"""How long a claim counts after it has got its volume, while no report of its pool has the volume.

external-provisioner asks its driver anew as soon as it has made a volume, so that a report comes at about the same time
as the volume: mostly a tenth of a second before it, as was seen with csi-driver-host-path. Where a new volume takes no
space, it never comes.
"""

_NOWHERE: Final[frozenset[Slot]] = frozenset()


class _Known(NamedTuple):
    """What is known of a claim: its class and driver, how large it is, where it was sent, and if there is a volume."""

    storage_class: str
    driver: str
    size: int
    selected_node: str
    has_volume: bool


class Capacity:
    """Room and slots on each node, kept up to date object by object.

    A promise is a node that was chosen for a claim's pod here and has not come back from the API server yet. `besides`
    names claims (namespace/name) whose own room and slots do not count against them: those of the pod in question.
    """

    def __init__(self, topology: Topology, *, now: Callable[[], float] = time.monotonic) -> None:
        self._now: Final = now
        self._topology: Final = topology
        self._pools: Final = Pools(topology)
        self._slots: Final = Slots()
        self._known: Final[dict[str, _Known]] = {}
        self._promised: Final[dict[str, str]] = {}
        self._users: Final[defaultdict[str, Counter[str]]] = defaultdict(Counter)
        self._claimed: Final[dict[str, Claimed]] = {}
        self._settling: Final[dict[str, float]] = {}
        self._reported: Final[dict[str, Claimed]] = {}
        self._attached: Final[dict[str, frozenset[Slot]]] = {}

    # What is left.

    def is_reported(self, storage_class: str) -> bool:
        """Whether anybody says what is free for a class."""
        return self._pools.knows(storage_class)

    def rooms(self, storage_class: str, *, besides: Collection[str] = ()) -> Mapping[str, int] | None:
        """How many bytes each node has free in its roomiest pool of a class; one that is left out has none.

        None where nobody says.
        """
        own = self._claims(besides)
        return self._pools.rooms(storage_class, own) if self.is_reported(storage_class) else None

    def without_room(self, wanted: Mapping[str, Sequence[int]], *, besides: Collection[str] = ()) -> AbstractSet[str]:
        """The nodes without room for new volumes of these sizes (in bytes, by class), all of a class in one pool.

        kube-scheduler's rule (volumebinding's hasEnoughCapacity), but for all of a pod's claims together. A claim that
        asks for no size fits anywhere, and so does one of a class of which nobody says what is free.
        """
        own = self._claims(besides)
        asked = {name: sizes for name, sizes in wanted.items() if any(sizes)}
        return frozenset[str]().union(*(self._pools.without_room(name, sizes, own) for name, sizes in asked.items()))

    def without_slots(self, driver: str, count: int, *, besides: Collection[str] = ()) -> AbstractSet[str]:
        """The nodes that cannot attach so many more volumes of a CSI driver."""
        own = Counter(
            slot.node for claim in set(besides) for slot in self._attached.get(claim, _NOWHERE) if slot.driver == driver
        )
        return self._slots.short(driver, count, own=own) & self._topology.nodes

    # What happens.

    def promise(self, claim: str, node: str) -> None:
        """Keep room and a slot for a claim (namespace/name) until a pod that mounts it gets a place, or goes."""
        self._promised[claim] = node
        self._count(claim)

    def withdraw(self, claim: str) -> None:
        """Keep nothing for a claim whose pod goes elsewhere."""
        if self._promised.pop(claim, None) is not None:
            self._count(claim)

    def report(self, old: CSIStorageCapacity | None, new: CSIStorageCapacity | None) -> None:
        """Learn what is free, in place of what was reported before.

        The report has the volumes that there are. By what else it has fallen it has volumes that have just been made,
        and nobody has told yet whose they are: of claims that large, those that were sent there first are taken for
        theirs. Should something else have taken the space, then it is promised twice until they have their volumes.
        """
        if old is not None and new is None:
            self._pools.remove(old.key)
        if new is None:
            return
        pool = self._pools.put(new)
        fall = old.free_bytes - new.free_bytes if old else 0
        here = [claim for claim, claimed in self._claimed.items() if pool.serves(claimed)]
        for claim in sorted(here, key=lambda claim: claim not in self._settling):
            claimed, has_volume = self._claimed[claim], claim in self._settling
            if has_volume or claimed.size <= fall:
                fall -= claimed.size
                self._give_back(claim)
                if not has_volume:
                    self._reported[claim] = claimed

    def limit(self, old: CSINode | None, new: CSINode | None) -> None:
        """Learn how many volumes of each driver a node can attach."""
        self._slots.limit(old, new)

    def place_node(self, node: str) -> None:
        """Learn that a node has come, has other labels, or is gone."""
        self._pools.place(node)

    def place_pod(self, old: Pod | None, new: Pod | None) -> None:
        """Learn where a pod needs its claims; one that has ended needs none."""
        before, after = _claims_of(old), _claims_of(new)
        if not before and not after:
            return
        self._use(old, before, -1)
        self._use(new, after, 1)
        has_arrived = new is None or (new.place and (old is None or old.place != new.place))
        for claim in before | after:
            if has_arrived:
                self._promised.pop(claim, None)
            self._count(claim)

    def put(
        self, claim: PersistentVolumeClaim, storage_class: StorageClass | None, volume: PersistentVolume | None
    ) -> None:
        """Learn of a claim, with its class and its volume as far as they exist."""
        provisioner = storage_class.provisioner if storage_class else ""
        self._known[claim.key] = _Known(
            storage_class=storage_class.name if storage_class else claim.spec.storage_class_name or "",
            driver=volume.driver if volume else provisioner,
            size=claim.spec.requested_bytes,
            selected_node=claim.selected_node,
            has_volume=bool(claim.spec.volume_name),
        )
        self._count(claim.key)

    def remove(self, claim: str) -> None:
        """Forget a claim (namespace/name)."""
        self._known.pop(claim, None)
        self._promised.pop(claim, None)
        self._count(claim)

    def _use(self, pod: Pod | None, claims: AbstractSet[str], step: int) -> None:
        """Count a pod in or out as a user of its claims."""
        if pod is None or not pod.place or pod.finished:
            return
        for claim in claims:
            users = self._users[claim]
            users[pod.place] += step
            if not users[pod.place]:
                del users[pod.place]
            if not users:
                del self._users[claim]

    def _count(self, claim: str) -> None:
        """Bring what is kept for a claim in line with what is known of it."""
        known = self._known.get(claim)
        if known is None:
            self._attach(claim, _NOWHERE)
            self._give_back(claim)
            return
        nodes = {*self._users.get(claim, ()), self._promised.get(claim, "")} - {""}
        self._attach(claim, frozenset(Slot(known.driver, node) for node in nodes))
        if known.has_volume:
            self._reported.pop(claim, None)
            if claim in self._claimed:
                self._settling.setdefault(claim, self._now() + SETTLING_SECONDS)
            return
        wanted = Claimed(known.storage_class, known.selected_node or min(nodes, default=""), known.size)
        if wanted in {self._claimed.get(claim), self._reported.get(claim)} and claim not in self._settling:
            return
        self._give_back(claim)
        if wanted.node and wanted.size:
            self._claimed[claim] = wanted
            self._pools.claim(wanted)

    def _attach(self, claim: str, wanted: frozenset[Slot]) -> None:
        self._slots.move(self._attached.pop(claim, _NOWHERE), wanted)
        if wanted:
            self._attached[claim] = wanted

    def _give_back(self, claim: str) -> None:
        self._settling.pop(claim, None)
        self._reported.pop(claim, None)
        claimed = self._claimed.pop(claim, None)
        if claimed is not None:
            self._pools.claim(claimed, times=-1)

    def _claims(self, keys: Collection[str]) -> list[Claimed]:
        """What is spoken for these claims; of others, what has had its volume for long is let go of first."""
        while self._settling and self._settling[first := next(iter(self._settling))] <= self._now():
            self._give_back(first)
        return [self._claimed[key] for key in set(keys) if key in self._claimed]


def _claims_of(pod: Pod | None) -> frozenset[str]:
    """The keys of a pod's claims. Most pods have none, and nothing else among their volumes."""
    if pod is None or not pod.spec.volumes:
        return frozenset()
    return frozenset(f"{pod.metadata.namespace}/{claim}" for claim in pod.claims)
