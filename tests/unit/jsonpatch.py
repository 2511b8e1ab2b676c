"""JSON patches (RFC 6902) applied as the API server applies them: strictly."""

import copy
import json
from collections.abc import Iterable, Mapping
from typing import Any


def patched(document: Mapping[str, Any], operations: Iterable[Mapping[str, Any]]) -> Any:
    """The document after operations, which travel as JSON: `add` and `remove` of members, and `add` to a list's end.

    Raises:
        KeyError: a parent is missing, or what should be removed is.
    """
    result = copy.deepcopy(dict(document))
    for operation in json.loads(json.dumps(list(operations))):
        *parents, last = [_unescaped(step) for step in operation["path"].split("/")[1:]]
        target = result
        for step in parents:
            target = target[step]
        if isinstance(target, list):
            assert (operation["op"], last) == ("add", "-"), operation
            target.append(operation["value"])
            continue
        assert isinstance(target, dict), operation
        if operation["op"] == "add":
            target[last] = operation["value"]
        else:
            assert operation["op"] == "remove"
            del target[last]
    return result


def _unescaped(step: str) -> str:
    return step.replace("~1", "/").replace("~0", "~")
