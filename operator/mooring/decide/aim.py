"""What is asked of nodes because of one volume: what the rule says, and what the storage itself says beside it."""

from typing import Final, NamedTuple

from mooring.api.labels import HOSTNAME
from mooring.api.policy import Placement
from mooring.decide.rule import Rule
from mooring.decide.wishes import Wishes
from mooring.locate.location import Location


class Aim(NamedTuple):
    """What is asked of nodes because of one volume.

    Attributes:
        remote: whether the pod should run away from the data instead of near it.
        strict: whether it has to.
        scored: whether nodes are preferred because of it.
        topology_key: how near is near.
    """

    remote: bool = False
    strict: bool = False
    scored: bool = True
    topology_key: str = HOSTNAME


NO_AIM: Final = Aim(scored=False)


def aim_of(rule: Rule, wishes: Wishes, location: Location) -> Aim:
    """Join a rule with what storage says.

    A volume that wants to be remote is so under any rule, and then it is its replicas' own nodes that count, unless the
    rule wants that too and reaches farther. Where disableHyperconvergence stands beside a strict annotation
    (`Rule.scored` is False), as in STORK, such a volume constrains nothing.
    """
    by_rule = rule.placement is Placement.REMOTE
    # Nobody can run away from a volume that no other node can mount.
    by_itself = wishes.remote and not location.confined
    scored = rule.scored and not wishes.skipped
    has_to = by_itself and wishes.remote_only and rule.scored
    if by_itself and (not by_rule or (has_to and not rule.strict)):
        return Aim(remote=True, strict=has_to, scored=scored, topology_key=HOSTNAME)
    return Aim(remote=by_rule, strict=rule.strict, scored=scored, topology_key=rule.topology_key)


def why_ignored(aim: Aim, wishes: Wishes, location: Location) -> str:
    """Why a volume is as good as not selected, in words for a person; empty if it counts."""
    if aim.remote and location.confined:
        return "no node without its data can mount it, so that nobody can run away from it"
    if wishes.skipped and not aim.strict:
        return "it draws the pod nowhere (skipSchedulerScoring)"
    return ""
