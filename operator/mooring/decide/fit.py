"""Whether a pod would fit on a node: worth asking before something is moved there.

This is not a second kube-scheduler. It covers what usually decides (readiness, cordons, taints, selectors, CPU, memory
and the number of pods); the scheduler has the last word, and a move that it refuses leaves the pod where it fits.
"""

from collections.abc import Sequence

from mooring.cluster.index import Cluster
from mooring.cluster.records import Node, PodSpec, Taint, Toleration
from mooring.cluster.room import allocatable, requested
from mooring.locate.selector import matches_selector

_REPELLING = frozenset({"NoSchedule", "NoExecute"})


def fits(spec: PodSpec, node: Node, cluster: Cluster) -> bool:
    """Whether a pod could run on a node as things stand."""
    return accepts(spec, node) and has_room(spec, node, cluster)


def accepts(spec: PodSpec, node: Node) -> bool:
    """Whether a node takes such a pod at all, however full it is."""
    if node.spec.unschedulable or not _is_ready(node):
        return False
    repelling = (taint for taint in node.spec.taints if taint.effect in _REPELLING)
    if not all(_tolerated(taint, spec.tolerations) for taint in repelling):
        return False
    if any(node.labels.get(key) != value for key, value in (spec.node_selector or {}).items()):
        return False
    required = spec.node_affinity.required
    return required is None or matches_selector(required, node.name, node.labels)


def has_room(spec: PodSpec, node: Node, cluster: Cluster) -> bool:
    """Whether what a pod asks for is free on a node."""
    return cluster.usage.of(node.name).plus(requested(spec)).fits_into(allocatable(node))


def _is_ready(node: Node) -> bool:
    return any(condition.type == "Ready" and condition.status == "True" for condition in node.status.conditions)


def _tolerated(taint: Taint, tolerations: Sequence[Toleration]) -> bool:
    return any(_tolerates(toleration, taint) for toleration in tolerations)


def _tolerates(toleration: Toleration, taint: Taint) -> bool:
    if toleration.effect and toleration.effect != taint.effect:
        return False
    if toleration.operator == "Exists":
        return not toleration.key or toleration.key == taint.key
    return toleration.key == taint.key and toleration.value == taint.value
