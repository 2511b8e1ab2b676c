"""What is asked of nodes because of one volume: each rule with each wish of the storage."""

import pytest
from tests.unit.builders import HOSTNAME, ZONE

from mooring.api.policy import Placement
from mooring.cluster.topology import Level
from mooring.decide.aim import Aim, aim_of, why_ignored
from mooring.decide.rule import Origin, Rule
from mooring.decide.wishes import NO_WISHES, Wishes
from mooring.locate.location import Location

_ANYWHERE = Location(nodes=frozenset({"n1"}), precision=Level.HOST)
_CONFINED = Location(nodes=frozenset({"n1"}), precision=Level.HOST, confined=True)
_REMOTE = Wishes(remote=True)
_REMOTE_ONLY = Wishes(remote=True, remote_only=True)
_SKIPPED = Wishes(skipped=True)


def _rule(placement: Placement, *, strict: bool, scored: bool = True) -> Rule:
    return Rule(origin=Origin.POLICY, why="it is", placement=placement, strict=strict, scored=scored, topology_key=ZONE)


_SOFT = _rule(Placement.LOCAL, strict=False)
_STRICT = _rule(Placement.LOCAL, strict=True)
_DISABLED = _rule(Placement.LOCAL, strict=True, scored=False)
_AWAY = _rule(Placement.REMOTE, strict=False)
_STRICTLY_AWAY = _rule(Placement.REMOTE, strict=True)


@pytest.mark.parametrize(
    ("rule", "wishes", "aim"),
    [
        (_SOFT, NO_WISHES, Aim(remote=False, strict=False, scored=True, topology_key=ZONE)),
        (_STRICT, NO_WISHES, Aim(remote=False, strict=True, scored=True, topology_key=ZONE)),
        (_AWAY, NO_WISHES, Aim(remote=True, strict=False, scored=True, topology_key=ZONE)),
        (_STRICTLY_AWAY, NO_WISHES, Aim(remote=True, strict=True, scored=True, topology_key=ZONE)),
        # preferRemoteNodeOnly says nothing of an ordinary volume.
        (_STRICT, Wishes(remote_only=True), Aim(remote=False, strict=True, scored=True, topology_key=ZONE)),
        # A volume that wants to be remote is so under any rule, and only its own word makes that strict.
        (_SOFT, _REMOTE, Aim(remote=True, strict=False, scored=True, topology_key=HOSTNAME)),
        (_STRICT, _REMOTE, Aim(remote=True, strict=False, scored=True, topology_key=HOSTNAME)),
        (_SOFT, _REMOTE_ONLY, Aim(remote=True, strict=True, scored=True, topology_key=HOSTNAME)),
        (_STRICT, _REMOTE_ONLY, Aim(remote=True, strict=True, scored=True, topology_key=HOSTNAME)),
        # Where the rule wants it too, whichever is stricter decides.
        (_AWAY, _REMOTE, Aim(remote=True, strict=False, scored=True, topology_key=ZONE)),
        (_AWAY, _REMOTE_ONLY, Aim(remote=True, strict=True, scored=True, topology_key=HOSTNAME)),
        (_STRICTLY_AWAY, _REMOTE, Aim(remote=True, strict=True, scored=True, topology_key=ZONE)),
        (_STRICTLY_AWAY, _REMOTE_ONLY, Aim(remote=True, strict=True, scored=True, topology_key=ZONE)),
        # disableHyperconvergence leaves the strict filter to the ordinary volumes.
        (_DISABLED, NO_WISHES, Aim(remote=False, strict=True, scored=False, topology_key=ZONE)),
        (_DISABLED, _REMOTE_ONLY, Aim(remote=True, strict=False, scored=False, topology_key=HOSTNAME)),
        # Skipped in scoring, and nowhere else.
        (_SOFT, _SKIPPED, Aim(remote=False, strict=False, scored=False, topology_key=ZONE)),
        (_STRICT, _SKIPPED, Aim(remote=False, strict=True, scored=False, topology_key=ZONE)),
    ],
)
def test_a_rule_and_what_storage_says(rule: Rule, wishes: Wishes, aim: Aim) -> None:
    """Near or away, strictly or not, and how far that reaches."""
    assert aim_of(rule, wishes, _ANYWHERE) == aim


@pytest.mark.parametrize("wishes", [_REMOTE, _REMOTE_ONLY])
def test_nobody_runs_away_from_a_volume_that_only_its_own_nodes_mount(wishes: Wishes) -> None:
    """It is an ordinary volume, and under a rule that wants it remote it has no say."""
    assert aim_of(_STRICT, wishes, _CONFINED) == aim_of(_STRICT, NO_WISHES, _CONFINED)
    assert why_ignored(aim_of(_AWAY, wishes, _CONFINED), wishes, _CONFINED)
    assert not why_ignored(aim_of(_STRICT, wishes, _CONFINED), wishes, _CONFINED)


@pytest.mark.parametrize(
    ("rule", "wishes", "ignored"),
    [
        (_SOFT, _SKIPPED, True),
        (_AWAY, _SKIPPED, True),
        (_STRICT, _SKIPPED, False),
        (_SOFT, Wishes(remote=True, remote_only=True, skipped=True), False),
        (_SOFT, Wishes(remote=True, skipped=True), True),
        (_STRICT, Wishes(remote=True, skipped=True), True),
        (_SOFT, NO_WISHES, False),
        (_STRICTLY_AWAY, NO_WISHES, False),
    ],
)
def test_a_volume_that_is_neither_scored_nor_required_is_as_good_as_not_selected(
    rule: Rule, wishes: Wishes, *, ignored: bool
) -> None:
    """What is required stays so, as in STORK's filter, which does not ask about scoring."""
    assert bool(why_ignored(aim_of(rule, wishes, _ANYWHERE), wishes, _ANYWHERE)) is ignored
