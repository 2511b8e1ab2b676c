"""Node selector terms: every operator, as kube-scheduler evaluates it."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import pytest
from tests.unit.builders import need, term

from mooring.cluster.records import NodeSelector, Term
from mooring.cluster.topology import Topology
from mooring.locate.selector import matches_selector, matches_term, nodes_of_term

_LABELS = {
    "n1": {"disk": "ssd", "generation": "3"},
    "n2": {"disk": "hdd", "generation": "10"},
    "n3": {"generation": "1_0"},
    "n4": {},
}
_NAME = "metadata.name"


def _topology() -> Topology:
    topology = Topology()
    for name, labels in _LABELS.items():
        topology.put(name, labels)
    return topology


@pytest.mark.parametrize(
    ("given", "nodes"),
    [
        (term(need("disk", "In", "ssd")), "n1"),
        (term(need("disk", "In", "ssd", "hdd")), "n1 n2"),
        (term(need("disk", "In", "tape")), ""),
        (term(need("disk", "In")), ""),
        (term(need("disk", "NotIn", "ssd")), "n2 n3 n4"),
        (term(need("disk", "Exists")), "n1 n2"),
        (term(need("disk", "DoesNotExist")), "n3 n4"),
        (term(need("generation", "Gt", "3")), "n2"),
        (term(need("generation", "Gt", "2")), "n1 n2"),
        (term(need("generation", "Lt", "10")), "n1"),
        (term(need("generation", "Lt", "ten")), ""),
        (term(need("generation", "Gt")), ""),
        (term(need("generation", "Gt", "1", "2")), ""),
        (term(need("disk", "Near", "ssd")), ""),
        (term(need("disk", "Exists"), need("generation", "Gt", "5")), "n2"),
        (term(need("disk", "In", "ssd"), need("disk", "In", "hdd")), ""),
        (term(fields=[need(_NAME, "In", "n1", "n4", "ghost")]), "n1 n4"),
        (term(fields=[need(_NAME, "NotIn", "n1")]), "n2 n3 n4"),
        (term(need("disk", "Exists"), fields=[need(_NAME, "In", "n2", "n3")]), "n2"),
        (term(), ""),
    ],
)
def test_a_term_selects_what_meets_all_of_it(given: Mapping[str, Any], nodes: str) -> None:
    """Requirements are ANDed, a term without any selects nothing, and both ways of asking agree."""
    parsed = msgspec.convert(given, Term)

    assert nodes_of_term(parsed, _topology()) == set(nodes.split())
    assert {name for name, labels in _LABELS.items() if matches_term(parsed, name, labels)} == set(nodes.split())


@pytest.mark.parametrize(
    ("terms", "nodes"),
    [
        ([], ""),
        ([term(need("disk", "In", "ssd")), term(need("disk", "In", "hdd"))], "n1 n2"),
        ([term(), term(need("disk", "In", "hdd"))], "n2"),
    ],
)
def test_a_selector_selects_what_meets_any_of_its_terms(terms: Sequence[Mapping[str, Any]], nodes: str) -> None:
    """Terms are ORed; no term at all selects nothing."""
    selector = msgspec.convert({"nodeSelectorTerms": terms}, NodeSelector)

    assert {name for name, labels in _LABELS.items() if matches_selector(selector, name, labels)} == set(nodes.split())
