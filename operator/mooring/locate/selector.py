"""Node selector terms, evaluated against node labels as kube-scheduler does."""

import re
from collections.abc import Mapping

from mooring.cluster.records import Expression, NodeSelector, Term
from mooring.cluster.topology import Topology

NAME_FIELD = "metadata.name"

_INTEGER = re.compile("[+-]?[0-9]+")


def nodes_of_term(term: Term, topology: Topology) -> frozenset[str]:
    """The nodes that a term selects. A term without requirements selects none (core/v1 NodeSelectorTerm)."""
    candidates: frozenset[str] | None = None
    for expression in term.match_expressions:
        if expression.operator == "In":
            # The lookup by label keeps the common case independent of the size of the cluster.
            found = frozenset[str]().union(*(topology.with_label(expression.key, v) for v in expression.values))
            candidates = found if candidates is None else candidates & found
    for field in term.match_fields:
        if field.key == NAME_FIELD and field.operator == "In":
            named = frozenset(field.values) & topology.nodes
            candidates = named if candidates is None else candidates & named
    if not term.match_expressions and not term.match_fields:
        return frozenset()
    pool = topology.nodes if candidates is None else candidates
    return frozenset(node for node in pool if matches_term(term, node, topology.labels(node)))


def matches_term(term: Term, node: str, labels: Mapping[str, str]) -> bool:
    """Whether one node satisfies every requirement of a term, and there is at least one."""
    if not term.match_expressions and not term.match_fields:
        return False
    return all(_holds(expression, labels) for expression in term.match_expressions) and all(
        _holds(field, {NAME_FIELD: node}) for field in term.match_fields
    )


def matches_selector(selector: NodeSelector, node: str, labels: Mapping[str, str]) -> bool:
    """Whether one node satisfies any term of a selector."""
    return any(matches_term(term, node, labels) for term in selector.node_selector_terms)


def _holds(expression: Expression, labels: Mapping[str, str]) -> bool:
    value = labels.get(expression.key)
    match expression.operator:
        case "In":
            return value in expression.values
        case "NotIn":
            return value not in expression.values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case "Gt" | "Lt":
            return _compares(value, expression)
        case _:
            return False


def _compares(value: str | None, expression: Expression) -> bool:
    # Python's int reads more than Go's ParseInt does: "1_0" is a label value, but no number.
    if value is None or not _INTEGER.fullmatch(value):
        return False
    if len(expression.values) != 1 or not _INTEGER.fullmatch(expression.values[0]):
        return False
    ours, bound = int(value), int(expression.values[0])
    return ours > bound if expression.operator == "Gt" else ours < bound
