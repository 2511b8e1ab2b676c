"""What one VolumeLocator has brought: its records, by volume, and how they are."""

from datetime import UTC, datetime
from heapq import nsmallest
from typing import Any, Final

from msgspec import structs

from mooring.api.locator import LocatorSpec
from mooring.api.locator_status import MAX_FAILURES
from mooring.cluster.index import Cluster
from mooring.cluster.records import PersistentVolume
from mooring.locate.expressions import InvalidExpressionError
from mooring.locate.finding import Finding, find
from mooring.locate.nodes import StorageNodes
from mooring.locate.reading import Reader
from mooring.locate.records import Replica, Said, Server
from mooring.locate.shelf import Groups, Shelf
from mooring.locate.standing import FailureSample, LocatorSummary, Part, State
from mooring.locate.wording import Wording

_VOLUME: Final = "PersistentVolume"


class Store:
    """The records of one VolumeLocator, and the PersistentVolumes that they are about.

    Whenever the place of a volume may have changed, the index is told so.
    """

    def __init__(self, name: str, spec: LocatorSpec, cluster: Cluster) -> None:
        """Begin with nothing read."""
        self.name: Final = name
        self.reader: Reader | None = None
        self._cluster: Final = cluster
        self._wording: Final = Wording(name, spec)
        self._nodes: Final = StorageNodes(spec, self._wording, cluster, changed=self._node_changed)
        self._shelves: Final[dict[Part, Shelf[Any]]] = {
            Part.REPLICAS: Shelf[Replica](self._replica_changed),
            Part.SERVING: Shelf[Server](self._server_changed),
            Part.NODES: self._nodes.shelf,
        }
        self._replicas: Final = Groups[Replica]()
        self._servers: Final = Groups[Server]()
        self._volumes: Final = Groups[str]()
        self._usable = 0
        self._unknown = 0
        self._failed: Final[dict[tuple[str, str], str]] = {}
        self._state = State.READING
        self._was_read = False
        self._lost: datetime | None = None
        self._invalid = ""
        try:
            self.reader = Reader(spec)
        except InvalidExpressionError as error:
            self._invalid = str(error)

    # What is there.

    def shelf(self, part: Part) -> Shelf[Any]:
        """Where the records of a part go."""
        return self._shelves[part]

    def find(self, volume: PersistentVolume) -> Finding | None:
        """Where a volume's data lies; None where nothing that was read is about it."""
        if self.reader is None or not self._was_read:
            return None
        key = self.reader.volume_key(volume)
        replicas = self._replicas.of(key)
        servers = [server for server in self._servers.of(key) if server.usable is not False]
        if not replicas and not servers:
            return None
        finding = find(replicas, servers, self._nodes, self._wording)
        if self._lost is None:
            return finding
        age = f"{self._wording.locator} has been out of reach since {self._lost:%Y-%m-%dT%H:%M:%SZ}"
        return structs.replace(finding, problem="; ".join(filter(None, [finding.problem, age])))

    def why_silent(self, volume: PersistentVolume) -> Finding | None:
        """Why it is not known yet whether anything is said of a volume; None where nothing is."""
        if self.reader is None:
            problem = f"{self._wording.locator} cannot be used: {self._invalid}"
        elif self._state is State.ABSENT:
            return None
        elif not self._was_read:
            problem = f"{self._wording.locator} has not been read yet"
        elif self.reader.volume_key(volume):
            return None
        else:
            problem = f"{self._wording.locator}: {self.reader.volume_problem(volume)}"
        return Finding(source=self._wording.locator, problem=problem)

    def summary(self) -> LocatorSummary:
        """What the locator has brought."""
        samples = nsmallest(MAX_FAILURES, self._failed.items())
        return LocatorSummary(
            total=len(self._shelves[Part.REPLICAS].records),
            usable=self._usable,
            unknown=self._unknown,
            volumes=len(self._replicas),
            invalid=self._invalid,
            failures=tuple(_sample(key, problem) for (key, _kind), problem in samples),
            failures_total=len(self._failed),
        )

    # What happens.

    def set_state(self, state: State) -> None:
        """Learn how the storage system can be read."""
        if state is self._state:
            return
        self._state = state
        if state is State.UNREACHABLE:
            self._lost = datetime.now(UTC)
        elif state is State.FOLLOWING:
            self._was_read, self._lost = True, None
        elif state is State.ABSENT:
            self._was_read, self._lost = False, None
            for shelf in self._shelves.values():
                shelf.clear()
        self._cluster.touch_topology()

    def close(self) -> None:
        """Forget everything, and take nothing in any more."""
        self._was_read = False
        for shelf in self._shelves.values():
            shelf.close()

    def put_volume(self, volume: PersistentVolume) -> None:
        """Learn of a PersistentVolume of the driver."""
        if self.reader is None:
            return
        key = self.reader.volume_key(volume)
        self._volumes.add(key, volume.name)
        if not key:
            self._failed[volume.name, _VOLUME] = self.reader.volume_problem(volume)

    def remove_volume(self, volume: PersistentVolume) -> None:
        """Forget a PersistentVolume, as it was when it was put."""
        if self.reader is None:
            return
        self._volumes.discard(self.reader.volume_key(volume), volume.name)
        self._failed.pop((volume.name, _VOLUME), None)

    def _replica_changed(self, old: Replica | None, new: Replica | None) -> None:
        for replica, sign in ((old, -1), (new, 1)):
            if replica is not None:
                self._usable += sign * bool(replica.whole and replica.usable)
                self._unknown += sign * (replica.usable is None)
        self._about_a_volume(self._replicas, old, new)

    def _server_changed(self, old: Server | None, new: Server | None) -> None:
        self._about_a_volume(self._servers, old, new)

    def _about_a_volume(self, groups: Groups[Any], old: Any, new: Any) -> None:
        if old is not None:
            groups.discard(old.volume, old)
        if new is not None:
            groups.add(new.volume, new)
        self._note_failure(old, new)
        if self._was_read:
            for key in dict.fromkeys(record.volume for record in (old, new) if record is not None):
                for name in self._volumes.of(key):
                    self._cluster.touch(_VOLUME, name)

    def _node_changed(self, old: Said | None, new: Said | None) -> None:
        self._note_failure(old, new)
        if self._was_read:
            self._cluster.touch_topology()

    def _note_failure(self, old: Said | None, new: Said | None) -> None:
        if old is not None and old.problem:
            del self._failed[old.key, type(old).__name__]
        if new is not None and new.problem:
            self._failed[new.key, type(new).__name__] = new.problem


def _sample(key: str, problem: str) -> FailureSample:
    expression, _, message = problem.partition(": ")
    return FailureSample(key, expression, message)
