"""When an API is asked, on a clock that runs as fast as the test."""

import asyncio
import itertools
import selectors
from collections.abc import Awaitable, Callable

import pytest

from mooring.follow.poller import FIRST_PAUSE, LONGEST_PAUSE, NEWS_PAUSE, Poller
from mooring.follow.rest import RestError

INTERVAL = 30.0


class _Clock(selectors.DefaultSelector):
    """Waits for nothing: when the loop would wait, that much time has passed."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.now += timeout or 0.0
        return super().select(0)


class Asked:
    """An API that takes some time to answer, or fails, and notes when it was asked."""

    def __init__(self, *, takes: float = 0.0) -> None:
        self.everything: list[float] = []
        self.news: list[float] = []
        self.failures: list[str] = []
        self.fails = False
        self.poller = Poller(
            interval=INTERVAL,
            everything=self._note(self.everything),
            news=self._note(self.news),
            on_failure=lambda error: self.failures.append(str(error)),
        )
        self._takes = takes
        self._busy = False

    def _note(self, times: list[float]) -> Callable[[], Awaitable[None]]:
        async def ask() -> None:
            assert not self._busy, "asked twice at once"
            self._busy = True
            times.append(asyncio.get_running_loop().time())
            await asyncio.sleep(self._takes)
            self._busy = False
            if self.fails:
                raise RestError("down")

        return ask


def _run(asked: Asked, seconds: float, *, then: Callable[[], Awaitable[None]] | None = None) -> None:
    """Let it be asked for so long; `then` happens meanwhile."""
    clock = _Clock()
    loop = asyncio.SelectorEventLoop(clock)
    loop.time = lambda: clock.now  # type: ignore[method-assign]

    async def main() -> None:
        meanwhile = asyncio.ensure_future(then()) if then is not None else None
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asked.poller.run(), seconds)
        if meanwhile is not None:
            await meanwhile

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(main())


def _gaps(times: list[float]) -> list[float]:
    return [later - earlier for earlier, later in itertools.pairwise(times)]


def test_everything_is_asked_at_an_interval() -> None:
    """The interval begins with the answer, a slow API is not asked all the time, and replicas do not keep step."""
    asked = Asked(takes=20.0)

    _run(asked, 1000.0)

    gaps = _gaps(asked.everything)
    assert all(20.0 + 0.9 * INTERVAL <= gap <= 20.0 + 1.1 * INTERVAL for gap in gaps)
    assert len(set(gaps)) > 1
    assert not asked.news
    assert not asked.failures


def test_failures_are_retried_ever_later() -> None:
    """The pause doubles from a second to a minute, however long it lasts."""
    asked = Asked()
    asked.fails = True

    _run(asked, 600.0)

    gaps = _gaps(asked.everything)
    assert gaps[0] == pytest.approx(FIRST_PAUSE, rel=0.11)
    assert all(later >= min(earlier * 1.6, LONGEST_PAUSE * 0.9) for earlier, later in itertools.pairwise(gaps))
    assert max(gaps) <= LONGEST_PAUSE * 1.1
    assert len(asked.failures) == len(asked.everything)


def test_an_answer_ends_the_pauses() -> None:
    """Once it answers again, it is asked at the interval, and the next failure is retried soon."""
    asked = Asked()
    asked.fails = True

    async def fail_again_later() -> None:
        await asyncio.sleep(100.0)
        asked.fails = False
        await asyncio.sleep(150.0)
        asked.fails = True

    _run(asked, 320.0, then=fail_again_later)

    failing_again = [time for time in asked.everything if time > 250.0]
    assert _gaps(failing_again)[0] == pytest.approx(FIRST_PAUSE, rel=0.11)


def test_news_is_asked_about_soon_and_together() -> None:
    """What comes within a moment is asked about once, right after that moment."""
    asked = Asked()

    async def tell() -> None:
        await asyncio.sleep(5.0)
        for _ in range(10):
            asked.poller.tell()
            await asyncio.sleep(NEWS_PAUSE / 100)

    _run(asked, 20.0, then=tell)

    assert asked.news == [pytest.approx(5.0 + NEWS_PAUSE)]
    assert asked.everything == [0.0]


def test_news_does_not_put_everything_off() -> None:
    """However often there is something new, all the rest is asked about at the interval."""
    asked = Asked()

    async def tell() -> None:
        for _ in range(90):
            asked.poller.tell()
            await asyncio.sleep(1.0)

    _run(asked, 90.0, then=tell)

    assert len(asked.news) > 50
    assert max(_gaps(asked.everything)) <= INTERVAL * 1.1 + NEWS_PAUSE


def test_news_waits_while_asking_fails() -> None:
    """An API that is down is not asked more often because there is something new."""
    asked = Asked()
    asked.fails = True

    async def tell() -> None:
        for _ in range(100):
            asked.poller.tell()
            await asyncio.sleep(1.0)

    _run(asked, 100.0, then=tell)

    assert not asked.news
    assert len(asked.everything) < 10


def test_failing_news_is_a_failure_too() -> None:
    """News that cannot be asked about is retried with everything else, ever later."""
    asked = Asked()

    async def break_it() -> None:
        await asyncio.sleep(1.0)
        asked.fails = True
        asked.poller.tell()

    _run(asked, 10.0, then=break_it)

    assert len(asked.news) == 1
    assert asked.failures[0] == "down"
    assert asked.everything[1] == pytest.approx(1.0 + NEWS_PAUSE + FIRST_PAUSE, rel=0.11)
