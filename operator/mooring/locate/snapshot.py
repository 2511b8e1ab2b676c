"""Storage systems fed by YAML manifests instead of watches: the objects in a snapshot that its VolumeLocators name."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from mooring.api.locator import FollowedResource, Locator
from mooring.cluster.index import Cluster
from mooring.cluster.snapshot import SnapshotError, objects
from mooring.locate.records import Said
from mooring.locate.standing import Part, State
from mooring.locate.systems import StorageSystems


class _Feed(NamedTuple):
    """One part of a VolumeLocator: which manifests it takes, what reads them, and what takes in the records."""

    resource: FollowedResource
    read: Callable[[Mapping[str, Any]], Said]
    put: Callable[[str, Any], None]


def load_storage(path: Path, cluster: Cluster, systems: StorageSystems) -> None:
    """Read the manifests in a file or folder again, for what the locators say that the index took from them.

    The locators are followed then, and what is not in the snapshot is not there. An OpenStorage API cannot be in it:
    such a locator is one whose storage system is unreachable.

    Raises:
        SnapshotError: an object that a locator names has no name.
    """
    locators: Mapping[str, Locator] = cluster.all("VolumeLocator")
    feeds = [feed for locator in locators.values() for feed in _feeds(locator, systems)]
    for where, manifest in objects(path) if feeds else ():
        for feed in feeds:
            if feed.resource.is_of(manifest):
                _check_name(manifest, where=where)
                feed.put(manifest["kind"], feed.read(manifest))
    for locator in locators.values():
        systems.set_state(locator.name, State.UNREACHABLE if locator.spec.open_storage else State.FOLLOWING)


def _feeds(locator: Locator, systems: StorageSystems) -> Iterator[_Feed]:
    """The parts of a locator; none where an expression of it does not compile."""
    reader, spec = systems.reader(locator.name), locator.spec
    if reader is None:
        return
    if spec.replicas is not None:
        yield _Feed(spec.replicas.resource, reader.replica, systems.sink(locator.name, Part.REPLICAS).put)
    if spec.nodes is not None:
        yield _Feed(spec.nodes.resource, reader.node_entry, systems.sink(locator.name, Part.NODES).put)
    if spec.serving is not None:
        yield _Feed(spec.serving.resource, reader.server, systems.sink(locator.name, Part.SERVING).put)


def _check_name(manifest: Mapping[str, Any], *, where: str) -> None:
    metadata = manifest.get("metadata")
    if not isinstance(metadata, Mapping) or not isinstance(metadata.get("name"), str):
        raise SnapshotError(f"{where}: {manifest['kind']}: metadata.name is required")
