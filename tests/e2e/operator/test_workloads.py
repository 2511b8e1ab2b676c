"""Every kind of workload: what its template gets, what is said of it, and what is left alone."""

import time
from typing import Any

import pytest
from tests.e2e import manifests
from tests.e2e.stage import PLACEMENT_APPLIED, STRICT_RULE, VOLUME_LOCAL, Stage, stays
from tests.e2e.support import eventually

from mooring.reconcile.controller import STATEFUL_SET_DELAY


def nodes_in(affinity: dict[str, Any]) -> set[str]:
    """The nodes that required terms name."""
    terms = affinity.get("requiredDuringSchedulingIgnoredDuringExecution", {}).get("nodeSelectorTerms", [])
    return {value for term in terms for field in term["matchFields"] for value in field["values"]}


def test_a_stateful_set_of_one_claim_gets_its_terms(stage: Stage) -> None:
    """A StatefulSet whose pods share a claim is moved by its own rollout, one pod at a time."""
    stage.volume("data", "node-2")
    stage.workload("StatefulSet", "pg", "data", affinity=manifests.on_nodes("node-5"))
    assert stage.node_of("pg-0") == "node-5"

    stage.policy("near", updateMode="Reconcile", **STRICT_RULE)

    eventually(lambda: stage.runs_on("pg") == {"node-2"})
    stage.await_reason("statefulsets", "pg", VOLUME_LOCAL, "AllLocal")
    stage.await_reason("statefulsets", "pg", PLACEMENT_APPLIED, "Applied")
    assert nodes_in(stage.affinity_of("pg", kind="statefulsets")) == {"node-2"}


def test_a_stateful_set_with_claims_of_each_pod_is_left_to_admission(admitted: Stage) -> None:
    """Each pod gets the place of its own volume as it is created; one template could not say them all."""
    places = {"data-pg-0": ["node-2"], "data-pg-1": ["node-5"], "data-pg-2": ["node-3"]}
    admitted.volumes(places)
    admitted.policy("near", **STRICT_RULE)

    admitted.workload("StatefulSet", "pg", own_claim="data", spec={"replicas": 3})

    assert admitted.nodes_of(["pg-0", "pg-1", "pg-2"]) == {"pg-0": "node-2", "pg-1": "node-5", "pg-2": "node-3"}
    admitted.await_reason("statefulsets", "pg", PLACEMENT_APPLIED, "PerPod")
    admitted.await_reason("statefulsets", "pg", VOLUME_LOCAL, "AllLocal")
    assert admitted.client.get(admitted.path("statefulsets", "pg"))["metadata"]["generation"] == 1


def test_conditions_of_a_stateful_set_are_put_back_without_a_loop(stage: Stage) -> None:
    """Its controller drops them with each of its writes: while it scales to 20, ours come once a second at most."""
    places = {f"data-pg-{number}": ["node-1"] for number in range(20)}
    stage.volumes(places)
    stage.policy("near", **STRICT_RULE)
    parallel = {"replicas": 1, "podManagementPolicy": "Parallel"}
    elsewhere = {"nodeSelector": {manifests.HOSTNAME: "node-2"}}
    stage.workload("StatefulSet", "pg", own_claim="data", spec=parallel, **elsewhere)
    stage.await_reason("statefulsets", "pg", PLACEMENT_APPLIED, "PerPod")
    since, started = stage.sandbox.audit_offset(), time.monotonic()

    stage.sandbox.kubectl("scale", "statefulset/pg", "--replicas=20", "-n", stage.namespace)
    stage.sandbox.kubectl("rollout", "status", "statefulset/pg", "-n", stage.namespace, timeout=180)

    # What was said of fewer pods is said anew.
    stage.await_reason("statefulsets", "pg", VOLUME_LOCAL, "NotLocal", saying="20 of 20 pods")
    stage.await_reason("statefulsets", "pg", PLACEMENT_APPLIED, "PerPod")
    seconds = time.monotonic() - started
    said = stage.client.get(stage.path("statefulsets", "pg"))
    stays(lambda: stage.client.get(stage.path("statefulsets", "pg")) == said, seconds=3)
    ours, others = _status_writes(stage, since)
    # Some come at once: because of the scaling itself, or of a node of an earlier test that goes.
    assert ours <= seconds / STATEFUL_SET_DELAY + 3, f"{ours} writes of ours, {others} of the controller's"


def _status_writes(stage: Stage, since: int) -> tuple[int, int]:
    """How often we, and how often others, wrote the status of StatefulSets of this stage."""
    writers = [
        event["user"]["username"]
        for event in stage.sandbox.audit(since=since)
        if event["objectRef"]["resource"] == "statefulsets"
        and event["objectRef"].get("subresource") == "status"
        and event["objectRef"].get("namespace") == stage.namespace
        and event["verb"] in {"update", "patch"}
    ]
    ours = writers.count(stage.user)
    return ours, len(writers) - ours


def test_a_condition_that_was_dropped_keeps_its_time(stage: Stage) -> None:
    """Put back, it says since when it holds, not since when it was put back."""
    stage.volumes({"data-pg-0": ["node-1"], "data-pg-1": ["node-1"]})
    stage.policy("near", **STRICT_RULE)
    stage.workload("StatefulSet", "pg", own_claim="data")
    told = stage.await_reason("statefulsets", "pg", PLACEMENT_APPLIED, "PerPod")

    path = f"{stage.path('statefulsets', 'pg')}/status"
    stage.patch(path, {"status": {"conditions": None}})

    again = stage.await_reason("statefulsets", "pg", PLACEMENT_APPLIED, "PerPod")
    assert again["lastTransitionTime"] == told["lastTransitionTime"]


def test_a_replica_set_of_its_own_gets_its_terms_at_once(stage: Stage) -> None:
    """Its template is for pods to come: nothing restarts."""
    stage.volume("data", "node-3")
    stage.workload("ReplicaSet", "web", "data", affinity=manifests.on_nodes("node-6"))
    (pod,) = eventually(lambda: [each for each in stage.pods_of("web") if each["spec"].get("nodeName")])

    stage.policy("near", **STRICT_RULE)

    stage.await_reason("replicasets", "web", PLACEMENT_APPLIED, "Applied")
    stage.await_reason("replicasets", "web", VOLUME_LOCAL, "NotLocal")
    assert nodes_in(stage.affinity_of("web", kind="replicasets")) == {"node-3"}
    assert [each["metadata"]["uid"] for each in stage.pods_of("web")] == [pod["metadata"]["uid"]]

    stage.await_seen("replicasets", "web")
    stage.delete(stage.path("pods", pod["metadata"]["name"]))

    stage.await_reason("replicasets", "web", VOLUME_LOCAL, "AllLocal")


def test_a_suspended_job_gets_its_terms_before_it_starts(stage: Stage) -> None:
    """Afterwards nobody could change them; the controller's own conditions stay beside ours."""
    stage.volume("data", "node-4")
    stage.policy("near", **STRICT_RULE)
    # Its controller says nothing more of Suspended once it is complete, and pods here are done as soon as they run.
    stage.workload("Job", "once", "data", spec={"suspend": True, "completions": 1000})

    stage.await_reason("jobs", "once", PLACEMENT_APPLIED, "Applied")
    assert nodes_in(stage.affinity_of("once", kind="jobs")) == {"node-4"}
    eventually(lambda: stage.condition("jobs", "once", "Suspended").get("status") == "True")

    stage.patch(stage.path("jobs", "once"), {"spec": {"suspend": False}})

    pod, *_ = eventually(lambda: stage.pods_of("once"))
    assert stage.node_of(pod["metadata"]["name"]) == "node-4"
    eventually(lambda: stage.condition("jobs", "once", "Suspended").get("status") == "False")
    assert stage.condition("jobs", "once", PLACEMENT_APPLIED)


def test_a_job_that_runs_is_only_reported(stage: Stage) -> None:
    """Its template cannot be changed, and evicting its pod would lose its work."""
    stage.volume("data", "node-4")
    stage.workload("Job", "once", "data", affinity=manifests.on_nodes("node-1"), spec={"parallelism": 1})
    (pod,) = eventually(lambda: stage.pods_of("once"))

    stage.policy("near", updateMode="Reconcile", **STRICT_RULE)

    found = stage.await_reason("jobs", "once", PLACEMENT_APPLIED, "Deferred")
    assert "cannot be changed" in found["message"]
    assert stage.affinity_of("once", kind="jobs") == manifests.on_nodes("node-1")["nodeAffinity"]
    assert [each["metadata"]["uid"] for each in stage.pods_of("once")] == [pod["metadata"]["uid"]]


def test_conditions_of_a_job_go_with_the_rule(stage: Stage) -> None:
    """Only ours: a Job's conditions are one list, of which the controller's remain."""
    stage.volume("data", "node-4")
    stage.policy("near")
    stage.workload("Job", "once", "data", spec={"suspend": True})
    stage.await_reason("jobs", "once", PLACEMENT_APPLIED, "Applied")
    eventually(lambda: stage.condition("jobs", "once", "Suspended"))

    stage.delete(stage.path("volumeplacementpolicies", "near"))

    eventually(lambda: not stage.condition("jobs", "once", PLACEMENT_APPLIED))
    assert not stage.condition("jobs", "once", VOLUME_LOCAL)
    assert stage.condition("jobs", "once", "Suspended")["status"] == "True"
    eventually(lambda: stage.affinity_of("once", kind="jobs") == {})


def test_a_cron_job_hands_its_terms_to_its_jobs(stage: Stage) -> None:
    """It has no conditions; an event tells of the terms. The Job that it makes is its own business."""
    stage.volume("data", "node-3")
    stage.policy("near", **STRICT_RULE)
    stage.workload("CronJob", "nightly", "data")
    eventually(lambda: nodes_in(stage.affinity_of("nightly", kind="cronjobs")) == {"node-3"})
    assert "PlacementApplied" in eventually(lambda: stage.events("nightly"))

    stage.sandbox.kubectl("create", "job", "tonight", "--from=cronjob/nightly", "-n", stage.namespace)

    (pod,) = eventually(lambda: stage.pods_of("nightly"))
    assert stage.node_of(pod["metadata"]["name"]) == "node-3"
    assert not stage.condition("jobs", "tonight", PLACEMENT_APPLIED)


def test_a_cron_job_says_why_it_has_no_terms(stage: Stage) -> None:
    """Where a Deployment would have a condition, an event says it, once."""
    stage.volumes({"a": ["node-1"], "b": ["node-4"]})
    stage.policy("near", **STRICT_RULE)
    stage.workload("CronJob", "nightly", "a", "b")

    message = eventually(lambda: stage.events("nightly").get("DisjointVolumes"))

    assert "no node in common" in message


@pytest.mark.parametrize("strict", [True, False], ids=["strict", "soft"])
def test_a_daemon_set_is_left_alone(admitted: Stage, *, strict: bool) -> None:
    """Its nodes are its purpose, whatever its claims: no terms, no conditions, and a pod on every node."""
    admitted.volume("data", "node-1", modes=["ReadWriteMany"])
    admitted.policy("near", updateMode="Reconcile", **(STRICT_RULE if strict else {}))
    admitted.workload("DaemonSet", "agent", "data")

    eventually(lambda: len(admitted.runs_on("agent") - {""}) == 6)
    assert admitted.affinity_of("agent", kind="daemonsets") == {}
    assert not admitted.condition("daemonsets", "agent", PLACEMENT_APPLIED)


def test_what_a_deployment_owns_is_the_deployments(stage: Stage) -> None:
    """Its ReplicaSets get neither terms nor conditions of their own."""
    stage.volume("data", "node-1")
    stage.policy("near", **STRICT_RULE)
    stage.deployment("web", "data")
    eventually(lambda: stage.condition("deployments", "web", PLACEMENT_APPLIED))
    stage.await_complete("web")

    owned = stage.client.get(stage.path("replicasets"))["items"]

    assert owned
    for each in owned:
        kinds = {condition["type"] for condition in each["status"].get("conditions", [])}
        assert not kinds & {PLACEMENT_APPLIED, VOLUME_LOCAL}


def test_terms_that_keep_a_pod_waiting_go_with_their_policy(stage: Stage) -> None:
    """Deleting a policy moves nothing, but a pod that waits because of it need not wait any longer."""
    nodes, fields = stage.own_nodes(2)
    stage.volume("data", nodes[0], known=False)
    stage.sandbox.kubectl("cordon", nodes[0])
    stage.policy("near", **STRICT_RULE)
    stage.workload("StatefulSet", "pg", "data", spec={"replicas": 0}, **fields)
    eventually(lambda: nodes_in(stage.affinity_of("pg", kind="statefulsets")) == {nodes[0]})
    stage.sandbox.kubectl("scale", "statefulset/pg", "--replicas=1", "-n", stage.namespace)
    stage.unscheduled("pg-0")

    stage.delete(stage.path("volumeplacementpolicies", "near"))

    eventually(lambda: stage.affinity_of("pg", kind="statefulsets") == {})
    stage.await_seen("statefulsets", "pg")
    stage.delete(stage.path("pods", "pg-0"))
    assert stage.node_of("pg-0") == nodes[1]


def test_a_pod_that_waits_because_of_a_rule_says_so(admitted: Stage) -> None:
    """The event names the rule, the nodes with the data, and what keeps the pod off each; once, not with every try."""
    nodes, fields = admitted.own_nodes(3)
    admitted.sandbox.kubectl("cordon", nodes[0])
    admitted.volume("data", nodes[0], nodes[1])
    admitted.policy("near", **STRICT_RULE)

    admitted.pod("big", "data", cpu="9", **fields)

    message = eventually(lambda: admitted.events("big").get("WaitingForData"))
    assert message == (
        f"VolumePlacementPolicy/{admitted.namespace}/near keeps the pod near the data of data: "
        f"{nodes[0]} is cordoned; {nodes[1]} has too little room: cpu"
    )
    listed = f"{admitted.path('events')}?fieldSelector=reason%3DWaitingForData"
    stays(lambda: len(admitted.client.get(listed)["items"]) == 1, seconds=2)
