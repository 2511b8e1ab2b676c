"""The part of an object that CEL expressions read, so that the rest need not be turned into CEL's values."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

_EVERYTHING: Final = None
_FIELD: Final = r"(?:\.([A-Za-z_]\w*)(?![\w]*\s*\())?"


class Projection:
    """Which top-level fields of a variable some expressions read, and which fields of those.

    Found in their text, so it errs on the safe side: a use of the variable that is no plain path keeps all of it.
    """

    def __init__(self, variable: str, texts: Iterable[str]) -> None:
        """Find out what is read.

        Args:
            variable: the variable's name, such as `object`.
            texts: the expressions.
        """
        self._fields: dict[str, frozenset[str] | None] | None = {}
        presence = re.compile(rf"\bhas\(\s*{variable}\.([A-Za-z_]\w*)\s*\)")
        path = re.compile(rf"\b{variable}\b{_FIELD}{_FIELD}")
        for text in texts:
            for field in presence.findall(text):
                self._add(field, frozenset())
            for field, part in path.findall(presence.sub("", text)):
                self._add(field, frozenset({part}) if part else _EVERYTHING)

    def of(self, value: Mapping[str, Any]) -> Mapping[str, Any]:
        """The part of an object that is read; what is a map stays one, even if nothing in it is read."""
        if self._fields is None:
            return value
        return {
            field: _only(parts, value[field]) if parts is not None else value[field]
            for field, parts in self._fields.items()
            if field in value
        }

    def _add(self, field: str, parts: frozenset[str] | None) -> None:
        if not field:
            self._fields = None
        if self._fields is None:
            return
        known = self._fields.get(field, frozenset())
        self._fields[field] = None if known is None or parts is None else known | parts


def _only(parts: frozenset[str], value: Any) -> Any:
    return {part: value[part] for part in parts if part in value} if isinstance(value, dict) else value
