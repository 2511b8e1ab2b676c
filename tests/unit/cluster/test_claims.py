"""Looking a claim up: what is no name is never part of a path."""

from typing import Any

import pytest

from mooring.cluster.claims import claim_phase
from mooring.cluster.connection import ApiError, ApiServer


class Asked(ApiServer):
    """An API server that answers every request with one status, and remembers the paths."""

    def __init__(self, status: int) -> None:
        self.status = status
        self.paths: list[str] = []

    async def send(self, method: str, path: str, **_arguments: Any) -> bytes:
        """Answer."""
        assert method == "GET"
        self.paths.append(path)
        if self.status >= 400:
            raise ApiError(self.status, "no")
        return b'{"metadata": {}, "status": {"phase": "Bound"}}'


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../../secrets/x", "a/b", "a?b", "a#b", "A", "a b", "a\n", "-a", "%2e%2e"]
)
async def test_what_is_no_name_is_not_asked_for(name: str) -> None:
    """Pods are reviewed before the API server has checked them."""
    api = Asked(200)

    assert await claim_phase(api, "shop", name) is None
    assert await claim_phase(api, name, "data") is None
    assert api.paths == []


@pytest.mark.parametrize(("status", "phase"), [(200, "Bound"), (404, None)])
async def test_there_is_one_or_there_is_none(status: int, phase: str | None) -> None:
    """The answer's status says it."""
    api = Asked(status)

    assert await claim_phase(api, "shop", "data-mysql-0.x") == phase
    assert api.paths == ["/api/v1/namespaces/shop/persistentvolumeclaims/data-mysql-0.x"]


async def test_a_refusal_is_no_answer() -> None:
    """Who may not look must not take it for a missing claim."""
    with pytest.raises(ApiError):
        await claim_phase(Asked(403), "shop", "data")
