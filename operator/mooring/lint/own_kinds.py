"""Policies and locators against their CRDs, as the API server checks them: the schema, strictly, then the CEL rules."""

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any, Final

import cel
from jsonschema import Draft202012Validator
from jsonschema.protocols import Validator

from mooring.api.crd import OWN_KINDS, openapi_schema
from mooring.api.policy import API_VERSION, GROUP, InvalidPolicyError, Policy, PolicyKind, parse_policy
from mooring.api.rules import CEL_RULES
from mooring.lint.documents import Manifest
from mooring.lint.findings import FieldPath, Finding, did_you_mean, one_of
from mooring.lint.schema import Problem, schema_problems


def is_ours(manifest: Manifest) -> bool:
    """Whether an object is of one of Mooring's kinds, or is meant to be."""
    return manifest.value["kind"] in OWN_KINDS or manifest.value["apiVersion"].partition("/")[0] == GROUP


def check_own(manifest: Manifest) -> Iterator[Finding]:
    """What the API server would refuse in an object that is ours, its metadata aside."""
    version, kind = manifest.value["apiVersion"], manifest.value["kind"]
    if kind not in OWN_KINDS:
        yield manifest.finding(("kind",), f"must be {one_of(OWN_KINDS)}, not {kind}{did_you_mean(kind, OWN_KINDS)}")
    elif version != API_VERSION:
        yield manifest.finding(("apiVersion",), f"must be {API_VERSION}, not {version}")
    else:
        for path, message in problems(kind, manifest.value):
            yield manifest.finding(path, message)


def valid_policies(manifests: Iterable[Manifest]) -> Iterator[tuple[Manifest, Policy]]:
    """The policies among objects, typed; those that the API server would refuse are passed over."""
    for manifest in manifests:
        if manifest.value["kind"] in set(PolicyKind):
            with contextlib.suppress(InvalidPolicyError):
                yield manifest, parse_policy(manifest.value)


def problems(kind: str, obj: Any) -> list[Problem]:
    """What the CRD of one of `OWN_KINDS` has against an object."""
    schema = _schema(kind)
    value = _stored(schema, obj)
    misfits = schema_problems(_validator(kind), value)
    # As in the API server, a rule is only asked about values of the right shape.
    misshapen = {problem.path for problem in misfits}
    return misfits + [
        Problem((*path, *_steps(rule)), rule["message"])
        for path, rule, part in _rules(schema, value, ())
        if not any(wrong[: len(path)] == path for wrong in misshapen)
        and _program(rule["rule"]).execute({"self": part}) is not True
    ]


_UNCHECKED: Final[Mapping[str, Any]] = {"metadata": {}, "status": {}}
"""Metadata is the API server's own, and a status in a manifest is dropped unread."""


@cache
def _schema(kind: str) -> dict[str, Any]:
    return openapi_schema(kind)


@cache
def _validator(kind: str) -> Validator:
    schema = _schema(kind)
    return Draft202012Validator(_strict({**schema, "properties": {**schema["properties"], **_UNCHECKED}}))


def _strict(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema in JSON Schema's own words: no unknown fields, and sets as lists of unique items."""
    strict = dict(schema)
    if "properties" in schema:
        strict["properties"] = {name: _strict(part) for name, part in schema["properties"].items()}
        strict["additionalProperties"] = False
    for keyword in {"items", "additionalProperties"} & schema.keys():
        strict[keyword] = _strict(schema[keyword])
    if schema.get("x-kubernetes-list-type") == "set":
        strict["uniqueItems"] = True
    return strict


def _stored(schema: dict[str, Any], value: Any) -> Any:
    """The value as the API server keeps it: fields that are null dropped, and defaults filled in.

    A map keeps its nulls: a label without a value is a mistake.
    """
    if isinstance(value, list):
        return [_stored(schema.get("items", {}), item) for item in value]
    if not isinstance(value, dict):
        return value
    if (other := schema.get("additionalProperties")) is not None:
        return {name: _stored(other, part) for name, part in value.items()}
    properties = schema.get("properties", {})
    defaults = {name: part["default"] for name, part in properties.items() if "default" in part}
    given = {name: part for name, part in value.items() if part is not None}
    return {name: _stored(properties.get(name, {}), part) for name, part in {**defaults, **given}.items()}


def _rules(schema: dict[str, Any], value: Any, path: FieldPath) -> Iterator[tuple[FieldPath, dict[str, str], Any]]:
    """Every CEL rule for the value or a part of it: where the part is, the rule, and the part."""
    for rule in schema.get(CEL_RULES, []):
        yield path, rule, value
    if isinstance(value, list):
        for position, item in enumerate(value):
            yield from _rules(schema.get("items", {}), item, (*path, position))
    elif isinstance(value, dict):
        known, other = schema.get("properties", {}), schema.get("additionalProperties", {})
        for name, part in value.items():
            yield from _rules(known.get(name, other), part, (*path, name))


def _steps(rule: dict[str, str]) -> FieldPath:
    """The field below the rule's own that it names as the one at fault."""
    return tuple(step for step in rule.get("fieldPath", "").split(".") if step)


@cache
def _program(rule: str) -> Any:
    return cel.compile(rule)
