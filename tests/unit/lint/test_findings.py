"""Findings: how they read, and how they sort."""

import pytest

from mooring.lint.findings import FieldPath, Finding, Severity, did_you_mean, field_name, one_of


@pytest.mark.parametrize(
    ("finding", "line"),
    [
        (Finding("a.yaml", 3, "spec.x", "is wrong"), "a.yaml:3: error: spec.x: is wrong"),
        (Finding("a.yaml", 3, "", "is odd", Severity.WARNING), "a.yaml:3: warning: is odd"),
        (Finding("a.yaml", 0, "", "no such file"), "a.yaml: error: no such file"),
    ],
)
def test_a_finding_is_one_line(finding: Finding, line: str) -> None:
    """Editors jump to `file:line`, and a file as a whole has no line."""
    assert str(finding) == line


def test_findings_sort_as_they_are_read() -> None:
    """By file, then by line as a number."""
    findings = [
        Finding("b", 1, "", "m"),
        Finding("a", 10, "", "m"),
        Finding("a", 9, "z", "m"),
        Finding("a", 9, "b", "m"),
    ]

    assert [(each.file, each.line, each.field) for each in sorted(findings)] == [
        ("a", 9, "b"),
        ("a", 9, "z"),
        ("a", 10, ""),
        ("b", 1, ""),
    ]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ((), ""),
        (("spec", "rules", 0, "key"), "spec.rules[0].key"),
        (("metadata", "labels", "mooring.dev/ignore"), "metadata.labels[mooring.dev/ignore]"),
        (("spec", "matchLabels", "pod-template-hash"), "spec.matchLabels.pod-template-hash"),
        (("items", 2, "kind"), "items[2].kind"),
    ],
)
def test_fields_are_named_as_the_api_server_names_them(path: FieldPath, name: str) -> None:
    """Positions and keys that are no plain words are in brackets."""
    assert field_name(path) == name


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("topologykey", "; did you mean topologyKey?"),
        ("LOCAL", "; did you mean Local?"),
        ("replicas", ""),
    ],
)
def test_a_close_word_is_suggested(word: str, hint: str) -> None:
    """Case is the commonest difference; words that are far apart are no help."""
    assert did_you_mean(word, ["topologyKey", "Local"]) == hint


def test_choices_read_as_a_sentence() -> None:
    """One word, two, or more."""
    assert [one_of("A"), one_of("AB"), one_of("ABC")] == ["A", "A or B", "A, B or C"]
