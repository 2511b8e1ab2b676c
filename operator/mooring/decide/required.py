"""What is required because of where data lies, as node selector terms: alone, or added to a pod's own.

Terms are ORed, so that a requirement is added to every term there is, and is never a term of its own.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Final

from mooring.api.labels import HOSTNAME
from mooring.cluster.records import Expression, NodeSelector, Term
from mooring.cluster.topology import Level, Topology
from mooring.decide.decision import Decision, intersection
from mooring.decide.new_volumes.demand import Demand, only_in
from mooring.decide.volumes import VolumeView, is_area
from mooring.locate.location import Location
from mooring.locate.selector import NAME_FIELD, matches_term

#: Above this many nodes a term for each would make the pod larger than it makes scheduling faster (design, section 5).
MAX_NODE_TERMS: Final = 100


def required_affinity(
    decision: Decision,
    topology: Topology,
    own: NodeSelector | None,
    *,
    by_hostname: bool = False,
    chosen: str = "",
    among: Sequence[str] = (),
) -> NodeSelector | None:
    """Add to every term of a selector that nodes are near the data, or away from it, where they have to be.

    A rule that can be met nowhere is carried too: the pod waits, as under a scheduler that asks the extender.

    Args:
        decision: what to require; nothing unless its rule acts.
        topology: the labels of nodes.
        own: the terms that are there; None selects every node, while a term without requirements selects none.
        by_hostname: name nodes by their hostname label. kube-scheduler finds them faster by their names, but Karpenter
            ignores pods with matchFields and simulates the first term's matchExpressions only.
        chosen: the node that is chosen for the pod's new volumes. Where they must not come together with others, the
            pod is bound to that node's place, since kube-scheduler knows nothing of volumes that are still to be made.
        among: the nodes that the pod is bound to because no label says what is asked for; empty for no such bounds.
    """
    rule = decision.rule
    if rule is None or not rule.acts:
        return own
    near = [view for view in decision.required if not view.remote]
    away = _outside([view for view in decision.required if view.remote], topology)
    for demand in decision.demands.required:
        away = _union(away, _bound(demand, chosen, topology))
    if among:
        away = _union(away, only_in(HOSTNAME, [topology.labels(node).get(HOSTNAME, node) for node in among]))
    if not by_hostname and (product := _product(own, _named_nodes(near))):
        return _narrowed(NodeSelector(product), away)
    return _narrowed(own, _union(_inside(near, topology), away))


def away_from_data(view: VolumeView, topology: Topology) -> Expression | None:
    """The requirement that selects the nodes away from a volume's data; None where no label names the others."""
    found = _place(view, topology)
    return Expression(found.key, "NotIn", found.values) if found.values else None


def _bound(demand: Demand, chosen: str, topology: Topology) -> tuple[Expression, ...]:
    if not chosen or not demand.key:
        return demand.expressions
    value = topology.labels(chosen).get(demand.key)
    return only_in(demand.key, [value]) if value is not None else (Expression(demand.key, "DoesNotExist"),)


def _named_nodes(near: Sequence[VolumeView]) -> Sequence[str]:
    """The nodes near all volumes, where they are what is asked for, and few; else none."""
    if any(view.aim.topology_key != HOSTNAME or view.location.precision is not Level.HOST for view in near):
        return ()
    nodes = intersection(view.placed for view in near)
    return sorted(nodes) if len(nodes) <= MAX_NODE_TERMS else ()


def _narrowed(own: NodeSelector | None, expressions: tuple[Expression, ...]) -> NodeSelector | None:
    return NodeSelector(tuple(_each(own, lambda term: [_with(term, expressions)]))) if expressions else own


def _product(own: NodeSelector | None, nodes: Sequence[str]) -> tuple[Term, ...]:
    """Every term with every node that it does not exclude by name; empty where that is no term at all or too many."""
    if not nodes:
        return ()
    terms = tuple(islice(_each(own, lambda term: _on_each(term, nodes)), MAX_NODE_TERMS + 1))
    return terms if len(terms) <= MAX_NODE_TERMS else ()


def _each(own: NodeSelector | None, narrow: Callable[[Term], Iterable[Term]]) -> Iterator[Term]:
    """Narrow every term; one without requirements selects nothing, which with a requirement it might."""
    if own is None:
        yield from narrow(Term())
        return
    for term in own.node_selector_terms:
        yield from narrow(term) if term != Term() else (term,)


def _on_each(term: Term, nodes: Sequence[str]) -> Iterator[Term]:
    # kube-scheduler looks at the named nodes only, before any filter runs, where every term has matchFields.
    for node in nodes:
        if not term.match_fields or matches_term(Term(match_fields=term.match_fields), node, {}):
            name = Expression(NAME_FIELD, "In", (node,))
            yield Term(term.match_expressions, _union(term.match_fields, (name,)))


def _with(term: Term, expressions: tuple[Expression, ...]) -> Term:
    return Term(_union(term.match_expressions, expressions), term.match_fields)


def _union(there: tuple[Expression, ...], wanted: tuple[Expression, ...]) -> tuple[Expression, ...]:
    """What is there and what is wanted, each once, so that adding it again changes nothing."""
    return (*there, *(expression for expression in wanted if expression not in there))


def _outside(away: Sequence[VolumeView], topology: Topology) -> tuple[Expression, ...]:
    """What selects the nodes away from all volumes; those without the label, too, since they are near to nothing."""
    found: tuple[Expression, ...] = ()
    for view in away:
        expression = away_from_data(view, topology)
        found = _union(found, (expression,) if expression is not None else ())
    return found


def _inside(near: Sequence[VolumeView], topology: Topology) -> tuple[Expression, ...]:
    """What selects the nodes near all volumes, each volume by a requirement of its own."""
    found: tuple[Expression, ...] = ()
    for view in near:
        if view.placed:
            expression = _place(view, topology)
            # An area that no label describes cannot be said here; the volume's own affinity still holds.
            found = _union(found, (expression,) if expression.values else ())
        else:
            # No node with the data has the label, so that none is near.
            found = _union(found, only_in(view.aim.topology_key, ()))
    return found


def _place(view: VolumeView, topology: Topology) -> Expression:
    """One requirement that selects the nodes near a volume's data."""
    key = view.aim.topology_key
    if is_area(view.location, key, topology):
        if (area := _area_label(view.location, topology)) is not None:
            return area
        key = HOSTNAME
    values = {value for node in view.location.nodes if (value := topology.labels(node).get(key)) is not None}
    return Expression(key, "In", tuple(sorted(values)))


def _area_label(location: Location, topology: Topology) -> Expression | None:
    """The label that says "in this area" in one line, where one label does: the level's own.

    It goes from place to place rather than from node to node, of which an area has many.
    """
    level, rest = location.precision, location.nodes
    keys, values = set(), []
    while rest:
        place = topology.place(next(iter(rest)), level) if level is not None else None
        if place is None:
            return None
        key, value = place[-1]
        members = topology.with_label(key, value)
        if not members <= location.nodes:
            return None
        keys.add(key)
        values.append(value)
        rest -= members
    return Expression(keys.pop(), "In", tuple(sorted(values))) if len(keys) == 1 else None
