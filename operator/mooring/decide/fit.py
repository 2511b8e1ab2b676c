"""Whether a pod would fit on a node, and what is in the way: worth asking before something is moved there.

This is not a second kube-scheduler. It covers what usually decides (readiness, cordons, taints, selectors, CPU, memory
and the number of pods); the scheduler has the last word, and a move that it refuses leaves the pod where it fits.
"""

from collections.abc import Sequence

from mooring.cluster.index import Cluster
from mooring.cluster.records import Node, PodSpec, Taint, Toleration, holds
from mooring.cluster.room import allocatable, requested
from mooring.locate.selector import matches_selector

_REPELLING = frozenset({"NoSchedule", "NoExecute"})


def fits(spec: PodSpec, node: Node, cluster: Cluster, *, pod: str = "") -> bool:
    """Whether a pod could run on a node as things stand."""
    return not hindrance(spec, node, cluster, pod=pod)


def hindrance(spec: PodSpec, node: Node, cluster: Cluster, *, pod: str = "") -> str:
    """What keeps a pod off a node as things stand, in words that follow the node's name; empty if nothing does.

    `pod` is its key (namespace/name) if it exists: the room that is kept for it is its own.
    """
    return _refusal(spec, node) or _shortage(spec, node, cluster, pod)


def _refusal(spec: PodSpec, node: Node) -> str:
    """Why a node takes no such pod at all, however empty it is."""
    if node.spec.unschedulable:
        return "is cordoned"
    if not holds(node.status.conditions, "Ready"):
        return "is not ready"
    repelling = (taint for taint in node.spec.taints if taint.effect in _REPELLING)
    taint = next((taint for taint in repelling if not _is_tolerated(taint, spec.tolerations)), None)
    if taint is not None:
        return f"has the taint {taint.key}"
    if any(node.labels.get(key) != value for key, value in (spec.node_selector or {}).items()):
        return "does not match the pod's nodeSelector"
    required = spec.node_affinity.required
    if required is not None and not matches_selector(required, node.name, node.labels):
        return "does not match the pod's node affinity"
    return ""


def _shortage(spec: PodSpec, node: Node, cluster: Cluster, pod: str) -> str:
    """Of what too little is free on a node; without numbers, which change with every pod."""
    whole = allocatable(node)
    wanted = cluster.usage.of(node.name, besides=pod).plus(requested(spec))
    short = [name for name, amount in wanted._asdict().items() if amount > getattr(whole, name)]
    return f"has too little room: {', '.join(short)}" if short else ""


def _is_tolerated(taint: Taint, tolerations: Sequence[Toleration]) -> bool:
    return any(_tolerates(toleration, taint) for toleration in tolerations)


def _tolerates(toleration: Toleration, taint: Taint) -> bool:
    if toleration.effect and toleration.effect != taint.effect:
        return False
    if toleration.operator == "Exists":
        return not toleration.key or toleration.key == taint.key
    return toleration.key == taint.key and toleration.value == taint.value
