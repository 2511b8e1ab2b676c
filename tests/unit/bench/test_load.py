"""The arithmetic of the load client, and what it takes an answer for."""

import pytest
from tests.bench import servers
from tests.bench.load import Job, Sample, percentile, run, summarize


@pytest.mark.parametrize(
    ("values", "fraction", "expected"),
    [
        ([5.0], 0.99, 5.0),
        ([3.0, 1.0, 2.0], 0.5, 2.0),
        ([1.0, 2.0, 3.0, 4.0], 0.5, 2.5),
        ([float(value) for value in range(101)], 0.99, 99.0),
        ([0.0, 10.0], 0.99, 9.9),
        ([1.0, 2.0, 9.0], 1.0, 9.0),
        ([1.0, 2.0, 9.0], 0.0, 1.0),
    ],
)
def test_percentile(values: list[float], fraction: float, expected: float) -> None:
    """A percentile lies between the two neighbours at its place, in whatever order the values came."""
    assert percentile(values, fraction) == pytest.approx(expected)


def test_no_value_has_no_percentile() -> None:
    """Without a value there is no figure: a made-up 0 would look very fast."""
    with pytest.raises(ValueError, match="no value"):
        percentile([], 0.5)


def test_rounds_are_put_together() -> None:
    """Percentiles are of all calls in milliseconds, and the rate counts the time in which calls were made."""
    rounds = [
        Sample(latencies=[0.001, 0.002], elapsed=0.5),
        Sample(latencies=[0.003, 0.004, 0.005], elapsed=0.75),
    ]
    summary = summarize(rounds)
    assert summary.p50 == pytest.approx(3.0)
    assert summary.p99 == pytest.approx(4.96)
    assert summary.per_second == pytest.approx(4.0)
    assert summary.calls == 5


@pytest.mark.parametrize(("connections", "whole"), [(1, False), (4, True)])
def test_every_call_is_made_once(connections: int, *, whole: bool) -> None:
    """All connections together make the calls of a job, and each answer is read to its end."""
    with servers.floor() as floor:
        job = Job(
            url=f"{floor.url}/100000",
            verb="filter",
            nodes=300,
            whole=whole,
            connections=connections,
            calls=20,
            seconds=30.0,
            claims=5,
        )
        sample = run(job)
    assert len(sample.latencies) == 20
    assert sample.answer_bytes > 100_000
