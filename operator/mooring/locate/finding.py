"""From the records of one volume to the nodes that have its data."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from operator import attrgetter
from typing import Final

import msgspec

from mooring.locate.nodes import StorageNodes
from mooring.locate.records import Replica, Server
from mooring.locate.wording import Wording, listed

_NOBODY: Final[frozenset[str]] = frozenset()
#: Objects whose failed expressions are told; they mostly fail for the same reason.
_EXAMPLES: Final = 3
_UNTOLD: Final = "it is not known whether it can be used"


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """Where a locator says that a volume's data lies, before the volume's own node affinity is looked at.

    Attributes:
        nodes: the existing nodes that have a whole copy of the data, or serve it; empty where the place is unknown.
        offline: those of them whose copy cannot be used.
        source: who says so: the locator, the field and the objects.
        problem: why the place is unknown, or what is odd about it; empty when nothing is.
    """

    nodes: frozenset[str] = frozenset()
    offline: frozenset[str] = frozenset()
    source: str = ""
    problem: str = ""


def find(replicas: Sequence[Replica], servers: Sequence[Server], nodes: StorageNodes, wording: Wording) -> Finding:
    """Find where a volume's data lies: where it is served, if it is shared that way, else where its replicas are.

    Args:
        replicas: the volume's replicas, which may be none if there is a server.
        servers: who serves it, or may do so.
        nodes: turns what they call nodes into nodes.
        wording: words for the source and for problems.
    """
    served = {server.key: nodes.resolve(server.node) for server in servers}
    serving = [server for server in servers if server.usable and served[server.key]]
    problems = _problems(servers, served, wording)
    if serving:
        return Finding(
            nodes=_NOBODY.union(*(served[server.key] for server in serving)),
            source=_source(serving, nodes, wording),
            problem="; ".join(problems),
        )
    whole = [replica for replica in replicas if replica.whole]
    places = {replica.key: nodes.resolve(replica.node) for replica in whole}
    counted = [replica for replica in whole if replica.usable is not None and places[replica.key]]
    usable = _NOBODY.union(*(places[replica.key] for replica in counted if replica.usable))
    found = _NOBODY.union(*(places[replica.key] for replica in counted))
    if broken := [replica for replica in counted if not replica.usable]:
        problems.append(f"not usable: {wording.unusable(broken)}")
    problems += _problems(whole, places, wording)
    if replicas and not whole:
        problems.append(f"no whole copy of the data is known, only {wording.objects(replicas)}")
    return Finding(
        nodes=found,
        offline=found - usable,
        source=_source(counted, nodes, wording) if counted else wording.locator,
        problem="; ".join(problems),
    )


def _source(records: Sequence[Replica | Server], nodes: StorageNodes, wording: Wording) -> str:
    source = f"{wording.locator}: {wording.place(records)}"
    entries = {entry.key: entry for record in records for entry in nodes.entries(record.node)}
    if any(entry.id != entry.node for entry in entries.values()):
        return f"{source}, {wording.place(list(entries.values()))}"
    return source if nodes.label is None or entries else f"{source}, the node label {nodes.label}"


def _problems(
    records: Sequence[Replica | Server], places: Mapping[str, AbstractSet[str]], wording: Wording
) -> list[str]:
    """Why records do not count: what they say is not known, or leads to no node."""
    unknown = sorted((record for record in records if record.usable is None), key=attrgetter("key"))
    problems = [f"{wording.objects([record])}: {record.problem or _UNTOLD}" for record in unknown[:_EXAMPLES]]
    if len(unknown) > _EXAMPLES:
        problems.append(f"{len(unknown) - _EXAMPLES} more are not known either")
    astray = [record for record in records if record.usable is not None and not places[record.key]]
    if silent := [record for record in astray if not record.node]:
        problems.append(f"no node is named by {wording.objects(silent)}")
    if named := {record.node for record in astray if record.node}:
        problems.append(f"no such node: {listed(named)}")
    return problems
