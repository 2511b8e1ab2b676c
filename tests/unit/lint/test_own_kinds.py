"""Policies and locators: refused with the field that the API server names, and never when it would take them."""

import contextlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.api.malformed_locators import MALFORMED_LOCATORS
from tests.unit.api.malformed_policies import MALFORMED, Malformed
from tests.unit.lint.support import found

from mooring.api import locator
from mooring.api.locator import InvalidLocatorError, parse_locator
from mooring.api.policy import API_VERSION, SPEC_MODELS, InvalidPolicyError, PolicyKind, parse_policy
from mooring.lint.findings import field_name
from mooring.lint.own_kinds import problems

#: The first one pays for making the validators.
tried = settings(deadline=None)

_NAME = st.from_regex(r"\A[a-z0-9]([-a-z0-9]{0,8}[a-z0-9])?\Z")
_KEY = st.one_of(_NAME, st.builds("{}.{}/{}".format, _NAME, _NAME, st.from_regex(r"\A[A-Z]([-_.]?[A-Za-z0-9]){0,9}\Z")))
_LABELS = st.dictionaries(_KEY, st.one_of(st.just(""), _NAME), max_size=3)
_VALUES = st.lists(_NAME, min_size=1, max_size=3)
_EXPRESSION = st.one_of(
    st.fixed_dictionaries({"key": _KEY, "operator": st.sampled_from(["In", "NotIn"]), "values": _VALUES}),
    st.fixed_dictionaries({"key": _KEY, "operator": st.sampled_from(["Exists", "DoesNotExist"])}),
)
_SELECTOR = st.fixed_dictionaries(
    {}, optional={"matchLabels": _LABELS, "matchExpressions": st.lists(_EXPRESSION, max_size=3)}
)
_NAMES = st.lists(_NAME, max_size=3, unique=True)
_SPECS = st.fixed_dictionaries(
    {"podSelector": _SELECTOR, "namespaceSelector": _SELECTOR},
    optional={
        "volumeSelector": st.fixed_dictionaries(
            {}, optional={"storageClassNames": _NAMES, "drivers": _NAMES, "matchLabels": _LABELS}
        ),
        "placement": st.sampled_from(["Local", "Remote", "Anywhere"]),
        "topologyKey": _KEY,
        "whenUnsatisfiable": st.sampled_from(["ScheduleAnyway", "DoNotSchedule"]),
        "updateMode": st.sampled_from(["Audit", "Initial", "Reconcile"]),
        "disruption": st.fixed_dictionaries(
            {}, optional={"maxConcurrent": st.integers(1, 1000), "cooldown": st.sampled_from(["0s", "10m", "1h30m"])}
        ),
        "podAnnotations": st.sampled_from(["Honor", "Ignore"]),
        "priority": st.integers(-(2**31), 2**31 - 1),
    },
)
_TEXT = st.sampled_from(["true", "object.metadata.name", "a"])
_RESOURCES = st.fixed_dictionaries(
    {"resource": st.sampled_from(["replicas", "nodes"])},
    optional={
        "group": st.sampled_from(["", "longhorn.io"]),
        "version": st.sampled_from(["*", "v1beta2", "v1-33-1"]),
        "kind": st.sampled_from(["Replica", "Resources"]),
        "namespace": _NAME,
        "labelSelector": _SELECTOR,
    },
)
_SECRET = st.fixed_dictionaries({"name": _NAME, "key": _NAME})
_LOCATOR_SPECS = st.fixed_dictionaries(
    {"driver": st.just("csi.example.com")},
    optional={
        "volume": _TEXT,
        "replicas": st.fixed_dictionaries(
            {"resource": _RESOURCES, "volume": _TEXT, "node": _TEXT},
            optional={"nodeLabel": _KEY, "usable": _TEXT, "whole": _TEXT},
        ),
        "openStorage": st.fixed_dictionaries(
            {"endpoint": st.sampled_from(["http://a", "https://px-api:9021/v1"])},
            optional={"interval": st.sampled_from(["5s", "1m"]), "tokenSecret": _SECRET, "caSecret": _SECRET},
        ),
        "nodes": st.fixed_dictionaries({"resource": _RESOURCES, "id": _TEXT, "node": _TEXT}, optional={"state": _TEXT}),
        "serving": st.fixed_dictionaries(
            {"resource": _RESOURCES, "volume": _TEXT, "node": _TEXT}, optional={"usable": _TEXT}
        ),
    },
)
_ODDITIES = st.sampled_from(
    [None, True, 0, -1, 2**31, "", "a b", "Local", "In", "10m", [], ["a"], ["a", "a"], {}, {"a": "b"}]
)


def _policy(kind: PolicyKind, spec: Any) -> dict[str, Any]:
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": "a"}, "spec": spec}


@pytest.mark.parametrize("malformed", [*MALFORMED, *MALFORMED_LOCATORS], ids=lambda malformed: malformed.name)
def test_a_malformed_object_has_one_problem_in_the_field_that_the_api_server_names(malformed: Malformed) -> None:
    """The same objects are sent to a real API server in tests/e2e/api, which names the same fields."""
    found_problems = problems(malformed.manifest["kind"], malformed.manifest)

    (name,) = (field_name(problem.path) for problem in found_problems)
    assert name.startswith(malformed.field)


@tried
@given(spec=_SPECS)
def test_what_the_models_write_is_clean(spec: dict[str, Any]) -> None:
    """A policy that the models take and write out again, with every default, has no problem."""
    try:
        model = SPEC_MODELS[PolicyKind.CLUSTER].model_validate(spec, by_alias=True)
    except ValueError:
        return
    written = model.model_dump(mode="json", by_alias=True)

    assert problems(PolicyKind.CLUSTER, _policy(PolicyKind.CLUSTER, spec)) == []
    assert problems(PolicyKind.CLUSTER, _policy(PolicyKind.CLUSTER, written)) == []


@tried
@given(spec=_SPECS, data=st.data())
def test_lint_and_the_models_agree(spec: dict[str, Any], data: st.DataObject) -> None:
    """Whatever is put in place of a part of a policy: what a running Mooring refuses lint finds, and nothing else."""
    parent, step = data.draw(st.sampled_from(_parts(spec)))
    parent[step] = data.draw(_ODDITIES)
    policy = _policy(PolicyKind.CLUSTER, spec)
    refused = True
    with contextlib.suppress(InvalidPolicyError):
        parse_policy(policy)
        refused = False

    assert bool(problems(PolicyKind.CLUSTER, policy)) == refused


@tried
@given(spec=_LOCATOR_SPECS, data=st.data())
def test_lint_and_the_models_agree_on_locators(spec: dict[str, Any], data: st.DataObject) -> None:
    """Whatever is put in place of a part, and with none, one or two sources of replicas."""
    parent, step = data.draw(st.sampled_from(_parts(spec)))
    if data.draw(st.booleans()):
        parent[step] = data.draw(_ODDITIES)
    obj = {"apiVersion": API_VERSION, "kind": locator.KIND, "metadata": {"name": "a"}, "spec": spec}
    refused = True
    with contextlib.suppress(InvalidLocatorError):
        parse_locator(obj)
        refused = False

    assert bool(problems(locator.KIND, obj)) == refused


def _parts(value: Any) -> list[tuple[Any, Any]]:
    steps = value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    return [(value, step) for step in steps] + [part for step in steps for part in _parts(value[step])]


@pytest.mark.parametrize(
    ("spec", "line"),
    [
        ("{podSelector: {}, topologykey: a}", "spec.topologykey: there is no such field; did you mean topologyKey?"),
        ("{podSelector: {}, placement: local}", 'spec.placement: must be {}, not "local"; did you mean Local?'),
        ("{podSelector: {}, updateMode: off}", "spec.updateMode: must be Audit, Initial or Reconcile, not false"),
        ("{podSelector: {}, priority: '5'}", 'spec.priority: must be an integer, not "5"'),
        ("{podSelector: [a]}", "spec.podSelector: must be a mapping, not a list"),
        ("{}", "spec.podSelector: is required"),
        (
            "{podSelector: {matchLabels: {v: 1}}}",
            "spec.podSelector.matchLabels.v: must be a string, not 1; put it in quotes",
        ),
        (
            "{podSelector: {}, placement: Anywhere, whenUnsatisfiable: DoNotSchedule}",
            "spec.whenUnsatisfiable: DoNotSchedule contradicts placement Anywhere, which has no opinion on nodes",
        ),
        (
            "{podSelector: {}, volumeSelector: {drivers: [a, a]}}",
            'spec.volumeSelector.drivers[1]: "a" is in the list already',
        ),
        ("{podSelector: {}, placement: , volumeSelector: }", None),
    ],
)
def test_a_mistake_is_said_in_a_sentence(tmp_path: Path, spec: str, line: str | None) -> None:
    """With the line, the field, and what it may be; a field left empty is as good as left out."""
    text = f"apiVersion: mooring.dev/v1alpha1\nkind: VolumePlacementPolicy\nmetadata: {{name: a}}\nspec: {spec}\n"
    placements = "Local, Remote or Anywhere"

    assert found(tmp_path, text) == ([f"m.yaml:4: error: {line.format(placements)}"] if line else [])


@pytest.mark.parametrize(
    ("head", "lines"),
    [
        (
            "apiVersion: mooring.dev/v1\nkind: VolumePlacementPolicy\nmetadata: {name: a}",
            ["m.yaml:1: error: apiVersion: must be mooring.dev/v1alpha1, not mooring.dev/v1"],
        ),
        (
            "apiVersion: mooring.dev/v1alpha1\nkind: VolumePlacementPolice\nmetadata: {name: a}",
            [
                (
                    "m.yaml:2: error: kind: must be VolumePlacementPolicy, ClusterVolumePlacementPolicy or "
                    "VolumeLocator, not VolumePlacementPolice; did you mean VolumePlacementPolicy?"
                )
            ],
        ),
        (
            (
                "apiVersion: mooring.dev/v1alpha1\nkind: VolumePlacementPolicy\n"
                "metadata: {nam: a}\nspec: {podSelector: {}}"
            ),
            [
                "m.yaml:3: error: metadata.nam: there is no such field; did you mean name?",
                "m.yaml:3: error: metadata.name: is required",
            ],
        ),
        (
            (
                "apiVersion: mooring.dev/v1alpha1\nkind: VolumePlacementPolicy\nmetadata: {name: a}\n"
                "spec: {podSelector: {}}\nstatus: {whatever: 1}"
            ),
            [],
        ),
    ],
)
def test_what_is_around_the_spec_is_checked(tmp_path: Path, head: str, lines: list[str]) -> None:
    """Version, kind and metadata; a status is the API server's to drop."""
    assert found(tmp_path, head) == lines
