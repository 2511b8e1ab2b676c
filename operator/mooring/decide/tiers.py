"""How near is near: the tiers between a node and a volume's replicas, and the scores they give."""

from collections.abc import Set as AbstractSet
from typing import Final

import msgspec

from mooring.cluster.topology import Level, Topology

#: Score of the nearest level that a node shares with a usable replica, out of 100 (STORK's numbers, extender.go).
TIER_SCORES: Final[dict[Level, int]] = {Level.HOST: 100, Level.RACK: 50, Level.ZONE: 25, Level.REGION: 10}


#: A score and nodes that have it.
Group = tuple[float, AbstractSet[str]]


class Scores(msgspec.Struct, frozen=True):
    """A score from 0 to 100 for every node, as groups of nodes rather than as a list as long as the cluster.

    Attributes:
        volumes: for each volume its groups, nearest first; the first that holds a node decides, so that the sets of
            whole zones and regions are used as the index keeps them. A node's score is the mean over the volumes.
    """

    volumes: tuple[tuple[Group, ...], ...] = ()

    def of(self, node: str) -> float:
        """The score of a node; one that is in no group has 0."""
        found = [next((score for score, nodes in groups if node in nodes), 0.0) for groups in self.volumes]
        return sum(found) / len(found) if found else 0.0


NO_SCORES: Final = Scores()


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
