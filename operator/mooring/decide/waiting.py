"""Why a pod waits, where a rule of ours keeps it waiting: which nodes have its data, and what keeps it off each."""

from typing import Final

from mooring.cluster.index import Cluster
from mooring.cluster.records import Pod
from mooring.decide.decision import Decision
from mooring.decide.fit import hindrance

#: An event has little room.
_NODES: Final = 5


def why_waiting(pod: Pod, decision: Decision, cluster: Cluster) -> str:
    """Why an unscheduled pod that must run near its data does not; empty for a pod that no rule of ours holds.

    Asked once kube-scheduler has tried: before that nothing is known to be in the way.
    """
    rule = decision.rule
    if not pod.was_given_up or rule is None or not rule.strict or not rule.acts:
        return ""
    if decision.obstacle is not None:
        return f"{rule.name} keeps the pod near its data, but {decision.obstacle_detail}"
    if not decision.counting:
        return ""
    nodes = sorted(decision.near)
    said = [f"{node} {_hindrance(pod, node, cluster)}" for node in nodes[:_NODES]]
    more = [f"and {len(nodes) - _NODES} more nodes"] if len(nodes) > _NODES else []
    claims = ", ".join(view.claim for view in decision.counting)
    return f"{rule.name} keeps the pod near the data of {claims}: {'; '.join([*said, *more])}"


def _hindrance(pod: Pod, name: str, cluster: Cluster) -> str:
    node = cluster.nodes.get(name)
    if node is None:
        return "is not there"
    return hindrance(pod.spec, node, cluster) or "has room; kube-scheduler says what else is in the way"
