"""Which version is the newest, and where a resource lies."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring.follow.discovery import Served, newest_first


@pytest.mark.parametrize(
    "ordered",
    [
        # As in Kubernetes' own documentation of version priority.
        ["v10", "v2", "v1", "v11beta2", "v10beta3", "v3beta1", "v12alpha1", "v11alpha2"],
        ["v1-33-1", "v1-31-1", "v1-27-1", "v1-9-0"],
        ["v1beta2", "v1-100-0", "v1-2"],
        ["v1"],
        [],
    ],
)
def test_versions_are_ordered_as_kubernetes_does_or_by_their_numbers(ordered: list[str]) -> None:
    """In whichever order the API server names them."""
    shuffled = random.Random(0).sample(ordered, len(ordered))  # noqa: S311 - no secret

    assert newest_first(shuffled) == ordered


@given(st.lists(st.tuples(st.integers(0, 300), st.integers(0, 300), st.integers(0, 300)), unique=True))
def test_numbers_decide_not_letters(numbers: list[tuple[int, int, int]]) -> None:
    """Versions such as LINSTOR's, whatever their numbers."""
    versions = [f"v{major}-{minor}-{patch}" for major, minor, patch in sorted(numbers, reverse=True)]

    assert newest_first(sorted(versions)) == versions


@pytest.mark.parametrize(
    ("served", "namespace", "path"),
    [
        (Served("longhorn.io", "v1beta2", "replicas", namespaced=True), None, "/apis/longhorn.io/v1beta2/replicas"),
        (
            Served("longhorn.io", "v1beta2", "replicas", namespaced=True),
            "longhorn-system",
            "/apis/longhorn.io/v1beta2/namespaces/longhorn-system/replicas",
        ),
        (Served("", "v1", "pods", namespaced=True), "default", "/api/v1/namespaces/default/pods"),
        (Served("topolvm.io", "v1", "logicalvolumes", namespaced=False), "any", "/apis/topolvm.io/v1/logicalvolumes"),
    ],
)
def test_collections_have_their_paths(served: Served, namespace: str | None, path: str) -> None:
    """The core group has another root, and what is cluster-scoped is in no namespace."""
    assert served.path(namespace) == path


def test_a_resource_is_called_as_people_do() -> None:
    """With its group and version, or its version alone."""
    assert str(Served("longhorn.io", "v1beta2", "replicas", namespaced=True)) == "longhorn.io/v1beta2 replicas"
    assert str(Served("", "v1", "pods", namespaced=True)) == "v1 pods"
