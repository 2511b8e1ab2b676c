"""A decision as node affinity: required terms for a strict rule, preferred ones for a soft rule."""

import hashlib

import msgspec

from mooring.api.labels import HOSTNAME
from mooring.cluster.records import Expression, NodeAffinity, NodeSelector, PreferredTerm, Term, to_json
from mooring.cluster.topology import Level, Topology
from mooring.decide.decision import Decision, intersection
from mooring.decide.tiers import TIER_SCORES
from mooring.decide.volumes import VolumeState, VolumeView
from mooring.locate.selector import NAME_FIELD

#: Above this many nodes a term for each would make the pod larger than it makes scheduling faster (design, section 5).
MAX_NODE_TERMS = 100


def node_affinity(decision: Decision, topology: Topology) -> NodeAffinity | None:
    """Render a decision as the node affinity that it adds to a pod that has none; None for nothing to add.

    States of storage are not carried: they come and go, and a template must not.
    """
    rule = decision.rule
    if rule is None or not rule.acts or decision.obstacle is not None:
        return None
    counting = decision.counting
    if rule.strict:
        terms = _required(counting, rule.topology_key, topology)
        return NodeAffinity(required=NodeSelector(terms)) if terms else None
    if not rule.scored:
        return None
    preferred = _preferred(counting, topology)
    return NodeAffinity(preferred=preferred) if preferred else None


def fingerprint(affinity: NodeAffinity) -> str:
    """A short hash of the terms, by which our own are recognised in a template whoever its fields belong to now."""
    return hashlib.sha256(msgspec.json.encode(to_json(affinity), order="sorted")).hexdigest()[:16]


def _required(counting: tuple[VolumeView, ...], topology_key: str, topology: Topology) -> tuple[Term, ...]:
    if not counting:
        return ()
    by_node = topology_key == HOSTNAME and all(view.state is not VolumeState.COARSE for view in counting)
    if by_node:
        nodes = intersection(view.placed for view in counting)
        if 0 < len(nodes) <= MAX_NODE_TERMS:
            # kube-scheduler looks at the named nodes only, before any filter runs, where every term has matchFields.
            fields = (Expression(NAME_FIELD, "In", (node,)) for node in sorted(nodes))
            return tuple(Term(match_fields=(field,)) for field in fields)
    expressions: list[Expression] = []
    for view in counting:
        expression = _expression(view, topology_key, topology)
        if not expression.values:
            return ()  # an area that no label describes cannot be said here; the volume's own affinity still holds
        if expression not in expressions:
            expressions.append(expression)
    return (Term(match_expressions=tuple(expressions)),)


def _expression(view: VolumeView, topology_key: str, topology: Topology) -> Expression:
    """One requirement that selects the nodes a volume may be used near to."""
    key = HOSTNAME if view.state is VolumeState.COARSE else topology_key
    if view.state is VolumeState.COARSE and view.location.precision is not None:
        area = _area_label(view, topology)
        if area is not None:
            return area
    values = {value for node in view.placed if (value := topology.labels(node).get(key)) is not None}
    return Expression(key, "In", tuple(sorted(values)))


def _area_label(view: VolumeView, topology: Topology) -> Expression | None:
    """The label that says "in this area" in one line, where one label does: the level's own."""
    level = view.location.precision
    pairs = set()
    for node in view.location.nodes:
        place = topology.place(node, level) if level is not None else None
        if place is None:
            return None
        pairs.add(place[-1])
    keys = {key for key, _ in pairs}
    if len(keys) != 1:
        return None
    key = keys.pop()
    values = {value for _, value in pairs}
    covered = frozenset[str]().union(*(topology.with_label(key, value) for value in values))
    return Expression(key, "In", tuple(sorted(values))) if covered == view.location.nodes else None


def _preferred(counting: tuple[VolumeView, ...], topology: Topology) -> tuple[PreferredTerm, ...]:
    """One term for each volume and place of a replica, nearest first.

    A node collects the terms of every level it shares with a replica. Each adds what its level scores above the next
    one out, so that together they add up to the node's score.
    """
    result: list[PreferredTerm] = []
    for view in counting:
        for (level, gain), nodes in sorted(_gains(view, topology).items()):
            weight = max(1, round(gain / len(counting)))
            result += [PreferredTerm(weight, term) for term in _level_terms(level, nodes, topology)]
    return tuple(result)


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
