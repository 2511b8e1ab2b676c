"""The measured fact, for one pod and for many."""

from collections.abc import Sequence
from typing import Any

import pytest
from tests.unit.builders import DRIVER, ZONE, claim, data, decision_on, in_zones, node, on_hosts, pod, soft, volume
from tests.unit.worlds import SHARED

from mooring.api.conditions import ConditionStatus, ObjectCondition, VolumeLocalReason
from mooring.decide.locality import Locality, measure, summarize

_NODES = [node("a1", zone="a"), node("a2", zone="a"), node("b1", zone="b")]
_ON_A1 = data("c1", on_hosts("a1"))
_OFFLINE = node("a1", zone="a", states={DRIVER: "Offline"})


@pytest.mark.parametrize(
    ("on", "objects", "rule", "reason", "message"),
    [
        ("", [_ON_A1], soft(), "NotScheduled", "the pod is not scheduled"),
        ("a1", [_ON_A1], soft(), "AllLocal", "a1 is near the data of c1"),
        ("a2", [_ON_A1], soft(), "NotLocal", "the data of c1 lies on a1, not near a2"),
        ("a2", [_ON_A1], soft(topologyKey=ZONE), "AllLocal", "a2 is near the data of c1"),
        ("b1", [_ON_A1], soft(topologyKey=ZONE), "NotLocal", "the data of c1 lies on a1, not near b1"),
        ("ghost", [_ON_A1], soft(), "NotLocal", "the data of c1 lies on a1, not near ghost"),
        ("a1", [_ON_A1, data("c2", on_hosts("a1"))], soft(), "AllLocal", "a1 is near the data of c1, c2"),
        (
            "a1",
            [_ON_A1, data("c2", on_hosts("b1"))],
            soft(),
            "PartlyLocal",
            "the data of c2 lies on b1, not near a1",
        ),
        (
            "a2",
            [_ON_A1, data("c2", on_hosts("b1"))],
            soft(),
            "NotLocal",
            "the data of c1 lies on a1, not near a2; the data of c2 lies on b1, not near a2",
        ),
        # Remote is a fact, unknown is the lack of one.
        ("a2", [_ON_A1, claim("c2")], soft(), "NotLocal", "the data of c1 lies on a1, not near a2"),
        ("a1", [_ON_A1, claim("c2")], soft(), "VolumeUnbound", "c2: the claim is not bound"),
        ("a1", [_ON_A1, claim("c2", "pv")], soft(), "LocationUnknown", "c2: the volume does not exist"),
        ("a1", [data("c1", in_zones("a"))], soft(), "LocationCoarse", "the place of c1 is known only to the zone"),
        ("b1", [data("c1", in_zones("a"))], soft(), "NotLocal", "the data of c1 lies on a1, a2, not near b1"),
        ("a1", [data("c1", in_zones("a"))], soft(topologyKey=ZONE), "AllLocal", "a1 is near the data of c1"),
        # Data that cannot be read is near to nobody.
        ("a1", [_ON_A1, _OFFLINE], soft(), "NotLocal", "the data of c1 is on a1, where no storage is online"),
        # Claims that do not count do not count here either.
        (
            "a1",
            [_ON_A1, claim("c2", "v2"), volume("v2", on_hosts("b1"), driver="nfs")],
            soft(volumeSelector={"drivers": [DRIVER]}),
            "AllLocal",
            "a1 is near the data of c1",
        ),
    ],
)
def test_a_pod_is_measured_where_it_runs(on: str, objects: Sequence[Any], rule: Any, reason: str, message: str) -> None:
    """Near to all its data, to some of it, to none, or not known."""
    claims = ("c1", "c2") if any(obj.key == "shop/c2" for obj in _claims(objects)) else ("c1",)
    locality = measure(decision_on(pod("web", *claims), _NODES, objects, rule), on)

    assert (locality.reason.value, locality.message) == (reason, message)


def _claims(objects: Sequence[Any]) -> list[Any]:
    return [part for obj in objects for part in (obj if isinstance(obj, tuple) else [obj])]


@pytest.mark.parametrize(
    ("on", "claims", "rule", "reason", "misplaced"),
    [
        ("a1", "c", soft(), "AllLocal", False),
        ("a2", "c", soft(), "NotLocal", True),
        # Where the rule or the volume wants it so, away is a fact and no fault.
        ("a1", "c", soft(placement="Remote"), "AllLocal", False),
        ("a2", "c", soft(placement="Remote"), "NotLocal", False),
        ("a2", "c", soft(placement="Remote", topologyKey=ZONE), "AllLocal", False),
        ("a1", "files", soft(), "AllLocal", False),
        ("a2", "files", soft(), "NotLocal", False),
        ("a2", "c files", soft(), "NotLocal", True),
        ("b1", "c b files", soft(), "PartlyLocal", True),
        ("b1", "b files", soft(), "PartlyLocal", False),
    ],
)
def test_a_pod_is_misplaced_only_away_from_what_it_should_be_near(
    on: str, claims: str, rule: Any, reason: str, *, misplaced: bool
) -> None:
    """The measurement stays what it is."""
    files = claim("files", "pv-files"), volume("pv-files", replicas="a1", labels=SHARED)
    objects = data("c", replicas="a1"), data("b", replicas="b1"), files
    locality = measure(decision_on(pod("web", *claims.split()), _NODES, objects, rule), on)

    assert (locality.reason.value, locality.is_misplaced) == (reason, misplaced)


def test_a_summary_is_misplaced_if_any_pod_is() -> None:
    """And it is that pod which is named."""
    intended = Locality(VolumeLocalReason.NOT_LOCAL, "meant to be", intended=True)

    assert not summarize([intended, intended]).is_misplaced
    assert summarize([intended, _REMOTE]) == Locality(
        VolumeLocalReason.NOT_LOCAL, "2 of 2 pods run away from their data: away"
    )


_LOCAL = Locality(VolumeLocalReason.ALL_LOCAL, "fine")
_REMOTE = Locality(VolumeLocalReason.NOT_LOCAL, "away")
_PARTLY = Locality(VolumeLocalReason.PARTLY_LOCAL, "half away")
_UNBOUND = Locality(VolumeLocalReason.VOLUME_UNBOUND, "no volume")
_WAITING = Locality(VolumeLocalReason.NOT_SCHEDULED, "waiting")


@pytest.mark.parametrize(
    ("pods", "reason", "message"),
    [
        ([], "NoPods", "there is no pod to measure"),
        ([_LOCAL], "AllLocal", "all 1 pods run near their data"),
        ([_LOCAL, _LOCAL], "AllLocal", "all 2 pods run near their data"),
        ([_REMOTE, _REMOTE], "NotLocal", "2 of 2 pods run away from their data: away"),
        ([_LOCAL, _REMOTE], "PartlyLocal", "1 of 2 pods run away from their data: away"),
        ([_PARTLY], "PartlyLocal", "1 of 1 pods run away from their data: half away"),
        ([_REMOTE, _PARTLY], "PartlyLocal", "2 of 2 pods run away from their data: away"),
        ([_REMOTE, _UNBOUND], "NotLocal", "1 of 2 pods run away from their data: away"),
        ([_UNBOUND, _LOCAL, _REMOTE], "PartlyLocal", "1 of 3 pods run away from their data: away"),
        ([_LOCAL, _WAITING, _UNBOUND], "NotScheduled", "2 of 3 pods: waiting"),
        ([_UNBOUND, _LOCAL], "VolumeUnbound", "1 of 2 pods: no volume"),
    ],
)
def test_pods_are_summed_up(pods: Sequence[Locality], reason: str, message: str) -> None:
    """One pod away from its data outweighs any number that nothing is known of."""
    summary = summarize(pods)

    assert (summary.reason.value, summary.message) == (reason, message)


@pytest.mark.parametrize(
    ("locality", "status"),
    [(_LOCAL, ConditionStatus.TRUE), (_PARTLY, ConditionStatus.FALSE), (_UNBOUND, ConditionStatus.UNKNOWN)],
)
def test_a_measurement_is_a_condition(locality: Locality, status: ConditionStatus) -> None:
    """Its status follows from its reason."""
    condition = locality.condition

    assert (condition.type, condition.status) == (ObjectCondition.VOLUME_LOCAL, status)
    assert (condition.reason, condition.message) == (locality.reason, locality.message)
