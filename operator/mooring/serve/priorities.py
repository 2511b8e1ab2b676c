"""Scores on the wire: Mooring's own, from 0 to 10, or STORK's numbers."""

from collections.abc import Iterable
from enum import StrEnum
from itertools import repeat
from typing import Final

from mooring.decide.stork import StorkScores
from mooring.decide.tiers import Scores, VolumeScores
from mooring.serve.names import NameList

#: What stands between one node's name and the next, by the first one's score.
_BETWEEN: Final = tuple(f'","Score":{score}}},{{"Host":"' for score in range(11))
_BEFORE: Final = '[{"Host":"'


class ScoreProfile(StrEnum):
    """Whose numbers nodes are scored with."""

    MOORING = "mooring"
    """The mean over the volumes, from 0 to 10, and 0 where there is nothing to say."""
    STORK = "stork"
    """STORK's sum over the volumes, 100 for each, and 5 where there is nothing to say."""


def wire_score(score: float) -> int:
    """A score of 0..100 on the wire's 0..10: a tenth, rounded half up, and never 0 for a node with any locality."""
    return max(1, int(score / 10 + 0.5)) if score > 0 else 0


def encode_priorities(names: NameList, scores: Scores, *, cluster_size: int) -> bytes:
    """Answer prioritize: every name with its score, in order.

    Names and what stands between them are interleaved and joined once: at 5,000 nodes this takes half the time of
    encoding an object for each (measured).

    Args:
        names: the candidates.
        scores: what the decision says of them.
        cluster_size: the number of nodes; groups as large as that are everybody's score.
    """
    candidates = names.to_list() if scores.volumes else []
    if not candidates:
        return b"[" + names.wrapped(b'{"Host":', b',"Score":0}') + b"]"
    parts = [""] * (2 * len(candidates))
    parts[::2] = candidates
    if len(scores.volumes) == 1:
        table, rest = _table(scores.volumes[0], cluster_size)
        parts[1::2] = map(table.get, candidates, repeat(rest))
    else:
        parts[1::2] = _means(candidates, scores)
    return (_BEFORE + "".join(parts).removesuffix(',{"Host":"') + "]").encode()


def encode_stork(names: NameList, scores: StorkScores) -> bytes:
    """Answer prioritize with STORK's numbers: every name with its score, in order."""
    parts = (f'{{"Host":"{name}","Score":{scores.of(name)}}}' for name in names.to_list())
    return f"[{','.join(parts)}]".encode()


def _table(scores: VolumeScores, cluster_size: int) -> tuple[dict[str, str], str]:
    """What follows each node's name, and what follows the names that are not listed."""
    inner = list(scores.groups)
    rest = scores.rest
    outermost = inner[-1][0] if inner else rest
    # The places of one level do not overlap, so that together they may be the whole cluster.
    if sum(len(nodes) for score, nodes in inner if score == outermost) == cluster_size:
        rest = outermost
        inner = [group for group in inner if group[0] != outermost]
    table: dict[str, str] = {}
    for score, nodes in reversed(inner):  # outer groups first: nearer ones overwrite them
        table.update(dict.fromkeys(nodes, _BETWEEN[wire_score(score)]))
    return table, _BETWEEN[wire_score(rest)]


def _means(candidates: Iterable[str], scores: Scores) -> list[str]:
    tables: list[tuple[dict[str, float], float]] = []
    total = sum(volume.weight for volume in scores.volumes)
    for volume in scores.volumes:
        table: dict[str, float] = {}
        for score, nodes in reversed(volume.groups):
            table.update(dict.fromkeys(nodes, score * volume.weight))
        tables.append((table, volume.rest * volume.weight))
    return [_BETWEEN[wire_score(sum(table.get(name, rest) for table, rest in tables) / total)] for name in candidates]
