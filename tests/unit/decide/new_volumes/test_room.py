"""Room for all new volumes of a pod together, and slots to attach them."""

from collections.abc import Sequence
from typing import Any, Final

import pytest
from tests.unit import builders
from tests.unit.builders import DRIVER, HOSTNAME, ZONE, capacity, csi_node, storage_class
from tests.unit.decide.new_volumes.support import NAMES, decided, eligible, made, new, world

from mooring.decide.new_volumes.room import free_room, is_measured

_POD: Final = builders.pod("web", "c", "d")
_ZONE_A: Final = capacity("zone-a", "late", "10Gi", labels={ZONE: "a"})
_ON_N3: Final = capacity("on-n3", "late", "4Gi", labels={HOSTNAME: "n3"})
_SLOW: Final = storage_class("slow", "csi.other", binding="WaitForFirstConsumer")


@pytest.mark.parametrize(
    ("sizes", "pools", "nodes"),
    [
        (("6Gi", "6Gi"), [], "anywhere"),
        (("6Gi", "4Gi"), [_ZONE_A], "n1 n2"),
        (("6Gi", "6Gi"), [_ZONE_A], ""),
        (("6Gi", "6Gi"), [capacity("roomy", "late", "1Ti")], "anywhere"),
        (("2Gi", "2Gi"), [_ZONE_A, _ON_N3], "n1 n2 n3"),
        (("3Gi", "2Gi"), [_ZONE_A, _ON_N3], "n1 n2"),
        (("", ""), [_ON_N3], "anywhere"),
        (("1Gi", "1Gi"), [capacity("else", "slow", "1Ki")], "anywhere"),
    ],
)
def test_all_new_volumes_must_fit_together(sizes: tuple[str, str], pools: Sequence[Any], nodes: str) -> None:
    """Where somebody says what is free; each of them alone is what kube-scheduler asks."""
    claims = [new(name, size=size) for name, size in zip("cd", sizes, strict=True)]

    assert eligible(decided(_POD, claims, pools)) == nodes


def test_a_volume_that_is_there_takes_no_room() -> None:
    """Nor do claims of a pod that are of another class."""
    bound = [made("d", "n1"), new("c", size="9Gi")]
    other = [_SLOW, builders.claim("d", storage_class="slow", size="9Gi"), new("c", size="9Gi")]

    assert eligible(decided(_POD, bound, _ZONE_A)) == "n1 n2"
    assert eligible(decided(_POD, other, _ZONE_A)) == "n1 n2"


def test_what_is_spoken_for_is_gone() -> None:
    """But not for the pod for which it is."""
    objects = [new("c", size="6Gi"), new("d"), new("e", size="6Gi", selected="n1"), _ZONE_A]

    assert eligible(decided(_POD, objects)) == ""
    assert eligible(decided(builders.pod("late", "e"), objects)) == "n1 n2"


@pytest.mark.parametrize(
    ("limits", "objects", "nodes"),
    [
        ({}, [], "anywhere"),
        ({"n1": 1, "n2": 2}, [], "n2 n3 n4 n5 n6"),
        ({"n1": 2}, [made("e", "n1"), builders.pod("other", "e", on="n1")], "n2 n3 n4 n5 n6"),
        (dict.fromkeys(NAMES, 1), [], ""),
    ],
)
def test_all_volumes_must_be_attached(limits: dict[str, int], objects: Sequence[Any], nodes: str) -> None:
    """As far as a node has a limit for the driver; with what is attached there already."""
    registered = [csi_node(name, DRIVER, limit=limits.get(name)) for name in NAMES]

    assert eligible(decided(_POD, new("c"), new("d"), registered, objects)) == nodes


def test_volumes_that_are_there_are_attached_with_the_new_ones() -> None:
    """A limit of one is too little for both."""
    registered = [csi_node(name, DRIVER, limit=1 if name == "n1" else None) for name in NAMES]

    assert "n1" not in eligible(decided(_POD, new("c"), made("d", *NAMES), registered))
    assert eligible(decided(builders.pod("web", "c"), new("c"), registered)) == "anywhere"


def test_shortages_are_told_apart() -> None:
    """Each with its reason; where no node at all has enough, that is said as well."""
    registered = [csi_node(name, DRIVER, limit=1) for name in NAMES]
    demands = decided(_POD, new("c", size="6Gi"), new("d", size="6Gi"), _ZONE_A, registered).demands

    assert [demand.name for demand in demands.all] == ["capacity", f"attach limit of {DRIVER}"]
    assert demands.unmet == (
        "the storage has no room for all new volumes of c, d together; "
        f"{DRIVER} can attach no 2 more volumes to the node"
    )


def test_the_scarcest_class_says_how_free_a_node_is() -> None:
    """A class of which nobody says anything does not count."""
    claims = [new("c"), builders.claim("d", storage_class="slow"), builders.claim("e", storage_class="unheard-of")]
    cluster = world(_SLOW, claims, _ZONE_A, capacity("slow", "slow", "3Gi"))

    assert free_room(claims, cluster)("n1") == 3 * 1024**3
    assert free_room(claims[:1], cluster)("n1") == 10 * 1024**3
    assert free_room(claims, cluster)("n3") == 0
    assert free_room(claims[2:], cluster)("n1") == 0
    assert [is_measured([claim], cluster) for claim in claims] == [True, True, False]
