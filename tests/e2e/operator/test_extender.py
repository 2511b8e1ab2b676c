"""Pods placed by the real second scheduler, which asks the operator."""

from typing import Any

import pytest
from tests.e2e import manifests
from tests.e2e.manifests import STRICT, ZONE
from tests.e2e.operator.gates import cordon
from tests.e2e.stage import STRICT_RULE, Stage, stays
from tests.e2e.support import eventually

from mooring.sandbox.nodes import DRIVER

_NODES = [f"node-{number}" for number in range(1, 7)]
_STATE = f"storage-state.mooring.dev/{DRIVER}"


def volume_on_each_node(stage: Stage) -> dict[str, str]:
    """Create a volume on each of the six nodes; gives the nodes by claim."""
    places = {f"data-{number}": node for number, node in enumerate(_NODES)}
    stage.volumes({claim: [node] for claim, node in places.items()})
    return places


@pytest.mark.parametrize("scheduler", ["stork", "mooring"])
def test_pods_that_name_our_scheduler_run_near_their_data(stage: Stage, scheduler: str) -> None:
    """Without any policy, each of six pods runs on the one node of six that holds its data."""
    places = volume_on_each_node(stage)

    for claim in places:
        stage.pod(f"pod-{claim}", claim, schedulerName=scheduler)

    assert stage.nodes_of([f"pod-{claim}" for claim in places]) == {f"pod-{c}": node for c, node in places.items()}


def test_a_strict_pod_runs_only_where_its_data_is(stage: Stage) -> None:
    """The annotation alone, on pods that would rather run elsewhere, brings each of them to its data."""
    places = volume_on_each_node(stage)

    for claim, node in places.items():
        elsewhere = [other for other in _NODES if other != node]
        stage.pod(
            f"pod-{claim}", claim, schedulerName="stork", annotations=STRICT, affinity=manifests.on_nodes(*elsewhere)
        )

    assert stage.nodes_of([f"pod-{claim}" for claim in places]) == {f"pod-{c}": node for c, node in places.items()}


def test_a_strict_pod_waits_while_its_node_is_cordoned(stage: Stage) -> None:
    """It stays Pending with a reason that names its data, and runs there as soon as the node is back."""
    nodes, where = stage.own_nodes(3)
    stage.volume("data", nodes[0])
    cordon(stage, nodes[0], scheduler="stork", **where)

    stage.pod("strict", "data", schedulerName="stork", annotations=STRICT, **where)

    said = stage.unscheduled("strict")
    assert f"2 not near the data of data, which lies on {nodes[0]}" in said
    assert "1 node(s) were unschedulable" in said
    stage.patch(f"/api/v1/nodes/{nodes[0]}", {"spec": {"unschedulable": None}})
    assert stage.node_of("strict") == nodes[0]


def test_preemption_for_a_strict_pod_evicts_nobody_elsewhere(stage: Stage) -> None:
    """A pod that may evict others does so on the node with its data, and on no other."""
    nodes, where = stage.own_nodes(3, cpu="2")
    stage.volume("data", nodes[0])
    high = stage.high_priority()
    # The node with the data is full of pods that cannot be evicted, the others of pods that can.
    for node in nodes:
        priority = {"priorityClassName": high} if node == nodes[0] else {}
        selector = where["nodeSelector"] | {manifests.HOSTNAME: node}
        stage.pod(f"filler-{node}", cpu="2", **where | priority | {"nodeSelector": selector})
    stage.nodes_of([f"filler-{node}" for node in nodes])

    stage.pod("strict", "data", schedulerName="stork", annotations=STRICT, cpu="2", priorityClassName=high, **where)

    assert "preemption: no candidate node" in stage.unscheduled("strict")
    asked = [line for line in stage.operator.lines() if line.get("verb") == "preempt"]
    assert any(line["pod"] == f"{stage.namespace}/strict" and line["kept"] == 0 < line["candidates"] for line in asked)
    fillers = {f"filler-{node}" for node in nodes}
    stays(lambda: fillers <= stage.staying(), seconds=2)
    # The same pod with no wish for locality evicts somebody at once: the test can fail.
    stage.pod("anywhere", "data", schedulerName="stork", cpu="2", priorityClassName=high, **where)
    assert stage.node_of("anywhere") in nodes[1:]
    assert not fillers <= stage.staying()


def test_a_strict_pod_preempts_on_the_node_of_its_data(stage: Stage) -> None:
    """Where the node with the data is full of lesser pods, one of those goes, and none elsewhere."""
    nodes, where = stage.own_nodes(3, cpu="2")
    stage.volume("data", nodes[0])
    high = stage.high_priority()
    for node in nodes:
        stage.pod(f"filler-{node}", cpu="2", **where | {"nodeSelector": {manifests.HOSTNAME: node}})
    stage.nodes_of([f"filler-{node}" for node in nodes])

    stage.pod("strict", "data", schedulerName="stork", annotations=STRICT, cpu="2", priorityClassName=high, **where)

    assert stage.node_of("strict") == nodes[0]
    assert {f"filler-{node}" for node in nodes[1:]} <= stage.staying()


def hold_strict_pod(stage: Stage, **fields: Any) -> None:
    """Create a strict pod with its data on node-5 that is only scheduled when somebody else's gate goes."""
    stage.volume("data", "node-5")
    gates = [{"name": "example.com/later"}]
    stage.pod("strict", "data", schedulerName="stork", annotations=STRICT, schedulingGates=gates, **fields)


def test_an_extender_that_does_not_answer_is_passed_over(stage: Stage) -> None:
    """In the end: `ignorable` keeps no pod waiting, and a strict rule that only the extender knows does not hold."""
    # With one node that will do it is not asked for scores, which would take as long again.
    hold_strict_pod(stage, nodeSelector={manifests.HOSTNAME: "node-2"})

    with stage.operator.paused():
        stage.patch(stage.path("pods", "strict"), {"spec": {"schedulingGates": []}})
        assert stage.node_of("strict") == "node-2"


def test_what_admission_wrote_holds_without_an_extender(admitted: Stage) -> None:
    """The affinity in the pod is the scheduler's own business, whoever answers or does not."""
    hold_strict_pod(admitted, affinity=manifests.on_nodes("node-2"))

    with admitted.operator.paused():
        admitted.patch(admitted.path("pods", "strict"), {"spec": {"schedulingGates": []}})
        assert admitted.node_of("strict") == "node-5"


@pytest.mark.parametrize(
    ("labels", "annotations"),
    [
        ({"mooring.dev/ignore": "true"}, STRICT),
        ({}, {"stork.libopenstorage.org/disableHyperconvergence": "true"}),
        ({}, {"mooring.dev/disableHyperconvergence": "true"}),
    ],
    ids=["ignore", "stork", "twin"],
)
def test_pods_that_opted_out_follow_their_own_wishes(
    stage: Stage, labels: dict[str, str], annotations: dict[str, str]
) -> None:
    """An opted-out pod runs where it prefers to, however slightly; the same pod without the words does not."""
    stage.volume("data", "node-5")
    wish = manifests.on_nodes("node-2")
    wish["nodeAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"][0]["weight"] = 100

    for number in range(3):
        stage.pod(f"out-{number}", "data", schedulerName="stork", labels=labels, annotations=annotations, affinity=wish)
        stage.pod(f"in-{number}", "data", schedulerName="stork", affinity=wish)

    found = stage.nodes_of([f"{way}-{number}" for way in ("out", "in") for number in range(3)])
    assert found == {f"out-{n}": "node-2" for n in range(3)} | {f"in-{n}": "node-5" for n in range(3)}


def test_a_node_whose_storage_is_offline_is_refused(stage: Stage) -> None:
    """The annotation on a node keeps pods off it, data or not, until it goes."""
    nodes, where = stage.own_nodes(2)
    stage.volume("data", nodes[0], nodes[1])
    stage.patch(f"/api/v1/nodes/{nodes[0]}", {"metadata": {"annotations": {_STATE: "Offline"}}})
    stage.await_known("data", [nodes[1]])

    for number in range(4):
        stage.pod(f"pod-{number}", "data", schedulerName="stork", **where)
    assert set(stage.nodes_of([f"pod-{number}" for number in range(4)]).values()) == {nodes[1]}

    stage.patch(f"/api/v1/nodes/{nodes[1]}", {"metadata": {"annotations": {_STATE: "Offline"}}})
    stage.await_known("data", [])
    stage.pod("nowhere", "data", schedulerName="stork", **where)
    assert f"the storage of {DRIVER} on the node is Offline" in stage.unscheduled("nowhere")
    stage.patch(f"/api/v1/nodes/{nodes[0]}", {"metadata": {"annotations": {_STATE: None}}})
    # A scheduler that heard of it before Mooring was refused again, and tries once more when something else changes.
    stage.await_known("data", [nodes[0]])
    stage.patch(f"/api/v1/nodes/{nodes[0]}", {"metadata": {"labels": {"storage": "back"}}})
    assert stage.node_of("nowhere") == nodes[0]


def test_a_node_without_the_driver_is_refused(stage: Stage) -> None:
    """Where the driver is not registered, a pod with its volume cannot run."""
    nodes, where = stage.own_nodes(2)
    stage.patch(f"/apis/storage.k8s.io/v1/csinodes/{nodes[0]}", {"spec": {"drivers": []}})
    stage.volume("data", *nodes, known=False)
    stage.await_known("data", [nodes[1]])

    stage.pod("bound", "data", schedulerName="stork", **where | {"nodeSelector": {manifests.HOSTNAME: nodes[0]}})

    assert f"the driver {DRIVER} is not registered on the node" in stage.unscheduled("bound")


def test_strict_volumes_with_no_node_in_common_say_so(stage: Stage) -> None:
    """The pod does not hang without a reason: its event names both places."""
    stage.volumes({"left": ["node-1"], "right": ["node-4"]})

    stage.pod("torn", "left", "right", schedulerName="stork", annotations=STRICT)

    said = stage.unscheduled("torn")
    assert "the volumes have no node in common: left on node-1; right on node-4" in said
    event = eventually(lambda: _scheduling_event(stage, "torn"))
    assert "no node in common" in event


def _scheduling_event(stage: Stage, pod: str) -> str:
    listed = stage.client.get(f"{stage.path('events')}?fieldSelector=involvedObject.name%3D{pod}")["items"]
    return next(
        (each.get("message") or each.get("note") for each in listed if each["reason"] == "FailedScheduling"), ""
    )


def test_only_the_selected_volumes_draw(stage: Stage) -> None:
    """With a volumeSelector the other claims of a pod carry no opinion, not even under a strict rule."""
    stage.volume("scratch", "node-2", labels={"kind": "scratch"})
    stage.volume("tables", "node-6", labels={"kind": "tables"})
    stage.policy("tables", whenUnsatisfiable="DoNotSchedule", volumeSelector={"matchLabels": {"kind": "tables"}})

    for number in range(4):
        stage.pod(f"pod-{number}", "scratch", "tables", schedulerName="mooring")

    assert set(stage.nodes_of([f"pod-{number}" for number in range(4)]).values()) == {"node-6"}


def test_a_zone_can_be_near_enough(stage: Stage) -> None:
    """Under a strict zone rule a pod may run on any node of the data's zone, and only there."""
    stage.volume("data", "node-5")
    stage.policy("zone", topologyKey=ZONE, whenUnsatisfiable="DoNotSchedule")

    stage.pod("beside", "data", schedulerName="mooring", affinity=manifests.on_nodes("node-1"))
    stage.pod("next", "data", schedulerName="mooring", nodeSelector={manifests.HOSTNAME: "node-6"})
    stage.pod("away", "data", schedulerName="mooring", nodeSelector={manifests.HOSTNAME: "node-1"})

    assert stage.node_of("beside") in {"node-5", "node-6"}
    assert stage.node_of("next") == "node-6"
    assert "not near the data of data" in stage.unscheduled("away")
    stage.await_reason("pods", "next", "mooring.dev/VolumeLocal", "AllLocal")


def test_the_best_policy_wins(stage: Stage) -> None:
    """A namespace's policy outranks the cluster's, a higher priority a lower one, and losers count what they lost."""
    stage.volume("data", "node-3")
    stage.patch(f"/api/v1/namespaces/{stage.namespace}", {"metadata": {"labels": {"team": stage.namespace}}})
    wide, other = f"wide-{stage.namespace}", f"other-{stage.namespace}"
    ours, others = ({"matchLabels": {"team": team}} for team in (stage.namespace, "nobody"))
    stage.cluster_policy(wide, namespaceSelector=ours, priority=100, **STRICT_RULE)
    stage.cluster_policy(other, namespaceSelector=others, priority=1000)
    elsewhere = {"nodeSelector": {manifests.HOSTNAME: "node-1"}, "schedulerName": "mooring"}

    stage.pod("under-cluster", "data", **elsewhere)
    assert "not near the data of data" in stage.unscheduled("under-cluster")

    stage.delete(stage.path("pods", "under-cluster"))

    stage.policy("lenient")
    stage.pod("under-namespace", "data", **elsewhere)
    assert stage.node_of("under-namespace") == "node-1"

    stage.policy("firm", priority=5, **STRICT_RULE)
    stage.pod("under-priority", "data", **elsewhere)
    assert "not near the data of data" in stage.unscheduled("under-priority")
    stage.await_counts("lenient", matched=2, overridden=2)
    stage.await_counts("firm", matched=2, overridden=0, remote=1, unknown=1)
    path = f"/apis/mooring.dev/v1alpha1/clustervolumeplacementpolicies/{wide}"
    eventually(lambda: stage.client.get(path)["status"]["pods"]["overridden"] == 2)
    matched = stage.client.get(f"/apis/mooring.dev/v1alpha1/clustervolumeplacementpolicies/{other}")["status"]["pods"]
    assert matched["matched"] == 0
