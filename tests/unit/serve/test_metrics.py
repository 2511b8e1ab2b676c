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
