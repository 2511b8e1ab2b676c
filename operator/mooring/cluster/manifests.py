"""Manifests as kubectl reads them: which files of a folder count, what YAML means, and what a list holds."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml


class ManifestLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """YAML as kubectl's parser reads it, where PyYAML reads it otherwise.

    What looks like a date, or like hours and minutes (22:22), stays a string; 12e03 is a number.
    """


_TAG: Final = "tag:yaml.org,2002:"
_RESOLVED_FIRST: Final = [
    (f"{_TAG}str", re.compile(r"^[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?$")),
    (f"{_TAG}float", re.compile(r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)[eE][-+]?[0-9]+$")),
]

ManifestLoader.yaml_implicit_resolvers = {
    first: _RESOLVED_FIRST + [(tag, pattern) for tag, pattern in resolvers if tag != f"{_TAG}timestamp"]
    for first, resolvers in ManifestLoader.yaml_implicit_resolvers.items()
}


def manifest_files(folder: Path) -> list[Path]:
    """The YAML and JSON files below a folder, sorted; hidden ones and what lies in hidden folders left out."""
    return sorted(
        file
        for file in folder.rglob("*")
        if file.suffix in {".yaml", ".yml", ".json"}
        and file.is_file()
        and not any(part.startswith(".") for part in file.relative_to(folder).parts)
    )


def list_items(manifest: Mapping[str, Any]) -> list[Any] | None:
    """The items of a `List`, or of a typed list such as a `PodList`; None for anything else.

    The items of a typed list, as the API server sends it, do not repeat what kind they are: here they do.
    """
    kind, items = manifest.get("kind"), manifest.get("items")
    if not isinstance(kind, str) or not kind.endswith("List") or not isinstance(items, list):
        return None
    inherited = {"apiVersion": manifest.get("apiVersion"), "kind": kind.removesuffix("List")} if kind != "List" else {}
    return [{**inherited, **item} if isinstance(item, dict) else item for item in items]


def without_nulls(value: Any) -> Any:
    """Drop fields that are null, as the API server does: `volumes:` with nothing after it means no volumes."""
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    return [without_nulls(item) for item in value] if isinstance(value, list) else value
