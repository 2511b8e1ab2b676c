"""Which nodes share a place: labels, levels and areas, kept up to date node by node.

A place is nested: two racks of one name in different zones are different racks. A node without the label of a level is
in no place of that level (STORK gives it a nameless rack, so that mere zone mates score as rack mates; not copied).
"""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from enum import IntEnum
from typing import Final, TypeVar

from mooring.api.labels import HOSTNAME, RACK_KEYS, REGION_KEYS, ZONE_KEYS


class Level(IntEnum):
    """How near two nodes are; a smaller value is nearer."""

    HOST = 0
    RACK = 1
    ZONE = 2
    REGION = 3


#: One level of a node's place: the labels, outermost first, that lead to it, as (key, value).
Place = tuple[tuple[str, str], ...]

AnyKey = TypeVar("AnyKey", bound=Hashable)
AnyMember = TypeVar("AnyMember")

_NOBODY: Final[frozenset[str]] = frozenset()


class Topology:
    """The nodes by label and by place.

    Everything here is maintained as nodes come and go, so that no lookup does work proportional to the cluster.
    """

    def __init__(self, *, rack_labels: Sequence[str] = RACK_KEYS) -> None:
        self._label_choices: Final = {
            Level.HOST: (HOSTNAME,),
            Level.RACK: tuple(rack_labels),
            Level.ZONE: ZONE_KEYS,
            Level.REGION: REGION_KEYS,
        }
        self._labels: dict[str, Mapping[str, str]] = {}
        self._by_label: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
        self._values: defaultdict[str, set[str]] = defaultdict(set)
        self._places: dict[str, dict[Level, Place]] = {}
        self._by_place: defaultdict[tuple[Level, Place], set[str]] = defaultdict(set)

    def put(self, node: str, labels: Mapping[str, str]) -> None:
        """Learn a node, or its new labels."""
        self.remove(node)
        self._labels[node] = labels
        self._places[node] = self._place(node, labels)
        for key, value in labels.items():
            self._by_label[key, value].add(node)
            self._values[key].add(value)
        for area in self._places[node].items():
            self._by_place[area].add(node)

    def remove(self, node: str) -> None:
        """Forget a node."""
        labels = self._labels.pop(node, {})
        for key, value in labels.items():
            discard(self._by_label, (key, value), node)
            if (key, value) not in self._by_label:
                discard(self._values, key, value)
        for area in self._places.pop(node, {}).items():
            discard(self._by_place, area, node)

    def __contains__(self, node: str) -> bool:
        return node in self._labels

    @property
    def nodes(self) -> AbstractSet[str]:
        """The names of all nodes."""
        return self._labels.keys()

    def labels(self, node: str) -> Mapping[str, str]:
        """The labels of a node, empty for one that does not exist."""
        return self._labels.get(node, {})

    def has_label(self, key: str) -> bool:
        """Whether any node carries a label."""
        return key in self._values

    def values(self, key: str) -> AbstractSet[str]:
        """The values that a label has on any node."""
        return self._values.get(key, _NOBODY)

    def with_label(self, key: str, value: str) -> AbstractSet[str]:
        """The nodes that carry a label with this value."""
        return self._by_label.get((key, value), _NOBODY)

    def place(self, node: str, level: Level) -> Place | None:
        """The place of a node at a level, or None where it has no such label."""
        return self._places.get(node, {}).get(level)

    def within(self, level: Level, place: Place) -> AbstractSet[str]:
        """The nodes in a place."""
        return self._by_place.get((level, place), _NOBODY)

    def mates(self, nodes: Iterable[str], level: Level) -> list[AbstractSet[str]]:
        """For each place of this level in which one of the given nodes is, all nodes of that place."""
        places = {place: None for node in nodes if (place := self.place(node, level)) is not None}
        return [self.within(level, place) for place in places]

    def sharing(self, nodes: Iterable[str], key: str) -> AbstractSet[str]:
        """All nodes whose label `key` has the value it has on any of the given ones; without the label, none."""
        values = {value for node in nodes if (value := self.labels(node).get(key)) is not None}
        return _union([self.with_label(key, value) for value in values])

    def level_of(self, key: str) -> Level | None:
        """The level that a label names, or None for a label of the user's own."""
        return next((level for level, keys in self._label_choices.items() if key in keys), None)

    def common_level(self, nodes: AbstractSet[str]) -> Level | None:
        """The finest level at which all the nodes are in one place, or None."""
        if len(nodes) == 1:
            return Level.HOST
        for level in (Level.RACK, Level.ZONE, Level.REGION):
            if len({self.place(node, level) for node in nodes} - {None}) == 1 and all(
                self.place(node, level) for node in nodes
            ):
                return level
        return None

    def _place(self, node: str, labels: Mapping[str, str]) -> dict[Level, Place]:
        place: Place = ()
        found: dict[Level, Place] = {}
        for level in (Level.REGION, Level.ZONE, Level.RACK):
            pair = next(((key, labels[key]) for key in self._label_choices[level] if labels.get(key)), None)
            if pair:
                place = (*place, pair)
                found[level] = place
        # A host is itself whatever its labels say; its name stands for it.
        found[Level.HOST] = (("metadata.name", node),)
        return found


def _union(sets: Sequence[AbstractSet[str]]) -> AbstractSet[str]:
    """One set is its own union: a zone may hold half the cluster, and copying it would be work for each decision."""
    return sets[0] if len(sets) == 1 else _NOBODY.union(*sets)


def discard(index: defaultdict[AnyKey, set[AnyMember]], key: AnyKey, member: AnyMember) -> None:
    """Take a member out of an index of sets, and drop the set with its last one."""
    members = index[key]
    members.discard(member)
    if not members:
        del index[key]
