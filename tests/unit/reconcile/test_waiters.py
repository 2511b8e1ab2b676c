"""Pods that wait for room: a node knows whom to tell, and nobody is told in vain."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from mooring.reconcile.waiters import Waiters

_NODES = ("n1", "n2", "n3")
_WAITS = st.lists(
    st.tuples(st.sampled_from(["shop/a", "shop/b", "shop/c"]), st.lists(st.sampled_from(_NODES), max_size=4))
)


@given(waits=_WAITS)
def test_a_pod_waits_for_the_nodes_it_named_last(waits: Sequence[tuple[str, Sequence[str]]]) -> None:
    """Whatever it waited for before, and whoever else waits."""
    waiters = Waiters()
    for pod, nodes in waits:
        waiters.wait(pod, nodes)

    last = dict(waits)
    for node in (*_NODES, "ghost"):
        assert waiters.at(node) == {pod for pod, nodes in last.items() if node in nodes}
