"""`mooring uninstall` on a real cluster: what is Mooring's goes, in one rollout a workload, and nothing else does."""

import json
import signal
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from os import kill
from pathlib import Path
from typing import Any

import pytest
from tests.e2e import manifests
from tests.e2e.manifests import Manifest
from tests.e2e.process import MooringProcess
from tests.e2e.release import WEBHOOK_CONFIGURATIONS, Release
from tests.e2e.stage import PLACEMENT_APPLIED, VOLUME_LOCAL, Stage, is_complete, stays
from tests.e2e.support import eventually
from tests.e2e.uninstall import remains
from tests.e2e.uninstall.conftest import Uninstall, let_pods_go, operator_pods
from tests.e2e.uninstall.remains import Corner

from mooring.api.annotations import AFFINITY_HASH, GATE
from mooring.api.permissions import UNINSTALL_NAMESPACED_RULES, UNINSTALL_RULES, PolicyRule
from mooring.reconcile.traces import Change, traces_of
from mooring.sandbox.client import ApiError
from mooring.sandbox.launcher import Sandbox

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
OTHERS_GATE = "example.com/approval"


@pytest.fixture
def corner(sandbox: Sandbox, namespace: str) -> Iterator[Corner]:
    """Give a namespace in which a test puts what Mooring leaves."""
    with sandbox.client() as client:
        yield Corner(client, namespace)


@pytest.fixture
def stage(sandbox: Sandbox, namespace: str, release: Release, tmp_path: Path) -> Iterator[Stage]:
    """Give a namespace in which an operator of the release works, as a process outside of the cluster."""
    arguments = (*release.arguments, "--port", str(sandbox.extender_port), "--no-set-scheduler-name")
    with MooringProcess(tmp_path / "log", *arguments) as process, sandbox.client() as client:
        process.await_ready()
        eventually(lambda: holder(sandbox, release))
        made = Stage(sandbox, client, namespace, process, user=release.user)
        yield made
        made.close()


def holder(sandbox: Sandbox, release: Release) -> str:
    """Give who holds the release's Lease."""
    command = ("get", "lease", release.name, "-n", release.namespace, "--ignore-not-found", "-o")
    return sandbox.kubectl(*command, "jsonpath={.spec.holderIdentity}")


def webhook_configurations(sandbox: Sandbox) -> list[str]:
    """Give the names of all MutatingWebhookConfigurations."""
    with sandbox.client() as client:
        return [each["metadata"]["name"] for each in client.get(WEBHOOK_CONFIGURATIONS)["items"]]


def fill(sandbox: Sandbox, corner: Corner) -> None:
    """Put every kind of trace on every kind of object that can have it."""
    corner.create("deployments", manifests.deployment("strict"))
    corner.create("statefulsets", remains.stateful_set("strict"))
    corner.create("replicasets", remains.replica_set("strict"))
    corner.create("jobs", remains.job("strict", suspend=True))
    corner.create("cronjobs", remains.cron_job("strict"))
    with_conditions = ("deployments", "statefulsets", "replicasets", "jobs")
    for kind in (*with_conditions, "cronjobs"):
        corner.apply_terms(kind, "strict")
    undo(sandbox, corner, "undone")
    corner.create("pods", remains.gated_pod("ours", GATE))
    corner.create("pods", remains.gated_pod("both", OTHERS_GATE, GATE))
    corner.create("pods", remains.gated_pod("theirs", OTHERS_GATE))
    for kind in with_conditions:
        eventually(partial(corner.is_settled, kind, "strict"))
        corner.apply_condition(kind, "strict")
    corner.apply_condition("pods", "theirs")
    corner.create("volumeplacementpolicies", manifests.policy("near"))
    near = corner.path("volumeplacementpolicies", "near")
    whole = "/apis/mooring.dev/v1alpha1/clustervolumeplacementpolicies"
    corner.client.create(whole, manifests.cluster_policy("near", namespaceSelector={}))
    corner.client.create(remains.LOCATORS, remains.locator(corner.namespace))
    for path in (near, f"{whole}/near", f"{remains.LOCATORS}/{corner.namespace}"):
        body = {"status": {"observedGeneration": 1}}
        corner.client.request("PATCH", f"{path}/status", body, content_type="application/merge-patch+json")


def undo(sandbox: Sandbox, corner: Corner, name: str) -> None:
    """Make a Deployment whose template is back at a revision with our terms, which belong to kubectl now."""

    def at_revision(number: int) -> bool:
        found = corner.get("deployments", name)["metadata"].get("annotations", {})
        return bool(found.get("deployment.kubernetes.io/revision") == str(number))

    corner.create("deployments", manifests.deployment(name))
    eventually(lambda: at_revision(1))
    corner.apply_terms("deployments", name)
    eventually(lambda: at_revision(2))
    corner.apply_terms("deployments", name, None)
    eventually(lambda: at_revision(3))
    sandbox.kubectl("rollout", "undo", f"deployment/{name}", "--to-revision=2", "-n", corner.namespace)
    eventually(lambda: at_revision(4) and is_complete(corner.get("deployments", name)))
    assert corner.node_affinity("deployments", name)


def rights(rules: Sequence[PolicyRule]) -> set[tuple[str, str, str]]:
    """Give API group, resource and verb of each right."""
    return {
        (group, resource, verb)
        for rule in rules
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def used(events: Sequence[dict[str, Any]]) -> set[tuple[str, str, str]]:
    """Give API group, resource and verb of each request."""
    refs = [(event["objectRef"], event["verb"]) for event in events]
    return {
        (ref.get("apiGroup", ""), "/".join(filter(None, (ref["resource"], ref.get("subresource")))), verb)
        for ref, verb in refs
    }


def appliers(manifest: Manifest) -> set[str]:
    """Give the field managers that apply parts of an object."""
    return {entry["manager"] for entry in manifest["metadata"]["managedFields"] if entry["operation"] == "Apply"}


def test_all_traces_go(sandbox: Sandbox, release: Release, uninstall: Uninstall, corner: Corner) -> None:
    """Of every kind of object, whoever owns the fields by now; others' gates and the rest of the templates stay."""
    fill(sandbox, corner)
    lease = {"metadata": {"name": release.name}, "spec": {"holderIdentity": ""}}
    corner.client.create(f"/apis/coordination.k8s.io/v1/namespaces/{release.namespace}/leases", lease)
    kinds = [("deployments", "undone")]
    kinds += [(kind, "strict") for kind in ("deployments", "statefulsets", "replicasets", "jobs", "cronjobs")]
    before = {(kind, name): corner.get(kind, name)["metadata"]["generation"] for kind, name in kinds}
    start = sandbox.audit_offset()

    dry = uninstall("--dry-run")

    assert (dry.returncode, dry.stderr) == (0, "")
    assert f"would remove the node affinity of Deployment/{corner.namespace}/undone" in dry.stdout
    assert "would remove the scheduling gate of 2 objects" in dry.stdout
    assert f"would scale Deployment {release.namespace}/{release.name} to 0" in dry.stdout
    assert uninstall.writes(start) == []

    let_pods_go(sandbox, release)
    done = uninstall()

    assert done.stderr == ""
    assert done.returncode == 0
    for kind, name in kinds:
        assert "affinity" not in corner.template(kind, name)["spec"], kind
        assert AFFINITY_HASH not in (corner.template(kind, name)["metadata"].get("annotations") or {}), kind
        assert corner.get(kind, name)["metadata"]["generation"] == before[kind, name] + 1, kind
        assert appliers(corner.get(kind, name)) == set(), kind
        if kind != "cronjobs":
            assert VOLUME_LOCAL not in corner.conditions(kind, name), kind
    assert corner.get("pods", "ours")["spec"].get("schedulingGates") is None
    for name in ("both", "theirs"):
        assert corner.get("pods", name)["spec"]["schedulingGates"] == [{"name": OTHERS_GATE}]
    assert corner.conditions("pods", "theirs") == ["PodScheduled"]
    assert corner.get("volumeplacementpolicies", "near")["status"]["observedGeneration"] == -1
    assert not corner.client.get(f"{remains.LOCATORS}/{corner.namespace}").get("status")
    assert release.name not in webhook_configurations(sandbox)
    assert not operator_pods(sandbox, release, held=False)
    assert holder(sandbox, release) == ""

    again = sandbox.audit_offset()
    second = uninstall()

    assert (second.returncode, second.stderr) == (0, "")
    assert uninstall.writes(again) == [f"delete {WEBHOOK_CONFIGURATIONS}/{release.name}"]
    events = uninstall.requests(start)
    assert [event for event in events if event["responseStatus"]["code"] == 403] == []
    unused = rights([*UNINSTALL_RULES, *UNINSTALL_NAMESPACED_RULES]) - used(events)
    assert unused == set()


def test_what_is_not_ours_stays(release: Release, sandbox: Sandbox, uninstall: Uninstall, corner: Corner) -> None:
    """A user's affinity is not touched, beside ours or alone; nor is a template that somebody's controller owns."""
    users = {"nodeAffinity": remains.USERS_PREFERENCE}
    corner.create("deployments", manifests.deployment("users", affinity=users))
    corner.create("deployments", manifests.deployment("beside", affinity=users))
    corner.apply_terms("deployments", "beside")
    untouched = corner.get("deployments", "users")["metadata"]["generation"]

    def has_copy() -> bool:
        copies = corner.client.get(corner.path("replicasets"))["items"]
        return any(AFFINITY_HASH in (each["spec"]["template"]["metadata"].get("annotations") or {}) for each in copies)

    eventually(has_copy)
    let_pods_go(sandbox, release)

    done = uninstall()

    assert done.stderr == ""
    assert done.returncode == 0
    assert corner.get("deployments", "users")["metadata"]["generation"] == untouched
    for name in ("users", "beside"):
        assert corner.node_affinity("deployments", name) == remains.USERS_PREFERENCE
    assert has_copy()


def test_a_started_job_keeps_its_template(
    release: Release, sandbox: Sandbox, uninstall: Uninstall, corner: Corner
) -> None:
    """It cannot be changed and does no harm: it is named, and the release can be uninstalled all the same."""
    started = remains.job("started", suspend=False, affinity=remains.marked()["spec"]["affinity"])
    started["spec"]["template"]["metadata"] |= remains.marked()["metadata"]
    corner.create("jobs", started)
    eventually(lambda: corner.get("jobs", "started").get("status", {}).get("startTime"))
    let_pods_go(sandbox, release)

    done = uninstall()

    assert done.returncode == 0
    reason = "keeps its node affinity: the template of a Job that was started cannot be changed"
    assert done.stderr.splitlines() == [f"stays: Job/{corner.namespace}/started {reason}"]
    # It would be named in the next test too, until the namespace is gone.
    corner.client.request("DELETE", corner.path("jobs", "started"), {"propagationPolicy": "Background"})


def test_what_is_refused_is_named(release: Release, sandbox: Sandbox, uninstall: Uninstall, corner: Corner) -> None:
    """Somebody's admission policy keeps a Deployment as it is: everything else is done, and the exit code says so."""
    for name in ("frozen", "free"):
        corner.create("deployments", manifests.deployment(name))
        corner.apply_terms("deployments", name)
    freeze(sandbox, corner, "frozen")
    let_pods_go(sandbox, release)
    try:
        done = uninstall()
    finally:
        sandbox.kubectl("delete", "validatingadmissionpolicy,validatingadmissionpolicybinding", "freeze")

    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"not removed: node affinity of Deployment/{corner.namespace}/frozen: ")
    assert "nobody changes it" in line
    assert corner.node_affinity("deployments", "frozen")
    assert not corner.node_affinity("deployments", "free")
    assert uninstall().returncode == 0
    assert not corner.node_affinity("deployments", "frozen")


def freeze(sandbox: Sandbox, corner: Corner, name: str) -> None:
    """Let the API server refuse every change of a Deployment's spec, and return when it does."""
    meta = {"name": "freeze"}
    rule = {"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["UPDATE"], "resources": ["deployments"]}
    policy = {
        "matchConstraints": {"resourceRules": [rule]},
        "matchConditions": [{"name": "it", "expression": f"object.metadata.name == {name!r}"}],
        "validations": [{"expression": "object.spec == oldObject.spec", "message": "nobody changes it"}],
    }
    group = {"apiVersion": "admissionregistration.k8s.io/v1"}
    binding = {"policyName": "freeze", "validationActions": ["Deny"]}
    for kind, spec in (("ValidatingAdmissionPolicy", policy), ("ValidatingAdmissionPolicyBinding", binding)):
        sandbox.kubectl("apply", "-f", "-", stdin=json.dumps({**group, "kind": kind, "metadata": meta, "spec": spec}))

    def refused() -> bool:
        paused = sandbox.kubectl("rollout", "pause", f"deployment/{name}", "-n", corner.namespace, check=False)
        if paused:
            sandbox.kubectl("rollout", "resume", f"deployment/{name}", "-n", corner.namespace, check=False)
        return not paused

    eventually(refused)


def test_stale_knowledge_removes_nothing(corner: Corner) -> None:
    """Terms that somebody has changed since they were read are refused by the API server, the hash included."""
    template = remains.marked()
    made = manifests.deployment(
        "moving", affinity=template["spec"]["affinity"], annotations=template["metadata"]["annotations"]
    )
    read = corner.create("deployments", made)
    (change,) = traces_of("Deployment", read)
    assert isinstance(change, Change)
    theirs = {"nodeSelectorTerms": [{"matchExpressions": [{"key": manifests.HOSTNAME, "operator": "Exists"}]}]}
    body = {"spec": {"template": {"spec": {"affinity": {"nodeAffinity": {REQUIRED: theirs}}}}}}
    merge = "application/merge-patch+json"
    changed = corner.client.request("PATCH", corner.path("deployments", "moving"), body, content_type=merge)

    with pytest.raises(ApiError) as refusal:
        corner.client.request("PATCH", change.path, change.body, content_type=change.content_type)

    assert refusal.value.status == 422
    assert corner.get("deployments", "moving")["spec"] == changed["spec"]


def test_many_pods_are_freed(release: Release, sandbox: Sandbox, uninstall: Uninstall, corner: Corner) -> None:
    """More pods than a page of a list has."""
    names = [f"gated-{number}" for number in range(700)]

    def create(part: Sequence[str]) -> None:
        with sandbox.client() as client:
            for name in part:
                client.create(corner.path("pods"), remains.gated_pod(name, GATE, OTHERS_GATE))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(create, [names[start::4] for start in range(4)]))
    let_pods_go(sandbox, release)

    done = uninstall()

    assert done.stderr == ""
    assert done.returncode == 0
    assert "removed: scheduling gate (700)" in done.stdout
    pods = corner.client.get(corner.path("pods"))["items"]
    assert {json.dumps(pod["spec"]["schedulingGates"]) for pod in pods} == {json.dumps([{"name": OTHERS_GATE}])}


def make_strict(stage: Stage, name: str) -> None:
    """Let the operator put a strict rule into a Deployment's template and run its pod, and wait for all it says."""
    stage.volume(name, "node-2")
    stage.deployment(name, name, replicas=0)
    stage.policy(name, podSelector={"matchLabels": {"app": name}}, whenUnsatisfiable="DoNotSchedule")
    stage.await_reason("deployments", name, PLACEMENT_APPLIED, "Applied")
    stage.patch(stage.path("deployments", name), {"spec": {"replicas": 1}})
    stage.await_on(name, "node-2")
    stage.await_reason("deployments", name, VOLUME_LOCAL, "AllLocal")
    stage.await_counts(name, matched=1, local=1)


def assert_free(stage: Stage, name: str, *, revision: int) -> None:
    """Check that a Deployment has nothing of Mooring's, and that this took one rollout."""
    found = eventually(lambda: complete(stage, name))
    assert stage.affinity_of(name) == {}
    assert not stage.is_marked(name)
    assert found["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == str(revision + 1)
    assert stage.condition("deployments", name, VOLUME_LOCAL) == {}
    assert stage.condition("deployments", name, PLACEMENT_APPLIED) == {}
    assert stage.policy_status(name) == {"observedGeneration": -1, "workloadsTotal": 0}  # the defaults
    (pod,) = stage.pods_of(name)
    assert stage.condition("pods", pod["metadata"]["name"], VOLUME_LOCAL) == {}


def complete(stage: Stage, name: str) -> dict[str, Any] | None:
    """Give a Deployment whose rollout is over, else None."""
    found = stage.client.get(stage.path("deployments", name))
    return dict(found) if is_complete(found) else None


def revision_of(stage: Stage, name: str) -> int:
    """Give the number of a Deployment's rollout."""
    annotations = stage.client.get(stage.path("deployments", name))["metadata"]["annotations"]
    return int(annotations["deployment.kubernetes.io/revision"])


def test_the_operator_is_ended_first(sandbox: Sandbox, release: Release, uninstall: Uninstall, stage: Stage) -> None:
    """Nothing is taken away while it runs; then all it made goes, in one rollout, and nobody puts it back."""
    make_strict(stage, "shop")
    revision = revision_of(stage, "shop")

    with uninstall.start() as running:
        # As a kubelet does: the pod goes when its process has ended.
        eventually(lambda: release.name not in webhook_configurations(sandbox))
        stays(lambda: running.poll() is None and stage.affinity_of("shop"), seconds=3)
        stage.operator.terminate()
        assert stage.operator.wait(timeout=30) == 0
        let_pods_go(sandbox, release)
        output, errors = running.communicate(timeout=120)

    assert (running.returncode, errors) == (0, "")
    assert output.splitlines()[:2] == [
        f"scaled Deployment {release.namespace}/{release.name} to 0",
        f"deleted MutatingWebhookConfiguration {release.name}",
    ]
    assert_free(stage, "shop", revision=revision)


def test_a_dead_operator_is_no_hindrance(
    sandbox: Sandbox, release: Release, uninstall: Uninstall, stage: Stage
) -> None:
    """Its Deployment is gone, and its Lease only runs out: the same command does the same."""
    make_strict(stage, "shop")
    revision = revision_of(stage, "shop")
    kill(stage.operator.pid, signal.SIGKILL)
    stage.operator.wait(timeout=30)
    sandbox.kubectl("delete", "deployment", release.name, "-n", release.namespace, "--wait=false")
    let_pods_go(sandbox, release)
    assert holder(sandbox, release)

    done = uninstall()

    assert done.stderr == ""
    assert done.returncode == 0
    assert_free(stage, "shop", revision=revision)


def test_an_operator_that_goes_on_is_reported(
    sandbox: Sandbox, release: Release, uninstall: Uninstall, stage: Stage
) -> None:
    """One that runs elsewhere cannot be ended from here: nothing is taken from its workloads until somebody does."""
    make_strict(stage, "shop")
    revision = revision_of(stage, "shop")
    let_pods_go(sandbox, release)

    done: subprocess.CompletedProcess[str] = uninstall()

    assert done.returncode == 1
    who = holder(sandbox, release)
    assert done.stderr == (
        f"mooring: {who} holds the Lease {release.namespace}/{release.name} and goes on running."
        " It would put back what is taken away: end it, and run this again.\n"
    )
    assert stage.affinity_of("shop")

    stage.operator.terminate()
    assert stage.operator.wait(timeout=30) == 0
    done = uninstall()

    assert done.stderr == ""
    assert done.returncode == 0
    assert_free(stage, "shop", revision=revision)


def test_an_operator_that_comes_back_is_reported(
    sandbox: Sandbox, release: Release, uninstall: Uninstall, corner: Corner
) -> None:
    """Somebody starts one while its traces are taken away: the Lease shows it, and stays."""
    corner.create("pods", remains.gated_pod("gated", GATE, OTHERS_GATE))
    let_pods_go(sandbox, release)

    with uninstall.start() as running:
        assert running.stdout is not None
        for line in running.stdout:
            if line.startswith("removing"):
                break
        # It looks at the Lease again a second later, if nobody keeps it from that.
        running.send_signal(signal.SIGSTOP)
        try:
            lease = {"metadata": {"name": release.name}, "spec": {"holderIdentity": "returned"}}
            corner.client.create(f"/apis/coordination.k8s.io/v1/namespaces/{release.namespace}/leases", lease)
        finally:
            running.send_signal(signal.SIGCONT)
        _, errors = running.communicate(timeout=120)

    assert running.returncode == 1
    where = f"{release.namespace}/{release.name}"
    assert errors == (
        f"not removed: Lease {where}: an operator ran meanwhile (returned holds it now); run this again\n"
    )
    assert holder(sandbox, release) == "returned"
    sandbox.kubectl("delete", "lease", release.name, "-n", release.namespace)


def test_missing_rights_are_named(sandbox: Sandbox, release: Release, uninstall: Uninstall, corner: Corner) -> None:
    """Each thing that may not be looked at is said, and what is allowed is done."""
    corner.create("pods", remains.gated_pod("gated", GATE))
    role = json.loads(sandbox.kubectl("get", "clusterrole", uninstall.account, "-o", "json"))
    role["rules"] = [rule for rule in role["rules"] if rule["apiGroups"] not in (["batch"], ["mooring.dev"])]
    sandbox.kubectl("replace", "-f", "-", stdin=json.dumps(role))
    let_pods_go(sandbox, release)
    asking = ("auth", "can-i", "list", "jobs.batch", "-A", f"--as={uninstall.user}")
    eventually(lambda: sandbox.kubectl(*asking, check=False).strip() == "no")

    done = uninstall()

    assert done.returncode == 1
    lines = done.stderr.splitlines()
    kinds = ("Job", "CronJob", "VolumePlacementPolicy", "ClusterVolumePlacementPolicy", "VolumeLocator")
    assert [line.split(" is forbidden")[0].split(": 403")[0] for line in lines] == [
        f"not removed: {kind}" for kind in kinds
    ]
    assert "removed: scheduling gate (1)" in done.stdout


def test_an_empty_cluster_is_left_alone(sandbox: Sandbox, release: Release, uninstall: Uninstall) -> None:
    """Without CRDs, without Deployment, Lease and webhooks there is nothing to do, and nothing is an error."""
    let_pods_go(sandbox, release)
    release.delete()

    done = uninstall()

    assert done.stderr == ""
    assert done.returncode == 0
    assert "nothing was there" in done.stdout
