"""The decision: everything that Mooring thinks of a pod, computed once and rendered everywhere.

`decide` is the only function that knows what locality means. The extender, the reconciler and the command line render
its answer, so that they can never disagree.
"""

from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from enum import StrEnum

import msgspec

from mooring.api.annotations import NodeStorageState
from mooring.cluster.index import Cluster
from mooring.cluster.topology import Level
from mooring.decide.filter import NodeTest, node_tests, some
from mooring.decide.new_volumes.demands import NO_DEMANDS, Demands, read_demands
from mooring.decide.rule import Resolution, Rule, claim_of, resolve
from mooring.decide.subject import Subject
from mooring.decide.tiers import NO_SCORES, Scores, VolumeScores, away_from, tier_groups, wish_scores
from mooring.decide.volumes import VolumeState, VolumeView, view_volumes
from mooring.locate.locator import Locator


class Obstacle(StrEnum):
    """Why a strict rule can be met nowhere."""

    DISJOINT = "DisjointVolumes"
    OFFLINE = "ReplicasOffline"


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What Mooring thinks of a pod now. It uses the index's own sets: render it at once, and do not keep it.

    Attributes:
        resolution: which rule holds and why; without a rule, everything below is empty.
        volumes: the pod's claims, in order.
        demands: what is asked of the node because of volumes that are made once the pod has it.
        tests: what a node must pass, the most telling first; empty where nothing may be refused.
        scores: how good each node is, 0 to 100; all 0 where nothing is preferred.
        obstacle: why a strict rule can be met on no node at all.
        obstacle_detail: the same in a sentence.
    """

    subject: Subject
    resolution: Resolution
    volumes: tuple[VolumeView, ...] = ()
    demands: Demands = NO_DEMANDS
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
    def required(self) -> tuple[VolumeView, ...]:
        """The volumes because of whose place nodes are refused."""
        return tuple(view for view in self.volumes if view.is_required)

    @property
    def awaited(self) -> tuple[VolumeView, ...]:
        """The volumes that a pod has to wait for before it can be placed."""
        return tuple(view for view in self.volumes if view.awaited)

    @property
    def drawing(self) -> tuple[VolumeView, ...]:
        """The volumes that draw the pod to nodes which kube-scheduler would not find by itself."""
        return tuple(view for view in self.volumes if view.draws)

    @property
    def problems(self) -> tuple[str, ...]:
        """What is wrong with the words that the pod and its volumes go by, a sentence each."""
        of_volumes = (problem for view in self.volumes for problem in view.wishes.problems)
        return tuple(dict.fromkeys((*self.resolution.problems, *of_volumes, *self.demands.problems)))

    @property
    def near(self) -> AbstractSet[str]:
        """The nodes where all data is that the pod should be near, whatever the rule's strictness.

        Not those that another volume keeps it away from; empty where it should be near to nothing.
        """
        near = intersection(view.near for view in self.counting if not view.remote)
        for view in self.required:
            if view.remote:
                near = near - view.near
        return near

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
    obstacle, detail = _obstacle([view for view in volumes if view.is_required and not view.remote])
    demands = _demands(subject, rule, volumes, cluster, locator)
    acts = rule.acts
    return Decision(
        subject=subject,
        resolution=resolution,
        volumes=volumes,
        demands=demands,
        tests=(*_demand_tests(demands), *node_tests(volumes, cluster, obstacle=detail)) if acts else (),
        scores=_scores(volumes, demands, cluster) if acts else NO_SCORES,
        obstacle=obstacle,
        obstacle_detail=detail,
    )


def intersection(sets: Iterable[AbstractSet[str]]) -> AbstractSet[str]:
    """What all the sets have in common; empty for no set at all."""
    first, *rest = sorted(sets, key=len) or [frozenset[str]()]
    for other in rest:
        first = first & other
    return first


def _obstacle(required: Sequence[VolumeView]) -> tuple[Obstacle | None, str]:
    """Why no node is near all volumes that have to be near."""
    if not required:
        return None, ""
    offline = [view for view in required if view.state is VolumeState.OFFLINE]
    if offline:
        claims = ", ".join(view.claim for view in offline)
        return Obstacle.OFFLINE, f"no node with the data of {claims} has its storage online"
    nowhere = [view for view in required if not view.near]
    if nowhere:
        claims = ", ".join(view.claim for view in nowhere)
        return Obstacle.DISJOINT, f"no node with the data of {claims} has the label {nowhere[0].aim.topology_key}"
    if not intersection(view.near for view in required):
        places = "; ".join(f"{view.claim} on {some(view.near)}" for view in required)
        return Obstacle.DISJOINT, f"the volumes have no node in common: {places}"
    return None, ""


def _demands(
    subject: Subject, rule: Rule, volumes: Sequence[VolumeView], cluster: Cluster, locator: Locator
) -> Demands:
    """What is asked because of new volumes: of a pod only, for those of a template are not known yet."""
    if rule.new_volumes is None or subject.kind != "Pod" or subject.spec.node_name:
        return NO_DEMANDS
    claims = (claim_of(subject, view.claim, cluster) for view in volumes if view.is_new)
    return read_demands(subject, rule.new_volumes, [claim for claim in claims if claim is not None], cluster, locator)


def _demand_tests(demands: Demands) -> Iterator[NodeTest]:
    for demand in demands.required:
        yield NodeTest(nodes=demand.nodes, inverted=demand.inverted, message=demand.message)


def _scores(volumes: Sequence[VolumeView], demands: Demands, cluster: Cluster) -> Scores:
    """What the volumes make of nodes: one that exists counts as much as all wishes for new ones together."""
    of_volumes = (
        away_from(view.near) if view.remote else _tiers(view, view.location.precision, cluster)
        for view in volumes
        if view.is_scored and view.location.precision is not None
    )
    wishes = demands.preferred
    total = sum(demand.weight for demand in wishes)
    return Scores((*of_volumes, *(wish_scores(each.nodes, each.inverted, each.weight / total) for each in wishes)))


def _tiers(view: VolumeView, precision: Level, cluster: Cluster) -> VolumeScores:
    states = cluster.storage.states(view.driver)
    down = {node for node, state in states.items() if state is NodeStorageState.STORAGE_DOWN}
    return VolumeScores(tier_groups(view.usable, precision, cluster.topology, halved=down))
