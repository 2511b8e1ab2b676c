"""Pods that wait for room on nodes, so that a node with new room knows whom to tell."""

from collections import defaultdict
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from typing import Final

_NOBODY: Final[frozenset[str]] = frozenset()


class Waiters:
    """Pods (namespace/name) by the nodes that they wait for."""

    def __init__(self) -> None:
        self._by_node: Final[defaultdict[str, set[str]]] = defaultdict(set)
        self._nodes: Final[dict[str, frozenset[str]]] = {}

    def wait(self, pod: str, nodes: Iterable[str]) -> None:
        """Let a pod wait for these nodes, and no others; for none, no longer."""
        for node in self._nodes.pop(pod, _NOBODY):
            self._by_node[node].discard(pod)
            if not self._by_node[node]:
                del self._by_node[node]
        if awaited := frozenset(nodes):
            self._nodes[pod] = awaited
            for node in awaited:
                self._by_node[node].add(pod)

    def at(self, node: str) -> AbstractSet[str]:
        """The pods that wait for a node."""
        return self._by_node.get(node, _NOBODY)
