"""Label selectors, as far as they differ from node selectors, and the affinity that they are in."""

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from mooring.cluster.records import Affinity
from mooring.cluster.records.affinity import MatchLabels

_LABELS = {"app": "web", "tier": "front"}


@pytest.mark.parametrize(
    ("selector", "selects"),
    [
        ({"matchLabels": {"app": "web"}}, True),
        ({"matchLabels": _LABELS}, True),
        ({"matchLabels": {"app": "db"}}, False),
        ({"matchLabels": {"app": "web", "track": "canary"}}, False),
        ({}, True),
        ({"matchLabels": None}, True),
        ({"matchExpressions": [{"key": "app", "operator": "In", "values": ["web", "db"]}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["web"]}]}, False),
        ({"matchExpressions": [{"key": "track", "operator": "NotIn", "values": ["canary"]}]}, True),
        ({"matchLabels": {"app": "web"}, "matchExpressions": [{"key": "tier", "operator": "Exists"}]}, True),
        ({"matchLabels": {"app": "web"}, "matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}]}, False),
        ({"matchLabels": {"app": "db"}, "matchExpressions": [{"key": "tier", "operator": "Exists"}]}, False),
    ],
)
def test_a_selector_selects_what_meets_all_of_it(selector: Mapping[str, Any], *, selects: bool) -> None:
    """All labels must be there and all expressions hold; an empty selector selects everything."""
    assert msgspec.convert(selector, MatchLabels).selects(_LABELS) is selects


def test_anti_affinity_is_read_as_the_api_server_writes_it() -> None:
    """Required terms, and weighted ones with the term inside; what is not read does not matter."""
    term = {"topologyKey": "zone", "labelSelector": {"matchLabels": {"app": "web"}}, "namespaces": ["shop"]}
    manifest = {
        "podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]},
        "podAntiAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": [term],
            "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 7, "podAffinityTerm": term}],
        },
    }

    anti = msgspec.convert(manifest, Affinity).pod_anti_affinity

    assert anti is not None
    (required,), (preferred,) = anti.required, anti.preferred
    assert required == preferred.pod_affinity_term
    assert (required.topology_key, preferred.weight) == ("zone", 7)
    assert required.label_selector is not None
    assert required.label_selector.match_labels == {"app": "web"}
