"""Manifests as kubectl reads them."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from mooring.cluster.manifests import ManifestLoader, list_items, manifest_files, without_nulls


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2026-01-02", "2026-01-02"),
        ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z"),
        ("22:22", "22:22"),
        ("190:20:30.15", "190:20:30.15"),
        ("12e03", 12000.0),
        ("1.5E-1", 0.15),
        ("0x1F", 31),
        ("0644", 420),
        ("on", True),
        ("-", "-"),
        ("e3", "e3"),
    ],
)
def test_plain_values_are_what_kubectl_takes_them_for(text: str, value: Any) -> None:
    """PyYAML alone makes dates of dates, 1342 of a port mapping, and a string of a commit that looks like a number."""
    read = yaml.load(f"a: {text}" if text != "-" else "a: '-'", Loader=ManifestLoader)["a"]  # noqa: S506

    assert (read, type(read)) == (value, type(value))


def test_a_folder_gives_its_manifests(tmp_path: Path) -> None:
    """YAML and JSON at any depth, sorted; what is hidden is somebody else's, such as a workflow of GitHub's."""
    for name in ("b.yaml", "a.yml", "deep/er/c.json", "d.txt", ".hidden.yaml", ".github/workflows/ci.yaml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "folder.yaml").mkdir()

    files = manifest_files(tmp_path)

    assert [str(file.relative_to(tmp_path)) for file in files] == ["a.yml", "b.yaml", "deep/er/c.json"]


def test_a_hidden_folder_may_be_named_itself(tmp_path: Path) -> None:
    """Whoever asks for it means it."""
    (tmp_path / ".hidden").mkdir()
    (tmp_path / ".hidden" / "a.yaml").touch()

    assert manifest_files(tmp_path / ".hidden") == [tmp_path / ".hidden" / "a.yaml"]


@pytest.mark.parametrize(
    ("manifest", "items"),
    [
        ({"kind": "List", "items": [{"kind": "Pod"}]}, [{"kind": "Pod"}]),
        ({"kind": "PodList", "apiVersion": "v1", "items": [{}, 5]}, [{"apiVersion": "v1", "kind": "Pod"}, 5]),
        ({"kind": "PodList", "items": None}, None),
        ({"kind": "Pod", "items": []}, None),
        ({"kind": ["List"], "items": []}, None),
        ({}, None),
    ],
)
def test_a_list_gives_its_items(manifest: dict[str, Any], items: list[Any] | None) -> None:
    """Those of a typed list with what kind they are; anything else is no list."""
    assert list_items(manifest) == items


def test_fields_that_are_null_are_dropped() -> None:
    """At any depth; an item that is null is no field."""
    assert without_nulls({"a": None, "b": [{"c": None}, None], "d": {"e": 0}}) == {"b": [{}, None], "d": {"e": 0}}
