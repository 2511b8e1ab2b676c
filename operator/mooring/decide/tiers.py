"""How near is near: the tiers between a node and a volume's replicas, and the scores they give."""

from collections.abc import Set as AbstractSet
from typing import Final

import msgspec

from mooring.cluster.topology import Level, Topology

#: Score of the nearest level that a node shares with a usable replica, out of 100 (STORK's numbers, extender.go).
TIER_SCORES: Final[dict[Level, int]] = {Level.HOST: 100, Level.RACK: 50, Level.ZONE: 25, Level.REGION: 10}


#: A score and nodes that have it.
Group = tuple[float, AbstractSet[str]]


class VolumeScores(msgspec.Struct, frozen=True):
    """What one volume makes of each node, from 0 to 100.

    Attributes:
        groups: scores and the nodes that have them, nearest first; the first group that holds a node decides, so that
            the sets of whole zones and regions are used as the index keeps them.
        rest: the score of all other nodes.
        weight: how much it counts beside the others.
    """

    groups: tuple[Group, ...] = ()
    rest: float = 0.0
    weight: float = 1.0

    def of(self, node: str) -> float:
        """The score of a node."""
        return next((score for score, nodes in self.groups if node in nodes), self.rest)


class Scores(msgspec.Struct, frozen=True):
    """A score from 0 to 100 for every node, as groups of nodes rather than as a list as long as the cluster.

    Attributes:
        volumes: what each volume makes of the nodes; a node's score is the mean over them, by weight.
    """

    volumes: tuple[VolumeScores, ...] = ()

    def of(self, node: str) -> float:
        """The score of a node; 0 where no volume says anything."""
        total = sum(each.weight for each in self.volumes)
        return sum(each.weight * each.of(node) for each in self.volumes) / total if total else 0.0


NO_SCORES: Final = Scores()


def away_from(nodes: AbstractSet[str]) -> VolumeScores:
    """Nothing for some nodes, everything for all others."""
    return VolumeScores(((0.0, nodes),), rest=TIER_SCORES[Level.HOST])


def wish_scores(nodes: AbstractSet[str], inverted: bool, weight: float) -> VolumeScores:
    """Everything for some nodes and nothing for all others, or with `inverted` the other way round."""
    full = float(TIER_SCORES[Level.HOST])
    inside, outside = (0.0, full) if inverted else (full, 0.0)
    return VolumeScores(((inside, nodes),), rest=outside, weight=weight)


def tier_groups(
    replicas: AbstractSet[str], precision: Level, topology: Topology, *, halved: AbstractSet[str] = frozenset()
) -> tuple[Group, ...]:
    """Group the nodes by the nearest level that each shares with a replica.

    Args:
        replicas: the nodes that hold usable data, or those of the area in which it lies.
        precision: nothing nearer than this is known, so that scores stop at this level's.
        topology: the places of nodes.
        halved: nodes that get half, because their own storage is down (STORK: StorageDown).
    """
    groups: list[Group] = [(TIER_SCORES[Level.HOST], replicas)] if precision is Level.HOST else []
    for level in (Level.RACK, Level.ZONE, Level.REGION):
        if level >= precision:
            groups += [(TIER_SCORES[level], mates) for mates in topology.mates(replicas, level)]
    halves = [(score / 2, nodes & halved) for score, nodes in groups] if halved else []
    return (*halves, *groups)
