"""Lists of node names as text behave like lists of names."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring.serve.names import NameList

_NAME = st.from_regex(r"[a-z0-9]([-a-z0-9.]{0,8}[a-z0-9])?", fullmatch=True)
#: Names that begin and end alike are what a search in text could confuse.
_CONFUSABLE = st.sampled_from(["n1", "n11", "n111", "1n1", "n1.n1", "n", "1", "n-1", "n1-n11"])
_NAMES = st.lists(_NAME | _CONFUSABLE, unique=True, max_size=40)
_SETS = st.sets(_NAME | _CONFUSABLE, max_size=40)


@given(names=_NAMES, spaced=st.booleans())
def test_what_is_parsed_is_written(names: list[str], spaced: bool) -> None:
    """JSON as Go writes it, and JSON with spaces, give the same names in the same order."""
    text = json.dumps(names, separators=None if spaced else (",", ":")).encode()

    parsed = NameList.parse(text)

    assert parsed.to_list() == names
    assert json.loads(parsed.json()) == names
    assert len(parsed) == len(names)
    assert NameList.of(names).json() == parsed.json()


@given(names=_NAMES, chosen=_SETS)
def test_parting_is_that_of_a_list(names: list[str], chosen: set[str]) -> None:
    """Both halves are what a list comprehension gives, in the same order, for few and for many chosen."""
    inside, outside = NameList.of(names).part(chosen)

    assert inside.to_list() == [name for name in names if name in chosen]
    assert outside.to_list() == [name for name in names if name not in chosen]


@given(names=_NAMES, chosen=_SETS, again=_SETS)
def test_parts_can_be_parted(names: list[str], chosen: set[str], again: set[str]) -> None:
    """What one test leaves goes into the next one."""
    _, rest = NameList.of(names).part(chosen)
    inside, outside = rest.part(again)

    left = [name for name in names if name not in chosen]
    assert inside.to_list() == [name for name in left if name in again]
    assert outside.to_list() == [name for name in left if name not in again]


def test_more_than_a_few_are_parted_alike() -> None:
    """Sets on both sides of the border between the two ways give the same kind of answer."""
    names = [f"node-{number}" for number in range(100)]
    for size in (0, 1, 15, 16, 17, 50, 100):
        chosen = set(names[::-1][:size])
        inside, outside = NameList.of(names).part(chosen)
        assert inside.to_list() == names[100 - size :]
        assert outside.to_list() == names[: 100 - size]


@given(names=_NAMES)
def test_wrapping_reaches_every_name(names: list[str]) -> None:
    """Text before and after each name makes an array of objects."""
    wrapped = NameList.of(names).wrapped(b'{"Host":', b"}")

    assert json.loads(b"[" + wrapped + b"]") == [{"Host": name} for name in names]


@pytest.mark.parametrize(
    "text",
    [
        b'"a"',
        b"{}",
        b"7",
        b"[1]",
        b'["a",7]',
        b'["a",["b"]]',
        b'["a"',
        b'["a,b"]',
        b'["a\\"b"]',
        b'["a\\u0022"]',
        b'["\xff"]',
        b'["a", ""]',
    ],
)
def test_what_is_no_list_of_names_is_refused(text: bytes) -> None:
    """Anything but an array of node names is an error, never a wrong answer."""
    with pytest.raises(ValueError, match=r"."):
        NameList.parse(text)


@pytest.mark.parametrize("text", [b"[]", b"[ ]", b"[\n]"])
def test_no_names(text: bytes) -> None:
    """An empty array has no names, and all that can be asked of it."""
    names = NameList.parse(text)

    assert names.to_list() == []
    assert len(names) == 0
    assert names.json() == b"[]"
    assert [half.to_list() for half in names.part({"a"})] == [[], []]
    assert names.wrapped(b"<", b">") == b""
