"""What to do about the node affinity in a workload's template, and what to say of it. Pure.

Changing a template starts a rollout, and node affinity cannot be shared with another writer. So Mooring writes only a
list that nobody else owns, only where that restarts nothing or is asked for (`updateMode: Reconcile`) and helps, and it
recognises its own terms by their hash wherever they went.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Final

import msgspec

from mooring.api.annotations import AFFINITY_HASH
from mooring.api.conditions import PlacementAppliedReason as Reason
from mooring.api.conditions import VolumeLocalReason
from mooring.api.policy import UpdateMode
from mooring.cluster.index import Cluster
from mooring.cluster.records import Affinity, NodeAffinity, Pod, PodSpec, Workload
from mooring.decide.affinity import node_affinity, own_part
from mooring.decide.decision import Decision, Obstacle
from mooring.decide.fit import fits
from mooring.decide.locality import Locality
from mooring.decide.rule import Origin
from mooring.reconcile.rollout import Rollout, rollout_of

#: Volumes of these access modes can be attached to several nodes, so that a rollout never waits for a detach.
_SHARED_MODES: Final = frozenset({"ReadWriteMany", "ReadOnlyMany"})


class Action(Enum):
    """What to do to a template."""

    NOTHING = auto()
    WRITE = auto()
    RELEASE = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to do to a template and what to say of it.

    Attributes:
        reason: why, as `PlacementApplied` says it; None where no rule applies and there is nothing to say.
        affinity: what to write.
        moves: whether writing restarts pods, so that the policy's brakes hold.
        retry: whether time alone may change the answer, such as when room appears.
    """

    action: Action = Action.NOTHING
    reason: Reason | None
    message: str = ""
    affinity: NodeAffinity | None = None
    moves: bool = False
    retry: bool = False


@dataclass(frozen=True, slots=True)
class PodStanding:
    """One of a workload's pods: what is decided about it, and where it stands; no locality where no rule applies."""

    pod: Pod
    decision: Decision
    locality: Locality | None

    @property
    def is_away(self) -> bool:
        """Whether it runs away from data that it should be near."""
        return self.locality is not None and self.locality.is_misplaced


def own_affinity(workload: Workload) -> NodeAffinity | None:
    """The part of a template's node affinity that is Mooring's, by its hash; None where there is none."""
    template = workload.template
    return own_part((template.metadata.annotations or {}).get(AFFINITY_HASH), template.spec.node_affinity)


def plan(
    workload: Workload,
    decision: Decision,
    wanted: NodeAffinity | None,
    cluster: Cluster,
    *,
    pods: Sequence[PodStanding],
    stripped: bool,
) -> Plan:
    """Decide what to do to a workload's template.

    Args:
        workload: as the index has it.
        decision: about the pods that its template makes.
        wanted: what `wanted_affinity` says of it.
        cluster: to look for room near the data.
        pods: its pods.
        stripped: whether somebody removed these very terms after they were written; then Mooring backs off.
    """
    own = own_affinity(workload)
    if wanted is None:
        return _without_wish(workload, decision, own, pods, read_only=cluster.read_only)
    if own == wanted:
        return Plan(reason=Reason.APPLIED, message="the template carries the node affinity")
    if stripped:
        return Plan(
            reason=Reason.FIELD_OWNED_BY_OTHER,
            message="another writer removed the node affinity; it is not written again until something changes",
        )
    if is_foreign(workload, wanted, own):
        return Plan(
            reason=Reason.FIELD_OWNED_BY_OTHER,
            message="the template has node affinity of its own, which is left alone",
        )
    if not rollout_of(workload).mutable:
        return Plan(reason=Reason.DEFERRED, message="the template of a Job that was started cannot be changed")
    return _write_when_allowed(workload, decision, cluster, wanted, own, pods)


def wanted_affinity(
    workload: Workload, decision: Decision, cluster: Cluster, *, by_hostname: bool = False
) -> NodeAffinity | None:
    """The node affinity that a template should carry; None where each pod gets its own answer.

    With `by_hostname` nodes are named by their hostname label, for autoscalers that read nothing else.
    """
    rule = decision.rule
    if rule is None or rule.origin is Origin.SCHEDULER or _is_per_pod(workload, decision):
        return None
    return node_affinity(decision, cluster.topology, by_hostname=by_hostname)


def _is_per_pod(workload: Workload, decision: Decision) -> bool:
    """Whether the pods' own volumes decide: one template cannot say where each of them belongs.

    A preference for the place of a single pod's data does no harm to a second one; a requirement would.
    """
    strict = decision.rule is not None and decision.rule.strict
    return workload.claims_per_pod and (strict or bool(decision.required) or rollout_of(workload).wanted != 1)


def _restarts_nothing(rollout: Rollout, pods: Sequence[PodStanding]) -> bool:
    """Whether changing the template now restarts no pod that would have stayed.

    So it is where the workload is idle, with no pods yet (a status that says so while there are pods is late), and
    while somebody else's rollout is under way.
    """
    return rollout.idle or rollout.under_way or (rollout.pods == 0 and not pods)


def _has_pods_in_play(rollout: Rollout, pods: Sequence[PodStanding]) -> bool:
    """Whether a pod may hold a volume elsewhere while the template that is written now makes another one near it.

    A Deployment that was just created has such a pod soon, even if none is seen yet: its controller may have taken the
    template before our write reached it (seen: 4 of 10), and the two pods would wait for each other for ever.
    """
    if rollout.idle or rollout.wanted == rollout.pods == 0:
        return False
    localities = [pod.locality for pod in pods if pod.locality is not None]
    return not localities or any(locality.reason is not VolumeLocalReason.ALL_LOCAL for locality in localities)


def _without_wish(
    workload: Workload, decision: Decision, own: NodeAffinity | None, pods: Sequence[PodStanding], *, read_only: bool
) -> Plan:
    """There is nothing to write: release what is ours, and say why."""
    reason, message = _why_nothing(workload, decision)
    # A strict rule that can be met nowhere keeps its terms: without them the pod would just run away from its data.
    if own is None or decision.obstacle is not None or read_only:
        return Plan(reason=reason, message=message)
    rollout = rollout_of(workload)
    if rollout.mutable and (_restarts_nothing(rollout, pods) or _keeps_waiting(own, pods)):
        return Plan(action=Action.RELEASE, reason=reason, message=message)
    return Plan(reason=Reason.RELEASE_PENDING, message="the node affinity goes with the next rollout")


def _keeps_waiting(own: NodeAffinity | None, pods: Sequence[PodStanding]) -> bool:
    """Whether our own terms, made for another place or another rule, keep a pod waiting that carries them unchanged.

    One that is only new has not been tried yet, and one that came through admission has today's terms instead.
    """
    if own is None or own.required is None:
        return False
    return any(pod.pod.was_given_up and pod.pod.spec.node_affinity.required == own.required for pod in pods)


def _why_nothing(workload: Workload, decision: Decision) -> tuple[Reason | None, str]:
    rule, resolution = decision.rule, decision.resolution
    if rule is None:
        overridden = resolution.opted_out and resolution.candidates
        return (Reason.OPTED_OUT, f"opted out by {resolution.why_none}") if overridden else (None, "")
    if not rule.acts:
        return Reason.AUDIT_ONLY, "updateMode is Audit: nothing is changed"
    if _is_per_pod(workload, decision):
        return Reason.PER_POD, "each pod has volumes of its own and gets its own answer when it is created"
    if decision.obstacle is Obstacle.DISJOINT:
        return Reason.DISJOINT_VOLUMES, decision.obstacle_detail
    if decision.obstacle is Obstacle.OFFLINE:
        return Reason.REPLICAS_OFFLINE, decision.obstacle_detail
    if not decision.selected:
        return Reason.DEFERRED, "the rule counts none of the volumes"
    if not decision.counting:
        return Reason.DEFERRED, "it is not known yet where the data lies"
    if rule.origin is Origin.SCHEDULER:
        return Reason.APPLIED, "the scheduler asks Mooring for each pod; the template stays as it is"
    return Reason.DEFERRED, "the rule adds nothing to the template"


def is_foreign(workload: Workload, wanted: NodeAffinity, own: NodeAffinity | None) -> bool:
    """Whether the list that would be written has an owner already."""
    current = workload.template.spec.node_affinity
    if wanted.required is not None:
        return current.required is not None and (own is None or own.required is None)
    return bool(current.preferred) and (own is None or own.preferred is None)


def _write_when_allowed(
    workload: Workload,
    decision: Decision,
    cluster: Cluster,
    wanted: NodeAffinity,
    own: NodeAffinity | None,
    pods: Sequence[PodStanding],
) -> Plan:
    rule, rollout = decision.rule, rollout_of(workload)
    may_block = rollout.surges and _holds_exclusive_volume(decision, cluster)
    write = Plan(
        action=Action.WRITE, reason=Reason.APPLIED, message="node affinity was written to the template", affinity=wanted
    )
    if _restarts_nothing(rollout, pods) and not (may_block and _has_pods_in_play(rollout, pods)):
        return write
    if _keeps_waiting(own, pods):
        return write
    if rule is None or rule.update_mode is not UpdateMode.RECONCILE:
        return Plan(reason=Reason.DEFERRED, message=_what_it_waits_for(may_block=may_block))
    if not any(pod.is_away for pod in pods):
        return Plan(reason=Reason.DEFERRED, message="no pod is away from data it should be near; nothing is restarted")
    if not has_room_near(workload, decision, cluster):
        return Plan(reason=Reason.DEFERRED, message="no node near the data has room for the pod", retry=True)
    if may_block:
        return Plan(
            reason=Reason.WOULD_BLOCK_ON_ATTACH,
            message="the rollout would start a pod elsewhere before the old one lets go of a volume that only one node"
            " may attach; set strategy Recreate, or maxUnavailable to at least the number of replicas",
        )
    return replace(write, moves=True)


def _what_it_waits_for(*, may_block: bool) -> str:
    if not may_block:
        return "the template gets its node affinity with the next rollout"
    return (
        "the template gets its node affinity while it is paused or scaled to 0: a rollout would start a pod elsewhere"
        " before the old one lets go of a volume that only one node may attach; strategy Recreate would do, too"
    )


def has_room_near(workload: Workload, decision: Decision, cluster: Cluster) -> bool:
    """Whether a pod of a workload's template would fit on a node near the data that a decision is about."""
    spec = _without(workload.template.spec, own_affinity(workload))
    return any(fits(spec, cluster.nodes[node], cluster) for node in decision.near if node in cluster.nodes)


def _without(spec: PodSpec, own: NodeAffinity | None) -> PodSpec:
    """The pod without our own requirement, which the new one replaces."""
    if own is None or own.required is None:
        return spec
    rest = NodeAffinity(preferred=spec.node_affinity.preferred)
    return msgspec.structs.replace(spec, affinity=Affinity(node_affinity=rest))


def _holds_exclusive_volume(decision: Decision, cluster: Cluster) -> bool:
    """Whether a pod holds a volume that another node cannot attach meanwhile (seen on 1.36.3: Multi-Attach error)."""
    for claim in decision.subject.claims:
        record = cluster.claim(f"{decision.subject.namespace}/{claim}")
        volume = cluster.volume(record.spec.volume_name) if record else None
        if volume is not None and not _SHARED_MODES & set(volume.spec.access_modes):
            return True
    return False
