"""How much of each node is asked for, kept up to date pod by pod."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Final, NamedTuple

from mooring.cluster.records import Node, Pod, PodSpec, Quantity, parse_quantity


class Amount(NamedTuple):
    """CPU in thousandths of a core, memory in bytes, and a number of pods.

    Whole numbers, because sums of fractions drift: three times 0.1 cores would not fit into 0.3.
    """

    cpu: int = 0
    memory: int = 0
    pods: int = 0

    def plus(self, other: "Amount", *, times: int = 1) -> "Amount":
        """Add `times` the other amount."""
        # Written out: this runs for each container of each pod, and a generator makes that a third slower (measured).
        return Amount(
            cpu=self.cpu + times * other.cpu,
            memory=self.memory + times * other.memory,
            pods=self.pods + times * other.pods,
        )


def requested(spec: PodSpec) -> Amount:
    """What a pod asks for: the sum over its containers.

    Init containers are left out: they run before the others and only rarely ask for more. kube-scheduler has the last
    word; this only says whether trying is worth while.
    """
    total = Amount(pods=1)
    for container in spec.containers:
        requests = (container.resources.requests if container.resources else None) or {}
        total = total.plus(_amount(requests)._replace(pods=0))
    return total


def allocatable(node: Node) -> Amount:
    """What a node offers; a quantity that it does not state is none at all."""
    return _amount(node.status.allocatable or {})


def _amount(quantities: Mapping[str, Quantity]) -> Amount:
    return Amount(
        cpu=round(parse_quantity(quantities.get("cpu", 0)) * 1000),
        memory=round(parse_quantity(quantities.get("memory", 0))),
        pods=round(parse_quantity(quantities.get("pods", 0))),
    )


class Usage:
    """The sum of requests on each node."""

    def __init__(self) -> None:
        self._by_node: Final[defaultdict[str, Amount]] = defaultdict(Amount)

    def add(self, pod: Pod) -> None:
        """Count a pod in, if it takes room anywhere."""
        self._count(pod, times=1)

    def remove(self, pod: Pod) -> None:
        """Count out a pod that was counted in."""
        self._count(pod, times=-1)

    def of(self, node: str) -> Amount:
        """What is asked for on a node."""
        return self._by_node.get(node, Amount())

    def _count(self, pod: Pod, *, times: int) -> None:
        if pod.spec.node_name and not pod.finished:
            node = pod.spec.node_name
            self._by_node[node] = self._by_node[node].plus(requested(pod.spec), times=times)
