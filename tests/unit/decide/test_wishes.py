"""What storage says of where its pods should run: STORK's words, from the nearest object that has them."""

from collections.abc import Mapping
from typing import Any

import pytest
from tests.unit.builders import claim, storage_class, volume
from tests.unit.worlds import SHARED

from mooring.decide.wishes import NO_WISHES, Wishes, read_wishes

_STORK = "stork.libopenstorage.org/"
_TWIN = "mooring.dev/"


def _wishes(*, on_claim: Any = None, on_volume: Any = None, on_class: Any = None, place: str = "labels") -> Wishes:
    """Read what is said on each object; a volume's words are where drivers put them."""
    said: dict[str, Any] = {place: on_volume or {}}
    return read_wishes(
        claim("c", "v", annotations=on_claim), volume("v", **said), storage_class("fast", parameters=on_class)
    )


@pytest.mark.parametrize(
    ("words", "remote"),
    [
        (SHARED, True),
        ({"sharedv4": "T", "sharedv4_svc_type": "LoadBalancer"}, True),
        ({"sharedv4": "true"}, False),
        ({"sharedv4": "true", "sharedv4_svc_type": ""}, False),
        ({"sharedv4": "false", "sharedv4_svc_type": "ClusterIP"}, False),
        ({"sharedv4": "yes", "sharedv4_svc_type": "ClusterIP"}, False),
        ({"sharedv4_svc_type": "ClusterIP"}, False),
        ({**SHARED, f"{_STORK}preferRemoteNode": "true"}, True),
        ({**SHARED, f"{_STORK}preferRemoteNode": "false"}, False),
        ({**SHARED, f"{_STORK}preferRemoteNode": "false", f"{_TWIN}preferRemoteNode": "true"}, True),
        ({f"{_STORK}preferRemoteNode": "true"}, False),
    ],
)
@pytest.mark.parametrize("place", ["labels", "attributes", "class"])
def test_a_volume_that_is_served_wants_to_be_remote(words: Mapping[str, str], place: str, *, remote: bool) -> None:
    """Sharedv4 with a Service, unless preferRemoteNode says no; on the volume, or on its class."""
    wishes = _wishes(on_class=words) if place == "class" else _wishes(on_volume=words, place=place)

    assert (wishes.remote, wishes.problems) == (remote, ())


def test_a_volumes_word_on_sharing_outranks_its_classs() -> None:
    """A class may change; what the volume was made with counts."""
    assert not _wishes(on_volume={"sharedv4": "false"}, on_class=SHARED).remote
    assert _wishes(on_volume={"sharedv4": "true"}, on_class={**SHARED, "sharedv4": "false"}).remote


@pytest.mark.parametrize("prefix", [_STORK, _TWIN])
@pytest.mark.parametrize(
    ("on_claim", "on_volume", "on_class", "only"),
    [
        (None, None, None, False),
        (None, None, "true", True),
        (None, "false", "true", False),
        ("true", "false", "false", True),
        ("false", "true", "true", False),
        (None, "true", None, True),
        ("perhaps", "perhaps", "true", True),
    ],
)
def test_the_nearest_word_wins(
    prefix: str, on_claim: str | None, on_volume: str | None, on_class: str | None, *, only: bool
) -> None:
    """The claim's over the volume's over the class's; what is no boolean is passed over."""
    key = f"{prefix}preferRemoteNodeOnly"
    said = [{key: value} if value is not None else {} for value in (on_claim, on_volume, on_class)]

    wishes = _wishes(on_claim=said[0], on_volume=said[1], on_class=said[2])

    assert wishes.remote_only is only


def test_a_word_on_the_claim_outranks_its_twin_on_the_volume() -> None:
    """How near it is said counts first, and only then in whose words."""
    nearer, farther = {f"{_STORK}preferRemoteNodeOnly": "false"}, {f"{_TWIN}preferRemoteNodeOnly": "true"}

    assert not _wishes(on_claim=nearer, on_volume=farther).remote_only


@pytest.mark.parametrize("prefix", [_STORK, _TWIN])
def test_where_each_word_counts(prefix: str) -> None:
    """Scoring is skipped by claim or volume, and a restore is told by the claim alone."""
    skip, restore = {f"{prefix}skipSchedulerScoring": "true"}, {f"{prefix}restore-in-progress": "true"}

    assert _wishes(on_claim=skip).skipped
    assert _wishes(on_volume=skip).skipped
    assert _wishes(on_volume=skip, place="attributes").skipped
    assert not _wishes(on_class=skip).skipped
    assert _wishes(on_claim=restore).restoring
    assert not _wishes(on_volume=restore, on_class=restore).restoring


def test_what_is_no_boolean_is_told_with_the_object() -> None:
    """Each with its key, so that somebody can mend it."""
    wishes = _wishes(
        on_claim={f"{_STORK}skipSchedulerScoring": "yes"},
        on_volume={f"{_STORK}preferRemoteNode": "no"},
        on_class={f"{_TWIN}preferRemoteNodeOnly": "on"},
    )

    assert wishes.problems == (
        f"PersistentVolume v: {_STORK}preferRemoteNode: 'no' is not a boolean (true or false) and is passed over",
        f"StorageClass fast: {_TWIN}preferRemoteNodeOnly: 'on' is not a boolean (true or false) and is passed over",
        (
            f"PersistentVolumeClaim shop/c: {_STORK}skipSchedulerScoring: 'yes' is not a boolean (true or false) and is"
            " passed over"
        ),
    )


def test_nearly_always_nothing_is_said() -> None:
    """Labels and parameters of others say nothing of placement, nor does a claim whose volume is not there yet."""
    assert _wishes(on_volume={"team": "a"}, on_class={"repl": "3"}) is NO_WISHES
    assert read_wishes(claim("c"), None, None) is NO_WISHES
    assert read_wishes(claim("c", annotations={f"{_TWIN}skipSchedulerScoring": "true"}), None, None).skipped
