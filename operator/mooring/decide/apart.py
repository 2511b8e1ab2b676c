"""How a pod is to keep apart from its siblings, the pods of the same workload: spread and anti-affinity.

A nomination outranks what kube-scheduler would make of these wishes, so that the choice of the node must weigh them.
Wishes about other pods than siblings are left to kube-scheduler, which passes over a nominated node that breaks one.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from typing import Final, NamedTuple

from mooring.cluster.index import Cluster
from mooring.cluster.records import Pod
from mooring.cluster.topology import Topology


class _Wish(NamedTuple):
    """To have few siblings within the same value of a label.

    Attributes:
        skew: how many more there may be than where there are fewest; None where the wish is only a preference.
        alone: whether there may be none at all.
    """

    key: str
    skew: int | None = None
    alone: bool = False


class Siblings:
    """Where the siblings of a pod run, or are to run."""

    def __init__(self, pod: Pod, cluster: Cluster) -> None:
        self._topology: Final = cluster.topology
        self._wishes: Final = tuple(_wishes(pod))
        nodes = [cluster.usage.node_of(key) for key in _siblings(pod, cluster)] if self._wishes else []
        keys = {wish.key for wish in self._wishes}
        self._counts: Final = {key: _count(nodes, key, self._topology) for key in keys}
        self._fewest: Final = {key: _fewest(self._counts[key], self._topology.values(key)) for key in keys}

    def allow(self, node: str) -> bool:
        """Whether no constraint keeps the pod off a node because of its siblings."""
        return all(self._is_kept(wish, node) for wish in self._wishes)

    def crowd(self, node: str) -> int:
        """How many siblings are where the pod would rather have none; one counts once for each wish."""
        return sum(self._near(wish.key, node) for wish in self._wishes)

    def _is_kept(self, wish: _Wish, node: str) -> bool:
        if wish.alone:
            return self._near(wish.key, node) == 0
        if wish.skew is None:
            return True
        has_label = wish.key in self._topology.labels(node)
        return has_label and self._near(wish.key, node) + 1 - self._fewest[wish.key] <= wish.skew

    def _near(self, key: str, node: str) -> int:
        value = self._topology.labels(node).get(key)
        return self._counts[key][value] if value is not None else 0


def _count(nodes: Iterable[str], key: str, topology: Topology) -> Counter[str]:
    """How many of the nodes' pods are within each value of a label."""
    return Counter(value for node in nodes if (value := topology.labels(node).get(key)) is not None)


def _fewest(counts: Counter[str], values: AbstractSet[str]) -> int:
    """How many there are where there are fewest: none, unless somebody is within every value."""
    return min(counts.values(), default=0) if len(counts) == len(values) else 0


def _siblings(pod: Pod, cluster: Cluster) -> Iterator[str]:
    workload = pod.workload
    return (key for key in cluster.relations.pods_of_workload(workload) if key != pod.key) if workload else iter(())


def _wishes(pod: Pod) -> Iterator[_Wish]:
    for constraint in pod.spec.topology_spread_constraints:
        if constraint.label_selector and constraint.label_selector.selects(pod.labels):
            must = constraint.when_unsatisfiable == "DoNotSchedule"
            yield _Wish(constraint.topology_key, skew=constraint.max_skew if must else None)
    anti = pod.spec.affinity.pod_anti_affinity if pod.spec.affinity else None
    if anti is None:
        return
    for term in anti.required:
        if term.label_selector and term.label_selector.selects(pod.labels):
            yield _Wish(term.topology_key, alone=True)
    for weighted in anti.preferred:
        term = weighted.pod_affinity_term
        if term.label_selector and term.label_selector.selects(pod.labels):
            yield _Wish(term.topology_key)
