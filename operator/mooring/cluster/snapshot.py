"""The same index, fed by YAML manifests instead of watches: what a file says of a cluster that may not exist."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from mooring.cluster.index import Cluster
from mooring.cluster.resources import RESOURCES, from_manifest

_NAMESPACED = frozenset({"PersistentVolumeClaim", "Pod", "Deployment", "VolumePlacementPolicy"})


class SnapshotError(ValueError):
    """A manifest that cannot be read; the message names the file, the document and the field."""


def load(path: Path, cluster: Cluster) -> int:
    """Feed an index with the manifests in a file or folder, and return how many objects it took.

    Several documents in a file and `kind: List` are understood; kinds that no decision reads are passed over.

    Raises:
        SnapshotError: there is no such path, or a manifest is malformed.
    """
    count = 0
    for file in _files(path):
        for position, manifest in enumerate(_documents(file), start=1):
            count += _take(manifest, cluster, where=f"{file}, document {position}")
    return count


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        return sorted(file for file in path.rglob("*") if file.suffix in {".yaml", ".yml", ".json"})
    if path.is_file():
        return [path]
    raise SnapshotError(f"{path}: no such file or folder")


def _documents(file: Path) -> list[Any]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return [document for document in yaml.load_all(file.read_text(), Loader=loader) if document]
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SnapshotError(f"{file}: not YAML: {error}") from error


def _take(manifest: Any, cluster: Cluster, *, where: str) -> int:
    if not isinstance(manifest, dict) or not isinstance(manifest.get("kind"), str):
        raise SnapshotError(f"{where}: a manifest is a mapping with a kind")
    kind = manifest["kind"]
    if kind.endswith("List") and isinstance(manifest.get("items"), list):
        of = kind.removesuffix("List")
        return sum(
            _take({"kind": of, **item} if of else item, cluster, where=f"{where}, item {position}")
            for position, item in enumerate(_mappings(manifest["items"], where=where), start=1)
        )
    if kind not in RESOURCES:
        return 0
    if kind in _NAMESPACED:
        metadata = manifest.get("metadata") or {}
        manifest = {**manifest, "metadata": {"namespace": "default", **metadata}}
    try:
        cluster.put(kind, from_manifest(kind, manifest))
    except ValueError as error:
        raise SnapshotError(f"{where}: {kind}: {error}") from error
    return 1


def _mappings(items: list[Any], *, where: str) -> Iterator[dict[str, Any]]:
    for item in items:
        if not isinstance(item, dict):
            raise SnapshotError(f"{where}: an item of a list is a mapping, not {type(item).__name__}")
        yield item
