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
    """The sum of requests on each node: of the pods that run there, and of those that are to.

    kube-scheduler keeps room for a nominated pod against pods of equal or lower priority, and so does this. A promise
    is a nomination of our own that has not come back from the API server yet.
    """

    def __init__(self) -> None:
        self._by_node: Final[defaultdict[str, Amount]] = defaultdict(Amount)
        self._counted: Final[dict[str, tuple[str, Amount]]] = {}
        self._promised: Final[dict[str, str]] = {}

    def put(self, pod: Pod) -> None:
        """Count a pod where it is or will be, in place of what was known of it."""
        node = pod.place
        if node:
            self._promised.pop(pod.key, None)
        self._count(pod, node or self._promised.get(pod.key, ""))

    def remove(self, key: str) -> None:
        """Forget a pod (namespace/name)."""
        self._promised.pop(key, None)
        self._uncount(key)

    def promise(self, pod: Pod, node: str) -> None:
        """Keep room for a pod on a node until the API server says where it is, or nominated to."""
        self._promised[pod.key] = node
        self._count(pod, node)

    def withdraw(self, pod: Pod) -> None:
        """Keep no room for a pod that could not be nominated."""
        if self._promised.pop(pod.key, None) is not None:
            self._count(pod, pod.place)

    def of(self, node: str, *, besides: str = "") -> Amount:
        """What is asked for on a node, but for what one pod (namespace/name) asks for."""
        found = self._by_node.get(node, Amount())
        own_node, own = self._counted.get(besides, ("", Amount()))
        return found.plus(own, times=-1) if own_node == node else found

    def node_of(self, pod: str) -> str:
        """The node on which room is taken for a pod (namespace/name); empty for none."""
        return self._counted.get(pod, ("", Amount()))[0]

    def _count(self, pod: Pod, node: str) -> None:
        self._uncount(pod.key)
        if node and not pod.finished:
            amount = requested(pod.spec)
            self._counted[pod.key] = (node, amount)
            self._by_node[node] = self._by_node[node].plus(amount)

    def _uncount(self, key: str) -> None:
        node, amount = self._counted.pop(key, ("", Amount()))
        if node:
            self._by_node[node] = self._by_node[node].plus(amount, times=-1)
