"""Records by key, and in groups."""

from typing import Any

from tests.unit.locate.storage import replica

from mooring.locate.records import Replica
from mooring.locate.shelf import Groups, Shelf

_ONE, _MOVED, _TWO = replica("r1", "n1"), replica("r1", "n2"), replica("r2", "n1")


def _shelf() -> tuple[Shelf[Replica], list[Any]]:
    heard: list[Any] = []
    return Shelf[Replica](lambda old, new: heard.append((old, new))), heard


def test_each_change_is_told_with_what_was_before() -> None:
    """What says nothing new, or was not there, changes nothing."""
    shelf, heard = _shelf()
    shelf.put("", _ONE)
    shelf.put("", replica("r1", "n1"))
    shelf.put("", _MOVED)
    shelf.remove("", "r1")
    shelf.remove("", "r1")

    assert heard == [(None, _ONE), (_ONE, _MOVED), (_MOVED, None)]
    assert not shelf.records


def test_a_list_replaces_what_is_there_step_by_step() -> None:
    """What is gone goes first; whoever has an event loop to share yields to it after each record."""
    shelf, heard = _shelf()
    shelf.put("", _ONE)
    heard.clear()
    steps = shelf.replace("", [_TWO])
    next(steps)
    assert heard == [(_ONE, None)]

    assert len(list(steps)) == 1
    assert heard == [(_ONE, None), (None, _TWO)]
    assert shelf.records == {"r2": _TWO}


def test_a_closed_shelf_takes_nothing_more() -> None:
    """A watch that is being ended may still bring something."""
    shelf, heard = _shelf()
    shelf.put("", _ONE)
    shelf.close()
    shelf.put("", _TWO)

    assert heard == [(None, _ONE), (_ONE, None)]
    assert not shelf.records


def test_groups_hold_members_by_key() -> None:
    """The last member takes the group with it; nothing belongs to an empty key."""
    groups = Groups[str]()
    groups.add("a", "x")
    groups.add("a", "y")
    groups.add("", "z")
    assert (set(groups.of("a")), groups.of(""), len(groups)) == ({"x", "y"}, (), 1)

    groups.discard("a", "x")
    groups.discard("a", "x")
    assert groups.of("a") == ("y",)

    groups.discard("a", "y")
    groups.discard("b", "y")
    assert (groups.of("a"), len(groups)) == ((), 0)
