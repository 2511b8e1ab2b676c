"""Node selector terms, evaluated against node labels as kube-scheduler does."""

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet

from mooring.cluster.records import Expression, NodeSelector, Term
from mooring.cluster.topology import Topology

NAME_FIELD = "metadata.name"


def nodes_of_terms(terms: Iterable[Term], topology: Topology) -> frozenset[str]:
    """The nodes that any of some terms selects."""
    return frozenset[str]().union(*(nodes_of_term(term, topology) for term in terms))


def nodes_of_term(term: Term, topology: Topology) -> frozenset[str]:
    """The nodes that a term selects. A term without requirements selects none (core/v1 NodeSelectorTerm)."""
    if not term.match_expressions and not term.match_fields:
        return frozenset()
    nodes: AbstractSet[str] = topology.nodes
    for expression in term.match_expressions:
        nodes = nodes & _meeting(expression, topology)
    for field in term.match_fields:
        if field.key == NAME_FIELD and field.operator == "In":
            nodes = nodes & frozenset(field.values)
        else:
            nodes = {node for node in nodes if field.holds({NAME_FIELD: node})}
    return frozenset(nodes)


def matches_term(term: Term, node: str, labels: Mapping[str, str]) -> bool:
    """Whether one node satisfies every requirement of a term, and there is at least one."""
    if not term.match_expressions and not term.match_fields:
        return False
    return all(expression.holds(labels) for expression in term.match_expressions) and all(
        field.holds({NAME_FIELD: node}) for field in term.match_fields
    )


def matches_selector(selector: NodeSelector, node: str, labels: Mapping[str, str]) -> bool:
    """Whether one node satisfies any term of a selector."""
    return any(matches_term(term, node, labels) for term in selector.node_selector_terms)


def _meeting(expression: Expression, topology: Topology) -> AbstractSet[str]:
    """The nodes that meet a requirement, found by the values of its label rather than node by node."""
    match expression.operator:
        case "In":
            return _with_label(expression.key, expression.values, topology)
        case "NotIn":
            return topology.nodes - _with_label(expression.key, expression.values, topology)
        case "DoesNotExist":
            return topology.nodes - _with_label(expression.key, topology.values(expression.key), topology)
        case _:
            values = (value for value in topology.values(expression.key) if expression.holds({expression.key: value}))
            return _with_label(expression.key, values, topology)


def _with_label(key: str, values: Iterable[str], topology: Topology) -> AbstractSet[str]:
    return frozenset[str]().union(*(topology.with_label(key, value) for value in values))
