"""All that `newVolumes` asks of one pod's node."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from typing import Final

import msgspec

from mooring.api.new_volumes import FreeSpace, NewVolumes
from mooring.cluster.index import Cluster
from mooring.cluster.records import PersistentVolumeClaim
from mooring.decide.new_volumes.classes import class_demands
from mooring.decide.new_volumes.demand import Demand, narrow
from mooring.decide.new_volumes.room import free_room, is_measured, room_demands
from mooring.decide.new_volumes.rules import RuleReader
from mooring.decide.new_volumes.spread import selected_nodes, spread_demand
from mooring.decide.subject import Subject
from mooring.decide.tiers import Scores, VolumeScores
from mooring.locate.locator import Locator

#: How much the room on a node counts beside a volume whose place is known: as little as can be.
_ROOM_WEIGHT: Final = 0.05


class Demands(msgspec.Struct, frozen=True):
    """What is asked of a pod's node because of volumes that do not exist yet.

    Attributes:
        all: each thing that is asked, once.
        claims: the claims whose volumes are to be made.
        unmet: why no node at all will do, in words for a person; empty if one may, or if kube-scheduler can tell.
        measured: whether drivers report how much room there is for such volumes.
        fullest_first: whether nodes with little room come before those with much.
        problems: rules that cannot be read, a sentence each.
    """

    all: tuple[Demand, ...] = ()
    claims: tuple[PersistentVolumeClaim, ...] = ()
    unmet: str = ""
    measured: bool = False
    fullest_first: bool = False
    problems: tuple[str, ...] = ()

    @property
    def required(self) -> tuple[Demand, ...]:
        """Those that a node has to meet."""
        return tuple(demand for demand in self.all if demand.required)

    @property
    def preferred(self) -> tuple[Demand, ...]:
        """Those that make a node better than others."""
        return tuple(demand for demand in self.all if not demand.required)

    @property
    def are_exclusive(self) -> bool:
        """Whether other volumes, some of which may be still to be made as well, go by where these will be."""
        return any(demand.key for demand in self.required)

    @property
    def are_contended(self) -> bool:
        """Whether pods that come together compete: what one of them gets decides what is left for the others."""
        return self.measured or any(demand.passing for demand in self.required)

    @property
    def are_nameless(self) -> bool:
        """Whether something is asked now that no label tells, so that nodes have to be named."""
        return any(demand.passing and demand.nodes and not demand.expressions for demand in self.required)

    @property
    def are_fleeting(self) -> bool:
        """Whether the pod must not pass before a node is chosen: what it would be bound to may be wrong by then."""
        return self.are_exclusive or self.are_nameless

    @property
    def are_weighed(self) -> bool:
        """Whether a node has to be chosen for the pod: what only nodes' labels decide, kube-scheduler finds itself."""
        return self.measured or any(demand.passing or not demand.required for demand in self.all)

    def room_order(self, cluster: Cluster) -> Callable[[str], int]:
        """By what nodes are sorted so that those come first which the policy wants to be filled first."""
        room = free_room(self.claims, cluster)
        return room if self.fullest_first else lambda node: -room(node)

    def with_room(self, scores: Scores, cluster: Cluster) -> Scores:
        """Scores that go by room besides, where there is a choice: for a pod that nobody nominates a node for.

        The nodes that should be filled first get the most, rank by rank; it decides where nothing else does.
        """
        if not self.measured:
            return scores
        order = self.room_order(cluster)
        by_room: defaultdict[int, set[str]] = defaultdict(set)
        for node in narrow(self.all, cluster.topology.nodes):
            by_room[order(node)].add(node)
        ranks = zip(range(100, 0, -10), sorted(by_room), strict=False)
        room = VolumeScores(tuple((float(score), by_room[free]) for score, free in ranks), weight=_ROOM_WEIGHT)
        return Scores((*scores.volumes, room))


NO_DEMANDS: Final = Demands()


def read_demands(
    subject: Subject, spec: NewVolumes, claims: Sequence[PersistentVolumeClaim], cluster: Cluster, locator: Locator
) -> Demands:
    """Find what a policy asks of a pod's node because of claims without a volume, which wait for the pod."""
    if not claims:
        return NO_DEMANDS
    found: list[Demand] = []
    problems: list[str] = []
    for claim in claims:
        reader = RuleReader(claim, subject, cluster, locator)
        _add(found, reader.read(spec))
        problems += reader.problems
    _add(found, class_demands(claims, cluster))
    _add(found, room_demands(subject, claims, cluster))
    if spec.spread is not None:
        nodes = selected_nodes(subject.spec, narrow(found, cluster.topology.nodes), cluster.topology)
        spreads = (spread_demand(claim, subject, spec.spread, nodes, cluster, locator) for claim in claims)
        _add(found, [demand for demand in spreads if demand is not None])
    return Demands(
        all=tuple(found),
        claims=tuple(claims),
        unmet=_unmet(found, cluster.topology.nodes),
        measured=is_measured(claims, cluster),
        fullest_first=spec.capacity is FreeSpace.LEAST_FREE,
        problems=tuple(dict.fromkeys(problems)),
    )


def _unmet(found: Sequence[Demand], nodes: AbstractSet[str]) -> str:
    required = [demand for demand in found if demand.required]
    if narrow(required, nodes) or not any(demand.passing for demand in required):
        return ""
    hopeless = [demand for demand in required if not demand.narrow(nodes)]
    return "; ".join(demand.message for demand in hopeless or required)


def _add(found: list[Demand], more: Iterable[Demand]) -> None:
    """Add what is not asked already: claims of one pod mostly ask for the same."""
    found += [demand for demand in more if demand not in found]
