"""What a node must pass so that a pod may run on it: the data first, then the storage that it is used through."""

from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet

import msgspec

from mooring.api.annotations import UNSCHEDULABLE, NodeStorageState
from mooring.cluster.index import Cluster
from mooring.decide.volumes import REFUSING_STATES, VolumeState, VolumeView


class NodeTest(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that a node must pass.

    Attributes:
        nodes: the nodes that pass, or with `inverted` the nodes that fail; whichever is the shorter list.
        message: why the others are refused, in words that fit into a pod's event.
    """

    nodes: AbstractSet[str]
    message: str
    inverted: bool = False

    def passes(self, node: str) -> bool:
        """Whether a node passes."""
        return (node in self.nodes) is not self.inverted


def node_tests(volumes: Sequence[VolumeView], cluster: Cluster, *, obstacle: str) -> Iterator[NodeTest]:
    """What a node must pass under a rule that acts.

    Args:
        volumes: the pod's, seen through the rule.
        cluster: what is known of nodes.
        obstacle: why no node at all can meet the rule; empty if one may.
    """
    for view in volumes:
        if view.wishes.restoring:
            yield NodeTest(nodes=frozenset(), message=f"a restore of {view.claim} is in progress")
    if obstacle:
        yield NodeTest(nodes=frozenset(), message=obstacle)
    for view in volumes:
        if view.is_required and view.remote:
            message = f"near the data of {view.claim}, away from which it is to be used"
            yield NodeTest(nodes=view.near, inverted=True, message=message)
        elif view.is_required and not obstacle:
            message = f"not near the data of {view.claim}, which lies on {some(view.usable)}"
            yield NodeTest(nodes=view.near, message=message)
    yield from storage_tests(volumes, cluster)
    if cluster.storage.closed and any(view.state is not VolumeState.NOT_SELECTED for view in volumes):
        spellings = " or ".join(UNSCHEDULABLE.spellings)
        message = f"the node takes no pods with volumes (annotation {spellings})"
        yield NodeTest(nodes=cluster.storage.closed, inverted=True, message=message)


def storage_tests(volumes: Iterable[VolumeView], cluster: Cluster) -> Iterator[NodeTest]:
    """Refuse nodes on which a volume could not be used at all."""
    for driver in sorted({view.driver for view in volumes if view.driver}):
        yield from driver_tests(driver, cluster)


def driver_tests(driver: str, cluster: Cluster) -> Iterator[NodeTest]:
    """Refuse nodes on which no volume of a driver could be used; each test names the nodes that fail."""
    missing = cluster.nodes_without_driver(driver)
    if missing:
        yield NodeTest(nodes=missing, inverted=True, message=f"the driver {driver} is not registered on the node")
    refused: dict[NodeStorageState, set[str]] = {}
    for node, state in cluster.storage.states(driver).items():
        if state in REFUSING_STATES:
            refused.setdefault(state, set()).add(node)
    for state in sorted(refused):
        message = f"the storage of {driver} on the node is {state}"
        yield NodeTest(nodes=refused[state], inverted=True, message=message)


def some(nodes: AbstractSet[str], *, limit: int = 3) -> str:
    """Name a few nodes and count the rest: an event has little room."""
    if not nodes:
        return "no node"
    names = sorted(nodes)
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more
