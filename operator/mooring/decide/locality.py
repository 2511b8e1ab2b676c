"""The measured fact: does a pod run near its data?"""

from collections.abc import Iterable

import msgspec

from mooring.api.conditions import Condition, ObjectCondition, VolumeLocalReason
from mooring.decide.decision import Decision
from mooring.decide.filter import some
from mooring.decide.volumes import VolumeState, VolumeView

_UNDECIDED = {
    VolumeState.UNBOUND: VolumeLocalReason.VOLUME_UNBOUND,
    VolumeState.UNKNOWN: VolumeLocalReason.LOCATION_UNKNOWN,
    VolumeState.COARSE: VolumeLocalReason.LOCATION_COARSE,
}


class Locality(msgspec.Struct, frozen=True):
    """What was measured, and the sentence for it.

    Attributes:
        intended: whether the pod runs away only from data that it should be away from.
    """

    reason: VolumeLocalReason
    message: str
    intended: bool = False

    @property
    def is_misplaced(self) -> bool:
        """Whether the pod runs away from data that it should be near."""
        return self.reason.is_away and not self.intended

    @property
    def condition(self) -> Condition:
        """As a condition of a pod or workload."""
        return Condition(
            type=ObjectCondition.VOLUME_LOCAL,
            status=self.reason.status,
            reason=self.reason,
            message=self.message,
        )


def measure(decision: Decision, node: str) -> Locality:
    """Measure a pod on the node it is bound to (empty: not scheduled yet).

    A volume that lies elsewhere outweighs one whose place is not known: remote is a fact, unknown is the lack of one.
    """
    if not node:
        return Locality(VolumeLocalReason.NOT_SCHEDULED, "the pod is not scheduled")
    selected = decision.selected
    remote = [view for view in selected if view.counts and node not in view.near]
    local = [view for view in selected if view.state is VolumeState.LOCATED and node in view.near]
    if remote:
        reason = VolumeLocalReason.PARTLY_LOCAL if local else VolumeLocalReason.NOT_LOCAL
        intended = all(view.remote for view in remote)
        return Locality(reason, "; ".join(_remote(view, node) for view in remote), intended=intended)
    undecided = [view for view in selected if view.state in _UNDECIDED]
    if undecided:
        first = undecided[0]
        return Locality(_UNDECIDED[first.state], _why_undecided(first))
    return Locality(VolumeLocalReason.ALL_LOCAL, f"{node} is near the data of {_names(local)}")


def summarize(localities: Iterable[Locality]) -> Locality:
    """What holds for all pods of a workload or policy."""
    found = list(localities)
    if not found:
        return Locality(VolumeLocalReason.NO_PODS, "there is no pod to measure")
    local = [locality for locality in found if locality.reason is VolumeLocalReason.ALL_LOCAL]
    if len(local) == len(found):
        return Locality(VolumeLocalReason.ALL_LOCAL, f"all {len(found)} pods run near their data")
    remote = [locality for locality in found if locality.reason.is_away]
    if remote:
        partly = local or any(locality.reason is VolumeLocalReason.PARTLY_LOCAL for locality in remote)
        reason = VolumeLocalReason.PARTLY_LOCAL if partly else VolumeLocalReason.NOT_LOCAL
        worst = max(remote, key=lambda locality: locality.is_misplaced)
        message = f"{len(remote)} of {len(found)} pods run away from their data: {worst.message}"
        return Locality(reason, message, intended=worst.intended)
    undecided = next(locality for locality in found if locality.reason is not VolumeLocalReason.ALL_LOCAL)
    return Locality(undecided.reason, f"{len(found) - len(local)} of {len(found)} pods: {undecided.message}")


def _remote(view: VolumeView, node: str) -> str:
    if view.state is VolumeState.OFFLINE:
        return f"the data of {view.claim} is on {some(view.location.nodes)}, where no storage is online"
    return f"the data of {view.claim} lies on {some(view.usable)}, not near {node}"


def _why_undecided(view: VolumeView) -> str:
    if view.state is VolumeState.COARSE:
        level = view.location.precision.name.lower() if view.location.precision else "place"
        return f"the place of {view.claim} is known only to the {level}"
    return f"{view.claim}: {view.detail}"


def _names(views: Iterable[VolumeView]) -> str:
    return ", ".join(view.claim for view in views)
