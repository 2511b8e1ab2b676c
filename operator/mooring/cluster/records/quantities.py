"""Kubernetes quantities as numbers."""

from functools import lru_cache
from math import ceil, isfinite
from typing import Final

Quantity = str | int | float
"""The API server writes quantities as strings; people write `cpu: 2` in manifests, and it takes that too."""


@lru_cache(maxsize=65536)
def parse_quantity(quantity: Quantity) -> float:
    """Parse a Kubernetes quantity (`100m`, `2Gi`, `1e3`) into its base unit; 0 for what is not one."""
    text = str(quantity)
    suffix = next((suffix for suffix in _SUFFIXES if text.endswith(suffix)), "")
    factor = _SUFFIXES.get(suffix, 1.0)
    try:
        number = float(text.removesuffix(suffix)) * factor
    except ValueError:
        return 0.0
    return number if isfinite(number) else 0.0


def parse_bytes(quantity: Quantity) -> int:
    """Parse a quantity of storage into whole bytes, rounded up as Kubernetes does."""
    return ceil(parse_quantity(quantity))


# Two-letter suffixes come first: "Mi" must not be read as the milli or mega of anything.
_SUFFIXES: Final[dict[str, float]] = {
    **{unit: 1024.0**power for power, unit in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"), start=1)},
    "n": 1e-9,
    "u": 1e-6,
    "m": 1e-3,
    "k": 1e3,
    "M": 1e6,
    "G": 1e9,
    "T": 1e12,
    "P": 1e15,
    "E": 1e18,
}
