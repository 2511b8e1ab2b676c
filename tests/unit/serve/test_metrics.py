"""Metrics, as Prometheus reads them."""

import pytest

from mooring.serve.metrics import Metrics


@pytest.mark.parametrize("outcome", ["nominated", "placed", "free"])
def test_pods_that_are_let_through_are_timed_by_how(outcome: str) -> None:
    """From milliseconds, which is the aim, to minutes, which a claim may take."""
    metrics = Metrics()

    metrics.observe_gate(outcome, 0.003)
    metrics.observe_gate(outcome, 200.0)

    lines = metrics.render().decode().splitlines()
    name = "mooring_gate_duration_seconds"
    assert f'{name}_count{{outcome="{outcome}"}} 2.0' in lines
    assert f'{name}_sum{{outcome="{outcome}"}} 200.003' in lines
    assert f'{name}_bucket{{le="30.0",outcome="{outcome}"}} 1.0' in lines
    assert f'{name}_bucket{{le="300.0",outcome="{outcome}"}} 2.0' in lines


def test_a_kind_that_is_followed_twice_is_as_old_as_the_oldest() -> None:
    """Two locators may read one resource; the ages are asked for each time metrics are read."""
    metrics = Metrics()
    ages = [("Pod", 1.0), ("replicas.longhorn.io", 2.0), ("replicas.longhorn.io", 7.0)]
    metrics.watch_sync_age(lambda: ages)

    def told() -> list[str]:
        return [line for line in metrics.render().decode().splitlines() if line.startswith("mooring_sync_age")]

    assert told() == [
        'mooring_sync_age_seconds{kind="Pod"} 1.0',
        'mooring_sync_age_seconds{kind="replicas.longhorn.io"} 7.0',
    ]
    ages.pop()
    assert told()[1].endswith(" 2.0")


def test_replicas_are_counted_by_locator_and_state() -> None:
    """A locator that is gone leaves no figures behind."""
    metrics = Metrics()
    counts = {"longhorn": {"usable": 3, "unknown": 1}}
    metrics.watch_locators(counts.items)

    assert 'mooring_locator_replicas{locator="longhorn",state="usable"} 3.0' in metrics.render().decode()
    counts.clear()
    assert 'locator="longhorn"' not in metrics.render().decode()
