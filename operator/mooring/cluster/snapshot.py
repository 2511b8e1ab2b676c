"""The same index, fed by YAML manifests instead of watches: what a file says of a cluster that may not exist."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from mooring.cluster.index import Cluster
from mooring.cluster.manifests import ManifestLoader, list_items, manifest_files, without_nulls
from mooring.cluster.records import WORKLOADS
from mooring.cluster.resources import RESOURCES, from_manifest

_NAMESPACED = frozenset(
    {"CSIStorageCapacity", "PersistentVolumeClaim", "Pod", "VolumePlacementPolicy", "VolumeSnapshot", *WORKLOADS}
)


class SnapshotError(ValueError):
    """A manifest that cannot be read; the message names the file, the document and the field."""


def load(path: Path, cluster: Cluster) -> int:
    """Feed an index with the manifests in a file or folder, and return how many objects it took.

    Kinds that no decision reads are passed over.

    Raises:
        SnapshotError: there is no such path, or a manifest is malformed.
    """
    return sum(_take(manifest, cluster, where=where) for where, manifest in objects(path))


def objects(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every object in a file or folder, of whatever kind, after the words for where it stands.

    Several documents in a file and `kind: List` are understood, and fields that are null are dropped.

    Raises:
        SnapshotError: there is no such path, or something in it is no manifest.
    """
    for file in _files(path):
        for position, manifest in enumerate(_documents(file), start=1):
            if manifest is not None:
                yield from _unpacked(without_nulls(manifest), where=f"{file}, document {position}")


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        return manifest_files(path)
    if path.is_file():
        return [path]
    raise SnapshotError(f"{path}: no such file or folder")


def _documents(file: Path) -> list[Any]:
    try:
        return list(yaml.load_all(file.read_text(encoding="utf-8"), Loader=ManifestLoader))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SnapshotError(f"{file}: not YAML: {error}") from error


def _unpacked(manifest: Any, *, where: str) -> Iterator[tuple[str, dict[str, Any]]]:
    if not isinstance(manifest, dict) or not isinstance(manifest.get("kind"), str):
        raise SnapshotError(f"{where}: a manifest is a mapping with a kind")
    items = list_items(manifest)
    if items is None:
        yield where, manifest
        return
    for position, item in enumerate(items, start=1):
        if not isinstance(item, dict):
            raise SnapshotError(f"{where}: an item of a list is a mapping, not {type(item).__name__}")
        yield from _unpacked(item, where=f"{where}, item {position}")


def _take(manifest: dict[str, Any], cluster: Cluster, *, where: str) -> int:
    kind, version = manifest["kind"], str(manifest.get("apiVersion") or "")
    if not _is_read(kind, version):
        return 0
    metadata = manifest.get("metadata")
    if not isinstance(metadata, dict) or not metadata.get("name"):
        raise SnapshotError(f"{where}: {kind}: metadata.name is required")
    if kind in _NAMESPACED and not metadata.get("namespace"):
        manifest = {**manifest, "metadata": {**metadata, "namespace": "default"}}
    try:
        cluster.put(kind, from_manifest(kind, manifest))
    except ValueError as error:
        raise SnapshotError(f"{where}: {kind}: {error}") from error
    return 1


def _is_read(kind: str, version: str) -> bool:
    """Whether decisions read this kind. Others have kinds of the same names: Longhorn has a Node of its own."""
    group = version.rpartition("/")[0]
    return kind in RESOURCES and (not version or group == RESOURCES[kind].group)
