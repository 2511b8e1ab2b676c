"""Kinds: where the API serves them, and manifests that do not fit them."""

from typing import Any

import pytest

from mooring.cluster.resources import RESOURCES, from_manifest


@pytest.mark.parametrize(
    ("kind", "group"),
    [
        ("Pod", ""),
        ("Node", ""),
        ("CSINode", "storage.k8s.io"),
        ("Deployment", "apps"),
        ("VolumePlacementPolicy", "mooring.dev"),
        ("ClusterVolumePlacementPolicy", "mooring.dev"),
        ("VolumeLocator", "mooring.dev"),
    ],
)
def test_each_kind_knows_its_group(kind: str, group: str) -> None:
    """The group is that of the path where the API serves the kind."""
    assert RESOURCES[kind].group == group


def test_every_kind_is_listed_under_its_name() -> None:
    """The table's keys are the kinds, and no path is given twice."""
    assert all(kind == resource.kind for kind, resource in RESOURCES.items())
    assert len({resource.path for resource in RESOURCES.values()}) == len(RESOURCES)


@pytest.mark.parametrize(
    ("kind", "manifest", "message"),
    [
        ("Node", {}, "metadata"),
        ("Node", {"metadata": {"name": "n1", "labels": {"zone": 1}}}, r"\$\.metadata\.labels"),
        ("Pod", {"metadata": {"name": "p"}, "spec": {"volumes": "none"}}, r"\$\.spec\.volumes"),
        ("Deployment", {"metadata": {"name": "d"}, "spec": {"replicas": "two"}}, r"\$\.spec\.replicas"),
        ("VolumePlacementPolicy", {"metadata": {"name": "p"}}, "apiVersion"),
        (
            "VolumePlacementPolicy",
            {
                "apiVersion": "mooring.dev/v1alpha1",
                "kind": "VolumePlacementPolicy",
                "metadata": {"name": "p"},
                "spec": {"podSelector": {}, "placement": "Nearby"},
            },
            r"spec\.placement",
        ),
        (
            "VolumeLocator",
            {
                "apiVersion": "mooring.dev/v1alpha1",
                "kind": "VolumeLocator",
                "metadata": {"name": "l"},
                "spec": {"driver": "a.io"},
            },
            r"spec: exactly one of",
        ),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused_by_field(kind: str, manifest: dict[str, Any], message: str) -> None:
    """The error is a ValueError that names the field at fault."""
    with pytest.raises(ValueError, match=message):
        from_manifest(kind, manifest)
