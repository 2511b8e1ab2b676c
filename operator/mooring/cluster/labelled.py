"""Objects by namespace and label, kept up to date object by object."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import Final

from mooring.cluster.topology import discard

_NOBODY: Final[frozenset[str]] = frozenset()


class Labelled:
    """The keys of objects of one kind, by what they are labelled with."""

    def __init__(self) -> None:
        self._in: Final[defaultdict[str, set[str]]] = defaultdict(set)
        self._with: Final[defaultdict[tuple[str, str, str], set[str]]] = defaultdict(set)

    def put(self, key: str, namespace: str, labels: Mapping[str, str]) -> None:
        """Take in an object that is not there."""
        self._in[namespace].add(key)
        for label in labels.items():
            self._with[namespace, *label].add(key)

    def remove(self, key: str, namespace: str, labels: Mapping[str, str]) -> None:
        """Forget an object, which had these labels."""
        discard(self._in, namespace, key)
        for label in labels.items():
            discard(self._with, (namespace, *label), key)

    def within(self, namespace: str) -> AbstractSet[str]:
        """All objects of a namespace."""
        return self._in.get(namespace, _NOBODY)

    def with_label(self, namespace: str, label: str, values: Iterable[str]) -> AbstractSet[str]:
        """The objects of a namespace whose label has one of these values."""
        return _NOBODY.union(*(self._with.get((namespace, label, value), _NOBODY) for value in values))
