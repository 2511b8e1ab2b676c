"""The best node for a pod of a soft rule: near its data, with room, and otherwise as the pod would like it.

kube-scheduler tries a nominated node first and, while the pod fits there, looks at no other. That is what keeps a soft
rule in a large cluster, where the node with the data may never be offered to scoring. It also means that the choice has
to weigh what scoring would have weighed.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from itertools import chain, islice
from typing import Final
from zlib import crc32

from mooring.cluster.index import Cluster
from mooring.cluster.records import Node, Pod
from mooring.cluster.room import allocatable
from mooring.cluster.topology import Level, Topology
from mooring.decide.apart import Siblings
from mooring.decide.decision import Decision
from mooring.decide.fit import fits
from mooring.decide.new_volumes.demand import narrow
from mooring.locate.selector import matches_selector, matches_term

#: How many nodes of a tier are weighed for one pod: kube-scheduler itself stops at 100 that fit.
_MAX_NODES: Final = 100


def best_node(pod: Pod, decision: Decision, cluster: Cluster) -> str:
    """Choose the node to nominate; empty where no node near the data would take the pod, or the rule draws it nowhere.

    The nearest tier with a node that fits decides. Within it the score counts first, then the pod's own preferred
    affinity, then distance from its siblings, then free capacity.
    """
    siblings = Siblings(pod, cluster)
    room_order = decision.demands.room_order(cluster)
    for names in _tiers(pod, decision, cluster, room_order):
        nodes = (node for name in names if (node := cluster.nodes.get(name)))
        fitting = (node for node in nodes if siblings.allow(node.name) and _takes(node, pod, decision, cluster))
        found = list(islice(fitting, _MAX_NODES))
        if found:
            best = min(
                found,
                key=lambda node: (
                    -decision.scores.of(node.name),
                    -_preference(pod, node),
                    siblings.crowd(node.name),
                    room_order(node.name),
                    -_free(pod, node, cluster),
                    node.name,
                ),
            )
            return best.name
    return ""


def drawn_to(decision: Decision) -> AbstractSet[str]:
    """The nodes that hold data which draws the pod."""
    return frozenset[str]().union(*(view.usable for view in decision.drawing))


def roomy_nodes(decision: Decision, cluster: Cluster, *, chosen: str) -> Sequence[str]:
    """The nodes that a pod has to be bound to because no label tells which of them its new volumes fit on.

    Empty where they fit on all. Of many the best, with the chosen one: what is left out is still there for other pods.
    """
    if not decision.demands.are_nameless:
        return ()
    names = narrow(decision.demands.required, cluster.topology.nodes)
    room_order = decision.demands.room_order(cluster)
    best = sorted(names, key=lambda name: (name != chosen, -decision.scores.of(name), room_order(name), name))
    return best[:_MAX_NODES]


def _tiers(pod: Pod, decision: Decision, cluster: Cluster, room_order: Callable[[str], int]) -> Iterator[Sequence[str]]:
    """The nodes with the data, then those of their racks, zones and regions; of many some, others for each pod.

    Nodes for new volumes come after those for the volumes that are there, the best first, all of them.
    """
    yield from _near_data(pod, decision, cluster.topology)
    if decision.demands.are_weighed:
        by_score: defaultdict[float, list[str]] = defaultdict(list)
        for name in narrow(decision.demands.required, cluster.topology.nodes):
            by_score[decision.scores.of(name)].append(name)
        for _, names in sorted(by_score.items(), reverse=True):
            yield sorted(_rotated(names, pod), key=room_order)


def _near_data(pod: Pod, decision: Decision, topology: Topology) -> Iterator[Sequence[str]]:
    replicas = drawn_to(decision)
    yield _rotated(replicas, pod)[:_MAX_NODES]
    for level in (Level.RACK, Level.ZONE, Level.REGION):
        yield _rotated(chain.from_iterable(topology.mates(replicas, level)), pod)[:_MAX_NODES]


def _rotated(nodes: Iterable[str], pod: Pod) -> Sequence[str]:
    """Nodes by name, beginning with another one for each pod."""
    names = sorted(nodes)
    start = crc32(pod.metadata.uid.encode()) % max(1, len(names))
    return [*names[start:], *names[:start]]


def _takes(node: Node, pod: Pod, decision: Decision, cluster: Cluster) -> bool:
    return (
        next(decision.refusals(node.name), None) is None
        and fits(pod.spec, node, cluster, pod=pod.key)
        and all(_mounts(node, claim, pod, cluster) for claim in pod.claims)
    )


def _mounts(node: Node, claim: str, pod: Pod, cluster: Cluster) -> bool:
    """Whether the volume of a claim may be used from a node, as far as the volume says."""
    record = cluster.claim(f"{pod.metadata.namespace}/{claim}")
    volume = cluster.volume(record.spec.volume_name) if record else None
    affinity = volume.spec.node_affinity if volume else None
    required = affinity.required if affinity else None
    return required is None or matches_selector(required, node.name, node.labels)


def _preference(pod: Pod, node: Node) -> int:
    """What the pod's own preferred node affinity gives a node."""
    preferred = pod.spec.node_affinity.preferred or ()
    return sum(term.weight for term in preferred if matches_term(term.preference, node.name, node.labels))


def _free(pod: Pod, node: Node, cluster: Cluster) -> float:
    """The share of a node's CPU or memory that is free or kept for the pod, whichever is less."""
    whole, used = allocatable(node), cluster.usage.of(node.name, besides=pod.key)
    shares = [1 - used.cpu / whole.cpu if whole.cpu else 0.0, 1 - used.memory / whole.memory if whole.memory else 0.0]
    return min(shares)
