"""Deployments under the stock scheduler, which Mooring moves by the node affinity in their templates."""

import json
from typing import Any, Final

import pytest
from tests.e2e.manifests import HOSTNAME, deployment, on_nodes, rolling
from tests.e2e.stage import PLACEMENT_APPLIED, STRICT_RULE, VOLUME_LOCAL, Stage, stays
from tests.e2e.support import eventually

_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
_QUICK: Final[dict[str, Any]] = {"updateMode": "Reconcile", "disruption": {"cooldown": "0s", "maxConcurrent": 10}}


def match_fields(*nodes: str) -> dict[str, Any]:
    """Give the required affinity that names nodes, as kube-scheduler looks them up fastest."""
    fields = [[{"key": "metadata.name", "operator": "In", "values": [node]}] for node in nodes]
    return {"nodeSelectorTerms": [{"matchFields": field} for field in fields]}


def drift(stage: Stage, name: str, *, modes: tuple[str, ...] = ("ReadWriteOnce",), **fields: Any) -> str:
    """Create a Deployment, let it be scheduled, then say that its data lies in another zone; gives that node."""
    stage.volume(name, modes=modes)
    stage.deployment(name, name, **fields)
    stage.await_complete(name)
    (at,) = stage.runs_on(name)
    data = "node-1" if at in {"node-5", "node-6"} else "node-6"
    stage.move_data(name, data)
    stage.await_known(name, [data])
    return data


def written(affinity: dict[str, Any]) -> str:
    """Give the node that a soft template asks for first."""
    terms = affinity[_PREFERRED]
    best = max(terms, key=lambda term: term["weight"])
    return str(best["preference"]["matchExpressions"][0]["values"][0])


def test_reconcile_moves_a_pod_to_its_data(stage: Stage) -> None:
    """The template gets preferred affinity, the pod runs near its data, and everything says so."""
    data = drift(stage, "shop")
    stage.policy("near", **_QUICK)

    stage.await_on("shop", data)

    affinity = stage.affinity_of("shop")
    assert affinity.keys() == {_PREFERRED}
    assert written(affinity) == data
    assert sum(term["weight"] for term in affinity[_PREFERRED]) == 100
    assert stage.is_marked("shop")
    wait = ("wait", f"--for=condition={VOLUME_LOCAL}", "--timeout=50s", "-n", stage.namespace)
    stage.sandbox.kubectl(*wait, "deployment/shop")
    stage.sandbox.kubectl(*wait, f"pod/{stage.pods_of('shop')[0]['metadata']['name']}")
    stage.await_reason("deployments", "shop", VOLUME_LOCAL, "AllLocal")
    stage.await_reason("deployments", "shop", PLACEMENT_APPLIED, "Applied")
    assert eventually(lambda: stage.events("shop").get("PlacementApplied")) == (
        f"preferred node affinity was written to the template for VolumePlacementPolicy/{stage.namespace}/near"
    )
    stage.await_counts("near", matched=1, local=1, remote=0, unknown=0, overridden=0)


def test_strict_reconcile_names_the_nodes(stage: Stage) -> None:
    """Under DoNotSchedule the template gets required terms that name the nodes with the data, and nothing else."""
    data = drift(stage, "shop")
    stage.policy("near", **_QUICK, **STRICT_RULE)

    stage.await_on("shop", data)

    assert stage.affinity_of("shop") == {_REQUIRED: match_fields(data)}
    stage.await_reason("deployments", "shop", PLACEMENT_APPLIED, "Applied")


def test_a_policy_counts_and_kubectl_shows_it(stage: Stage) -> None:
    """The status has the sum of all pods, and the columns show it."""
    for number in range(2):
        drift(stage, f"far-{number}")
    stage.volume("near", "node-2")
    stage.pod("near", "near", nodeName="node-2")
    stage.volume("nowhere")
    stage.pod("nowhere", "nowhere")
    stage.pod("no-claim")
    stage.volume("out", "node-2")
    stage.pod("out", "out", labels={"mooring.dev/ignore": "true"})

    stage.policy("all", updateMode="Audit")

    stage.await_counts("all", matched=5, local=1, remote=2, unknown=1, overridden=1)
    # Pods and workloads are counted one after the other.
    eventually(lambda: stage.policy_status("all").get("workloadsTotal") == 2)
    status = stage.policy_status("all")
    assert {condition["type"]: condition["status"] for condition in status["conditions"]} == {
        "Ready": "True",
        "VolumeLocal": "False",
    }
    assert [workload["name"] for workload in status["workloads"]] == ["far-0", "far-1"]
    row = stage.sandbox.kubectl("get", "vpp", "all", "-n", stage.namespace, "--no-headers").split()
    assert row[:-1] == ["all", "Local", "ScheduleAnyway", "Audit", "True", "5", "1", "2"]

    stage.delete(stage.path("pods", "near"))
    stage.await_counts("all", matched=4, local=0, remote=2, unknown=1, overridden=1)


def test_audit_only_reports(stage: Stage) -> None:
    """Nothing is changed under Audit, and conditions say what is amiss."""
    drift(stage, "shop")
    before = stage.client.get(stage.path("deployments", "shop"))["metadata"]["generation"]

    stage.policy("look", updateMode="Audit", **STRICT_RULE)

    stage.await_reason("deployments", "shop", PLACEMENT_APPLIED, "AuditOnly")
    stage.await_reason("deployments", "shop", VOLUME_LOCAL, "NotLocal")
    pod = stage.pods_of("shop")[0]["metadata"]["name"]
    stage.await_reason("pods", pod, VOLUME_LOCAL, "NotLocal")
    eventually(lambda: "NotLocal" in stage.events(pod))
    stays(lambda: stage.client.get(stage.path("deployments", "shop"))["metadata"]["generation"] == before, seconds=1)


def test_initial_defers_to_a_rollout_of_the_users(stage: Stage) -> None:
    """What runs is left alone and says Deferred; the user's next rollout takes the affinity along."""
    data = drift(stage, "shop", modes=("ReadWriteMany",), strategy=rolling(max_unavailable=0))
    stage.policy("near", updateMode="Initial")

    stage.await_reason("deployments", "shop", PLACEMENT_APPLIED, "Deferred")
    stays(lambda: not stage.affinity_of("shop"), seconds=1)

    stage.begin_rollout("shop", {"metadata": {"annotations": {"release": "2"}}})
    stage.await_reason("deployments", "shop", PLACEMENT_APPLIED, "Applied")
    stage.end_rollout("shop")
    stage.await_on("shop", data)
    assert written(stage.affinity_of("shop")) == data


@pytest.mark.parametrize("how", ["scaled-to-zero", "paused"])
def test_initial_writes_where_nothing_restarts(stage: Stage, how: str) -> None:
    """A Deployment without pods, or paused, gets its affinity at once."""
    stage.volume("data", "node-4")
    fields: dict[str, Any] = {"replicas": 0} if how == "scaled-to-zero" else {"paused": True}
    stage.deployment("shop", "data", **fields)

    stage.policy("near", updateMode="Initial", **STRICT_RULE)

    stage.await_reason("deployments", "shop", PLACEMENT_APPLIED, "Applied")
    assert stage.affinity_of("shop") == {_REQUIRED: match_fields("node-4")}
    path = stage.path("deployments", "shop")
    stage.patch(path, {"spec": {"replicas": 1, "paused": False}})
    stage.await_on("shop", "node-4")


def test_a_deployment_created_under_a_policy_starts_near_its_data(stage: Stage) -> None:
    """Its template gets the affinity as its first pod is made, without any move."""
    names = [f"shop-{number}" for number in range(5)]
    stage.volumes({name: [f"node-{number + 2}"] for number, name in enumerate(names)})
    stage.policy("near", updateMode="Initial")

    for name in names:
        stage.deployment(name, name)

    for number, name in enumerate(names):
        reason = stage.await_condition("deployments", name, PLACEMENT_APPLIED)["reason"]
        # The Deployment controller may be faster; what it has started is left alone.
        assert reason in {"Applied", "Deferred"}
        if reason == "Applied":
            stage.await_on(name, f"node-{number + 2}")


def test_initial_never_makes_two_pods_wait_for_each_other(stage: Stage) -> None:
    """Where the first pod could hold the volume that a second one waits for, new Deployments make one pod only."""
    names = [f"shop-{number}" for number in range(10)]
    stage.volumes({name: ["node-3"] for name in names})
    stage.policy("near", updateMode="Initial")
    since = stage.sandbox.audit_offset()

    for name in names:
        stage.deployment(name, name, strategy=rolling(max_unavailable=0))

    for name in names:
        stage.await_condition("deployments", name, PLACEMENT_APPLIED)
        stage.await_complete(name)
    reasons = {name: stage.condition("deployments", name, PLACEMENT_APPLIED)["reason"] for name in names}
    assert set(reasons.values()) <= {"Applied", "Deferred"}
    assert _pods_made(stage, since) == len(names), reasons


def _pods_made(stage: Stage, since: int) -> int:
    return sum(
        event["verb"] == "create"
        and event.get("objectRef", {}).get("resource") == "pods"
        and "subresource" not in event["objectRef"]
        and event["responseStatus"]["code"] == 201
        and event["objectRef"].get("namespace") == stage.namespace
        for event in stage.sandbox.audit(since=since)
    )


def test_a_rollout_that_could_wait_for_ever_is_not_begun(stage: Stage) -> None:
    """A volume for one node and a rollout that keeps the old pod: WouldBlockOnAttach, until the user changes either."""
    # What replaces an evicted pod here prefers its place, and cannot come to the data by chance.
    data = drift(stage, "shop", strategy=rolling(max_unavailable=0), affinity=on_nodes("node-2"))
    stage.policy("near", **_QUICK, **STRICT_RULE)

    said = stage.await_reason("deployments", "shop", PLACEMENT_APPLIED, "WouldBlockOnAttach")

    assert "set strategy Recreate" in said["message"]
    eventually(lambda: "WouldBlockOnAttach" in stage.events("shop"))
    eventually(lambda: _attention(stage, "near") == ["WouldBlockOnAttach"])
    stays(lambda: _REQUIRED not in stage.affinity_of("shop"), seconds=1)

    stage.patch(stage.path("deployments", "shop"), {"spec": {"strategy": rolling(max_unavailable=1)}})
    stage.await_on("shop", data)
    eventually(lambda: not _attention(stage, "near"))


def _attention(stage: Stage, policy: str) -> list[str]:
    return [workload["reason"] for workload in stage.policy_status(policy).get("workloads", [])]


def test_a_shared_volume_never_blocks(stage: Stage) -> None:
    """A volume that many nodes may attach lets any rollout pass."""
    stage.volume("shop", modes=["ReadWriteMany"])
    stage.deployment("shop", "shop", strategy=rolling(max_unavailable=0), replicas=2)
    stage.await_complete("shop")
    first, second, *_ = sorted({f"node-{number}" for number in range(1, 7)} - stage.runs_on("shop"))
    stage.move_data("shop", first, second)
    stage.await_known("shop", [first, second])
    stage.policy("near", **_QUICK, **STRICT_RULE)

    eventually(lambda: stage.runs_on("shop") <= {first, second} and len(stage.pods_of("shop")) == 2)
    stage.await_reason("deployments", "shop", VOLUME_LOCAL, "AllLocal")


@pytest.mark.parametrize("strict", [False, True], ids=["soft", "strict"])
def test_the_users_own_list_is_left_alone(stage: Stage, strict: bool) -> None:
    """Where the manifest has the very list that would be written, it stays as it is, and that is said."""
    requirement = {"key": HOSTNAME, "operator": "NotIn", "values": ["nowhere"]}
    own = (
        {_REQUIRED: {"nodeSelectorTerms": [{"matchExpressions": [requirement]}]}}
        if strict
        else on_nodes("node-2")["nodeAffinity"]
    )
    drift(stage, "shop", affinity={"nodeAffinity": own})
    stage.policy("near", **_QUICK, **(STRICT_RULE if strict else {}))

    stage.await_reason("deployments", "shop", PLACEMENT_APPLIED, "FieldOwnedByOther")

    stays(lambda: stage.affinity_of("shop") == own, seconds=1)


def test_a_list_that_the_user_gives_up_is_free(stage: Stage) -> None:
    """What was left alone because it was the user's is written once it no longer is."""
    data = drift(stage, "shop", affinity=on_nodes("node-2"))
    stage.policy("near", **_QUICK)
    stage.await_reason("deployments", "shop", PLACEMENT_APPLIED, "FieldOwnedByOther")

    # Paused, because in a rollout of its own the pod might get there by chance, and nothing would be written.
    given_up = {"spec": {"paused": True, "template": {"spec": {"affinity": None}}}}
    stage.patch(stage.path("deployments", "shop"), given_up)
    eventually(lambda: stage.affinity_of("shop"))
    assert written(stage.affinity_of("shop")) == data
    stage.patch(stage.path("deployments", "shop"), {"spec": {"paused": False}})

    stage.await_on("shop", data)


def test_a_policy_takes_over_from_the_scheduler(stage: Stage) -> None:
    """Without a policy the scheduler asks for each pod and the template stays as it is; a policy writes it."""
    stage.volume("shop", "node-1")
    stage.deployment("shop", "shop", schedulerName="stork")
    stage.await_reason("deployments", "shop", PLACEMENT_APPLIED, "Applied")
    # Not on node-1 if the scheduler did not get its answer in time.
    stage.await_complete("shop")
    assert stage.affinity_of("shop") == {}
    data = "node-3" if stage.runs_on("shop") != {"node-3"} else "node-4"
    stage.move_data("shop", data)
    stage.await_known("shop", [data])

    stage.policy("near", **_QUICK)

    stage.await_on("shop", data)
    assert written(stage.affinity_of("shop")) == data


def test_the_other_list_is_free(stage: Stage) -> None:
    """A user's preferences and Mooring's requirement stand side by side."""
    data = drift(stage, "shop", affinity=on_nodes("node-2"))
    stage.policy("near", **_QUICK, **STRICT_RULE)

    stage.await_on("shop", data)

    assert stage.affinity_of("shop") == {_REQUIRED: match_fields(data), **on_nodes("node-2")["nodeAffinity"]}


def test_whoever_strips_the_terms_has_the_last_word(stage: Stage) -> None:
    """After somebody replaces the whole object without our terms they are not written again: no tug of war."""
    data = drift(stage, "shop")
    plain = stage.client.get(stage.path("deployments", "shop"))
    stage.policy("near", **_QUICK)
    stage.await_on("shop", data)
    stage.await_reason("deployments", "shop", PLACEMENT_APPLIED, "Applied")

    stage.client.request("PUT", stage.path("deployments", "shop"), _as_a_file(plain))

    stage.await_reason("deployments", "shop", PLACEMENT_APPLIED, "FieldOwnedByOther")
    stays(lambda: not stage.affinity_of("shop"), seconds=2)
    # Data elsewhere is a new fact, and a new answer.
    stage.await_complete("shop")
    new = "node-3" if stage.runs_on("shop") != {"node-3"} else "node-4"
    stage.move_data("shop", new)
    stage.await_on("shop", new)


def test_applying_the_manifest_again_changes_nothing(stage: Stage) -> None:
    """A manifest that never had affinity can be applied again: the terms stay, nothing moves, and diff is empty."""
    manifest = json.dumps(deployment("shop", "shop"))
    apply = ("apply", "-n", stage.namespace, "-f", "-")
    stage.volume("shop")
    stage.sandbox.kubectl(*apply, stdin=manifest)
    stage.await_complete("shop")
    data = "node-1" if stage.runs_on("shop") != {"node-1"} else "node-2"
    stage.move_data("shop", data)
    stage.await_known("shop", [data])
    stage.policy("near", **_QUICK)
    stage.await_on("shop", data)
    # A status that changes under its hands is a difference to `kubectl diff`, too: until all is said.
    stage.await_reason("deployments", "shop", PLACEMENT_APPLIED, "Applied", saying="carries")
    stage.await_reason("deployments", "shop", VOLUME_LOCAL, "AllLocal")
    before = stage.client.get(stage.path("deployments", "shop"))["metadata"]["generation"]

    assert stage.sandbox.kubectl("diff", "-n", stage.namespace, "-f", "-", stdin=manifest) == ""
    stage.sandbox.kubectl(*apply, stdin=manifest)

    assert stage.client.get(stage.path("deployments", "shop"))["metadata"]["generation"] == before
    assert written(stage.affinity_of("shop")) == data


def test_what_an_undo_brought_back_is_somebody_elses(stage: Stage) -> None:
    """After `kubectl rollout undo` our old terms belong to kubectl: one refusal, said on the Deployment, no loop."""
    first = drift(stage, "shop")
    stage.policy("near", **_QUICK)
    stage.await_on("shop", first)
    stage.move_data("shop", "node-3")
    stage.await_on("shop", "node-3")
    since = stage.sandbox.audit_offset()

    stage.sandbox.kubectl("rollout", "undo", "deployment/shop", "-n", stage.namespace)

    stage.await_reason("deployments", "shop", PLACEMENT_APPLIED, "FieldOwnedByOther")
    stays(lambda: written(stage.affinity_of("shop")) == first, seconds=2)
    tries = [
        event
        for event in stage.sandbox.audit(user=stage.user, since=since)
        if event["objectRef"]["resource"] == "deployments"
        and "subresource" not in event["objectRef"]
        and event["objectRef"].get("namespace") == stage.namespace
    ]
    assert len(tries) <= 3


def _as_a_file(deployment: dict[str, Any]) -> dict[str, Any]:
    metadata = {"name": deployment["metadata"]["name"], "namespace": deployment["metadata"]["namespace"]}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": deployment["spec"]}


@pytest.mark.parametrize("strict", [False, True], ids=["soft", "strict"])
def test_the_template_follows_the_data(stage: Stage, strict: bool) -> None:
    """When the data moves, the pod moves after it, twice."""
    first = drift(stage, "shop")
    stage.policy("near", **_QUICK, **(STRICT_RULE if strict else {}))
    stage.await_on("shop", first)

    for data in ("node-3", "node-4"):
        stage.move_data("shop", data)
        stage.await_on("shop", data)
        stage.await_reason("deployments", "shop", VOLUME_LOCAL, "AllLocal")

    if strict:
        assert stage.affinity_of("shop") == {_REQUIRED: match_fields("node-4")}
    else:
        assert written(stage.affinity_of("shop")) == "node-4"


def test_what_runs_well_is_not_restarted(stage: Stage) -> None:
    """Under Reconcile a pod that is near its data already stays, and its template waits."""
    stage.volume("data", known=False)
    stage.deployment("shop", "data")
    stage.await_complete("shop")
    (at,) = stage.runs_on("shop")
    stage.move_data("data", at)
    stage.await_known("data", [at])
    (pod,) = stage.pods_of("shop")

    stage.policy("near", **_QUICK)

    stage.await_reason("deployments", "shop", VOLUME_LOCAL, "AllLocal")
    stage.await_reason("deployments", "shop", PLACEMENT_APPLIED, "Deferred")
    stays(lambda: [each["metadata"]["uid"] for each in stage.pods_of("shop")] == [pod["metadata"]["uid"]], seconds=1)


def test_no_room_no_move(stage: Stage) -> None:
    """Nothing is restarted for a node that is full; when room appears, the move is made."""
    nodes, where = stage.own_nodes(2, cpu="2")
    stage.volume("data")
    stage.pod("filler", cpu="2", nodeName=nodes[0], **where)
    stage.deployment("shop", "data", cpu="1", **where)
    stage.await_on("shop", nodes[1])
    stage.move_data("data", nodes[0])
    stage.await_known("data", [nodes[0]])

    stage.policy("near", **_QUICK)

    stage.await_reason("deployments", "shop", PLACEMENT_APPLIED, "Deferred", saying="no node near the data has room")
    stage.delete(stage.path("pods", "filler"))
    stage.await_on("shop", nodes[0])


def test_a_deleted_policy_moves_nothing(stage: Stage) -> None:
    """The terms stay until the user's next rollout takes them out, and the conditions say that they will go."""
    data = drift(stage, "shop", modes=("ReadWriteMany",), strategy=rolling(max_unavailable=0))
    stage.policy("near", **_QUICK)
    stage.await_on("shop", data)
    (pod,) = stage.pods_of("shop")

    stage.delete(stage.path("volumeplacementpolicies", "near"))

    stage.await_reason("deployments", "shop", PLACEMENT_APPLIED, "ReleasePending")
    eventually(lambda: not stage.condition("deployments", "shop", VOLUME_LOCAL))
    stays(lambda: [each["metadata"]["uid"] for each in stage.pods_of("shop")] == [pod["metadata"]["uid"]], seconds=1)
    assert stage.is_marked("shop")

    stage.begin_rollout("shop", {"metadata": {"annotations": {"release": "2"}}})
    eventually(lambda: not stage.affinity_of("shop") and not stage.is_marked("shop"))
    eventually(lambda: not stage.condition("deployments", "shop", PLACEMENT_APPLIED))


def test_terms_are_released_at_zero_replicas(stage: Stage) -> None:
    """Without a pod there is nothing to wait for; other people's annotations stay."""
    data = drift(stage, "shop", annotations={"team": "blue"})
    stage.policy("near", **_QUICK, **STRICT_RULE)
    stage.await_on("shop", data)
    stage.patch(stage.path("deployments", "shop"), {"spec": {"replicas": 0}})
    eventually(lambda: not stage.pods_of("shop"))

    stage.delete(stage.path("volumeplacementpolicies", "near"))

    eventually(lambda: not stage.affinity_of("shop"))
    assert stage.template_of("shop")["metadata"]["annotations"] == {"team": "blue"}
    eventually(lambda: "PlacementReleased" in stage.events("shop"))


def test_conditions_go_with_the_rule(stage: Stage) -> None:
    """A pod that no rule covers any more carries no condition of ours."""
    stage.volume("data", "node-2")
    stage.pod("web", "data", nodeName="node-2")
    stage.policy("near")
    stage.await_reason("pods", "web", VOLUME_LOCAL, "AllLocal")

    stage.delete(stage.path("volumeplacementpolicies", "near"))

    eventually(lambda: not stage.condition("pods", "web", VOLUME_LOCAL))


def test_an_annotation_that_is_no_boolean_is_reported(stage: Stage) -> None:
    """A typing mistake is said on the pod, and does not make it strict."""
    stage.volume("data", "node-2")

    stage.pod("web", "data", annotations={"mooring.dev/preferLocalNodeOnly": "yes please"}, nodeName="node-5")

    said = eventually(lambda: stage.events("web").get("AnnotationIgnored"))
    assert "mooring.dev/preferLocalNodeOnly: 'yes please' is not a boolean" in said


def test_workloads_of_other_controllers_are_left_alone(stage: Stage) -> None:
    """Whoever owns a Deployment writes its template."""
    stage.volume("data", "node-2")
    owner = stage.client.create(
        stage.path("configmaps"), {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "owner"}}
    )
    made = _owned_deployment(owner["metadata"]["uid"])
    stage.client.create(stage.path("deployments"), made)
    stage.policy("near", **_QUICK)

    # A Deployment without an owner that came later has its answer: so the other one had its turn.
    stage.volume("more", "node-2")
    stage.deployment("free", "more", replicas=0)
    stage.await_reason("deployments", "free", PLACEMENT_APPLIED, "Applied")
    assert not stage.affinity_of("owned")


def _owned_deployment(uid: str) -> dict[str, Any]:
    made = deployment("owned", "data", replicas=0)
    made["metadata"]["ownerReferences"] = [
        {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": uid, "controller": True}
    ]
    return made
