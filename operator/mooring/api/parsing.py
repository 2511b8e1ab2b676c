"""Mooring's own objects as manifests and the API server give them, typed by the models.

They are checked as strictly as the API server checks them, because lint, plan and snapshots see some that no API server
has seen.
"""

import json
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from mooring.api.selectors import ApiModel
from mooring.api.status import StatusModel

_Spec = TypeVar("_Spec", bound=ApiModel)
_Status = TypeVar("_Status", bound=StatusModel)


def parse_metadata(obj: Mapping[str, Any], *, refusal: type[ValueError]) -> Mapping[str, Any]:
    """Give an object's metadata, which has a name.

    Raises:
        ValueError: it has none; of the type `refusal`.
    """
    metadata = obj.get("metadata")
    if not isinstance(metadata, Mapping) or not metadata.get("name"):
        raise refusal("metadata.name: is required")
    return metadata


def parse_spec(model: type[_Spec], spec: Any, *, refusal: type[ValueError]) -> _Spec:
    """Check and type a spec.

    Raises:
        ValueError: the API server would refuse it; of the type `refusal`. The message names the field of each mistake,
            such as `spec.topologyKey: ...`.
    """
    text = json.dumps(_without_nulls(spec), default=str)
    try:
        # Strict, as the API server is: "5" is no number. In JSON mode, because in Python mode strict refuses lists.
        return model.model_validate_json(text, strict=True, by_alias=True, by_name=False)
    except ValidationError as error:
        problems = [f"{_field_path(problem['loc'])}: {_sentence(problem)}" for problem in error.errors()]
        raise refusal("; ".join(problems)) from error


def parse_status(model: type[_Status], status: Any) -> _Status:
    """Type a status; it is Mooring's own writing, perhaps an older Mooring's: what cannot be read is written anew."""
    try:
        return model.model_validate_json(json.dumps(status or {}, default=str), by_alias=True, by_name=False)
    except ValidationError:
        return model()


def _without_nulls(value: Any) -> Any:
    """Drop fields that are null, as the API server does: charts render `topologyKey:` when they mean the default.

    The labels of a selector keep theirs and are refused: `tier:` without a value is a mistake that would select all.
    """
    if isinstance(value, Mapping):
        return {
            name: part if name == "matchLabels" else _without_nulls(part)
            for name, part in value.items()
            if part is not None
        }
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value


def _sentence(problem: ErrorDetails) -> str:
    return "there is no such field" if problem["type"] == "extra_forbidden" else problem["msg"]


def _field_path(location: tuple[int | str, ...]) -> str:
    """The path as the API server writes it: `spec.podSelector.matchExpressions[0].values`."""
    path = "spec"
    for step in location:
        path += f"[{step}]" if isinstance(step, int) else f".{step}"
    return path.removesuffix(".[key]")
