"""The drivers that Mooring knows where data lies: for each, objects of a cluster as it writes them, and what follows.

A driver is a folder. `test/objects.yaml` has a cluster's nodes and volumes with the driver's own objects, and
`test/expected.yaml` what is to be known of it. Those of `policies/locators` have a `locator.yaml` that is shipped;
those of `tests/data/node_affinity` need none, since the PersistentVolumes themselves say where their data is.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import msgspec
import yaml

from mooring.api.annotations import NodeStorageState
from mooring.api.locator import FollowedResource, Locator, parse_locator
from mooring.cluster.manifests import ManifestLoader
from mooring.cluster.topology import Level
from mooring.locate.standing import Part

REPOSITORY: Final = Path(__file__).parents[1]
CATALOGUE: Final = REPOSITORY / "policies" / "locators"
NODE_AFFINITY: Final = REPOSITORY / "tests" / "data" / "node_affinity"

#: Longhorn has a Node of its own.
_KUBERNETES: Final = {"v1", "storage.k8s.io/v1"}

Manifest = dict[str, Any]


class Expected(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is to be known of a PersistentVolume.

    Attributes:
        nodes: where its data is, as precisely as `precision` says; empty where that is not known.
        offline: those of them whose replica cannot be used.
        precision: how finely the place is known, as explain says it.
        source: what the source says, among other things; None for what is usual in this file.
        problem: what the problem says, among other things; empty where there is none.
    """

    nodes: list[str]
    offline: list[str] = []
    precision: str | None
    source: list[str] | None = None
    problem: str = ""

    @property
    def level(self) -> Level | None:
        """The precision, as a location has it."""
        return None if self.precision is None else Level[self.precision.upper()]


class ChangedObject(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One of the driver's own objects."""

    kind: str
    name: str
    namespace: str = ""

    def is_(self, manifest: Manifest) -> bool:
        """Whether a manifest is of this object."""
        metadata = manifest["metadata"]
        return (manifest["kind"], metadata["name"], metadata.get("namespace", "")) == (
            self.kind,
            self.name,
            self.namespace,
        )


class Change(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What becomes of volumes when one of the driver's own objects changes by a JSON merge patch."""

    because: str
    object: ChangedObject
    patch: Manifest
    volumes: dict[str, Expected]


class Expectation(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel", kw_only=True):
    """What is to be known of a driver's objects.

    Attributes:
        title: what people call the driver.
        source: what the source of a volume's place says unless the volume has something else, among other things.
        volumes: what is to be known of each PersistentVolume, by name.
        states: the nodes of whose storage the driver says something.
        answers: what the driver's REST API answers of its volumes, if it is asked.
        changes: what changes when an object does, one after the other.
    """

    api_version: str
    kind: str
    title: str
    source: list[str]
    volumes: dict[str, Expected]
    states: dict[str, NodeStorageState] = {}
    answers: list[Manifest] = []
    changes: list[Change] = []

    def source_of(self, expected: Expected) -> list[str]:
        """What the source of a volume's place says."""
        return self.source if expected.source is None else expected.source


@dataclass(frozen=True)
class Driver:
    """One driver of the catalogue."""

    directory: Path

    @property
    def name(self) -> str:
        """The name of its folder, and of its locator."""
        return self.directory.name

    @cached_property
    def locator(self) -> Locator | None:
        """Its VolumeLocator; None where PersistentVolumes tell themselves."""
        return parse_locator(self._read("locator.yaml")[0]) if (self.directory / "locator.yaml").exists() else None

    @cached_property
    def cluster_role(self) -> Manifest:
        """The rights that its locator takes."""
        (role,) = self._read("clusterrole.yaml")
        return role

    @cached_property
    def objects(self) -> list[Manifest]:
        """A cluster's nodes and volumes, and the driver's own objects."""
        return self._read("test/objects.yaml")

    @cached_property
    def expectation(self) -> Expectation:
        """What is to be known of the objects."""
        (document,) = self._read("test/expected.yaml")
        return msgspec.convert(document, Expectation)

    @cached_property
    def resources(self) -> Mapping[Part, FollowedResource]:
        """What its locator reads, by part."""
        if self.locator is None:
            return {}
        spec = self.locator.spec
        parts = {Part.REPLICAS: spec.replicas, Part.NODES: spec.nodes, Part.SERVING: spec.serving}
        return {part: source.resource for part, source in parts.items() if source is not None}

    def of_kind(self, kind: str) -> list[Manifest]:
        """Those of its objects that are of one of Kubernetes' own kinds."""
        return [each for each in self.objects if each["kind"] == kind and each["apiVersion"] in _KUBERNETES]

    def _read(self, file: str) -> list[Manifest]:
        return list(yaml.load_all((self.directory / file).read_text(encoding="utf-8"), Loader=ManifestLoader))


def located_drivers() -> list[Driver]:
    """The drivers that have a locator."""
    return _drivers(CATALOGUE)


def plain_drivers() -> list[Driver]:
    """The drivers of which PersistentVolumes say enough."""
    return _drivers(NODE_AFFINITY)


def merge(target: Any, patch: Any) -> Any:
    """Apply a JSON merge patch (RFC 7386)."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for field, value in patch.items():
        if value is None:
            merged.pop(field, None)
        else:
            merged[field] = merge(merged.get(field), value)
    return merged


def _drivers(folder: Path) -> list[Driver]:
    return [Driver(directory) for directory in sorted(folder.iterdir()) if directory.is_dir()]
