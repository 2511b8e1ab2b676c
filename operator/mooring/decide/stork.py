"""STORK's own numbers for a decision (extender.go), for clusters that are tuned to them.

They are a plain sum over volumes, each in whole numbers, where Mooring's own score is a mean.
"""

from collections.abc import Set as AbstractSet
from typing import Final

import msgspec

from mooring.api.annotations import NodeStorageState
from mooring.cluster.index import Cluster
from mooring.cluster.topology import Level
from mooring.decide.decision import Decision
from mooring.decide.filter import NodeTest, storage_tests
from mooring.decide.tiers import TIER_SCORES, VolumeScores, tier_groups
from mooring.decide.volumes import REFUSING_STATES, VolumeView

_NOTHING: Final = 5
"""The score where there is nothing to say, or only to say that the data is not there."""


class StorkScores(msgspec.Struct, frozen=True):
    """STORK's score for every node.

    Attributes:
        volumes: what each volume makes of the nodes.
        avoided: the nodes with data that the pod should run away from: whatever other volumes lie there is lost.
        tests: what a node must pass to score anything.
    """

    volumes: tuple[VolumeScores, ...] = ()
    avoided: AbstractSet[str] = frozenset()
    tests: tuple[NodeTest, ...] = ()

    def of(self, node: str) -> int:
        """The score of a node; with several volumes it may be above 100."""
        if not all(test.passes(node) for test in self.tests):
            return 0
        if node in self.avoided:
            return _NOTHING
        return sum(int(each.of(node)) for each in self.volumes) or _NOTHING


NO_OPINION: Final = StorkScores()


def stork_scores(decision: Decision, cluster: Cluster) -> StorkScores:
    """Score the nodes as STORK does."""
    rule = decision.rule
    if rule is None or not rule.acts or not rule.scored:
        return NO_OPINION
    scored = [view for view in decision.volumes if view.is_scored]
    return StorkScores(
        volumes=tuple(_scores_of(view, cluster) for view in scored),
        avoided=frozenset[str]().union(*(view.near for view in scored if view.remote)),
        tests=tuple(storage_tests(decision.volumes, cluster)),
    )


def _scores_of(view: VolumeView, cluster: Cluster) -> VolumeScores:
    states = cluster.storage.states(view.driver)
    down = {node for node, state in states.items() if state is NodeStorageState.STORAGE_DOWN}
    if view.remote:
        return VolumeScores(((0.0, down),), rest=TIER_SCORES[Level.HOST])
    refusing = {node for node, state in states.items() if state in REFUSING_STATES}
    # A replica that is down still lends its place to its neighbours, and counts as no more than one of them itself.
    serving = view.location.nodes - refusing - cluster.nodes_without_driver(view.driver)
    precision = view.location.precision or Level.HOST
    tiers = tier_groups(serving, precision, cluster.topology, halved=down)
    return VolumeScores(((TIER_SCORES[Level.RACK] / 2, serving & down), *tiers))
