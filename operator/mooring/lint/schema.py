"""Values against JSON schemas, with sentences that name the field and what it may be."""

import json
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple, cast

from jsonschema import ValidationError
from jsonschema.protocols import Validator

from mooring.lint.findings import FieldPath, did_you_mean, one_of

_TYPES: Final = {
    "array": "a list",
    "boolean": "a boolean (true or false)",
    "integer": "an integer",
    "number": "a number",
    "object": "a mapping",
    "string": "a string",
}


class Problem(NamedTuple):
    """What is wrong with a field."""

    path: FieldPath
    message: str


def schema_problems(validator: Validator, value: Any) -> list[Problem]:
    """What does not fit a schema, one problem a field."""
    # Which words a field takes says more than that it takes words.
    errors = sorted(validator.iter_errors(value), key=lambda error: error.validator != "enum")
    found: dict[FieldPath, Problem] = {}
    for problem in (problem for error in errors for problem in _problems(error)):
        found.setdefault(problem.path, problem)
    return list(found.values())


def _problems(error: ValidationError) -> Iterator[Problem]:
    path: FieldPath = tuple(error.absolute_path)
    # Which types these have depends on the keyword, and the schemas are Kubernetes' and ours.
    instance, schema, wanted = (cast("Any", part) for part in (error.instance, error.schema, error.validator_value))
    match error.validator:
        case "additionalProperties":
            known = schema.get("properties", {})
            for name in instance.keys() - known.keys():
                yield Problem((*path, name), f"there is no such field{did_you_mean(name, known)}")
        case "required":
            yield from (Problem((*path, name), "is required") for name in wanted if name not in instance)
        case "type":
            yield Problem(path, _wrong_type(instance, wanted if isinstance(wanted, list) else [wanted]))
        case "oneOf":
            # Kubernetes' only unions are of plain types: int-or-string and quantities.
            yield Problem(path, _wrong_type(instance, [name for choice in wanted for name in choice["type"]]))
        case "enum":
            yield Problem(
                path, f"must be {one_of(wanted)}, not {_shown(instance)}{did_you_mean(str(instance), wanted)}"
            )
        case "uniqueItems":
            for position, item in enumerate(instance):
                if item in instance[:position]:
                    yield Problem((*path, position), f"{_shown(item)} is in the list already")
        case _:
            yield Problem(path, error.message)


def _wrong_type(instance: Any, wanted: Iterable[str]) -> str:
    types = [name for name in dict.fromkeys(wanted) if name != "null"]
    hint = "; put it in quotes" if types == ["string"] and isinstance(instance, bool | int | float) else ""
    return f"must be {one_of(_TYPES[name] for name in types)}, not {_shown(instance)}{hint}"


def _shown(value: Any) -> str:
    return "a mapping" if isinstance(value, dict) else "a list" if isinstance(value, list) else json.dumps(value)
