"""What to do about the node affinity in a Deployment's template, and what to say of it. Pure.

Changing a template starts a rollout, and node affinity cannot be shared with another writer. So Mooring writes only a
list that nobody else owns, only where that restarts nothing or is asked for (`updateMode: Reconcile`) and helps, and it
recognises its own terms by their hash wherever they went.
"""

import math
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
from mooring.cluster.records import Affinity, Deployment, NodeAffinity, PodSpec
from mooring.decide.affinity import fingerprint, node_affinity
from mooring.decide.decision import Decision, Obstacle
from mooring.decide.fit import fits
from mooring.decide.locality import Locality
from mooring.decide.rule import Origin

#: Volumes of these access modes can be attached to several nodes, so that a rollout never waits for a detach.
_SHARED_MODES: Final = frozenset({"ReadWriteMany", "ReadOnlyMany"})
_AWAY: Final = frozenset({VolumeLocalReason.NOT_LOCAL, VolumeLocalReason.PARTLY_LOCAL})


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


def own_affinity(deployment: Deployment) -> NodeAffinity | None:
    """The part of a template's node affinity that is Mooring's, by its hash; None where there is none."""
    template = deployment.spec.template
    mark = (template.metadata.annotations or {}).get(AFFINITY_HASH)
    current = template.spec.node_affinity
    for part in (NodeAffinity(required=current.required), NodeAffinity(preferred=current.preferred)):
        if mark is not None and part != NodeAffinity() and fingerprint(part) == mark:
            return part
    return None


def plan(
    deployment: Deployment,
    decision: Decision,
    cluster: Cluster,
    *,
    localities: Sequence[Locality],
    stripped: bool,
) -> Plan:
    """Decide what to do to a Deployment's template.

    Args:
        deployment: as the index has it.
        decision: about the pods that its template makes.
        cluster: to look for room near the data.
        localities: what was measured on its pods.
        stripped: whether somebody removed these very terms after they were written; then Mooring backs off.
    """
    own = own_affinity(deployment)
    wanted = wanted_affinity(decision, cluster)
    if wanted is None:
        return _without_wish(deployment, decision, own)
    if own == wanted:
        return Plan(reason=Reason.APPLIED, message="the template carries the node affinity")
    if stripped:
        return Plan(
            reason=Reason.FIELD_OWNED_BY_OTHER,
            message="another writer removed the node affinity; it is not written again until something changes",
        )
    if is_foreign(deployment, wanted, own):
        return Plan(
            reason=Reason.FIELD_OWNED_BY_OTHER,
            message="the template has node affinity of its own, which is left alone",
        )
    return _write_when_allowed(deployment, decision, cluster, wanted, own, localities)


def restarts_nothing(deployment: Deployment, localities: Sequence[Locality] = ()) -> bool:
    """Whether changing the template now restarts no pod that would have stayed.

    So it is with no pods yet (a status that says so while pods were measured is late), with none wanted, while paused,
    and while somebody else's rollout is under way.
    """
    status = deployment.status
    empty = status.replicas == 0 and not localities
    return deployment.spec.paused or empty or status.replicas > status.updated_replicas


def _has_pods_in_play(deployment: Deployment, localities: Sequence[Locality]) -> bool:
    """Whether a pod may hold a volume elsewhere while the template that is written now makes another one near it.

    A Deployment that was just created has such a pod soon, even if none is seen yet: its controller may have taken the
    template before our write reached it (seen: 4 of 10), and the two pods would wait for each other for ever.
    """
    if deployment.spec.paused or (deployment.spec.replicas == 0 and deployment.status.replicas == 0):
        return False
    return not localities or any(locality.reason is not VolumeLocalReason.ALL_LOCAL for locality in localities)


def wanted_affinity(decision: Decision, cluster: Cluster) -> NodeAffinity | None:
    """The node affinity that a template should carry; None where the scheduler asks Mooring for each pod anyway."""
    rule = decision.rule
    if rule is None or rule.origin is Origin.SCHEDULER:
        return None
    return node_affinity(decision, cluster.topology)


def _without_wish(deployment: Deployment, decision: Decision, own: NodeAffinity | None) -> Plan:
    """There is nothing to write: release what is ours, and say why."""
    reason, message = _why_nothing(decision)
    # A strict rule that can be met nowhere keeps its terms: without them the pod would just run away from its data.
    if own is None or decision.obstacle is not None:
        return Plan(reason=reason, message=message)
    if restarts_nothing(deployment):
        return Plan(action=Action.RELEASE, reason=reason, message=message)
    return Plan(reason=Reason.RELEASE_PENDING, message="the node affinity goes with the next rollout")


def _why_nothing(decision: Decision) -> tuple[Reason | None, str]:
    rule, resolution = decision.rule, decision.resolution
    if rule is None:
        overridden = resolution.opted_out and resolution.candidates
        return (Reason.OPTED_OUT, f"opted out by {resolution.why_none}") if overridden else (None, "")
    if not rule.acts:
        return Reason.AUDIT_ONLY, "updateMode is Audit: nothing is changed"
    if decision.obstacle is Obstacle.DISJOINT:
        return Reason.DISJOINT_VOLUMES, decision.obstacle_detail
    if decision.obstacle is Obstacle.OFFLINE:
        return Reason.REPLICAS_OFFLINE, decision.obstacle_detail
    if not decision.counting:
        return Reason.DEFERRED, "it is not known yet where the data lies"
    if rule.origin is Origin.SCHEDULER:
        return Reason.APPLIED, "the scheduler asks Mooring for each pod; the template stays as it is"
    return Reason.DEFERRED, "the rule adds nothing to the template"


def is_foreign(deployment: Deployment, wanted: NodeAffinity, own: NodeAffinity | None) -> bool:
    """Whether the list that would be written has an owner already."""
    current = deployment.spec.template.spec.node_affinity
    if wanted.required is not None:
        return current.required is not None and (own is None or own.required is None)
    return bool(current.preferred) and (own is None or own.preferred is None)


def _write_when_allowed(
    deployment: Deployment,
    decision: Decision,
    cluster: Cluster,
    wanted: NodeAffinity,
    own: NodeAffinity | None,
    localities: Sequence[Locality],
) -> Plan:
    rule = decision.rule
    write = Plan(
        action=Action.WRITE, reason=Reason.APPLIED, message="node affinity was written to the template", affinity=wanted
    )
    if restarts_nothing(deployment, localities) and not (
        _has_pods_in_play(deployment, localities) and _may_block(deployment, decision, cluster)
    ):
        return write
    strict = own is not None and own.required is not None
    if strict and any(locality.reason is VolumeLocalReason.NOT_SCHEDULED for locality in localities):
        return write  # our own terms, made for another place, keep a pod waiting
    if rule is None or rule.update_mode is not UpdateMode.RECONCILE:
        return Plan(reason=Reason.DEFERRED, message="the template gets its node affinity with the next rollout")
    if not any(locality.reason in _AWAY for locality in localities):
        return Plan(reason=Reason.DEFERRED, message="no pod runs away from its data; nothing is restarted")
    if not _has_room_near(deployment, decision, cluster, own):
        return Plan(reason=Reason.DEFERRED, message="no node near the data has room for the pod", retry=True)
    if _may_block(deployment, decision, cluster):
        return Plan(
            reason=Reason.WOULD_BLOCK_ON_ATTACH,
            message="the rollout would start a pod elsewhere before the old one lets go of a volume that only one node"
            " may attach; set strategy Recreate, or maxUnavailable to at least the number of replicas",
        )
    return replace(write, moves=True)


def _has_room_near(deployment: Deployment, decision: Decision, cluster: Cluster, own: NodeAffinity | None) -> bool:
    spec = _without(deployment.spec.template.spec, own)
    return any(fits(spec, cluster.nodes[node], cluster) for node in decision.near if node in cluster.nodes)


def _without(spec: PodSpec, own: NodeAffinity | None) -> PodSpec:
    """The pod without our own requirement, which the new one replaces."""
    if own is None or own.required is None:
        return spec
    rest = NodeAffinity(preferred=spec.node_affinity.preferred)
    return msgspec.structs.replace(spec, affinity=Affinity(node_affinity=rest))


def _may_block(deployment: Deployment, decision: Decision, cluster: Cluster) -> bool:
    """Whether a rollout can wait for ever for a volume that the old pod holds (seen on 1.36.3: Multi-Attach error)."""
    spec = deployment.spec
    if spec.strategy.type == "Recreate" or max_unavailable(deployment) >= spec.replicas:
        return False
    for claim in decision.subject.claims:
        record = cluster.claim(f"{deployment.metadata.namespace}/{claim}")
        volume = cluster.volume(record.spec.volume_name) if record else None
        if volume is not None and not _SHARED_MODES & set(volume.spec.access_modes):
            return True
    return False


def max_unavailable(deployment: Deployment) -> int:
    """How many pods a rollout may be short of: a percentage is rounded down, as the Deployment controller does."""
    rolling = deployment.spec.strategy.rolling_update
    value = rolling.max_unavailable if rolling else "25%"
    if isinstance(value, int):
        return value
    try:
        return math.floor(deployment.spec.replicas * float(value.removesuffix("%")) / 100)
    except ValueError:
        return 0
