"""Values: described, documented, and refused where they are wrong."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator
from tests.programs import CHART, Helm, HelmError

from mooring.api.locator import parse_locator
from mooring.api.policy import parse_policy

VALUES = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
SCHEMA = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
README = (CHART / "README.md").read_text(encoding="utf-8")
ANNOTATIONS = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))["annotations"]
# What users fill in as Kubernetes has it, or what only parent charts have.
FREE = {"affinity", "global", "enabled"}


def leaves(values: dict[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """Give every value that a user would set, with its path."""
    for name, value in values.items():
        if isinstance(value, dict) and value and f"{path}{name}" != "nodeSelector":
            yield from leaves(value, f"{path}{name}.")
        else:
            yield f"{path}{name}", value


def objects(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Give every part of the schema, with its path."""
    yield path, schema
    for name, part in schema.get("properties", {}).items():
        yield from objects(part, f"{path}.{name}".lstrip("."))


def test_schema_is_one() -> None:
    """The schema is a JSON schema, and the defaults are what it allows."""
    Draft7Validator.check_schema(SCHEMA)
    Draft7Validator(SCHEMA).validate(VALUES)


def test_schema_describes_and_closes_every_value() -> None:
    """Each value has a description, and no object takes what it does not know."""
    for path, part in objects(SCHEMA):
        assert "$ref" in part or part["description"].endswith("."), path
        if part.get("type") == "object" and path not in FREE:
            assert part["additionalProperties"] is not True, path
            assert "additionalProperties" in part, path


def test_schema_knows_exactly_the_values() -> None:
    """There is no value without a default, and no default without a schema."""

    def paths(schema: dict[str, Any], values: Any, path: str = "") -> Iterator[str]:
        for name, part in schema.get("properties", {}).items():
            where = f"{path}{name}"
            if where not in {"global", "enabled"} and not re.search(r"resources\.\w+$", where):
                assert name in values, where
                yield where
                yield from paths(part, values[name], f"{where}.")

    known = set(paths(SCHEMA, VALUES))
    assert {path for path, _ in leaves(VALUES) if ".requests" not in path and ".limits" not in path} <= known


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"replica": 2}, "'replica' not allowed"),
        ({"webhook": {"timeoutSecond": 3}}, r"(?s)'/webhook'.*'timeoutSecond' not allowed"),
        ({"webhook": {"timeoutSeconds": 31}}, "'/webhook/timeoutSeconds'"),
        ({"webhook": {"url": "http://192.0.2.7"}}, "'/webhook/url'"),
        ({"webhook": {"failurePolicy": "ignore"}}, "'/webhook/failurePolicy'"),
        ({"image": {"digest": "1234"}}, "'/image/digest'"),
        ({"logLevel": "verbose"}, "'/logLevel'"),
        ({"resources": {"request": {}}}, r"(?s)'/resources'.*'request' not allowed"),
        ({"scheduler": {"profiles": []}}, "'/scheduler/profiles'"),
        ({"podLabels": {"number": 1}}, "'/podLabels/number'"),
    ],
)
def test_wrong_values_are_refused_by_name(helm: Helm, values: dict[str, Any], message: str) -> None:
    """A value that cannot be meant is refused before anything is installed, and helm says which one."""
    with pytest.raises(HelmError, match=message):
        helm.template(**values)


def test_chart_can_be_a_part_of_another(helm: Helm) -> None:
    """What a parent chart hands down does not stop it."""
    values: dict[str, Any] = {"global": {"imageRegistry": "example.com"}, "enabled": True}

    assert helm.template(**values)


def test_readme_names_every_value_and_its_default() -> None:
    """The table is complete, and says what values.yaml says."""
    rows = dict(re.findall(r"^\| `([^`]+)` \| .* \| `([^`]*)` \|$", README, re.MULTILINE))

    assert {path: yaml.safe_load(text) for path, text in rows.items()} == {
        path: VALUES["nodeSelector"] if path == "nodeSelector" else value for path, value in leaves(VALUES)
    }


def test_examples_for_artifact_hub_are_policies() -> None:
    """What the catalogue shows of our kinds is accepted by them, and it shows each of them."""
    examples = yaml.safe_load(ANNOTATIONS["artifacthub.io/crdsExamples"])

    names = [parse_policy(each).name for each in examples[:2]] + [parse_locator(each).name for each in examples[2:]]
    assert names == ["databases", "cluster-default", "topolvm"]
    assert [example["kind"] for example in examples] == [
        crd["kind"] for crd in yaml.safe_load(ANNOTATIONS["artifacthub.io/crds"])
    ]


def test_catalogue_tells_of_the_image() -> None:
    """The image that the catalogue names is the chart's."""
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    image = VALUES["image"]

    assert yaml.safe_load(ANNOTATIONS["artifacthub.io/images"]) == [
        {"name": "mooring", "image": f"{image['registry']}/{image['repository']}:{chart['appVersion']}"}
    ]
