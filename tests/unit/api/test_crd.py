"""The CRDs: generated, structural, described, and bounded."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from tests.unit.api.schemas import REPOSITORY, openapi_schema, walk

from mooring.api.crd import crd_files, crds, main
from mooring.api.policy import PolicyKind

_CRDS = crds()
_POLICIES = [crd for crd in _CRDS if crd["spec"]["names"]["kind"] in set(PolicyKind)]
(_LOCATORS,) = (crd for crd in _CRDS if crd["spec"]["names"]["kind"] == "VolumeLocator")
_SCHEMAS = [
    pytest.param(path, schema, id=f"{crd['spec']['names']['shortNames'][0]}{path}")
    for crd in _CRDS
    for path, schema in walk(openapi_schema(crd))
]
# The API server describes metadata itself, and bounds what every object has.
_FIELDS = [each for each in _SCHEMAS if not str(each.values[0]).endswith(("*", "*]", ".metadata"))]
_OURS = [each for each in _SCHEMAS if each.values[0] not in {".apiVersion", ".kind", ".metadata"}]


def test_the_files_are_what_the_models_say() -> None:
    """`crds/` is generated; after a change of the models run `python -m mooring.api.crd crds`."""
    files = {path.name: path.read_text(encoding="utf-8") for path in (REPOSITORY / "crds").glob("*.yaml")}

    assert files == crd_files()


def test_the_command_writes_the_files(tmp_path: Path) -> None:
    """`python -m mooring.api.crd DIRECTORY` writes the files and nothing else."""
    main([str(tmp_path)])

    assert {path.name: path.read_text(encoding="utf-8") for path in tmp_path.iterdir()} == crd_files()


def test_the_files_say_where_they_come_from() -> None:
    """Whoever opens a file reads how it is made, and what it holds is the CRD."""
    for text, crd in zip(crd_files().values(), _CRDS, strict=True):
        assert text.startswith("# Generated from operator/mooring/api by `python -m mooring.api.crd crds`")
        assert yaml.safe_load(text) == crd


def test_names_are_what_people_type() -> None:
    """Plural, short names and category are fixed: scripts depend on them."""
    names = {crd["metadata"]["name"]: crd["spec"]["names"] for crd in _CRDS}

    assert {name: parts["shortNames"] for name, parts in names.items()} == {
        "volumeplacementpolicies.mooring.dev": ["vpp"],
        "clustervolumeplacementpolicies.mooring.dev": ["cvpp"],
        "volumelocators.mooring.dev": ["vl"],
    }
    assert all(name["categories"] == ["mooring"] for name in names.values())


def test_scopes_follow_the_kinds() -> None:
    """One kind lives in namespaces, the others in the cluster."""
    assert {crd["spec"]["names"]["kind"]: crd["spec"]["scope"] for crd in _CRDS} == {
        PolicyKind.NAMESPACED: "Namespaced",
        PolicyKind.CLUSTER: "Cluster",
        "VolumeLocator": "Cluster",
    }


def test_columns_answer_the_first_questions() -> None:
    """`kubectl get` says what a policy asks for, whether it is in force and how the pods stand; likewise a locator."""
    for crd in _POLICIES:
        assert _narrow(crd) == ["Placement", "When", "Mode", "Ready", "Matched", "Local", "Remote", "Age"]
    assert _narrow(_LOCATORS) == ["Driver", "Ready", "Reason", "Volumes", "Replicas", "Age"]


def test_columns_read_fields_that_there_are() -> None:
    """A misspelt path would make an empty column, silently."""
    for crd in _CRDS:
        fields = {path for path, _ in walk(openapi_schema(crd))}
        paths = {column["jsonPath"] for column in crd["spec"]["versions"][0]["additionalPrinterColumns"]}
        assert {path.replace('[?(@.type=="Ready")]', "[*]") for path in paths} - fields == {
            ".metadata.creationTimestamp"
        }


def test_only_cluster_policies_select_namespaces() -> None:
    """The cluster kind requires a namespace selector, the namespaced one has none."""
    specs = {crd["spec"]["names"]["kind"]: openapi_schema(crd)["properties"]["spec"] for crd in _POLICIES}

    assert "namespaceSelector" not in specs[PolicyKind.NAMESPACED]["properties"]
    assert specs[PolicyKind.NAMESPACED]["required"] == ["podSelector"]
    assert set(specs[PolicyKind.CLUSTER]["required"]) == {"podSelector", "namespaceSelector"}


@pytest.mark.parametrize("crd", _CRDS, ids=lambda crd: crd["spec"]["names"]["shortNames"][0])
def test_the_schema_is_valid_json_schema(crd: dict[str, Any]) -> None:
    """Editors and linters can use the schema as it is."""
    Draft202012Validator.check_schema(openapi_schema(crd))


@pytest.mark.parametrize(("path", "schema"), _SCHEMAS)
def test_every_part_is_structural(path: str, schema: dict[str, Any]) -> None:
    """Each part has one type and nothing that a structural schema forbids."""
    del path
    assert isinstance(schema["type"], str)
    assert not schema.keys() & {"$ref", "$defs", "anyOf", "allOf", "oneOf", "not", "title", "const", "propertyNames"}
    assert not ("properties" in schema and "additionalProperties" in schema)
    assert schema.get("additionalProperties", {}) is not False
    assert ("items" in schema) == (schema["type"] == "array")


@pytest.mark.parametrize(("path", "schema"), _FIELDS)
def test_every_field_has_a_description(path: str, schema: dict[str, Any]) -> None:
    """`kubectl explain` has a sentence for every field, in the status too."""
    del path
    assert schema["description"].endswith((".", ")"))
    assert "\n" not in schema["description"]


@pytest.mark.parametrize(("path", "schema"), _OURS)
def test_every_list_map_and_text_is_bounded(path: str, schema: dict[str, Any]) -> None:
    """CEL's cost estimate takes what is not bounded for endless and refuses the CRD."""
    del path
    if schema["type"] == "array":
        assert "maxItems" in schema
    if "additionalProperties" in schema:
        assert "maxProperties" in schema
    if schema["type"] == "string":
        assert schema.keys() & {"maxLength", "enum", "format"}


def test_conditions_are_a_map_by_type() -> None:
    """Two writers of conditions do not overwrite one another."""
    for crd in _CRDS:
        conditions = openapi_schema(crd)["properties"]["status"]["properties"]["conditions"]
        assert conditions["x-kubernetes-list-type"] == "map"
        assert conditions["x-kubernetes-list-map-keys"] == ["type"]


def test_defaults_are_only_those_that_say_something() -> None:
    """Empty lists and maps are not filled in: a server that adds them makes GitOps tools see a difference."""
    for crd in _POLICIES:
        fields = openapi_schema(crd)["properties"]["spec"]["properties"]
        assert {name: field["default"] for name, field in fields.items() if "default" in field} == {
            "placement": "Local",
            "topologyKey": "kubernetes.io/hostname",
            "whenUnsatisfiable": "ScheduleAnyway",
            "updateMode": "Initial",
            "disruption": {"maxConcurrent": 1, "cooldown": "10m"},
            "podAnnotations": "Honor",
            "priority": 0,
        }
    fields = dict(walk(openapi_schema(_LOCATORS)["properties"]["spec"]))
    assert {path: field["default"] for path, field in fields.items() if "default" in field} == {
        ".volume": "volume.spec.csi.volumeHandle",
        ".replicas.resource.version": "*",
        ".replicas.usable": "true",
        ".replicas.whole": "true",
        ".openStorage.interval": "30s",
        ".nodes.resource.version": "*",
        ".serving.resource.version": "*",
        ".serving.usable": "true",
    }


def _narrow(crd: dict[str, Any]) -> list[str]:
    columns = crd["spec"]["versions"][0]["additionalPrinterColumns"]
    return [column["name"] for column in columns if column.get("priority", 0) == 0]
