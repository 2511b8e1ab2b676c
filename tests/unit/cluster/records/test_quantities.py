"""Quantities: every suffix of Kubernetes, and what is none."""

import pytest

from mooring.cluster.records import Quantity, parse_quantity
from mooring.cluster.records.quantities import parse_bytes


@pytest.mark.parametrize(
    ("quantity", "number"),
    [
        ("0", 0),
        ("1", 1),
        ("0.5", 0.5),
        ("100m", 0.1),
        ("1500m", 1.5),
        ("250u", 0.00025),
        ("5n", 5e-9),
        ("2k", 2000),
        ("3M", 3e6),
        ("4G", 4e9),
        ("5T", 5e12),
        ("6P", 6e15),
        ("7E", 7e18),
        ("1Ki", 1024),
        ("1Mi", 1024**2),
        ("1.5Gi", 1.5 * 1024**3),
        ("1Ti", 1024**4),
        ("1Pi", 1024**5),
        ("1Ei", 1024**6),
        ("1e3", 1000),
        ("1E3", 1000),
        ("12e-1", 1.2),
        (2, 2),
        (0.25, 0.25),
    ],
)
def test_quantities_are_read_in_their_base_unit(quantity: Quantity, number: float) -> None:
    """Decimal and binary suffixes, exponents, and the plain numbers that people write in YAML."""
    assert parse_quantity(quantity) == pytest.approx(number, rel=1e-12)


@pytest.mark.parametrize("quantity", ["", "m", "Gi", "lots", "1KiB", "1mi", "inf", "nan", "1e999"])
def test_what_is_no_quantity_counts_as_nothing(quantity: str) -> None:
    """The API server would refuse these; nobody should stumble over them here."""
    assert parse_quantity(quantity) == 0


@pytest.mark.parametrize(("quantity", "size"), [("8Gi", 8 * 1024**3), ("10G", 10**10), ("1500m", 2), (7, 7), ("", 0)])
def test_bytes_are_whole(quantity: Quantity, size: int) -> None:
    """A part of a byte takes a whole one, as with Go's Quantity.Value()."""
    assert parse_bytes(quantity) == size
