"""All demands of a pod: when there are any, what they come to, and what is asked first."""

from collections.abc import Sequence
from typing import Any, Final

import pytest
from tests.unit import builders
from tests.unit.builders import (
    DRIVER,
    HOSTNAME,
    ZONE,
    capacity,
    claim,
    decision_on,
    on_hosts,
    snapshot,
    soft,
    stateful_set,
    strict,
    volume,
)
from tests.unit.decide.new_volumes.support import NAMES, decided, eligible, made, new, rule, world

from mooring.api.annotations import GATE
from mooring.decide.decision import decide
from mooring.decide.gate import needs_gate, release
from mooring.decide.new_volumes.demands import NO_DEMANDS
from mooring.decide.subject import subject_of_template
from mooring.decide.waiting import why_held
from mooring.locate.locator import Locator

_APP: Final = {"app": "db"}
_SSD: Final = {"nodeAffinity": [rule("disk", "In", "ssd")]}
_POD: Final = builders.pod("web", "c")
_DISKS: Final = builders.storage_class("disks", "kubernetes.io/no-provisioner", binding="WaitForFirstConsumer")
_CLAIM: Final = {"kind": "PersistentVolumeClaim", "name": "d"}
_ALL_THREE: Final = (
    "the node's labels are not those that newVolumes.nodeAffinity[0] asks for; "
    "the node's labels are not those that newVolumes.nodeAffinity[1] asks for; "
    "not near the volumes that newVolumes.volumeAffinity[0] asks for: those are on n1, n3, n5"
)


@pytest.mark.parametrize(
    ("pod", "objects"),
    [
        (_POD, [made("c", "n1")]),
        (_POD, []),
        (_POD, [claim("c")]),
        (_POD, [claim("c", storage_class="fast"), builders.storage_class("fast")]),
        (_POD, [new("c", phase="Lost")]),
        (_POD, [claim("c", "pv-c", phase="Pending", storage_class="late"), volume("pv-c", on_hosts("n1"))]),
        (_POD, [claim("c", storage_class="disks"), _DISKS]),
        (builders.pod("web", "c", on="n2"), [new("c")]),
        (builders.pod("web"), [new("c")]),
        (builders.pod("web", "c", labels={"mooring.dev/ignore": "true"}), [new("c")]),
        (builders.pod("web", "c", annotations={builders.PREFER_LOCAL: "true"}), [new("c")]),
    ],
    ids=[
        "bound",
        "missing",
        "no class",
        "bound at once",
        "lost",
        "its volume is chosen",
        "somebody makes volumes beforehand",
        "its node is said",
        "no claim",
        "ignored",
        "another rule holds",
    ],
)
def test_only_claims_that_wait_for_their_pod_ask_for_anything(pod: Any, objects: Sequence[Any]) -> None:
    """And only under a policy that says something about them."""
    assert decided(pod, objects, **_SSD).demands == NO_DEMANDS
    assert decided(_POD, new("c"), **_SSD).demands != NO_DEMANDS


def test_a_claim_that_the_policy_does_not_select_asks_for_nothing() -> None:
    """`volumeSelector` says which claims count."""
    policy = soft(newVolumes=_SSD, volumeSelector={"matchLabels": _APP})

    assert decided(_POD, new("c"), policy).demands == NO_DEMANDS
    both = decided(builders.pod("web", "c", "d"), new("c"), new("d", labels=_APP), policy).demands
    assert [each.name for each in both.claims] == ["d"]


def test_an_ephemeral_volume_asks_before_its_claim_is_there() -> None:
    """Its claim is made once the pod is."""
    template = {"metadata": {"labels": {"medium": "ssd"}}, "spec": {"storageClassName": "late"}}
    pod = builders.pod("web", volumes=[{"name": "scratch", "ephemeral": {"volumeClaimTemplate": template}}])

    assert eligible(decided(pod, nodeAffinity=[rule("disk", "In", "${pvc.labels.medium}")])) == "n1 n3 n5"


def test_a_template_asks_for_nothing() -> None:
    """Each pod of it gets its own answer."""
    cluster = world(new("data-db-0"), **_SSD)
    subject = subject_of_template(stateful_set("db", "data"))

    assert decide(subject, cluster, Locator(cluster)).demands == NO_DEMANDS


@pytest.mark.parametrize("fields", [{"updateMode": "Audit"}, {"placement": "Anywhere"}])
def test_a_policy_that_does_not_act_refuses_nothing(fields: Any) -> None:
    """An audit still says what it would ask for."""
    decision = decided(_POD, new("c"), soft(newVolumes=_SSD, **fields))

    assert eligible(decision) == "anywhere"
    assert not decision.scores.volumes
    assert bool(decision.demands.all) is ("updateMode" in fields)


@pytest.mark.parametrize("rule", [soft, strict], ids=["soft", "strict"])
@pytest.mark.parametrize(
    "objects",
    [[new("c")], [new("c"), made("d", "n1")], [new("c", source=_CLAIM), made("d", "n1")], [new("c", selected="n1")]],
    ids=["new", "beside data", "a copy", "sent to a node"],
)
def test_without_rules_nothing_changes(rule: Any, objects: Sequence[Any]) -> None:
    """Without `newVolumes`, or with one that says nothing: a new volume constrains nothing."""
    pod = builders.pod("web", "c", "d", gates=[GATE])

    def rendered(policy: Any) -> Any:
        cluster = world(policy, objects)
        decision = decision_on(pod, cluster)
        given_up = why_held(pod, decision)
        gate = needs_gate(decision), release(pod, decision, cluster)
        return decision.volumes, decision.tests, decision.scores, decision.demands.all, given_up, gate

    found = rendered(rule(name="soft"))
    assert found == rendered(rule(name="soft", newVolumes={}))
    assert found[3] == ()


def test_claims_that_ask_for_the_same_ask_once() -> None:
    """A pod with ten claims gets no ten requirements."""
    pod = builders.pod("web", "c", "d")

    assert [each.name for each in decided(pod, new("c"), new("d"), **_SSD).demands.all] == ["nodeAffinity[0]"]


def test_wishes_make_scores_by_weight() -> None:
    """All of them together count as much as one volume."""
    wishes = [
        rule("disk", "In", "ssd", enforcement="Preferred", weight=30),
        rule(ZONE, "In", "a", enforcement="Preferred", weight=10),
    ]
    alone = decided(_POD, new("c"), nodeAffinity=wishes)
    assert [round(alone.scores.of(name)) for name in NAMES] == [100, 25, 75, 0, 75, 0]

    beside = decided(builders.pod("web", "c", "d"), new("c"), made("d", "n4"), nodeAffinity=wishes)
    assert [round(beside.scores.of(name), 1) for name in NAMES[:4]] == [50, 12.5, 50, 50]
    # 25 of the second volume's zone, too
    assert beside.scores.of("n3") == (75 + 25) / 2


@pytest.mark.parametrize(
    ("rules", "weighed", "exclusive", "fleeting"),
    [
        ({}, False, False, False),
        (_SSD, False, False, False),
        ({"nodeAffinity": [rule("disk", "In", "ssd", enforcement="Preferred")]}, True, False, False),
        ({"volumeAntiAffinity": [rule("app", "In", "web")]}, True, False, False),
        ({"volumeAntiAffinity": [rule("app", "In", "db")]}, True, True, True),
        ({"volumeAffinity": [rule("app", "In", "db")]}, True, True, True),
        ({"volumeAffinity": [rule("app", "In", "db", enforcement="Preferred")]}, False, False, False),
    ],
)
def test_what_has_to_be_weighed(rules: Any, *, weighed: bool, exclusive: bool, fleeting: bool) -> None:
    """What labels of nodes decide for good, kube-scheduler finds by itself."""
    demands = decided(_POD, new("c", labels=_APP), **rules).demands

    assert (demands.are_weighed, demands.are_exclusive, demands.are_fleeting) == (weighed, exclusive, fleeting)


def test_room_that_is_measured_is_weighed() -> None:
    """Most or least free first is a choice, also where there is enough everywhere."""
    demands = decided(_POD, new("c", size="1Gi"), capacity("all", "late", "9Gi")).demands

    assert demands.all == ()
    assert demands.are_weighed
    assert demands.are_contended
    assert not demands.are_fleeting


@pytest.mark.parametrize(
    ("order", "wanted"),
    [("MostFree", {"n1": 90, "n2": 100, "n3": 80}), ("LeastFree", {"n1": 90, "n2": 80, "n3": 100})],
)
def test_room_decides_where_nothing_else_does(order: str, wanted: Any) -> None:
    """For the extender, nodes with room are ranked by it; a wish weighs more, and without reports there is nothing."""
    free = {"n1": "5Gi", "n2": "9Gi", "n3": "2Gi"}
    pools = [capacity(name, "late", size, labels={HOSTNAME: name}) for name, size in free.items()]
    cluster = world(new("c", size="1Gi"), pools)
    decision = decided(_POD, new("c", size="1Gi"), pools, capacity=order)
    wish = rule(HOSTNAME, "In", "n3" if order == "MostFree" else "n2", enforcement="Preferred")
    wishing = decided(_POD, new("c", size="1Gi"), pools, capacity=order, nodeAffinity=[wish])
    silent = decided(_POD, new("c", size="1Gi"), capacity=order)

    scores = decision.demands.with_room(decision.scores, cluster)
    assert {name: scores.of(name) for name in NAMES if scores.of(name)} == wanted
    weighed = wishing.demands.with_room(wishing.scores, cluster)
    assert max(NAMES, key=weighed.of) == ("n3" if order == "MostFree" else "n2")
    assert silent.demands.with_room(silent.scores, cluster) == silent.scores


def test_what_no_label_tells_must_not_wait() -> None:
    """Names of nodes are right only now."""
    demands = decided(_POD, new("c", size="1Gi"), capacity("n1", "late", "1Gi", labels={HOSTNAME: "n1"})).demands

    assert demands.are_fleeting
    assert not demands.are_exclusive


@pytest.mark.parametrize(
    ("rules", "unmet"),
    [
        ({}, ""),
        ({"nodeAffinity": [rule("disk", "In", "tape")]}, ""),
        (
            {"volumeAffinity": [rule("app", "In", "web")]},
            "not near the volumes that newVolumes.volumeAffinity[0] asks for: there is none yet",
        ),
        (
            {"volumeAntiAffinity": [rule("app", "In", "db", topologyKey=ZONE)], **_SSD},
            "near volumes that newVolumes.volumeAntiAffinity[0] keeps away from",
        ),
        (
            {
                "volumeAffinity": [rule("app", "In", "db", topologyKey=ZONE)],
                "nodeAffinity": [rule("disk", "In", "ssd"), rule("disk", "In", "hdd")],
            },
            _ALL_THREE,
        ),
    ],
    ids=["nothing", "labels that kube-scheduler looks for itself", "one", "one of two", "each alone, but not together"],
)
def test_why_no_node_will_do(rules: Any, unmet: str) -> None:
    """The one that nothing meets, or all of them, where only together they are too much."""
    there = made("d", "n1", "n3", "n5", labels=_APP)

    assert decided(_POD, new("c"), there, **rules).demands.unmet == unmet


@pytest.mark.parametrize(("capacity_first", "best"), [("MostFree", "n3"), ("LeastFree", "n1")])
def test_nodes_are_filled_in_the_order_asked_for(capacity_first: str, best: str) -> None:
    """Of those with room for it."""
    free = {"n1": "2Gi", "n2": "1Gi", "n3": "9Gi", "n4": "4Gi"}
    pools = [capacity(name, "late", left, labels={HOSTNAME: name}) for name, left in free.items()]
    cluster = world(new("c", size="2Gi"), pools, capacity=capacity_first)
    decision = decision_on(_POD, cluster)

    fitting = builders.eligible(decision, NAMES)
    assert fitting == ["n1", "n3", "n4"]
    assert min(fitting, key=decision.demands.room_order(cluster)) == best


@pytest.mark.parametrize("source", [_CLAIM, {"kind": "VolumeSnapshot", "name": "s"}], ids=["clone", "restore"])
def test_a_copy_follows_its_source(source: dict[str, str]) -> None:
    """And is asked for what new volumes are asked for as well."""
    group = {"apiGroup": "snapshot.storage.k8s.io"} if source["kind"] == "VolumeSnapshot" else {}
    copy = new("c", source={**source, **group})
    decision = decided(_POD, copy, made("d", "n3"), snapshot("s", "d"), builders.csi_node("n3", DRIVER), **_SSD)

    assert [each.name for each in decision.demands.claims] == ["c"]
    assert max(NAMES, key=decision.scores.of) == "n3"
    assert "n1" not in eligible(decision)
