"""One demand, and several together."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring.cluster.records import Expression, Term
from mooring.decide.new_volumes.demand import Demand, narrow, only_in
from mooring.locate.selector import matches_term

_NAMES = frozenset({"n1", "n2", "n3"})


def _demand(*nodes: str, inverted: bool = False, required: bool = True) -> Demand:
    return Demand(name="x", required=required, nodes=frozenset(nodes), inverted=inverted, message="no")


@pytest.mark.parametrize(
    ("demands", "left"),
    [
        ([], _NAMES),
        ([_demand("n1", "n2")], {"n1", "n2"}),
        ([_demand("n1", "n2", inverted=True)], {"n3"}),
        ([_demand("n1", "n2"), _demand("n1", inverted=True)], {"n2"}),
        ([_demand()], set()),
        ([_demand(inverted=True)], _NAMES),
        ([_demand("n1", required=False), _demand("n9", "n2")], {"n2"}),
    ],
)
def test_what_is_required_narrows(demands: Sequence[Demand], left: set[str]) -> None:
    """Wishes do not, and nothing is added."""
    assert narrow(demands, _NAMES) == left


@given(values=st.sets(st.sampled_from("abc")), label=st.none() | st.sampled_from("abc"))
def test_a_label_is_within_values(values: set[str], label: str | None) -> None:
    """Said so that the API server takes it, which refuses an empty list."""
    found = only_in("zone", values)

    assert all(isinstance(each, Expression) and (each.values or each.operator != "In") for each in found)
    assert matches_term(Term(match_expressions=found), "n1", {"zone": label} if label else {}) is (label in values)
