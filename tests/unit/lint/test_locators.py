"""VolumeLocators: mistakes in the schema and in the expressions, each at its field."""

from pathlib import Path

import pytest
from tests.unit.lint.support import found

_LOCATOR = """\
apiVersion: mooring.dev/v1alpha1
kind: VolumeLocator
metadata: {name: example}
spec:
  driver: csi.example.com
  volume: volume.spec.csi.volumeHandle
  replicas:
    resource: {group: example.com, resource: replicas}
    volume: object.spec.volume
    node: object.spec.node
    usable: object.status.state == 'Ready'
"""


def test_a_locator_whose_expressions_compile_is_clean(tmp_path: Path) -> None:
    """Nothing is said of what fits."""
    assert found(tmp_path, _LOCATOR) == []


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("object.status.state == 'Ready'", "object.status.state = 'Ready'", "m.yaml:11: error: spec.replicas.usable: "),
        ("volume: volume.spec.csi.volumeHandle", "volume: 'volume.spec.'", "m.yaml:6: error: spec.volume: "),
        ("object.spec.node", "nodeOf(object)", "m.yaml:10: error: spec.replicas.node: "),
    ],
)
def test_an_expression_that_does_not_compile_is_named(tmp_path: Path, old: str, new: str, line: str) -> None:
    """With the line and the field, so that nobody has to wait for the locator's status."""
    (problem,) = found(tmp_path, _LOCATOR.replace(old, new))

    assert problem.startswith(f"{line}does not compile: ")


def test_every_expression_that_does_not_compile_is_named(tmp_path: Path) -> None:
    """A user with two mistakes reads about both."""
    lines = found(tmp_path, _LOCATOR.replace("object.spec", "object..spec"))

    assert [line.split(": ")[2] for line in lines] == ["spec.replicas.volume", "spec.replicas.node"]


def test_a_mistake_in_the_schema_is_said_alone(tmp_path: Path) -> None:
    """Expressions of a locator that the API server would refuse are looked at once it would take it."""
    text = _LOCATOR.replace("object.spec.node", "object..node").replace("volume: volume.spec", "volum: volume.spec")

    assert found(tmp_path, text) == ["m.yaml:6: error: spec.volum: there is no such field; did you mean volume?"]


def test_a_wrong_selector_is_named(tmp_path: Path) -> None:
    """Selectors of a locator are checked as those of policies are."""
    selector = "labelSelector: {matchExpressions: [{key: app, operator: In}]}"
    text = _LOCATOR.replace("resource: replicas}", f"resource: replicas, {selector}}}")

    assert found(tmp_path, text) == [
        (
            "m.yaml:8: error: spec.replicas.resource.labelSelector.matchExpressions[0].values: "
            "In and NotIn need at least one value"
        )
    ]


def test_two_sources_are_one_too_many(tmp_path: Path) -> None:
    """The rule that the API server has in CEL."""
    text = _LOCATOR + "  openStorage: {endpoint: 'http://px-api'}\n"

    assert found(tmp_path, text) == ["m.yaml:4: error: spec: exactly one of replicas and openStorage is required"]
