"""Who is alive, by what its Lease said when: the arithmetic, with clocks that the tests turn."""

import datetime as dt

import pytest

from mooring.cluster.connection import ApiServer
from mooring.cluster.heartbeat import POLL_SECONDS, Heartbeat
from mooring.cluster.leases import LeaseSpec


class Clock:
    """This machine's monotonic clock, in seconds."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def monotonic(self) -> float:
        """Give the time."""
        return self.seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Give the clock that the heartbeat goes by."""
    made = Clock()
    monkeypatch.setattr("mooring.cluster.heartbeat.time", made)
    return made


@pytest.fixture
def heartbeat(clock: Clock) -> Heartbeat:
    """Give one that has not looked yet; the tests tell it what it sees."""
    del clock
    api: ApiServer = object()  # type: ignore[assignment]
    return Heartbeat(api, namespace="mooring-system", name="mooring-scheduler")


def lease(*, age: float, holder: str = "scheduler", duration: int | None = 15) -> LeaseSpec:
    """Give a Lease that was renewed some seconds ago, by the holder's wall clock."""
    renewed = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=age)
    return LeaseSpec(holder_identity=holder, lease_duration_seconds=duration, renew_time=renewed.isoformat())


def test_nobody_is_alive_before_the_first_look(heartbeat: Heartbeat) -> None:
    """What has not been looked at is not alive."""
    assert not heartbeat.alive


@pytest.mark.parametrize(
    ("age", "alive"), [(0, True), (14, True), (-14, True), (16, False), (-16, False), (1e7, False)]
)
def test_the_first_look_goes_by_the_wall_clock(heartbeat: Heartbeat, age: float, alive: bool) -> None:
    """A Lease that seems to be renewed within its duration counts; one of last year does not."""
    heartbeat._take(lease(age=age))

    assert heartbeat.alive == alive


@pytest.mark.parametrize("skew", [-3600, 0, 3600])
def test_a_change_counts_whatever_the_clocks_say(heartbeat: Heartbeat, clock: Clock, skew: float) -> None:
    """From the second look on, a renewal is one even if the other machine's clock is an hour off."""
    heartbeat._take(lease(age=skew + 2))
    clock.seconds += POLL_SECONDS
    heartbeat._take(lease(age=skew))

    assert heartbeat.alive


def test_unchanged_means_dead_after_the_duration(heartbeat: Heartbeat, clock: Clock) -> None:
    """Without a renewal it stays alive for the Lease's duration, and no longer, whether it can be read or not."""
    seen = lease(age=0, duration=20)
    heartbeat._take(seen)
    clock.seconds += 19
    heartbeat._take(seen)
    assert heartbeat.alive
    clock.seconds += 2
    assert not heartbeat.alive
    heartbeat._take(seen)
    assert not heartbeat.alive
    heartbeat._take(lease(age=0, duration=20))
    assert heartbeat.alive


@pytest.mark.parametrize(("duration", "seconds"), [(None, 15), (0, 15), (1, 2 * POLL_SECONDS), (60, 60)])
def test_how_long_a_renewal_lasts(heartbeat: Heartbeat, clock: Clock, duration: int | None, seconds: float) -> None:
    """As long as the Lease says, kube-scheduler's default where it says nothing, and never less than two looks."""
    heartbeat._take(lease(age=1e6, duration=duration))
    heartbeat._take(lease(age=0, duration=duration))

    clock.seconds += seconds - 0.1
    assert heartbeat.alive
    clock.seconds += 0.2
    assert not heartbeat.alive


def test_giving_up_ends_it_at_once(heartbeat: Heartbeat) -> None:
    """A scheduler that is shut down clears the holder: from then on nobody is alive, until somebody takes over."""
    heartbeat._take(lease(age=1))
    heartbeat._take(lease(age=0, holder=""))
    assert not heartbeat.alive
    heartbeat._take(lease(age=0, holder="another"))
    assert heartbeat.alive


def test_a_lease_nobody_ever_held_is_not_alive(heartbeat: Heartbeat) -> None:
    """An empty Lease, or one that was never renewed, says nothing."""
    heartbeat._take(LeaseSpec())
    assert not heartbeat.alive
    heartbeat._take(LeaseSpec(holder_identity="scheduler"))
    assert not heartbeat.alive
