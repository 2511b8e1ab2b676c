"""How a watched resource is named and asked for; what becomes of it, tests/e2e/follow asks a real API server."""

from typing import Any

import pytest

from mooring.api.locator import FollowedResource
from mooring.api.selectors import LabelSelector
from mooring.follow.watched import query_of, resource_name


@pytest.mark.parametrize(
    ("selector", "query"),
    [
        ({}, ""),
        ({"matchLabels": {"tier": "gold", "app": "db"}}, "app=db,tier=gold"),
        (
            {
                "matchLabels": {"app": "db"},
                "matchExpressions": [
                    {"key": "tier", "operator": "In", "values": ["gold", "silver"]},
                    {"key": "zone", "operator": "NotIn", "values": ["a"]},
                    {"key": "example.com/kept", "operator": "Exists"},
                    {"key": "gone", "operator": "DoesNotExist"},
                ],
            },
            "app=db,tier in (gold,silver),zone notin (a),example.com/kept,!gone",
        ),
    ],
)
def test_selectors_are_written_as_kubectl_does(selector: dict[str, Any], query: str) -> None:
    """All kinds of requirements."""
    assert query_of(LabelSelector.model_validate(selector, by_alias=True)) == query


@pytest.mark.parametrize(("group", "name"), [("longhorn.io", "replicas.longhorn.io"), ("", "replicas")])
def test_resources_are_named_with_their_group(group: str, name: str) -> None:
    """As in `kubectl get replicas.longhorn.io`."""
    assert resource_name(FollowedResource(group=group, resource="replicas")) == name
