"""YAML documents: what they say, on which line, and what is no YAML."""

import json

import pytest
from tests.unit.lint.support import manifests

from mooring.lint.documents import UnreadableError, read_documents
from mooring.lint.findings import FieldPath


def _value(text: str) -> object:
    (manifest,) = manifests(text)
    return manifest.value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: 2026-01-02", {"a": "2026-01-02"}),
        ("a: [on, yes, True]", {"a": [True, True, True]}),
        ("1: a\ntrue: b\n2.5: c", {"1": "a", "true": "b", "2.5": "c"}),
        ("a: !!binary aGk=", {"a": "aGk="}),
        ("a: &x {b: 1, c: 2}\nd: {<<: *x, c: 3}", {"a": {"b": 1, "c": 2}, "d": {"b": 1, "c": 3}}),
        (
            "a: &x {b: 1}\ne: &y {b: 2, c: 2}\nd: {<<: [*x, *y]}",
            {"a": {"b": 1}, "e": {"b": 2, "c": 2}, "d": {"b": 1, "c": 2}},
        ),
        ("{\n\t'a': [\n\t\t1\n\t]\n}", {"a": [1]}),
    ],
)
def test_values_are_jsons(text: str, value: object) -> None:
    """Dates are strings, keys are strings, and merges are carried out."""
    assert _value(text) == value


def test_every_field_has_its_line() -> None:
    """A field is where its key is, an item where it begins, what is missing where it would belong."""
    text = """
        # a comment
        a:
          b:
            - c
            - d:
                - 1
        e: {f: 1,
          g: 2}
        """
    (manifest,) = manifests(text)
    lines: dict[FieldPath, int] = {
        (): 2,
        ("a",): 2,
        ("a", "b"): 3,
        ("a", "b", 0): 4,
        ("a", "b", 1): 5,
        ("a", "b", 1, "d", 0): 6,
        ("e", "f"): 7,
        ("e", "g"): 8,
        ("e", "h", 3): 7,
    }

    assert {path: manifest.finding(path, "").line for path in lines} == lines


def test_documents_count_their_lines_from_the_top_of_the_file() -> None:
    """The second document does not start at 1, and empty ones are left out."""
    documents, _ = read_documents("---\na: 1\n---\n# nothing\n---\nb: 1\n", file="m.yaml")

    assert [(each.value, each.finding((), "").line) for each in documents] == [({"a": 1}, 2), ({"b": 1}, 6)]


def test_the_objects_of_a_list_know_where_they_are() -> None:
    """Lists in lists, and typed lists whose items do not repeat what they are."""
    text = """
        kind: List
        items:
        - kind: PodList
          apiVersion: v1
          items:
          - metadata: {name: a}
        - 5
        """
    inner, other = manifests(text)

    assert inner.value == {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}}
    assert str(inner.finding(("metadata", "name"), "m")) == "m.yaml:6: error: items[0].items[0].metadata.name: m"
    assert (other.value, other.root) == (5, ("items", 1))


def test_a_key_given_twice_is_found() -> None:
    """The second one would silently win; a key that overrides a merged one is meant."""
    _, findings = read_documents("a: &x\n  b: 1\n  b: 2\nc: {<<: *x, b: 3}\na: 1\n", file="m.yaml")

    assert [str(each) for each in findings] == [
        "m.yaml:3: error: a.b: is given twice",
        "m.yaml:5: error: a: is given twice",
    ]


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("a: 1\nb: [", 3, "not YAML: did not find expected node content"),
        ("a: {{ .Values.a }}", 1, "not YAML: a key must be a string (it looks like a Helm template"),
        ("a: 1\n{{- if .Values.a }}\nb: 1\n{{- end }}", 3, "(it looks like a Helm template: lint what `helm template`"),
        ("a: 1\nb: *x", 2, "not YAML: found undefined alias"),
        ("a: !custom 1", 1, "not YAML: could not determine a constructor for the tag '!custom'"),
        ("a: !!int many", 1, "not YAML: 'many' is not of the type tag:yaml.org,2002:int"),
        ("a: !!bool perhaps", 1, "not YAML: 'perhaps' is not of the type tag:yaml.org,2002:bool"),
        ("a: !!timestamp soon", 1, "not YAML: 'soon' is not of the type tag:yaml.org,2002:timestamp"),
        ("a: 1\n<<: 5", 2, "not YAML: only mappings can be merged by <<"),
        ("? [a]\n: b", 1, "not YAML: a key must be a string"),
        ("a: &a [*a]", 1, "not YAML: an alias stands for what it is part of"),
        ("a: &a {<<: *a}", 1, "not YAML: an alias stands for what it is part of"),
        ("a0: &a0 {}\n" + "".join(f"a{n}: &a{n} {{<<: *a{n - 1}}}\n" for n in range(1, 999)), 1, "more than 100 deep"),
        ("[" * 200_000 + "]" * 200_000, 1, "not YAML: it is nested more than 100 deep"),
        ("a: \x01", 0, "not YAML: unacceptable character #x0001"),
        ("a: " + "9" * 5000, 1, "not YAML: "),
    ],
)
def test_what_is_no_yaml_is_said_with_its_line(text: str, line: int, message: str) -> None:
    """Nothing that a file can contain ends in a traceback."""
    with pytest.raises(UnreadableError) as refusal:
        read_documents(text, file="m.yaml")

    assert message in str(refusal.value)
    assert refusal.value.line == line


def test_a_few_lines_that_stand_for_billions_are_refused() -> None:
    """Aliases of aliases of aliases would fill the memory."""
    text = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))

    with pytest.raises(UnreadableError, match="its aliases repeat too much"):
        read_documents(text, file="m.yaml")


def test_an_alias_may_be_used_often() -> None:
    """A hundred containers may share one block."""
    text = "a: &a {b: 1}\nc: [" + ", ".join(["*a"] * 100) + "]"

    assert _value(text) == {"a": {"b": 1}, "c": [{"b": 1}] * 100}


def test_reaching_into_a_manifest_never_fails() -> None:
    """Whatever is there in place of what should be there."""
    (manifest,) = manifests(json.dumps({"a": [{"b": 1}], "c": None}))

    assert manifest.at("a", 0, "b") == 1
    assert [manifest.at("a", 1), manifest.at("a", "b"), manifest.at("c", "d"), manifest.at("a", 0, "b", "c")] == [
        None
    ] * 4
    assert manifest.mapping_at("a", 0) == {"b": 1}
    assert manifest.mapping_at("a") == {}
