"""The throttle of reports: a burst, and then so many a second."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring.reconcile import throttle
from mooring.reconcile.throttle import Throttle


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        """What it shows."""
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Give the clock by which throttles go."""
    made = Clock()
    monkeypatch.setattr(throttle, "time", made)
    return made


def test_a_burst_goes_at_once_and_the_rest_in_turn(clock: Clock) -> None:
    """Five at once, then one every tenth of a second."""
    booked = Throttle(per_second=10, burst=5)

    waits = [round(booked.book() - clock.now, 6) for _ in range(8)]

    assert waits == [0, 0, 0, 0, 0, 0.1, 0.2, 0.3]


def test_a_burst_comes_back_with_time(clock: Clock) -> None:
    """As much as has passed, and never more than the first one."""
    booked = Throttle(per_second=10, burst=5)
    for _ in range(5):
        booked.book()

    clock.now += 0.2
    assert [round(booked.book() - clock.now, 6) for _ in range(3)] == [0, 0, 0.1]
    clock.now += 3600
    assert [round(booked.book() - clock.now, 6) for _ in range(6)] == [0, 0, 0, 0, 0, 0.1]


@given(st.lists(st.floats(min_value=0, max_value=3), min_size=1, max_size=60))
def test_never_more_than_its_rate(pauses: list[float]) -> None:
    """Within any second there are no more moments than the rate and a burst, however they were asked for."""
    made, clock = Throttle(per_second=4, burst=2), Clock()
    moments = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(throttle, "time", clock)
        for pause in pauses:
            clock.now += pause
            moments.append(made.book())

    assert moments == sorted(moments)
    for first in moments:
        assert sum(first <= each < first + 1 - 1e-9 for each in moments) <= 4 + 2
