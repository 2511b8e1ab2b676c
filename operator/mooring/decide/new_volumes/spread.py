"""Spreading the volumes of one claim template of a StatefulSet over the values of a label."""

from collections import Counter
from collections.abc import Set as AbstractSet

from mooring.api.new_volumes import Spreading, VolumeSpread
from mooring.cluster.index import Cluster
from mooring.cluster.records import Key, PersistentVolumeClaim, PodSpec, StatefulSet
from mooring.cluster.topology import Topology
from mooring.decide.new_volumes.demand import Demand, only_in
from mooring.decide.new_volumes.neighbours import place
from mooring.decide.subject import Subject
from mooring.locate.locator import Locator
from mooring.locate.selector import nodes_of_terms


def spread_demand(
    claim: PersistentVolumeClaim,
    subject: Subject,
    spread: VolumeSpread,
    nodes: AbstractSet[str],
    cluster: Cluster,
    locator: Locator,
) -> Demand | None:
    """What evenness asks of a pod's node; None for a claim that is not a StatefulSet's.

    Args:
        claim: of which a volume is to be made.
        subject: the pod that mounts it.
        spread: how even it should be.
        nodes: those that nothing else rules out: only their values of the label have to be filled.
        cluster: the index.
        locator: where volumes' data lies.
    """
    siblings = _siblings(claim, subject, cluster)
    if siblings is None:
        return None
    key, labels = spread.topology_key, cluster.topology.labels
    with_label = cluster.topology.with_label
    values = {value for value in cluster.topology.values(key) if not nodes.isdisjoint(with_label(key, value))}
    counts: Counter[str] = Counter()
    for sibling in siblings:
        places = {labels(node).get(key) for node in place(sibling, key, cluster, locator)}
        # A place that spans several values fills none of them for sure.
        counts.update(value for value in places if value is not None and len(places) == 1)
    fewest = min((counts[value] for value in values), default=0)
    must = spread.when_unsatisfiable is Spreading.DO_NOT_SCHEDULE
    limit = fewest + spread.max_skew - 1 if must else fewest
    open_values = [value for value in values if counts[value] <= limit]
    return Demand(
        name="spread",
        required=must,
        nodes=frozenset[str]().union(*(with_label(key, value) for value in open_values)),
        expressions=only_in(key, open_values),
        key=key,
        message=f"newVolumes.spread has enough volumes of {claim.name}'s template in the node's {key}",
    )


def selected_nodes(spec: PodSpec, nodes: AbstractSet[str], topology: Topology) -> AbstractSet[str]:
    """Those of some nodes that a pod's own selectors allow (kube-scheduler's nodeAffinityPolicy: Honor)."""
    for label in (spec.node_selector or {}).items():
        nodes = nodes & topology.with_label(*label)
    required = spec.node_affinity.required
    if required is None:
        return nodes
    return nodes & nodes_of_terms(required.node_selector_terms, topology)


def _siblings(claim: PersistentVolumeClaim, subject: Subject, cluster: Cluster) -> list[PersistentVolumeClaim] | None:
    """The claims that are there of the same template, without this one; None for a claim that is of no template.

    They are called TEMPLATE-STATEFULSET-ORDINAL, whether their pod is there or not: volumes outlive it.
    """
    name, _, ordinal = subject.name.rpartition("-")
    stateful_set = cluster.workload(Key("StatefulSet", f"{subject.namespace}/{name}"))
    template = claim.name.removesuffix(f"-{subject.name}")
    if not isinstance(stateful_set, StatefulSet) or not ordinal.isdecimal() or template == claim.name:
        return None
    first = stateful_set.spec.ordinals.start
    ordinals = range(first, max(first + stateful_set.spec.replicas, int(ordinal) + 1))
    # From the claims that there are: a number of replicas may be as large as somebody cares to write.
    prefix = f"{subject.namespace}/{template}-{name}-"
    keys = (key for key in cluster.claims.within(subject.namespace) if key.startswith(prefix) and key != claim.key)
    numbered = (key for key in keys if (number := key.removeprefix(prefix)).isdecimal() and int(number) in ordinals)
    return [found for key in numbered if (found := cluster.claim(key)) is not None]
