"""Replicas that the storage system calls unusable: where they lie is known, and nobody can read them there."""

import pytest
from tests.unit.builders import claim, cluster_of, eligible, node, on_hosts, pod, soft, strict, volume
from tests.unit.locate.storage import followed, replica

from mooring.api.policy import Policy
from mooring.decide.decision import Decision, Obstacle, decide
from mooring.decide.explain import explain, render
from mooring.decide.subject import subject_of_pod
from mooring.decide.volumes import VolumeState
from mooring.locate.records import Replica

_NODES = [node("a1", rack="x"), node("a2", rack="x"), node("b1"), node("b2")]
_NAMES = ["a1", "a2", "b1", "b2"]
_GOOD_A1, _BAD_A1 = replica("r1", "a1", volume="pv"), replica("r1", "a1", volume="pv", usable=False)
_GOOD_B1, _BAD_B1 = replica("r2", "b1", volume="pv"), replica("r2", "b1", volume="pv", usable=False)


def _decided(rule: Policy, *replicas: Replica, only_on: str = "") -> Decision:
    found = volume("pv", on_hosts(only_on)) if only_on else volume("pv")
    storage = followed(cluster_of(_NODES, claim("c", "pv"), found, rule), *replicas)
    return decide(subject_of_pod(pod("web", "c")), storage.cluster, storage.locator)


@pytest.mark.parametrize(
    ("replicas", "nodes", "usable", "near"),
    [
        ([_GOOD_A1, _GOOD_B1], "a1 b1", "a1 b1", "a1 b1"),
        ([_BAD_A1, _GOOD_B1], "a1 b1", "b1", "b1"),
    ],
)
def test_a_strict_pod_goes_where_a_replica_can_be_used(
    replicas: list[Replica], nodes: str, usable: str, near: str
) -> None:
    """The others count as places of the data, but not as near to it."""
    decision = _decided(strict(), *replicas)

    assert " ".join(eligible(decision, _NAMES)) == near
    (view,) = decision.volumes
    assert (view.state, view.location.nodes, view.usable) == (
        VolumeState.LOCATED,
        frozenset(nodes.split()),
        frozenset(usable.split()),
    )


@pytest.mark.parametrize(("replicas", "only_on"), [([_BAD_A1, _BAD_B1], ""), ([_BAD_A1, _GOOD_B1], "a1")])
def test_a_strict_pod_waits_while_no_replica_can_be_used(replicas: list[Replica], only_on: str) -> None:
    """With the reason, on every node; a good replica that the volume cannot be used from does not help."""
    decision = _decided(strict(), *replicas, only_on=only_on)

    assert decision.obstacle is Obstacle.OFFLINE
    assert not eligible(decision, _NAMES)
    (view,) = decision.volumes
    assert view.state is VolumeState.OFFLINE
    bad = ", ".join(each.key for each in replicas if not each.usable)
    why = "no replica is usable on a node whose storage is online"
    assert view.detail == f"{why}; not usable: copies.disks.example {bad}"


@pytest.mark.parametrize(
    ("replicas", "scores"),
    [
        ([_GOOD_A1, _GOOD_B1], [100, 50, 100, 0]),
        ([_GOOD_A1, _BAD_B1], [100, 50, 0, 0]),
        ([_BAD_A1, _BAD_B1], [0, 0, 0, 0]),
    ],
)
def test_a_soft_pod_is_drawn_by_replicas_that_can_be_used(replicas: list[Replica], scores: list[float]) -> None:
    """And refused nowhere."""
    decision = _decided(soft(), *replicas)

    assert [decision.scores.of(name) for name in _NAMES] == scores
    assert eligible(decision, _NAMES) == _NAMES


def test_an_explanation_names_every_source() -> None:
    """Which locator says it, by which field of which objects, and which of them cannot be used."""
    storage = followed(cluster_of(_NODES, claim("c", "pv"), volume("pv"), soft("p")), _GOOD_A1, _BAD_B1)
    decision = decide(subject_of_pod(pod("web", "c")), storage.cluster, storage.locator)

    line = (
        "Volume:    c: Located on a1, b1 (says VolumeLocator disks: spec.node of copies.disks.example r1, r2); "
        "not usable: copies.disks.example r2"
    )
    assert line in render(explain(decision, storage.cluster)).splitlines()


def test_an_unknown_place_names_who_should_know() -> None:
    """So that a person knows where to look."""
    storage = followed(cluster_of(_NODES, claim("c", "pv"), volume("pv"), strict("p")), replica("r", "x", volume="pv"))
    decision = decide(subject_of_pod(pod("web", "c")), storage.cluster, storage.locator)

    line = "Volume:    c: LocationUnknown (says VolumeLocator disks); no such node: x"
    assert line in render(explain(decision, storage.cluster)).splitlines()
    assert eligible(decision, _NAMES) == _NAMES
