"""What the documentation says of the code is compared with the code."""

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from tests.unit.docs.markdown import DOCS, PAGES, REPOSITORY, anchors, blocks, links, read, rows, section, spans

from mooring.api import locator, permissions
from mooring.api.annotations import OPERATOR_PREFIX, PROBE_LABEL, PROBED, STORK_PREFIX
from mooring.api.conditions import (
    LocatorReason,
    ObjectCondition,
    PlacementAppliedReason,
    PolicyCondition,
    PolicyReason,
)
from mooring.api.conditions import VolumeLocalReason as LocalReason
from mooring.api.crd import openapi_schema
from mooring.api.locator import parse_locator
from mooring.api.permissions import AGGREGATION_LABEL, PolicyRule
from mooring.api.policy import API_VERSION, PolicyKind, parse_policy
from mooring.cli import app
from mooring.cluster.index import Cluster
from mooring.lint.vocabulary import WORDS
from mooring.serve.metrics import Metrics

OPTIONS_OF_OTHERS = {
    "--force-conflicts",
    "--kube-version",
    "--no-hooks",
    "--server-side",
    "--set hostNetwork=true",
    "--take-ownership",
    "--wait",
}
"""Options of helm and kubectl that pages name without the program."""

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))


@each_page
def test_links_resolve(page: Path) -> None:
    """Every file that is linked to is there, and so is the heading."""
    for target in links(read(page)):
        name, _, anchor = target.partition("#")
        file = page.parent / name if name else page
        assert file.exists(), target
        assert not anchor or anchor in anchors(read(file)), target


def commands() -> Mapping[tuple[str, ...], set[str]]:
    """Give every command of `mooring`, by its words, with the options that it takes."""
    found: dict[tuple[str, ...], set[str]] = {}

    def walk(command: Any, words: tuple[str, ...]) -> None:
        found[words] = {name for each in command.params for name in (*each.opts, *each.secondary_opts)}
        for name, inner in getattr(command, "commands", {}).items():
            walk(inner, (*words, name))

    walk(typer.main.get_command(app), ())
    return found


def calls(text: str) -> Iterator[list[str]]:
    """Give the words of each call of `mooring` in a text: in console blocks, after pipes too, and in the prose."""
    lines = [
        line
        for block in blocks(text)
        if block.language == "console"
        for line in re.split(r"\n|\|", block.text.replace("\\\n", " "))
    ]
    for line in (*lines, *spans(text)):
        words = shlex.split(line.strip().removeprefix("$ "), comments=True) if "mooring " in line else []
        if words and words[0].removeprefix(".venv/bin/") == "mooring":
            yield words[1:]


@each_page
def test_commands_exist(page: Path) -> None:
    """Every command of ours that a page shows exists, and takes the options that it is shown with."""
    known = commands()
    for words in calls(read(page)):
        command = tuple(words[:2]) if tuple(words[:2]) in known else tuple(words[:1])
        assert command in known, words
        # What follows `kubectl` is kubectl's.
        options = {} if command[-1:] == ("kubectl",) else {word.partition("=")[0] for word in words if word[0] == "-"}
        assert set(options) - {"-"} <= known[command], words


@each_page
def test_options_exist(page: Path) -> None:
    """An option that is named by itself is one of ours, or known to be another program's."""
    known = OPTIONS_OF_OTHERS.union(*commands().values())
    for span in spans(read(page)):
        if span.startswith("--") and not span.startswith("--set"):
            assert span.partition(" ")[0].partition("=")[0] in known, span


@each_page
def test_yaml_is_valid(page: Path) -> None:
    """Every YAML block can be read, and every policy and locator would be taken."""
    texts = [block.text for block in blocks(read(page)) if block.language == "yaml"]
    texts += re.findall(r"<<EOF\n(.*?)\nEOF$", read(page), re.MULTILINE | re.DOTALL)
    for text in texts:
        for manifest in yaml.safe_load_all(text):
            if isinstance(manifest, dict) and manifest.get("apiVersion") == API_VERSION:
                parse = parse_locator if manifest["kind"] == locator.KIND else parse_policy
                parse(manifest)


def field_names(schema: Mapping[str, Any]) -> Iterator[str]:
    """Give the name of every field in a schema, and in what lies in it."""
    for name, inner in schema.get("properties", {}).items():
        yield name
        yield from field_names(inner)
    if isinstance(schema.get("items"), dict):
        yield from field_names(schema["items"])


@pytest.mark.parametrize(
    ("kind", "page"), [*((kind, "policies.md") for kind in PolicyKind), (locator.KIND, "locators.md")]
)
def test_every_field_is_explained(kind: str, page: str) -> None:
    """Every field of a spec and status is named on the page about the kind."""
    named = {name for span in spans(read(DOCS / page)) for name in span.split(".")}

    assert set(field_names(openapi_schema(kind))) - {"apiVersion", "kind", "metadata", "spec", "status"} <= named


@pytest.mark.parametrize(("kind", "page"), [(PolicyKind.CLUSTER, "policies.md"), (locator.KIND, "locators.md")])
def test_every_default_is_right(kind: str, page: str) -> None:
    """The table of fields has the schema's defaults, and says of the top fields which are required."""
    schema = openapi_schema(kind)["properties"]["spec"]
    table = {row[0].strip("`"): row[-1].strip("`") for row in rows(section(read(DOCS / page), "## Fields"))}
    for path, field in [*fields_with_path(schema)]:
        # How a resource is named is said once, with replicas.
        if path.startswith(("nodes.resource.", "serving.resource.")):
            continue
        if "default" in field and not isinstance(field["default"], dict | list):
            assert table[path] == str(field["default"]), path
    said = {name for name, default in table.items() if default.startswith("required")}
    assert {name for name in said if "." not in name} == set(schema["required"])


def fields_with_path(schema: Mapping[str, Any], *path: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Give the fields of a schema by their dotted paths."""
    for name, inner in schema.get("properties", {}).items():
        yield ".".join((*path, name)), inner
        yield from fields_with_path(inner, *path, name)


def test_every_word_is_explained() -> None:
    """Every annotation and label is on the page about policies, and STORK's are on its own page with their twins.

    The label of roles is on the page about locators, which need them.
    """
    of_policies, of_stork = (set(spans(read(DOCS / name))) for name in ("policies.md", "stork.md"))
    storks = {word for word in WORDS if word.startswith((STORK_PREFIX, OPERATOR_PREFIX))}

    assert {*WORDS} - {PROBE_LABEL, PROBED, AGGREGATION_LABEL} <= of_policies
    assert f'{AGGREGATION_LABEL}: "true"' in read(DOCS / "locators.md")
    assert storks | {f"mooring.dev/{word.rpartition('/')[2]}" for word in storks} <= of_stork


@pytest.mark.parametrize("reasons", [LocalReason, PlacementAppliedReason], ids=["VolumeLocal", "PlacementApplied"])
def test_every_reason_is_explained(reasons: type[LocalReason] | type[PlacementAppliedReason]) -> None:
    """Every reason of a workload's conditions has a row that says its status."""
    kind = ObjectCondition.VOLUME_LOCAL if reasons is LocalReason else ObjectCondition.PLACEMENT_APPLIED
    table = [row[:2] for row in rows(section(read(DOCS / "conditions.md"), f"## {kind}"))][2:]

    assert {(name.strip("`"), status) for name, status in table} == {(each, each.status) for each in reasons}


def test_every_condition_of_a_policy_is_explained() -> None:
    """Every condition and every reason that only policies have is in their table."""
    said = {cell.strip("`") for row in rows(section(read(DOCS / "conditions.md"), "## On policies")) for cell in row}

    assert said >= {*PolicyCondition, *PolicyReason}


def test_every_reason_of_a_locator_is_explained() -> None:
    """Every reason has a row that says the status of Ready."""
    table = [row[:2] for row in rows(section(read(DOCS / "locators.md"), "## See it work"))][2:]

    assert {(name.strip("`"), status) for status, name in table} == {(each, each.status) for each in LocatorReason}


def test_every_event_is_explained() -> None:
    """Every event that the reconcilers record by a name of its own is on the page."""
    source = "".join(read(file) for file in (REPOSITORY / "operator" / "mooring" / "reconcile").glob("*.py"))
    recorded = set(re.findall(r'\bEvent\(\s*"(\w+)"', source))

    assert recorded
    assert recorded <= set(spans(section(read(DOCS / "conditions.md"), "## Events")))


def test_every_metric_is_explained() -> None:
    """The table has every metric, with its type."""
    metrics = Metrics()
    metrics.watch(Cluster(), localities=dict)
    metrics.watch_sync_age(list)
    metrics.watch_locators(list)
    types = re.findall(r"^# TYPE (\w+) (\w+)$", metrics.render().decode(), re.MULTILINE)
    table = [row[:2] for row in rows(section(read(DOCS / "conditions.md"), "## Metrics")) if "`mooring_" in row[0]]

    made = {(name, kind) for name, kind in types if not name.endswith("_created")}
    assert {(name.strip("`"), kind) for name, kind in table} == made


def rights(rules: Sequence[PolicyRule]) -> set[tuple[str, str]]:
    """Give resource and verb of each right."""
    return {(resource, verb) for rule in rules for resource in rule["resources"] for verb in rule["verbs"]}


def test_every_right_is_explained() -> None:
    """The tables have the operator's rights, and no other; of the uninstallation's every resource is named."""
    text = section(read(DOCS / "security.md"), "## Rights")
    in_cluster, _, rest = text.partition("In its namespace")
    in_namespace, _, of_uninstallation = rest.partition("Of the uninstall Job")
    names = {name for rule in permissions.NAMESPACED_RULES for name in rule.get("resourceNames", [])}

    for table, rules in ((in_cluster, permissions.RULES), (in_namespace, permissions.NAMESPACED_RULES)):
        said = {
            (resource, verb)
            for row in list(rows(table))[2:]
            for resource in set(spans(row[0])) - names
            for verb in row[1].split(", ")
        }
        assert said == rights(rules)
    gone = [*permissions.UNINSTALL_RULES, *permissions.UNINSTALL_NAMESPACED_RULES]
    main = {resource for resource, _ in rights(gone) if not resource.endswith("/status")}
    own = {"volumeplacementpolicies", "clustervolumeplacementpolicies", "volumelocators"}
    assert main - own <= set(spans(of_uninstallation))
