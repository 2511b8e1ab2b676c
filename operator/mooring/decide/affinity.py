"""A decision as node affinity: required terms for what is strict, or else preferred ones.

A template gets the decision's terms alone, and only where nobody else has any. A pod gets the product of them and its
own. What is wholly Mooring's is marked by a hash, so that it can be told from the rest and replaced.
"""

import hashlib
from collections.abc import Iterator, Sequence

import msgspec

from mooring.api.labels import HOSTNAME
from mooring.cluster.records import Expression, NodeAffinity, PreferredTerm, Term, to_json
from mooring.cluster.topology import Level, Topology
from mooring.decide.decision import Decision
from mooring.decide.new_volumes.demand import Demand
from mooring.decide.required import away_from_data, required_affinity
from mooring.decide.tiers import TIER_SCORES
from mooring.decide.volumes import VolumeView


class PodAffinity(msgspec.Struct, frozen=True):
    """The node affinity that a pod should have, and the hash that marks a part of it as Mooring's, if one is."""

    affinity: NodeAffinity
    mark: str | None = None


def node_affinity(decision: Decision, topology: Topology, *, by_hostname: bool = False) -> NodeAffinity | None:
    """Render a decision as the node affinity that a template without any should carry; None for nothing to add.

    States of storage are not carried: they come and go, and a template must not.
    """
    if decision.obstacle is not None:
        return None
    required = required_affinity(decision, topology, None, by_hostname=by_hostname)
    # Our part of an affinity is one list: it could not be told from somebody's otherwise.
    found = NodeAffinity(required=required, preferred=_preferred(decision, topology) if required is None else None)
    return found if found != NodeAffinity() else None


def pod_affinity(
    decision: Decision,
    topology: Topology,
    current: NodeAffinity,
    *,
    mark: str | None,
    by_hostname: bool = False,
    prefer: bool = False,
    later: bool = False,
) -> PodAffinity:
    """Render a decision for one pod, whose template may carry an answer of ours that is out of date.

    That answer is replaced by today's, and whatever else the pod asks for stays. Doing it twice changes nothing.

    Args:
        decision: about this pod.
        topology: the labels of nodes.
        current: what the pod asks for now.
        mark: the hash that the pod carries, from its template or from an earlier call.
        by_hostname: as `required_affinity` has it.
        prefer: whether a soft rule adds its preferences to the pod's own; one that is nominated needs none.
        later: whether what is required comes only when the pod is let through its gate.
    """
    ours = own_part(mark, current) or NodeAffinity()
    theirs = NodeAffinity(
        required=current.required if ours.required is None else None,
        preferred=current.preferred if ours.preferred is None else None,
    )
    required = theirs.required
    if not later:
        required = required_affinity(decision, topology, theirs.required, by_hostname=by_hostname)
    preferred = theirs.preferred
    if prefer or ours != NodeAffinity():
        wanted = _preferred(decision, topology) or ()
        preferred = (*(preferred or ()), *(term for term in wanted if term not in (preferred or ()))) or preferred
    fresh = NodeAffinity()
    if required is not None and theirs.required is None:
        fresh = NodeAffinity(required=required)
    elif preferred and not theirs.preferred:
        fresh = NodeAffinity(preferred=preferred)
    mark = fingerprint(fresh) if fresh != NodeAffinity() else None
    return PodAffinity(NodeAffinity(required=required, preferred=preferred), mark=mark)


def own_part(mark: str | None, current: NodeAffinity) -> NodeAffinity | None:
    """The part of a node affinity that is Mooring's, by the hash in `mooring.dev/affinity-hash`; None for no part."""
    for part in (NodeAffinity(required=current.required), NodeAffinity(preferred=current.preferred)):
        if mark is not None and part != NodeAffinity() and fingerprint(part) == mark:
            return part
    return None


def fingerprint(affinity: NodeAffinity) -> str:
    """A short hash of the terms, by which our own are recognised in a template whoever its fields belong to now."""
    return hashlib.sha256(msgspec.json.encode(to_json(affinity), order="sorted")).hexdigest()[:16]


def _preferred(decision: Decision, topology: Topology) -> tuple[PreferredTerm, ...] | None:
    """One term for each volume and place of a replica, nearest first; None where nothing is preferred.

    A node collects the terms of every level it shares with a replica. Each adds what its level scores above the next
    one out, so that together they add up to the node's score. A volume to stay away from adds its all or nothing.
    """
    rule = decision.rule
    if rule is None or not rule.acts:
        return None
    scored = [view for view in decision.counting if view.is_scored] if not rule.strict else []
    result = list(_wishes(decision.demands.preferred))
    for view in scored:
        for gain, term in _away(view, topology) if view.remote else _near(view, topology):
            result.append(PreferredTerm(max(1, round(gain / len(scored))), term))
    return tuple(result) or None


def _wishes(demands: Sequence[Demand]) -> Iterator[PreferredTerm]:
    """What is wished for volumes that do not exist yet, as far as labels say it; together as much as one volume."""
    total = sum(demand.weight for demand in demands)
    for demand in demands:
        if demand.expressions:
            weight = max(1, round(TIER_SCORES[Level.HOST] * demand.weight / total))
            yield PreferredTerm(weight, Term(match_expressions=demand.expressions))


def _away(view: VolumeView, topology: Topology) -> Iterator[tuple[int, Term]]:
    expression = away_from_data(view, topology)
    if expression is not None:
        yield TIER_SCORES[Level.HOST], Term(match_expressions=(expression,))


def _near(view: VolumeView, topology: Topology) -> Iterator[tuple[int, Term]]:
    for (level, gain), nodes in sorted(_gains(view, topology).items()):
        for term in _level_terms(level, nodes, topology):
            yield gain, term


def _gains(view: VolumeView, topology: Topology) -> dict[tuple[Level, int], list[str]]:
    """The replicas' nodes by level and by what sharing it gains; labels that a node lacks are no level of it."""
    gains: dict[tuple[Level, int], list[str]] = {}
    for node in sorted(view.location.nodes):
        outer = 0
        for level in sorted(Level, reverse=True):
            if view.location.precision is None or level < view.location.precision:
                continue
            if topology.place(node, level) is None:
                continue
            gains.setdefault((level, TIER_SCORES[level] - outer), []).append(node)
            outer = TIER_SCORES[level]
    return gains


def _level_terms(level: Level, nodes: list[str], topology: Topology) -> list[Term]:
    if level is Level.HOST:
        names = tuple(sorted({name for node in nodes if (name := topology.labels(node).get(HOSTNAME)) is not None}))
        return [Term(match_expressions=(Expression(HOSTNAME, "In", names),))] if names else []
    places = {place for node in nodes if (place := topology.place(node, level)) is not None}
    return [
        Term(match_expressions=tuple(Expression(key, "In", (value,)) for key, value in place))
        for place in sorted(places)
    ]
