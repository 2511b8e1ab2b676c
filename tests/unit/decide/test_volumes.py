"""What is made of each claim: whether it counts, whether it draws, and whether it has to be waited for."""

from collections.abc import Sequence
from typing import Any

import pytest
from tests.unit.builders import (
    DRIVER,
    ZONE,
    claim,
    cluster_of,
    csi_node,
    data,
    decision_on,
    eligible,
    in_zones,
    node,
    on_hosts,
    pod,
    soft,
    storage_class,
    strict,
    volume,
)
from tests.unit.worlds import SHARED

from mooring.decide.volumes import VolumeState

_NODES = [node("a1", zone="a"), node("a2", zone="a"), node("b1", zone="b")]
_RESTORE = {"stork.libopenstorage.org/restore-in-progress": "true"}
_SKIP = {"stork.libopenstorage.org/skipSchedulerScoring": "true"}
_LATER = "WaitForFirstConsumer"


@pytest.mark.parametrize(
    ("objects", "awaited"),
    [
        ([], "the claim does not exist"),
        ([claim("c")], "the claim is not bound"),
        ([claim("c", storage_class="now"), storage_class("now")], "the claim is not bound"),
        ([claim("c", storage_class="now"), storage_class("late", binding=_LATER)], "the claim is not bound"),
        ([claim("c", storage_class=""), storage_class("late", binding=_LATER, default=True)], "the claim is not bound"),
        ([claim("c", "pv", phase="Pending"), volume("pv")], "the claim is not bound"),
        ([claim("c", "pv")], "its volume is not known yet"),
        # What waits for the pod is not waited for, nor what never comes.
        ([claim("c", storage_class="late"), storage_class("late", binding=_LATER)], ""),
        ([claim("c"), storage_class("late", binding=_LATER, default=True)], ""),
        ([claim("c", "pv", phase="Lost")], ""),
        ([claim("c", phase="Lost")], ""),
        ([claim("c", "pv"), volume("pv")], ""),
        ([data("c", on_hosts("a1"))], ""),
        # Whatever else is known of it.
        ([claim("c", "pv", annotations=_RESTORE), volume("pv", on_hosts("a1"))], "a restore of it is in progress"),
        ([claim("c", "pv", annotations=_RESTORE), volume("pv")], "a restore of it is in progress"),
        ([claim("c", annotations=_RESTORE)], "a restore of it is in progress"),
        ([claim("c", "pv", annotations={**_RESTORE, **_SKIP}), volume("pv")], "a restore of it is in progress"),
    ],
)
def test_what_a_pod_waits_for(objects: Sequence[Any], awaited: str) -> None:
    """A claim that somebody else will provide, until it is there, and never one that waits for the pod."""
    decision = decision_on(pod("web", "c"), _NODES, soft(), objects)

    assert [view.awaited for view in decision.volumes] == [awaited]
    assert decision.awaited == (decision.volumes if awaited else ())


def test_claims_that_are_not_selected_are_not_waited_for() -> None:
    """Another rule's business, or nobody's."""
    rule = soft(volumeSelector={"storageClassNames": ["fast"]})
    decision = decision_on(pod("web", "c", "d"), _NODES, rule, data("c"), claim("d", storage_class="slow"))

    assert decision.awaited == ()


def _with_scratch(**spec: Any) -> Any:
    volumes = [{"name": "scratch", "ephemeral": {"volumeClaimTemplate": {"spec": spec}}}]
    return pod("web", volumes=volumes)


@pytest.mark.parametrize(
    ("spec", "awaited"),
    [
        ({"storageClassName": "now"}, True),
        ({"storageClassName": "late"}, False),
        ({"storageClassName": "gone"}, True),
        ({"storageClassName": ""}, True),
        ({}, False),
    ],
)
def test_an_ephemeral_claim_is_judged_before_it_is_made(spec: dict[str, str], *, awaited: bool) -> None:
    """By the class in its template, or else by the default one."""
    classes = [storage_class("now"), storage_class("late", binding=_LATER, default=True)]
    decision = decision_on(_with_scratch(**spec), _NODES, soft(), classes)

    (view,) = decision.volumes
    assert (view.claim, view.state) == ("web-scratch", VolumeState.UNBOUND)
    assert (view.detail, view.awaited) == ("the claim does not exist", "the claim does not exist" if awaited else "")


@pytest.mark.parametrize(
    ("selector", "selected"),
    [
        ({"storageClassNames": ["late"]}, True),
        ({"storageClassNames": ["now"]}, False),
        ({"drivers": [DRIVER]}, True),
        ({"drivers": ["nfs"]}, False),
        ({"matchLabels": {"app": "x"}}, False),
        ({}, True),
    ],
)
@pytest.mark.parametrize("spec", [{"storageClassName": "late"}, {}])
def test_a_policy_selects_an_ephemeral_claim_by_its_template(
    selector: dict[str, Any], spec: dict[str, str], *, selected: bool
) -> None:
    """As it will select the claim once the pod has it."""
    late = storage_class("late", binding=_LATER, default=True)
    decision = decision_on(_with_scratch(**spec), _NODES, soft(volumeSelector=selector), late)

    assert (decision.rule is not None) is selected


def test_an_ephemeral_claim_counts_like_any_other() -> None:
    """It is named after its pod, and once it is bound its volume holds the pod."""
    objects = data("web-scratch", on_hosts("a1")), strict(), _NODES

    decision = decision_on(_with_scratch(), *objects)

    assert [view.state for view in decision.volumes] == [VolumeState.LOCATED]
    assert eligible(decision, ["a1", "a2"]) == ["a1"]


@pytest.mark.parametrize(
    ("objects", "rule", "draws"),
    [
        # kube-scheduler reads the volume's own affinity.
        ([data("c", on_hosts("a1"))], soft(), False),
        ([data("c", on_hosts("a1", "a2"))], soft(), False),
        ([data("c", on_hosts("a1"), replicas="a1")], soft(), False),
        ([data("c", in_zones("a"))], soft(topologyKey=ZONE), False),
        # It does not read where the replicas are, nor what is up.
        ([data("c", replicas="a1")], soft(), True),
        ([data("c", in_zones("a"), replicas="a1")], soft(), True),
        ([data("c", on_hosts("a1", "a2")), node("a2", zone="a", states={DRIVER: "Offline"})], soft(), True),
        ([data("c", on_hosts("a1", "a2")), csi_node("a1", DRIVER)], soft(), True),
        ([data("c", replicas="a1")], strict(), True),
        # Known too coarsely, not usable, not known, or not to be near.
        ([data("c", in_zones("a"))], soft(), False),
        ([data("c", replicas="a1"), node("a1", states={DRIVER: "Offline"})], soft(), False),
        ([data("c")], soft(), False),
        ([data("c", replicas="a1")], soft(placement="Remote"), False),
        ([data("c", replicas="a1", labels=SHARED)], soft(), False),
        ([data("c", replicas="a1", labels=_SKIP)], strict(), False),
    ],
)
def test_what_draws_a_pod(objects: Sequence[Any], rule: Any, *, draws: bool) -> None:
    """Data whose place kube-scheduler would not find out by itself."""
    decision = decision_on(pod("web", "c"), _NODES, rule, objects)

    assert bool(decision.drawing) is draws


@pytest.mark.parametrize(
    ("rule", "state", "detail", "near"),
    [
        (soft(), VolumeState.NOT_SELECTED, "it draws the pod nowhere (skipSchedulerScoring)", "a1 a2 b1"),
        (strict(), VolumeState.LOCATED, "", "a1"),
    ],
)
@pytest.mark.parametrize("on", ["claim", "labels", "attributes"])
def test_a_volume_that_is_skipped_is_not_scored(on: str, rule: Any, state: VolumeState, detail: str, near: str) -> None:
    """Under a soft rule it is as good as not selected; a strict one still requires it, as STORK's filter does."""
    said = _SKIP if on == "claim" else None
    on_volume: dict[str, Any] = {} if on == "claim" else {on: _SKIP}
    objects = claim("c", "pv", annotations=said), volume("pv", on_hosts("a1"), **on_volume)
    decision = decision_on(pod("web", "c"), _NODES, rule, objects)

    assert [(view.state, view.detail) for view in decision.volumes] == [(state, detail)]
    assert eligible(decision, ["a1", "a2", "b1"]) == near.split()
    assert {decision.scores.of(name) for name in ("a1", "a2", "b1")} == {0}


def test_problems_of_claims_are_told_once() -> None:
    """Two claims of one class have one mistake, beside what is wrong with the pod itself."""
    fast = storage_class("fast", parameters={"mooring.dev/preferRemoteNode": "no"})
    claims = [claim(name, storage_class="fast") for name in ("c", "d")]
    subject = pod("web", "c", "d", annotations={"mooring.dev/preferLocalNodeOnly": "ja"})

    decision = decision_on(subject, cluster_of(_NODES, soft(), fast, claims))

    assert [problem.partition(" is not")[0] for problem in decision.problems] == [
        "mooring.dev/preferLocalNodeOnly: 'ja'",
        "StorageClass fast: mooring.dev/preferRemoteNode: 'no'",
    ]
