"""The ledger's sums are those of a walk over all verdicts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring.api.conditions import VolumeLocalReason
from mooring.api.status import WorkloadAttention
from mooring.decide.locality import Locality
from mooring.reconcile.ledger import Ledger, Standing, standing

_POLICIES = ("a", "b", "c")
_VERDICTS = st.dictionaries(st.sampled_from(_POLICIES), st.sampled_from(Standing))
_STEPS = st.lists(
    st.tuples(
        st.sampled_from(["p1", "p2", "p3"]),
        _VERDICTS,
        st.sampled_from([None, Standing.LOCAL, Standing.REMOTE, Standing.UNKNOWN]),
    )
)


@given(steps=_STEPS)
def test_counts_are_those_of_the_last_verdicts(
    steps: list[tuple[str, dict[str, Standing], Standing | None]],
) -> None:
    """Whatever was said before, each pod counts as it was judged last, and only changes are announced."""
    ledger = Ledger()
    changed: set[str] = set()
    ledger.listen(changed.add)
    pods: dict[str, dict[str, Standing]] = {}
    places: dict[str, Standing | None] = {}
    for pod, verdict, place in steps:
        before = {policy: ledger.counts(policy) for policy in _POLICIES}
        changed.clear()
        ledger.record_pod(pod, verdict, place)
        pods[pod], places[pod] = verdict, place
        after = {policy: ledger.counts(policy) for policy in _POLICIES}
        assert changed == {policy for policy in _POLICIES if before[policy] != after[policy]}
    for policy in _POLICIES:
        counts = ledger.counts(policy)
        for each in Standing:
            assert getattr(counts, each) == sum(verdict.get(policy) is each for verdict in pods.values())
        assert counts.matched == counts.local + counts.remote + counts.unknown + counts.overridden
    assert ledger.localities() == {
        each: sum(place is each for place in places.values())
        for each in (Standing.LOCAL, Standing.REMOTE, Standing.UNKNOWN)
    }


def test_workloads_are_sorted_and_move_between_policies() -> None:
    """A workload is on one policy's list; both policies hear of a change, and of no change nobody does."""
    ledger = Ledger()
    heard: list[str] = []
    ledger.listen(heard.append)
    one, two = attention("one"), attention("two")

    ledger.record_workload("Deployment/shop/two", "a", two)
    ledger.record_workload("Deployment/shop/one", "a", one)
    ledger.record_workload("Deployment/shop/one", "a", one)
    assert heard == ["a", "a"]
    assert ledger.attention("a") == [one, two]
    ledger.record_workload("Deployment/shop/one", "b", one)
    assert sorted(heard[2:]) == ["a", "b"]
    assert ledger.attention("a") == [two]
    assert ledger.attention("b") == [one]
    ledger.record_workload("Deployment/shop/one", "", None)
    assert heard[4:] == ["b"]
    assert ledger.attention("b") == []


def attention(name: str) -> WorkloadAttention:
    """Give an entry for a Deployment."""
    return WorkloadAttention(kind="Deployment", namespace="shop", name=name, reason="NotLocal", message="far away")


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        (VolumeLocalReason.ALL_LOCAL, Standing.LOCAL),
        (VolumeLocalReason.PARTLY_LOCAL, Standing.REMOTE),
        (VolumeLocalReason.NOT_LOCAL, Standing.REMOTE),
        (VolumeLocalReason.NOT_SCHEDULED, Standing.UNKNOWN),
        (VolumeLocalReason.VOLUME_UNBOUND, Standing.UNKNOWN),
        (VolumeLocalReason.LOCATION_UNKNOWN, Standing.UNKNOWN),
        (VolumeLocalReason.LOCATION_COARSE, Standing.UNKNOWN),
    ],
)
def test_unknown_is_not_remote(reason: VolumeLocalReason, expected: Standing) -> None:
    """Only what is known to lie elsewhere counts as remote."""
    assert standing(Locality(reason, "")) is expected
