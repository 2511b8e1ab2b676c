"""Records by key, as a list and a watch bring them, and records by whatever else they are asked for."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, Generic, TypeVar

from mooring.locate.records import Said

AnyRecord = TypeVar("AnyRecord", bound=Said)
AnyMember = TypeVar("AnyMember")


class Shelf(Generic[AnyRecord]):
    """The records of one part of a VolumeLocator, by key: the sink for whoever reads the storage system.

    `kind` is whatever the caller calls what it reads; it means nothing here.
    """

    def __init__(self, changed: Callable[[AnyRecord | None, AnyRecord | None], None]) -> None:
        """Take what is to be called after each change, with the record before and after it."""
        self._records: Final[dict[str, AnyRecord]] = {}
        self._changed: Final = changed
        self._closed = False

    @property
    def records(self) -> Mapping[str, AnyRecord]:
        """The records by key."""
        return self._records

    def put(self, _kind: str, new: AnyRecord, /) -> None:
        """Take in a record, in place of the one with the same key. One that says nothing new changes nothing."""
        old = self._records.get(new.key)
        if old != new and not self._closed:
            self._records[new.key] = new
            self._changed(old, new)

    def remove(self, _kind: str, key: str, /) -> None:
        """Forget a record."""
        old = self._records.pop(key, None)
        if old is not None:
            self._changed(old, None)

    def replace(self, kind: str, objects: Iterable[AnyRecord], /) -> Iterator[None]:
        """Take in a complete list, one record a step: what is not in it is gone at the end of the first steps."""
        fresh = {new.key: new for new in objects}
        for key in [key for key in self._records if key not in fresh]:
            self.remove(kind, key)
            yield
        for new in fresh.values():
            self.put(kind, new)
            yield

    def clear(self) -> None:
        """Forget every record."""
        for key in list(self._records):
            self.remove("", key)

    def close(self) -> None:
        """Forget every record, and take none any more."""
        self._closed = True
        self.clear()


class Groups(Generic[AnyMember]):
    """Members by a key that several may share. Groups are small: a tuple each, which is a quarter of a set."""

    def __init__(self) -> None:
        """Begin with no group."""
        self._groups: Final[dict[str, tuple[AnyMember, ...]]] = {}

    def __len__(self) -> int:
        return len(self._groups)

    def of(self, key: str) -> tuple[AnyMember, ...]:
        """The members with a key, in no order that means anything."""
        return self._groups.get(key, ())

    def add(self, key: str, member: AnyMember) -> None:
        """Take in a member; one without a key (an empty one) belongs nowhere."""
        if key:
            self._groups[key] = (*self._groups.get(key, ()), member)

    def discard(self, key: str, member: AnyMember) -> None:
        """Take out a member, and drop the group with its last one."""
        left = tuple(other for other in self._groups.get(key, ()) if other != member)
        if left:
            self._groups[key] = left
        else:
            self._groups.pop(key, None)
