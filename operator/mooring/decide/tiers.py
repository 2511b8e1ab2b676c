"""How near is near: the tiers between a node and a volume's replicas, and the scores they give."""

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final

from mooring.cluster.topology import Level, Topology

#: Score of the nearest level that a node shares with a usable replica, out of 100 (STORK's numbers, extender.go).
TIER_SCORES: Final[dict[Level, int]] = {Level.HOST: 100, Level.RACK: 50, Level.ZONE: 25, Level.REGION: 10}


@dataclass(frozen=True, slots=True)
class Scores:
    """A score from 0 to 100 for every node, as groups of nodes rather than as a list as long as the cluster.

    Attributes:
        groups: scores and the nodes that have them, nearest first; the first group that holds a node decides, so that
            the sets of whole zones and regions can be used as the index keeps them.
    """

    groups: tuple[tuple[float, AbstractSet[str]], ...] = ()

    def of(self, node: str) -> float:
        """The score of a node; one that is in no group has 0."""
        return next((score for score, nodes in self.groups if node in nodes), 0.0)


NO_SCORES: Final = Scores()


def tier_scores(
    replicas: AbstractSet[str], precision: Level, topology: Topology, *, halved: AbstractSet[str] = frozenset()
) -> Scores:
    """Score every node by the nearest level that it shares with a replica.

    Args:
        replicas: the nodes that hold usable data, or those of the area in which it lies.
        precision: nothing nearer than this is known, so that scores stop at this level's.
        topology: the places of nodes.
        halved: nodes that get half, because their own storage is down (STORK: StorageDown).
    """
    levels = [level for level in Level if level >= precision]
    groups: list[tuple[float, AbstractSet[str]]] = [
        (TIER_SCORES[level], replicas if level is Level.HOST else topology.mates(replicas, level)) for level in levels
    ]
    if halved:
        halves = [(score / 2, nodes & halved) for score, nodes in groups]
        groups = halves + [(score, nodes - halved) for score, nodes in groups]
    return Scores(tuple(groups))


def mean(parts: Sequence[Scores]) -> Scores:
    """The mean over the volumes of a rule."""
    if len(parts) <= 1:
        return parts[0] if parts else NO_SCORES
    nodes = frozenset[str]().union(*(members for part in parts for _, members in part.groups))
    return _grouped((sum(part.of(node) for part in parts) / len(parts), node) for node in nodes)


def _grouped(scored: Iterable[tuple[float, str]]) -> Scores:
    groups: dict[float, set[str]] = {}
    for score, node in scored:
        groups.setdefault(score, set()).add(node)
    return Scores(tuple(sorted(groups.items(), reverse=True)))
