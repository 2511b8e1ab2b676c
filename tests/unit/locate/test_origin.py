"""What a new volume is filled from: clones, restores, and what nobody knows."""

from collections.abc import Sequence
from typing import Any

import pytest
from tests.unit import builders
from tests.unit.builders import NAMESPACE, claim, cluster_of, snapshot

from mooring.cluster.resources import from_manifest
from mooring.locate.origin import source_volume

_SNAPSHOTS = "snapshot.storage.k8s.io"
_OF_CLAIM = {"kind": "PersistentVolumeClaim", "name": "data"}
_OF_SNAPSHOT = {"apiGroup": _SNAPSHOTS, "kind": "VolumeSnapshot", "name": "monday"}
_DATA = builders.data("data")


@pytest.mark.parametrize(
    ("source", "objects", "volume"),
    [
        (None, [_DATA], None),
        (_OF_CLAIM, [_DATA], "pv-data"),
        ({**_OF_CLAIM, "namespace": NAMESPACE}, [_DATA], "pv-data"),
        ({**_OF_CLAIM, "namespace": "elsewhere"}, [_DATA], None),
        (_OF_CLAIM, [], None),
        (_OF_CLAIM, [claim("data")], None),
        (_OF_CLAIM, [claim("data", "pv-gone")], None),
        (_OF_SNAPSHOT, [_DATA, snapshot("monday", "data")], "pv-data"),
        (_OF_SNAPSHOT, [snapshot("monday", "data")], None),
        (_OF_SNAPSHOT, [_DATA, snapshot("tuesday", "data")], None),
        (_OF_SNAPSHOT, [_DATA, snapshot("monday", None)], None),
        ({**_OF_SNAPSHOT, "apiGroup": "example.com"}, [_DATA, snapshot("monday", "data")], None),
        ({"apiGroup": "example.com", "kind": "Image", "name": "data"}, [_DATA], None),
    ],
)
def test_a_source_is_followed_to_its_volume(source: Any, objects: Sequence[Any], volume: str | None) -> None:
    """To the claim's, or to that of the claim of which a snapshot was taken; where a link is missing, to nothing."""
    found = source_volume(claim("new", source=source), cluster_of(objects))

    assert (found.name if found else None) == volume


def test_a_restore_in_place_of_its_claim_has_no_source() -> None:
    """The claim of which the snapshot was taken has been replaced by the one that asks."""
    restored = claim("data", "pv-data", source=_OF_SNAPSHOT)

    assert source_volume(restored, cluster_of(snapshot("monday", "data"), restored, _DATA[1])) is None


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({}, None),
        ({"dataSource": _OF_CLAIM}, "data"),
        ({"dataSourceRef": _OF_SNAPSHOT}, "monday"),
        ({"dataSource": _OF_CLAIM, "dataSourceRef": {**_OF_CLAIM, "name": "other", "namespace": "far"}}, "other"),
    ],
)
def test_the_newer_field_wins(fields: Any, name: str | None) -> None:
    """`dataSourceRef` holds what `dataSource` cannot say."""
    manifest = {"metadata": {"name": "new", "namespace": NAMESPACE}, "spec": fields}
    source = from_manifest("PersistentVolumeClaim", manifest).spec.source

    assert (source.name if source else None) == name
