"""The decision: everything that Mooring thinks of a pod, computed once and rendered everywhere.

`decide` is the only function that knows what locality means. The extender, the reconciler and the command line render
its answer, so that they can never disagree.
"""

from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from enum import StrEnum

import msgspec

from mooring.api.annotations import NodeStorageState
from mooring.cluster.index import Cluster
from mooring.decide.rule import Resolution, Rule, resolve
from mooring.decide.subject import Subject
from mooring.decide.tiers import NO_SCORES, Scores, tier_groups
from mooring.decide.volumes import REFUSING_STATES, VolumeState, VolumeView, view_volumes
from mooring.locate.locator import Locator


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


class Obstacle(StrEnum):
    """Why a strict rule can be met nowhere."""

    DISJOINT = "DisjointVolumes"
    OFFLINE = "ReplicasOffline"


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What Mooring thinks of a pod now. It uses the index's own sets: render it at once, and do not keep it.

    Attributes:
        resolution: which rule holds and why; without a rule, everything below is empty.
        volumes: the pod's claims, in order.
        tests: what a node must pass, the most telling first; empty where nothing may be refused.
        scores: how good each node is, 0 to 100; all 0 where nothing is preferred.
        obstacle: why a strict rule can be met on no node at all.
        obstacle_detail: the same in a sentence.
    """

    subject: Subject
    resolution: Resolution
    volumes: tuple[VolumeView, ...] = ()
    tests: tuple[NodeTest, ...] = ()
    scores: Scores = NO_SCORES
    obstacle: Obstacle | None = None
    obstacle_detail: str = ""

    @property
    def rule(self) -> Rule | None:
        """The rule that holds, or None for no opinion."""
        return self.resolution.rule

    @property
    def selected(self) -> tuple[VolumeView, ...]:
        """The volumes about which the rule has an opinion."""
        return tuple(view for view in self.volumes if view.state is not VolumeState.NOT_SELECTED)

    @property
    def counting(self) -> tuple[VolumeView, ...]:
        """The selected volumes whose place is known; the others constrain nothing."""
        return tuple(view for view in self.volumes if view.counts)

    @property
    def near(self) -> AbstractSet[str]:
        """The nodes near every counting volume, whatever the rule's strictness; empty where none counts."""
        return intersection(view.near for view in self.counting)

    def refusals(self, node: str) -> Iterator[NodeTest]:
        """The tests that a node fails; it may run the pod if there is none."""
        return (test for test in self.tests if not test.passes(node))


def decide(subject: Subject, cluster: Cluster, locator: Locator) -> Decision:
    """Decide about a pod. Pure: the same cluster gives the same answer, in whatever order it was learnt."""
    resolution = resolve(subject, cluster)
    rule = resolution.rule
    if rule is None:
        return Decision(subject=subject, resolution=resolution)
    volumes = view_volumes(subject, rule, cluster, locator)
    counting = [view for view in volumes if view.counts]
    obstacle, detail = _obstacle(rule, counting)
    acts = rule.acts
    return Decision(
        subject=subject,
        resolution=resolution,
        volumes=volumes,
        tests=tuple(_tests(rule, volumes, cluster, detail)) if acts else (),
        scores=_scores(counting, cluster) if acts and rule.scored else NO_SCORES,
        obstacle=obstacle,
        obstacle_detail=detail,
    )


def intersection(sets: Iterable[AbstractSet[str]]) -> AbstractSet[str]:
    """What all the sets have in common; empty for no set at all."""
    first, *rest = sorted(sets, key=len) or [frozenset[str]()]
    for other in rest:
        first = first & other
    return first


def _obstacle(rule: Rule, counting: list[VolumeView]) -> tuple[Obstacle | None, str]:
    if not rule.strict or not counting:
        return None, ""
    offline = [view for view in counting if view.state is VolumeState.OFFLINE]
    if offline:
        claims = ", ".join(view.claim for view in offline)
        return Obstacle.OFFLINE, f"no node with the data of {claims} has its storage online"
    nowhere = [view for view in counting if not view.near]
    if nowhere:
        claims = ", ".join(view.claim for view in nowhere)
        return Obstacle.DISJOINT, f"no node with the data of {claims} has the label {rule.topology_key}"
    if not intersection(view.near for view in counting):
        places = "; ".join(f"{view.claim} on {some(view.near)}" for view in counting)
        return Obstacle.DISJOINT, f"the volumes have no node in common: {places}"
    return None, ""


def _tests(rule: Rule, volumes: tuple[VolumeView, ...], cluster: Cluster, obstacle: str) -> Iterator[NodeTest]:
    if obstacle:
        yield NodeTest(nodes=frozenset(), message=obstacle)
    elif rule.strict:
        for view in volumes:
            if view.counts:
                message = f"not near the data of {view.claim}, which lies on {some(view.usable)}"
                yield NodeTest(nodes=view.near, message=message)
    drivers = {view.driver for view in volumes if view.driver}
    for driver in sorted(drivers):
        yield from _driver_tests(driver, cluster)


def _driver_tests(driver: str, cluster: Cluster) -> Iterator[NodeTest]:
    """Refuse nodes on which a volume could not be used at all."""
    missing = cluster.nodes_without_driver(driver)
    if missing:
        yield NodeTest(nodes=missing, inverted=True, message=f"the driver {driver} is not registered on the node")
    refused: dict[NodeStorageState, set[str]] = {}
    for node, state in cluster.storage.states(driver).items():
        if state in REFUSING_STATES:
            refused.setdefault(state, set()).add(node)
    for state in sorted(refused):
        yield NodeTest(nodes=refused[state], inverted=True, message=f"the storage of {driver} on the node is {state}")


def _scores(counting: list[VolumeView], cluster: Cluster) -> Scores:
    volumes = []
    for view in counting:
        if view.location.precision is None:
            continue
        down = {
            node
            for node, state in cluster.storage.states(view.driver).items()
            if state is NodeStorageState.STORAGE_DOWN
        }
        volumes.append(tier_groups(view.usable, view.location.precision, cluster.topology, halved=down))
    return Scores(tuple(volumes))


def some(nodes: AbstractSet[str], *, limit: int = 3) -> str:
    """Name a few nodes and count the rest: an event has little room."""
    if not nodes:
        return "no node"
    names = sorted(nodes)
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more
