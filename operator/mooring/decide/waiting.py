"""Why a pod waits, where a rule of ours keeps it waiting: for its claims, or for a node with its data."""

from collections.abc import Sequence
from typing import Final

from mooring.api.annotations import GATE
from mooring.cluster.index import Cluster
from mooring.cluster.records import Pod
from mooring.decide.decision import Decision
from mooring.decide.fit import hindrance

#: An event has little room.
_NODES: Final = 5


def why_held(pod: Pod, decision: Decision) -> str:
    """Why a pod stays behind our gate; empty for a pod that is not, or that waits for somebody else."""
    if GATE not in pod.gates:
        return ""
    awaited = [f"{view.claim}: {view.awaited}" for view in decision.awaited]
    if awaited:
        return f"the pod is placed once its claims are there: {'; '.join(awaited)}"
    claims = ", ".join(claim.name for claim in decision.demands.claims)
    if decision.demands.unmet:
        return f"no node will do for the new volumes of {claims}: {decision.demands.unmet}"
    if decision.demands.are_fleeting and pod.gates == {GATE}:
        return f"the pod is placed once a node that will do for the new volumes of {claims} has room for it"
    return ""


def why_waiting(pod: Pod, decision: Decision, cluster: Cluster) -> str:
    """Why a pod that a scheduler gave up does not run; empty for one that no rule of ours keeps waiting.

    Asked once kube-scheduler has tried: before that nothing is known to be in the way.
    """
    rule = decision.rule
    if not pod.was_given_up or rule is None or not rule.acts:
        return ""
    restoring = [view.claim for view in decision.volumes if view.wishes.restoring]
    if restoring:
        return f"a restore of {', '.join(restoring)} is in progress"
    if decision.obstacle is not None:
        return f"{rule.name} keeps the pod near its data, but {decision.obstacle_detail}"
    near = ", ".join(view.claim for view in decision.required if not view.remote)
    away = ", ".join(view.claim for view in decision.required if view.remote)
    said = [f"away from the data of {away}"] if away else []
    said += [f"from nodes that will not do for its new volumes: {each.message}" for each in decision.demands.required]
    if near:
        said.append(f"near the data of {near}: {_hindrances(pod, sorted(decision.near), cluster)}")
    return f"{rule.name} keeps the pod {', and '.join(said)}" if said else ""


def _hindrances(pod: Pod, nodes: Sequence[str], cluster: Cluster) -> str:
    more = [f"and {len(nodes) - _NODES} more nodes"] if len(nodes) > _NODES else []
    return "; ".join([*(f"{node} {_hindrance(pod, node, cluster)}" for node in nodes[:_NODES]), *more])


def _hindrance(pod: Pod, name: str, cluster: Cluster) -> str:
    node = cluster.nodes.get(name)
    if node is None:
        return "is not there"
    return hindrance(pod.spec, node, cluster, pod=pod.key) or "has room; kube-scheduler says what else is in the way"
