"""Conditions: each reason goes with one status."""

import pytest

from mooring.api.conditions import ConditionStatus, LocatorReason, PlacementAppliedReason, VolumeLocalReason


@pytest.mark.parametrize(
    ("status", "reasons"),
    [
        ("True", {"AllLocal"}),
        ("False", {"PartlyLocal", "NotLocal"}),
        ("Unknown", {"NoPods", "NotScheduled", "VolumeUnbound", "LocationUnknown", "LocationCoarse"}),
    ],
)
def test_volume_local_is_unknown_where_nothing_was_measured(status: str, reasons: set[str]) -> None:
    """Unknown is not remote: only a measured distance is False."""
    assert {reason for reason in VolumeLocalReason if reason.status == status} == reasons


@pytest.mark.parametrize("reason", list(PlacementAppliedReason))
def test_placement_is_applied_only_when_it_was(reason: PlacementAppliedReason) -> None:
    """Every reason but Applied says why Mooring did nothing."""
    assert (reason.status is ConditionStatus.TRUE) == (reason == "Applied")


@pytest.mark.parametrize(
    ("status", "reasons"),
    [
        ("True", {"Following", "ResourceAbsent"}),
        ("False", {"NotReadable", "InvalidExpression", "Unreachable"}),
        ("Unknown", {"Reading"}),
    ],
)
def test_a_locator_is_ready_unless_something_stands_in_its_way(status: str, reasons: set[str]) -> None:
    """A driver that is not installed is nothing that anybody waits for; while it is being read nobody knows yet."""
    assert {reason for reason in LocatorReason if reason.status == status} == reasons
