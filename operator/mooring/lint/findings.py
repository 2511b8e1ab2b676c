"""What lint says: one finding a mistake, with the file, the line and the field."""

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

FieldPath = tuple[str | int, ...]
"""Keys and positions that lead to a value, from the top of a YAML document."""


class Severity(StrEnum):
    """How bad a finding is."""

    ERROR = "error"
    """The cluster refuses it, or it does not do what it says."""
    WARNING = "warning"
    """It may be meant, but more often it is a mistake."""


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One mistake; findings sort in the order in which they are read.

    Attributes:
        file: the path as it was given, or `<stdin>`.
        line: the line of the field, from 1; 0 where the file as a whole is at fault.
        field: the field as the API server writes it, such as `spec.rules[0].key`; empty for the whole document.
    """

    file: str
    line: int
    field: str
    message: str
    severity: Severity = Severity.ERROR

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return ": ".join(part for part in (place, self.severity, self.field, self.message) if part)


def field_name(path: FieldPath) -> str:
    """The path as the API server writes it: `spec.containers[0].name`, `metadata.labels[mooring.dev/ignore]`."""
    name = ""
    for step in path:
        plain = isinstance(step, str) and re.fullmatch(r"[\w-]+", step)
        name += f".{step}" if plain else f"[{step}]"
    return name.removeprefix(".")


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`; did you mean X?` where a known word is close to this one, else nothing."""
    by_lower = {name.lower(): name for name in known}
    close = difflib.get_close_matches(word.lower(), by_lower, n=1)
    return f"; did you mean {by_lower[close[0]]}?" if close else ""


def one_of(words: Iterable[str]) -> str:
    """The words as a choice: `Local, Remote or Anywhere`."""
    *others, last = words
    return f"{', '.join(others)} or {last}" if others else last
