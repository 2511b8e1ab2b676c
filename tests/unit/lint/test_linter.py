"""The whole check: files, folders, standard input, and whatever else they may contain."""

import io
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.api.schemas import REPOSITORY
from tests.unit.lint.support import VERSION, found

from mooring.lint.findings import Severity
from mooring.lint.linter import Report, lint

_POLICY = """\
apiVersion: mooring.dev/v1alpha1
kind: VolumePlacementPolicy
metadata: {name: a}
spec: {podSelector: {}}
"""
_LIST = """\
{"kind": "List", "items": [
{"kind": "Pod"},
{"apiVersion": "v1"}]}
"""
_PIECES = ("", ":", "- ", "\n", "{", "]", "&a ", "*a", "<<: ", "!!int ", "null", "12e03", "'", "? ")
_EXAMPLE = (REPOSITORY / "policies/examples/mysql.yaml").read_text(encoding="utf-8")


def _lint(*paths: Path | str) -> Report:
    return lint([str(path) for path in paths], kubernetes_version=VERSION)


def test_the_ready_made_policies_and_the_example_are_clean() -> None:
    """What we ship passes our own check without a warning."""
    policies = _lint(*sorted((REPOSITORY / "policies").glob("*.yaml")))
    examples = _lint(REPOSITORY / "policies/examples")

    assert policies.findings == examples.findings == ()
    assert (policies.objects, examples.objects) == (12, 2)


def test_the_locators_are_clean() -> None:
    """With their roles, and the objects that they are tested on."""
    assert _lint(REPOSITORY / "policies/locators").findings == ()


def test_the_crds_are_clean() -> None:
    """They are manifests of Kubernetes' own."""
    assert _lint(REPOSITORY / "crds").findings == ()


def test_findings_of_many_files_are_sorted(tmp_path: Path) -> None:
    """By file and line, wherever they were found, with every object of a list and every document counted."""
    misspelt = _POLICY.replace("podSelector", "podselector")
    (tmp_path / "b.yaml").write_text(f"{_POLICY}---\n{misspelt}", encoding="utf-8")
    (tmp_path / "a.json").write_text(_LIST, encoding="utf-8")
    report = _lint(tmp_path / "b.yaml", tmp_path / "a.json")

    assert [str(finding).removeprefix(f"{tmp_path}/") for finding in report.findings] == [
        "a.json:2: error: items[0].apiVersion: is required, as a string",
        "a.json:3: error: items[1].kind: is required, as a string",
        "b.yaml:9: error: spec.podSelector: is required",
        "b.yaml:9: error: spec.podselector: there is no such field; did you mean podSelector?",
    ]
    assert (report.objects, report.unreadable) == (4, False)
    assert (report.count(Severity.ERROR), report.count(Severity.WARNING)) == (4, 0)


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("just words", ["m.yaml:1: error: apiVersion: is required, as a string"]),
        ("# c\n- a", ["m.yaml:2: error: apiVersion: is required, as a string"]),
        ("apiVersion: v1\nkind: [Pod]", ["m.yaml:2: error: kind: is required, as a string"]),
        ("apiVersion: v1\nkind: Namespace", ["m.yaml:1: error: metadata.name: is required"]),
        (
            "apiVersion: v1\nkind: Namespace\nmetadata: a",
            ['m.yaml:3: error: metadata: must be a mapping, not "a"', "m.yaml:3: error: metadata.name: is required"],
        ),
        ("apiVersion: v1\nkind: Namespace\nmetadata: {generateName: a-}", []),
        (_POLICY.replace("{name: a}", "{name: a, name: b}"), ["m.yaml:3: error: metadata.name: is given twice"]),
        ("# nothing", []),
        ("", []),
    ],
)
def test_every_object_says_what_it_is(tmp_path: Path, text: str, lines: list[str]) -> None:
    """A kind, a version and a name; a file may also be empty."""
    assert found(tmp_path, text) == lines


def test_in_a_folder_files_of_kustomize_and_helm_are_passed_over(tmp_path: Path) -> None:
    """They lie beside manifests and are none; named themselves, they were meant."""
    for name in ("kustomization.yaml", "Chart.yaml", "values.yaml", "values-prod.yaml", "values.schema.json"):
        (tmp_path / name).write_text("name: x", encoding="utf-8")
    (tmp_path / "policy.yaml").write_text(_POLICY, encoding="utf-8")

    assert _lint(tmp_path).findings == ()
    assert [finding.field for finding in _lint(tmp_path / "values.yaml").findings] == ["apiVersion"]


def test_standard_input_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """As `kustomize build | mooring lint -` gives it."""
    stream = io.TextIOWrapper(io.BytesIO(_POLICY.replace("{podSelector: {}}", "{}").encode()), encoding="utf-8")
    monkeypatch.setattr(sys, "stdin", stream)

    assert [str(finding) for finding in _lint("-").findings] == ["<stdin>:4: error: spec.podSelector: is required"]


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"a: 1\nb: [", "m.yaml:3: error: not YAML: did not find expected node content"),
        (
            b"a: {{ .Values.a }}",
            (
                "m.yaml:1: error: not YAML: a key must be a string "
                "(it looks like a Helm template: lint what `helm template` prints)"
            ),
        ),
        (b"a: 1\nb: \xff", "m.yaml:2: error: not YAML: it is not UTF-8"),
        (None, "m.yaml: error: No such file or directory"),
    ],
)
def test_what_cannot_be_read_is_said_and_the_rest_is_checked(tmp_path: Path, content: bytes | None, line: str) -> None:
    """One broken file does not hide the mistakes in the others."""
    (tmp_path / "other.yaml").write_text(_POLICY.replace("{podSelector: {}}", "{}"), encoding="utf-8")
    if content is not None:
        (tmp_path / "m.yaml").write_bytes(content)
    report = _lint(tmp_path / "m.yaml", tmp_path / "other.yaml")

    assert [str(finding).removeprefix(f"{tmp_path}/") for finding in report.findings] == [
        line,
        "other.yaml:4: error: spec.podSelector: is required",
    ]
    assert report.unreadable


def test_a_folder_without_manifests_is_a_mistake(tmp_path: Path) -> None:
    """A mistyped path must not look like clean manifests."""
    report = _lint(tmp_path)

    assert [finding.message for finding in report.findings] == [
        "there are no manifests (.yaml, .yml or .json) in this folder"
    ]
    assert report.unreadable


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path) -> None:
    """Some editors write one."""
    (tmp_path / "m.yaml").write_bytes(b"\xef\xbb\xbf" + _POLICY.encode())

    assert _lint(tmp_path).findings == ()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_nothing_in_a_file_ends_in_a_traceback(tmp_path: Path, data: st.DataObject) -> None:
    """Manifests with pieces taken out, doubled, or put where they do not belong."""
    text = data.draw(st.sampled_from([_EXAMPLE, _POLICY + "---\n" + _EXAMPLE]))
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        end = min(len(text), start + data.draw(st.integers(0, 40)))
        piece = data.draw(
            st.one_of(
                st.sampled_from(_PIECES),
                st.just(text[start:end] * 2),
                st.text(max_size=3),
            )
        )
        text = text[:start] + piece + text[end:]
    path = tmp_path / "m.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))

    report = _lint(path)

    assert all(str(finding).startswith(f"{path}:") for finding in report.findings)
    assert list(report.findings) == sorted(set(report.findings))
