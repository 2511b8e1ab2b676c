"""What CSI drivers say of nodes: where they are registered, by which labels they tell nodes apart, and how they are."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import Final

from mooring.api.annotations import STORAGE_STATE_PREFIX, UNSCHEDULABLE, NodeStorageState, parse_storage_state
from mooring.cluster.records import CSINode
from mooring.cluster.topology import discard

_NONE: Final[frozenset[str]] = frozenset()
_NO_STATES: Final[Mapping[str, NodeStorageState]] = {}
#: From good to bad.
_SEVERITY: Final = {state: severity for severity, state in enumerate(NodeStorageState)}


class Storage:
    """Drivers by node and nodes by driver, kept up to date node by node."""

    def __init__(self) -> None:
        self._nodes: Final[defaultdict[str, set[str]]] = defaultdict(set)
        self._topology_keys: Final[Counter[tuple[str, str]]] = Counter()
        self._states: Final[defaultdict[str, dict[str, NodeStorageState]]] = defaultdict(dict)
        self._annotated: Final[dict[str, Mapping[str, NodeStorageState]]] = {}
        self._reported: Final[defaultdict[tuple[str, str], dict[str, NodeStorageState]]] = defaultdict(dict)
        self._closed: Final[set[str]] = set()

    def nodes_with(self, driver: str) -> AbstractSet[str]:
        """Nodes on which a CSI driver is registered; empty where it needs no CSINode entry, or is unknown."""
        return self._nodes.get(driver, _NONE)

    def is_topology_key(self, driver: str, key: str) -> bool:
        """Whether a CSI driver declares this node label as one of its topology keys anywhere."""
        return self._topology_keys[driver, key] > 0

    def states(self, driver: str) -> Mapping[str, NodeStorageState]:
        """The nodes whose storage is said to be anything but Online, and what; few, however many are spoken of."""
        return self._states.get(driver, {})

    def source(self, driver: str, node: str) -> str:
        """Who says what `states` has of a node, in words for a person."""
        if driver in self._annotated.get(node, _NO_STATES):
            return f"annotation {STORAGE_STATE_PREFIX}{driver} of Node {node}"
        reports = self._reported.get((driver, node), {})
        state = self.states(driver).get(node)
        return min((reporter for reporter, reported in reports.items() if reported is state), default="")

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
        before, now = self._annotated.pop(node, _NO_STATES), dict(_stated(annotations))
        if now:
            self._annotated[node] = now
        for driver in before.keys() | now.keys():
            self._settle(driver, node)
        if UNSCHEDULABLE.read(annotations).value:
            self._closed.add(node)
        else:
            self._closed.discard(node)

    def report(self, reporter: str, driver: str, node: str, state: NodeStorageState | None) -> None:
        """Learn what one reporter says of a driver's storage on a node, in place of what it said before.

        The node's annotation outranks it, and of several reporters the one with the worst news is believed.

        Args:
            reporter: who says it, in words for a person, such as `VolumeLocator longhorn: status.conditions of
                nodes.longhorn.io longhorn-system/node-1`.
            driver: the CSI driver.
            node: the node, whether it exists or not.
            state: the state; None takes back what was said.
        """
        reports = self._reported[driver, node]
        if state is None:
            reports.pop(reporter, None)
        else:
            reports[reporter] = state
        if not reports:
            del self._reported[driver, node]
        self._settle(driver, node)

    def _settle(self, driver: str, node: str) -> None:
        state = self._annotated.get(node, _NO_STATES).get(driver) or max(
            self._reported.get((driver, node), {}).values(), key=_SEVERITY.__getitem__, default=None
        )
        if state is not None and state is not NodeStorageState.ONLINE:
            self._states[driver][node] = state
        elif driver in self._states:
            self._states[driver].pop(node, None)


def _stated(annotations: Mapping[str, str]) -> Iterable[tuple[str, NodeStorageState]]:
    for key, value in annotations.items():
        state = parse_storage_state(value).state if key.startswith(STORAGE_STATE_PREFIX) else None
        if state is not None:
            yield key.removeprefix(STORAGE_STATE_PREFIX), state
