"""The volumes of other claims: which of them a rule means, and where they are or will be."""

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from typing import Final

from mooring.api.new_volumes import STATEFUL_SET_POD
from mooring.cluster.index import Cluster
from mooring.cluster.records import Expression, PersistentVolumeClaim, Pod, Term
from mooring.cluster.topology import Topology
from mooring.decide.subject import Subject
from mooring.locate.locator import Locator
from mooring.locate.selector import matches_term, nodes_of_terms

_NOWHERE: Final[frozenset[str]] = frozenset()


def matching(expressions: Sequence[Expression], subject: Subject, cluster: Cluster) -> Iterator[PersistentVolumeClaim]:
    """The claims of a pod's namespace that meet requirements, but for the pod's own: those go where it goes."""
    own = {f"{subject.namespace}/{name}" for name in subject.claims}
    for key in _candidates(expressions, subject.namespace, cluster) - own:
        claim = cluster.claim(key)
        if claim is not None and meets(claim, expressions, stateful_set_pod(claim, cluster)):
            yield claim


def meets(claim: PersistentVolumeClaim, expressions: Sequence[Expression], pod: str) -> bool:
    """Whether a claim, mounted by this pod of a StatefulSet (empty: by none), meets requirements."""
    labels = {**claim.labels, **dict.fromkeys(STATEFUL_SET_POD, pod)} if pod else claim.labels
    return matches_term(Term(match_expressions=tuple(expressions)), "", labels)


def stateful_set_pod(claim: PersistentVolumeClaim, cluster: Cluster) -> str:
    """The name of the StatefulSet's pod that mounts a claim; empty if there is none."""
    for key in sorted(cluster.relations.pods_of_claim(claim.key)):
        pod = cluster.pods[key]
        if pod.workload is not None and pod.workload.kind == "StatefulSet":
            return pod.name
    return ""


def place(claim: PersistentVolumeClaim, key: str, cluster: Cluster, locator: Locator) -> AbstractSet[str]:
    """The nodes where the data of a claim's volume is, or will be made; none where nobody knows.

    A volume is made where its pod is to run. That is known from the moment we chose the node, or, where its scheduler
    found no room there, if the pod is bound to nodes with one value of the label `key`. It holds until the storage
    itself says where the data is, which some only do a moment after there is a volume, and others never.
    """
    volume = cluster.volume(claim.spec.volume_name) if claim.spec.volume_name else None
    if volume is not None and (located := locator.locate(volume).nodes):
        return located
    if claim.selected_node:
        return frozenset({claim.selected_node})
    pods = [cluster.pods[pod] for pod in sorted(cluster.relations.pods_of_claim(claim.key))]
    nodes = (cluster.usage.node_of(pod.key) for pod in pods)
    known = next((frozenset({node}) for node in nodes if node), None)
    return known or next((found for pod in pods if (found := _bounds(pod, key, cluster.topology))), _NOWHERE)


def _bounds(pod: Pod, key: str, topology: Topology) -> AbstractSet[str]:
    """The nodes that a pod is bound to, if they have one value of a label in common; none for one that is not."""
    required = pod.spec.node_affinity.required
    if required is None or pod.gates:
        return _NOWHERE
    nodes = nodes_of_terms(required.node_selector_terms, topology)
    return nodes if len({topology.labels(node).get(key) for node in nodes}) == 1 else _NOWHERE


def _candidates(expressions: Sequence[Expression], namespace: str, cluster: Cluster) -> AbstractSet[str]:
    """The claims that may meet requirements, by the index where one of them names values."""
    for expression in expressions:
        if expression.operator == "In" and expression.key not in STATEFUL_SET_POD:
            return cluster.claims.with_label(namespace, expression.key, expression.values)
    return cluster.claims.within(namespace)
