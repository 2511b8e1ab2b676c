"""The scheduling gate: which pods are created behind it, and when and with what a pod is let through.

A soft rule is kept by a nomination, and a strict one by required affinity; both need to know where the data lies, and
the first needs a pod that exists. So a pod waits for its claims as long as kube-scheduler would have let it wait, and
not a moment longer for the rest.
"""

import msgspec

from mooring.api.annotations import GATE
from mooring.cluster.index import Cluster
from mooring.cluster.records import NodeSelector, Pod
from mooring.decide.decision import Decision
from mooring.decide.nominate import best_node, roomy_nodes
from mooring.decide.required import required_affinity


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """How a pod is let through.

    Attributes:
        node: to nominate; empty for none.
        required: the node selector that the pod must have, where it is another one than it has.
    """

    node: str = ""
    required: NodeSelector | None = None


def is_nominated(decision: Decision) -> bool:
    """Whether a pod is led by a nomination: a soft rule, and nodes with its data that kube-scheduler would not find.

    Or volumes that are still to be made, whose place has to be weighed: kube-scheduler knows nothing of those either.
    """
    rule = decision.rule
    if rule is None or not rule.acts:
        return False
    return decision.demands.are_weighed or (not rule.strict and bool(decision.drawing))


def needs_gate(decision: Decision) -> bool:
    """Whether a pod that is being created has to wait for us.

    A strict rule needs no gate where the data is known to lie: its affinity is written at admission. Claims that wait
    for the pod's node (WaitForFirstConsumer) never hold a gate, for they would wait for each other.
    """
    rule, subject = decision.rule, decision.subject
    if rule is None or not rule.acts or subject.spec.node_name or subject.of_daemon_set:
        return False
    return bool(decision.awaited) or is_nominated(decision)


def release(pod: Pod, decision: Decision, cluster: Cluster, *, by_hostname: bool = False) -> Release | None:
    """Decide how a pod behind our gate is let through; None where it has to wait.

    It waits for a node that meets what its new volumes must have, too, as it would before kube-scheduler. Where others
    go by their place, or only names tell which nodes will do, it waits until such a node has room for it.
    Behind somebody else's gate it is neither nominated, which would reserve room that nobody uses, nor placed.

    Args:
        pod: as it is now.
        decision: about it.
        cluster: the index.
        by_hostname: as `required_affinity` has it.
    """
    rule = decision.rule
    if rule is None or not rule.acts:
        return Release()
    if decision.awaited or decision.demands.unmet or pod.gates != {GATE}:
        return None
    node = best_node(pod, decision, cluster) if is_nominated(decision) else ""
    if not node and decision.demands.are_fleeting:
        return None
    own = pod.spec.node_affinity.required
    # The terms of a gated pod keep their number and may only gain requirements, of which matchFields takes one node
    # each: so the product with several nodes is only possible where the pod has none.
    required = required_affinity(
        decision,
        cluster.topology,
        own,
        by_hostname=by_hostname or own is not None,
        chosen=node,
        among=roomy_nodes(decision, cluster, chosen=node),
    )
    return Release(node=node, required=required if required != own else None)
