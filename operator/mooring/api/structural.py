"""From pydantic's JSON schema to a structural schema, the form in which a CRD describes its fields.

A structural schema (apiextensions.k8s.io/v1) is self-contained: no references, no unions with null, and
`additionalProperties` only where a map is meant. Keywords that Kubernetes does not know are left out, not passed on.
"""

from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel

_KEPT: Final = frozenset(
    {
        "default",
        "description",
        "enum",
        "format",
        "maxItems",
        "maxLength",
        "maxProperties",
        "maximum",
        "minItems",
        "minLength",
        "minProperties",
        "minimum",
        "pattern",
        "required",
        "type",
        "x-kubernetes-list-map-keys",
        "x-kubernetes-list-type",
        "x-kubernetes-map-type",
        "x-kubernetes-validations",
    }
)

_MEANINGLESS_DEFAULTS: Final[tuple[Any, ...]] = (None, "", [], {})
"""An absent field means the same, and a server that adds empty lists makes GitOps tools see a difference."""


def structural_schema(model: type[BaseModel], *, description: str) -> dict[str, Any]:
    """The structural schema of a model, as the API server takes it in `openAPIV3Schema`."""
    schema = model.model_json_schema(by_alias=True)
    return _flatten({**schema, "description": description}, schema.get("$defs", {}))


def _flatten(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    schema = _resolve(schema, definitions)
    flat = {key: value for key, value in schema.items() if key in _KEPT}
    if "description" in flat:
        flat["description"] = " ".join(flat["description"].split())
    if flat.get("default") in _MEANINGLESS_DEFAULTS:
        flat.pop("default", None)
    if "properties" in schema:
        flat["properties"] = {name: _flatten(part, definitions) for name, part in schema["properties"].items()}
    if "items" in schema:
        flat["items"] = _flatten(schema["items"], definitions)
    # Where it is false, the model refuses unknown fields; the API server does that anyway.
    if isinstance(schema.get("additionalProperties"), Mapping):
        flat["additionalProperties"] = _flatten(schema["additionalProperties"], definitions)
    return flat


def _resolve(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema with its reference or its only choice besides null put in place; what stands beside them wins."""
    if "anyOf" in schema:
        (choice,) = [choice for choice in schema["anyOf"] if choice != {"type": "null"}]
        return _resolve(_beside(schema, choice, "anyOf"), definitions)
    if "$ref" in schema:
        name = schema["$ref"].removeprefix("#/$defs/")
        return _resolve(_beside(schema, definitions[name], "$ref"), definitions)
    return schema


def _beside(schema: Mapping[str, Any], replacement: Mapping[str, Any], keyword: str) -> dict[str, Any]:
    return {**replacement, **{key: value for key, value in schema.items() if key != keyword}}
