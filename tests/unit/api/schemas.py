"""What an API server does with a CRD's schema, as far as the unit tests need it: defaults, CEL rules, a walk."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cel

REPOSITORY = Path(__file__).parents[3]


def openapi_schema(crd: dict[str, Any]) -> dict[str, Any]:
    """The schema of a CRD's only version."""
    (version,) = crd["spec"]["versions"]
    schema: dict[str, Any] = version["schema"]["openAPIV3Schema"]
    return schema


def walk(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every schema below this one, itself included, with its path."""
    yield path, schema
    for name, part in schema.get("properties", {}).items():
        yield from walk(part, f"{path}.{name}")
    if "items" in schema:
        yield from walk(schema["items"], f"{path}[*]")
    if "additionalProperties" in schema:
        yield from walk(schema["additionalProperties"], f"{path}.*")


def defaulted(schema: dict[str, Any], value: Any) -> Any:
    """The value with the schema's defaults filled in."""
    if isinstance(value, list):
        return [defaulted(schema.get("items", {}), item) for item in value]
    if not isinstance(value, dict):
        return value
    properties = schema.get("properties", {})
    defaults = {name: part["default"] for name, part in properties.items() if "default" in part}
    return {name: defaulted(properties.get(name, {}), part) for name, part in {**defaults, **value}.items()}


def broken_rules(schema: dict[str, Any], value: Any) -> list[str]:
    """The messages of the CEL rules that do not hold for the value or a part of it."""
    messages = [
        rule["message"]
        for rule in schema.get("x-kubernetes-validations", [])
        if cel.evaluate(rule["rule"], {"self": value}) is not True
    ]
    if isinstance(value, list):
        parts = [(schema["items"], item) for item in value]
    elif isinstance(value, dict):
        known = schema.get("properties", {})
        parts = [(known.get(name, schema.get("additionalProperties", {})), part) for name, part in value.items()]
    else:
        parts = []
    return messages + [message for part, inner in parts for message in broken_rules(part, inner)]
