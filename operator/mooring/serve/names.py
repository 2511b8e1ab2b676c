"""Lists of node names, worked on as the JSON text in which they come and go.

kube-scheduler sends the names of up to 5,000 nodes with each call. Making strings of them, hashing them and writing
them out again would take most of the time of a call (measured: 0.5 ms of 0.6), when all that is asked is which few of
them to take out. So a list stays text wherever only a few nodes matter.
"""

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from typing import Final

import msgspec

_SEPARATOR: Final = b'","'
#: Up to this many nodes it is faster to search the text for each than to make strings of all names (measured).
_FEW: Final = 16

_DECODER: Final = msgspec.json.Decoder(list[str])


class NameList:
    """Node names as the inside of a JSON array: `"node-1","node-2"`, in kube-scheduler's order."""

    __slots__ = ("_text",)

    def __init__(self, text: bytes) -> None:
        self._text: Final = text

    @classmethod
    def of(cls, names: Iterable[str]) -> "NameList":
        """Write names that need no escaping."""
        joined = '","'.join(names)
        return cls(f'"{joined}"'.encode() if joined else b"")

    @classmethod
    def parse(cls, array: bytes) -> "NameList":
        """Read a JSON array of names.

        Raises:
            ValueError: it is no array of strings, or one of them cannot be a node's name.
        """
        text = array[1:-1]
        commas = text.count(b",")
        # As Go writes it: nothing but names, quotes and commas. Then the text can be used as it is.
        if (
            text.count(_SEPARATOR) == commas
            and text.count(b'"') == 2 * (commas + bool(text))
            and array.startswith(b'["')
            and b"\\" not in text
            and text.isascii()
        ):
            return cls(text)
        names = _DECODER.decode(array)
        if any('"' in name or "\\" in name or "," in name or not name for name in names):
            raise ValueError("not every entry is a node name")
        return cls.of(names)

    def __len__(self) -> int:
        return self._text.count(b",") + bool(self._text)

    def to_list(self) -> list[str]:
        """The names as strings."""
        return self._text[1:-1].decode().split('","') if self._text else []

    def part(self, nodes: AbstractSet[str]) -> tuple["NameList", "NameList"]:
        """Part the list into the names that are in a set and the others; both keep their order."""
        return self._part_few(nodes) if len(nodes) <= _FEW else self._part_many(nodes)

    def wrapped(self, before: bytes, after: bytes) -> bytes:
        """The names with some text before and after each: `BEFORE"node-1"AFTER,BEFORE"node-2"AFTER`."""
        if not self._text:
            return b""
        return before + self._text.replace(b",", after + b"," + before) + after

    def json(self) -> bytes:
        """The JSON array."""
        return b"[" + self._text + b"]"

    def _part_few(self, nodes: AbstractSet[str]) -> tuple["NameList", "NameList"]:
        found = sorted(
            (position, token)
            for token in (f'"{node}"'.encode() for node in nodes)
            if (position := self._text.find(token)) >= 0
        )
        rest, end = [], 0
        for position, token in found:
            rest.append(self._text[end:position])
            end = position + len(token) + 1  # the comma goes with the name before it
        rest.append(self._text[end:])
        inside = NameList(b",".join(token for _, token in found))
        return inside, NameList(b"".join(rest).removesuffix(b","))

    def _part_many(self, nodes: AbstractSet[str]) -> tuple["NameList", "NameList"]:
        names = self.to_list()
        inside = [name for name in names if name in nodes]
        if len(inside) == len(names):
            return self, NameList(b"")
        return NameList.of(inside), NameList.of(name for name in names if name not in nodes)
