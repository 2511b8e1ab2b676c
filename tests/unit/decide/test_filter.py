"""What refuses nodes: data to be near or away from, restores, closed nodes, and storage that cannot be used there."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from tests.unit.builders import (
    DISABLE,
    DRIVER,
    HOSTNAME,
    PREFER_LOCAL,
    RACK,
    ZONE,
    bare_node,
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

from mooring.decide.decision import Decision
from mooring.decide.volumes import VolumeState

_NODES = [
    node("a1", zone="a", rack="x"),
    node("a2", zone="a", rack="x"),
    node("a3", zone="a", rack="y"),
    node("b1", zone="b"),
]
_NAMES = ["a1", "a2", "a3", "b1"]
_ONLY = "stork.libopenstorage.org/preferRemoteNodeOnly"
_RESTORE = {"stork.libopenstorage.org/restore-in-progress": "true"}


def _eligible(decision: Decision) -> str:
    return " ".join(eligible(decision, _NAMES))


def _scores(decision: Decision) -> list[float]:
    return [decision.scores.of(name) for name in [*_NAMES, "newcomer"]]


def _shared(name: str, replicas: str, **words: str) -> Any:
    """A volume that wants to be remote, with words of its claim."""
    said = {f"stork.libopenstorage.org/{word}": value for word, value in words.items()}
    return claim(name, f"pv-{name}", annotations=said), volume(f"pv-{name}", replicas=replicas, labels=SHARED)


@pytest.mark.parametrize(
    ("key", "strictness", "eligible", "scores"),
    [
        (HOSTNAME, "ScheduleAnyway", "a1 a2 a3 b1", [0, 100, 100, 100, 100]),
        (HOSTNAME, "DoNotSchedule", "a2 a3 b1", [0, 100, 100, 100, 100]),
        (RACK, "DoNotSchedule", "a3 b1", [0, 0, 100, 100, 100]),
        (ZONE, "DoNotSchedule", "b1", [0, 0, 0, 100, 100]),
        (ZONE, "ScheduleAnyway", "a1 a2 a3 b1", [0, 0, 0, 100, 100]),
        # Nobody with the data has the label, so that nobody is near.
        ("example.com/room", "DoNotSchedule", "a1 a2 a3 b1", [100, 100, 100, 100, 100]),
    ],
)
def test_a_remote_rule_keeps_off_the_data(key: str, strictness: str, eligible: str, scores: Sequence[float]) -> None:
    """Nodes near a replica score nothing and all others everything; a strict rule refuses the former."""
    rule = soft(placement="Remote", topologyKey=key, whenUnsatisfiable=strictness)
    decision = decision_on(pod("web", "c"), _NODES, rule, data("c", replicas="a1"))

    assert (_eligible(decision), _scores(decision)) == (eligible, scores)


@pytest.mark.parametrize("strictness", ["ScheduleAnyway", "DoNotSchedule"])
@pytest.mark.parametrize(
    "objects",
    [
        # The pod cannot run elsewhere.
        data("c", on_hosts("a1")),
        data("c", in_zones("a")),
        data("c", on_hosts("a1"), replicas="a1,a2"),
        # Nobody knows where it lies.
        data("c"),
        claim("c"),
        [],
    ],
)
def test_a_remote_rule_has_nothing_to_say_of_some_volumes(objects: Any, strictness: str) -> None:
    """Those that no other node can mount, and those whose place is not known."""
    rule = soft(placement="Remote", whenUnsatisfiable=strictness)
    decision = decision_on(pod("web", "c"), _NODES, rule, objects)

    assert (_eligible(decision), _scores(decision)) == ("a1 a2 a3 b1", [0] * 5)
    assert (decision.counting, decision.obstacle) == ((), None)


def test_of_replicas_only_those_in_use_are_kept_off() -> None:
    """A node whose storage is down serves nobody, so that there is nothing to keep off."""
    down = node("a1", zone="a", rack="x", states={DRIVER: "StorageDown"})
    rule = strict(placement="Remote")
    decision = decision_on(pod("web", "c"), _NODES, rule, data("c", replicas="a1,a2"), down)
    without_any = decision_on(pod("web", "c"), _NODES, rule, data("c", replicas="a1"), down)

    assert _eligible(decision) == "a1 a3 b1"
    assert (_eligible(without_any), without_any.obstacle) == ("a1 a2 a3 b1", None)


def test_every_volume_is_kept_off() -> None:
    """Two volumes leave what is near to neither, and the score is the mean."""
    objects = _NODES, data("c", replicas="a1"), data("d", replicas="a2"), strict(placement="Remote")
    decision = decision_on(pod("web", "c", "d"), *objects)

    assert (_eligible(decision), _scores(decision)) == ("a3 b1", [50, 50, 100, 100, 100])
    assert next(decision.refusals("a1")).message == "near the data of c, away from which it is to be used"
    assert decision.near == set()


@pytest.mark.parametrize(
    ("annotations", "rule", "words", "eligible", "scores"),
    [
        ({}, soft(), {}, "a1 a2 a3 b1", [0, 100, 100, 100, 100]),
        ({}, soft(), {"preferRemoteNodeOnly": "true"}, "a2 a3 b1", [0, 100, 100, 100, 100]),
        ({}, soft(), {"preferRemoteNode": "false"}, "a1 a2 a3 b1", [100, 50, 25, 0, 0]),
        ({}, soft(), {"preferRemoteNode": "false", "preferRemoteNodeOnly": "true"}, "a1 a2 a3 b1", [100, 50, 25, 0, 0]),
        # A strict local rule asks for ordinary volumes only.
        ({}, strict(), {}, "a1 a2 a3 b1", [0, 100, 100, 100, 100]),
        ({}, strict(), {"preferRemoteNodeOnly": "true"}, "a2 a3 b1", [0, 100, 100, 100, 100]),
        ({}, strict(), {"preferRemoteNode": "false"}, "a1", [100, 50, 25, 0, 0]),
        ({PREFER_LOCAL: "true"}, (), {"preferRemoteNodeOnly": "true"}, "a2 a3 b1", [0, 100, 100, 100, 100]),
        # It is the replicas' own nodes that count, however far a local rule reaches.
        ({}, soft(topologyKey=ZONE), {"preferRemoteNodeOnly": "true"}, "a2 a3 b1", [0, 100, 100, 100, 100]),
        # Switched off, or none of our business.
        ({DISABLE: "true"}, strict(), {"preferRemoteNodeOnly": "true"}, "a1 a2 a3 b1", [0] * 5),
        ({DISABLE: "true", PREFER_LOCAL: "true"}, (), {"preferRemoteNodeOnly": "true"}, "a1 a2 a3 b1", [0] * 5),
        ({}, soft(updateMode="Audit"), {"preferRemoteNodeOnly": "true"}, "a1 a2 a3 b1", [0] * 5),
        ({}, soft(placement="Anywhere"), {"preferRemoteNodeOnly": "true"}, "a1 a2 a3 b1", [0] * 5),
        ({}, (), {"preferRemoteNodeOnly": "true"}, "a1 a2 a3 b1", [0] * 5),
    ],
)
def test_a_volume_that_wants_to_be_remote(
    annotations: Mapping[str, str], rule: Any, words: Mapping[str, str], eligible: str, scores: Sequence[float]
) -> None:
    """It is kept off under any rule, and only its own word makes that strict."""
    subject = pod("web", "c", annotations=annotations)
    decision = decision_on(subject, _NODES, rule, _shared("c", "a1", **words))

    assert (_eligible(decision), _scores(decision)) == (eligible, scores)


def test_a_pod_that_chose_storks_scheduler_is_kept_off_too() -> None:
    """As in STORK, without any policy; the StorageClass may say it."""
    fast = storage_class("fast", parameters={**SHARED, _ONLY: "true"})
    objects = claim("c", "pv", storage_class="fast"), volume("pv", replicas="a1", storage_class="fast"), fast
    decision = decision_on(pod("web", "c", scheduler="stork"), _NODES, objects)

    assert (_eligible(decision), _scores(decision)) == ("a2 a3 b1", [0, 100, 100, 100, 100])


def test_near_the_one_and_away_from_the_other() -> None:
    """A database on its data, and away from the server of the shared files; the scores are the mean."""
    objects = _NODES, data("db", on_hosts("a1", "a2")), _shared("files", "a1,b1", preferRemoteNodeOnly="true")
    softly, strictly = (decision_on(pod("web", "db", "files"), *objects, rule) for rule in (soft(), strict()))

    assert (_eligible(softly), _scores(softly)) == ("a2 a3", [50, 100, 62.5, 0, 50])
    assert (_eligible(strictly), strictly.near) == ("a2", {"a2"})
    assert [view.claim for view in strictly.required] == ["db", "files"]
    assert [test.message for test in strictly.refusals("b1")] == [
        "not near the data of db, which lies on a1, a2",
        "near the data of files, away from which it is to be used",
    ]


def test_an_obstacle_is_about_the_volumes_to_be_near() -> None:
    """One to stay away from is no obstacle, wherever it lies and whatever its state."""
    offline = node("b1", zone="b", states={DRIVER: "Offline"})
    objects = _NODES, offline, data("db", on_hosts("a1")), _shared("files", "b1"), strict()

    assert decision_on(pod("web", "db", "files"), *objects).obstacle is None


@pytest.mark.parametrize("key", ["operator.libopenstorage.org/unschedulable", "mooring.dev/unschedulable"])
@pytest.mark.parametrize(
    ("rule", "eligible"),
    [
        (soft(), "a1 a3 b1"),
        (strict(), "a1"),
        (soft(placement="Remote"), "a1 a3 b1"),
        (soft(updateMode="Audit"), "a1 a2 a3 b1"),
        (soft(volumeSelector={"drivers": ["nfs"]}), "a1 a2 a3 b1"),
        ((), "a1 a2 a3 b1"),
    ],
)
def test_a_node_may_be_closed_to_pods_with_volumes(key: str, rule: Any, eligible: str) -> None:
    """Wherever a rule acts that has an opinion on one of them."""
    closed = node("a2", zone="a", rack="x", annotations={key: "true"})
    decision = decision_on(pod("web", "c"), _NODES, data("c", replicas="a1"), closed, rule)

    assert _eligible(decision) == eligible


def test_a_closed_node_says_why_and_may_be_opened_again() -> None:
    """The annotation is named; its twin outranks it, and a node that is gone leaves nothing behind."""
    cluster = cluster_of(_NODES, data("c"), soft())
    key = "operator.libopenstorage.org/unschedulable"
    cluster.put("Node", node("a2", annotations={key: "true"}))
    refusal = next(decision_on(pod("web", "c"), cluster).refusals("a2"))

    assert refusal.message == f"the node takes no pods with volumes (annotation mooring.dev/unschedulable or {key})"
    cluster.put("Node", node("a2", annotations={key: "true", "mooring.dev/unschedulable": "false"}))
    assert _eligible(decision_on(pod("web", "c"), cluster)) == "a1 a2 a3 b1"
    cluster.put("Node", node("a2", annotations={key: "1"}))
    cluster.remove("Node", "a2")
    assert cluster.storage.closed == set()


@pytest.mark.parametrize(
    ("rule", "refused"),
    [
        (soft(), True),
        (strict(), True),
        (soft(placement="Remote"), True),
        (soft(updateMode="Audit"), False),
        (soft(volumeSelector={"drivers": ["nfs"]}), False),
        ((), False),
    ],
)
@pytest.mark.parametrize("bound", [True, False])
def test_a_restore_keeps_its_pods_waiting(rule: Any, *, refused: bool, bound: bool) -> None:
    """Until it is done no node will do, for half of the data is not there."""
    restored = claim("c", "pv-c" if bound else "", annotations=_RESTORE), volume("pv-c", on_hosts("a1"))
    decision = decision_on(pod("web", "c", "d"), _NODES, restored, data("d"), rule)

    assert (_eligible(decision) == "") is refused
    if refused:
        assert next(decision.refusals("a1")).message == "a restore of c is in progress"
        assert (decision.obstacle, [view.claim for view in decision.awaited]) == (None, ["c"])


def test_drivers_of_several_volumes_each_refuse() -> None:
    """A node has to run all of them; one that is registered nowhere refuses nobody."""
    volumes = [
        (claim("c", "pv-c"), volume("pv-c", driver="one")),
        (claim("d", "pv-d"), volume("pv-d", driver="two", replicas="a1")),
        (claim("e", "pv-e"), volume("pv-e", driver="three")),
    ]
    registered = [csi_node("a1", "one", "two"), csi_node("a2", "one"), csi_node("a3", "two"), csi_node("b1")]
    decision = decision_on(pod("web", "c", "d", "e"), _NODES, volumes, registered, soft())

    assert _eligible(decision) == "a1"
    assert [test.message for test in decision.refusals("b1")] == [
        "the driver one is not registered on the node",
        "the driver two is not registered on the node",
    ]


def test_a_node_without_labels_is_away_from_everything() -> None:
    """It shares no place with any replica."""
    rule = strict(placement="Remote", topologyKey=ZONE)
    decision = decision_on(pod("web", "c"), _NODES, bare_node("bare", {}), data("c", replicas="a1"), rule)

    assert eligible(decision, ["a2", "bare"]) == ["bare"]
    assert [view.state for view in decision.volumes] == [VolumeState.LOCATED]
