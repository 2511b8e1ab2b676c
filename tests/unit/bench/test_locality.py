"""What a row of the comparison says of its bursts."""

from tests.bench.locality import Burst, LocalityRow


def burst(*, bound: int, local: int, per_second: float, requests: dict[str, float] | None = None) -> Burst:
    """Give a burst of ten pods."""
    return Burst(created=10, bound=bound, local=local, per_second=per_second, to_bound=1.0, requests=requests or {})


def test_a_share_is_of_all_that_were_created() -> None:
    """A pod that came to no node came to no data either, and is told of."""
    row = LocalityRow(
        way="any",
        nodes=1,
        bursts=[burst(bound=10, local=10, per_second=1.0), burst(bound=8, local=5, per_second=1.0)],
    )

    assert row.share == 0.75
    assert row.unbound == 2


def test_the_typical_figure_is_the_median() -> None:
    """One slow round does not change it."""
    bursts = [burst(bound=10, local=10, per_second=rate) for rate in (100.0, 3.0, 102.0)]

    assert LocalityRow(way="any", nodes=1, bursts=bursts).typical("per_second") == 100.0


def test_requests_are_counted_by_user() -> None:
    """Mooring's own are a part of all."""
    found = burst(bound=10, local=10, per_second=1.0, requests={"mooring": 2.0, "admin": 1.0, "kwok": 1.5})

    assert found.own_requests == 2.0
    assert found.all_requests == 4.5
    assert burst(bound=10, local=10, per_second=1.0).own_requests == 0.0
