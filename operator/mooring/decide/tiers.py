"""How near is near: the tiers between a node and a volume's replicas, and the scores they give."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final

from mooring.cluster.topology import Level, Topology

#: Score of the nearest level that a node shares with a usable replica, out of 100 (STORK's numbers, extender.go).
TIER_SCORES: Final[dict[Level, int]] = {Level.HOST: 100, Level.RACK: 50, Level.ZONE: 25, Level.REGION: 10}


@dataclass(frozen=True, slots=True)
class Scores:
    """A score from 0 to 100 for every node: a default and the exceptions, never a list as long as the cluster."""

    exceptions: Mapping[str, float]
    default: float = 0.0

    def of(self, node: str) -> float:
        """The score of a node."""
        return self.exceptions.get(node, self.default)


NO_SCORES: Final = Scores({})


def tier_scores(replicas: AbstractSet[str], precision: Level, topology: Topology) -> dict[str, int]:
    """Score every node that shares a level with a replica; the others have 0 and are not listed.

    Args:
        replicas: the nodes that hold usable data, or those of the area in which it lies.
        precision: nothing nearer than this is known, so that scores stop at this level's.
        topology: the places of nodes.
    """
    scores: dict[str, int] = {}
    # Outermost first: each nearer level overwrites the one around it, all at the speed of dict.update.
    for level in (Level.REGION, Level.ZONE, Level.RACK):
        if level >= precision:
            scores.update(dict.fromkeys(topology.mates(replicas, level), TIER_SCORES[level]))
    if precision is Level.HOST:
        scores.update(dict.fromkeys(replicas, TIER_SCORES[Level.HOST]))
    return scores


def halve(scores: dict[str, int], nodes: AbstractSet[str]) -> dict[str, float]:
    """Halve the scores of nodes whose own storage is down (STORK: StorageDown)."""
    return {**scores, **{node: scores[node] / 2 for node in nodes & scores.keys()}}


def mean(parts: Sequence[Mapping[str, float]]) -> Scores:
    """The mean over the volumes of a rule; a node that a volume does not list has 0 from it."""
    if not parts:
        return NO_SCORES
    if len(parts) == 1:
        return Scores(parts[0])
    totals: dict[str, float] = {}
    for part in parts:
        for node, score in part.items():
            totals[node] = totals.get(node, 0) + score
    return Scores({node: total / len(parts) for node, total in totals.items()})
