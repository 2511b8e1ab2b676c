"""How tools that wait for what they apply judge policies: kstatus (Flux, helm) and our health check for Argo CD."""

from collections.abc import Callable
from typing import Any

import pytest
from tests.e2e import manifests
from tests.e2e.manifests import Manifest
from tests.e2e.stage import PLACEMENT_APPLIED, VOLUME_LOCAL, Stage
from tests.e2e.support import eventually
from tests.programs import ArgoHealth, Kstatus

Judge = Callable[[str | Manifest], tuple[str, str]]
"""Gives kstatus' and Argo CD's word for a policy: as its manifest says, or as it is now at this path."""

_CURRENT = ("Current", "Healthy")
_IN_PROGRESS = ("InProgress", "Progressing")
_FAILED = ("Failed", "Degraded")
_CLUSTER_POLICIES = "/apis/mooring.dev/v1alpha1/clustervolumeplacementpolicies"


@pytest.fixture
def judged(stage: Stage, kstatus: Kstatus, argo_health: ArgoHealth) -> Judge:
    """Give both judges."""

    def judge(policy: str | Manifest) -> tuple[str, str]:
        found = stage.client.get(policy) if isinstance(policy, str) else policy
        (judgement,) = kstatus([found])
        return judgement.status, argo_health(found).status

    return judge


@pytest.fixture(params=["namespaced", "cluster"])
def create(request: pytest.FixtureRequest, stage: Stage) -> Callable[..., str]:
    """Give what creates a policy of either kind and returns its path, whether it is in force or not."""
    if request.param == "namespaced":

        def namespaced(**spec: Any) -> str:
            stage.policy("near", settled=False, **spec)
            return stage.path("volumeplacementpolicies", "near")

        return namespaced

    def of_the_cluster(**spec: Any) -> str:
        selector = {"matchLabels": {"kubernetes.io/metadata.name": stage.namespace}}
        stage.create_in_cluster(
            _CLUSTER_POLICIES, manifests.cluster_policy(stage.namespace, namespaceSelector=selector, **spec)
        )
        return f"{_CLUSTER_POLICIES}/{stage.namespace}"

    return of_the_cluster


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"updateMode": "Audit"},
        {"placement": "Anywhere"},
        {"updateMode": "Reconcile", "topologyKey": manifests.ZONE},
    ],
    ids=["plain", "audit", "anywhere", "reconcile"],
)
def test_a_policy_in_force_is_current(judged: Judge, create: Callable[..., str], spec: dict[str, Any]) -> None:
    """Whatever it asks for."""
    path = create(**spec)

    eventually(lambda: judged(path) == _CURRENT)


def test_a_policy_that_nobody_has_read_is_in_progress(stage: Stage, judged: Judge, create: Callable[..., str]) -> None:
    """A new policy is not taken for one in force: its status says from the start that it was not seen."""
    # Judging takes too long to do it meanwhile: held for seconds, the operator would lose its Lease.
    with stage.operator.paused():
        path = create()
        unread = stage.client.get(path)

    assert judged(unread) == _IN_PROGRESS
    eventually(lambda: judged(path) == _CURRENT)


def test_a_change_that_was_not_read_yet_is_in_progress(stage: Stage, judged: Judge, create: Callable[..., str]) -> None:
    """While the operator is held, nothing says that the new spec holds; once it goes on, it does."""
    path = create()
    eventually(lambda: judged(path) == _CURRENT)

    with stage.operator.paused():
        changed = stage.patch(path, {"spec": {"whenUnsatisfiable": "DoNotSchedule"}})

    assert judged(changed) == _IN_PROGRESS
    eventually(lambda: judged(path) == _CURRENT)


def test_a_topology_that_no_node_has_is_a_failure(stage: Stage, judged: Judge, create: Callable[..., str]) -> None:
    """Only a person can mend that; as soon as a node has the label, the policy is in force."""
    key = f"{stage.namespace}.example.com/room"
    path = create(topologyKey=key)
    eventually(lambda: judged(path) == _FAILED)
    (ready, stalled) = (_condition(stage.client.get(path), kind) for kind in ("Ready", "Stalled"))
    assert (ready["status"], ready["reason"]) == ("False", "NoSuchTopology")
    assert stalled["message"] == f"no node has the label {key} (spec.topologyKey), so that no node is near any data"

    stage.own_nodes(1, labels={key: "a"})

    eventually(lambda: judged(path) == _CURRENT)


def test_pods_away_from_their_data_are_no_failure(stage: Stage, judged: Judge) -> None:
    """`VolumeLocal` tells of them; a policy in force is healthy, and an application with it."""
    stage.volume("data", "node-2")
    stage.pod("web", "data", nodeName="node-5")
    stage.policy("near")
    path = stage.path("volumeplacementpolicies", "near")

    stage.await_counts("near", remote=1)

    assert _condition(stage.client.get(path), VOLUME_LOCAL.rpartition("/")[2])["status"] == "False"
    assert judged(path) == _CURRENT


def test_our_conditions_do_not_disturb_the_judgement_of_others(stage: Stage, kstatus: Kstatus) -> None:
    """Workloads that run away from their data, and their pods, are as Current as without us."""
    stage.volume("data", "node-2", modes=["ReadWriteMany"])
    elsewhere = manifests.on_nodes("node-5")
    kinds = ("Deployment", "StatefulSet", "ReplicaSet")
    for kind in kinds:
        stage.workload(kind, kind.lower(), "data", affinity=elsewhere)
    stage.workload("Job", "job", "data", affinity=elsewhere)
    stage.policy("look", updateMode="Audit")

    for kind in kinds:
        stage.await_reason(f"{kind.lower()}s", kind.lower(), VOLUME_LOCAL, "NotLocal")
        stage.await_reason(f"{kind.lower()}s", kind.lower(), PLACEMENT_APPLIED, "AuditOnly")
    stage.await_reason("jobs", "job", PLACEMENT_APPLIED, "AuditOnly")

    def all_current() -> bool:
        paths = [stage.path(f"{kind.lower()}s", kind.lower()) for kind in (*kinds, "Job")]
        pods = [pod["metadata"]["name"] for kind in kinds for pod in stage.pods_of(kind.lower())]
        judgements = kstatus([stage.client.get(path) for path in (*paths, *(stage.path("pods", pod) for pod in pods))])
        assert {each.status for each in judgements} == {"Current"}, judgements
        return len(pods) == len(kinds)

    eventually(all_current)


def _condition(manifest: dict[str, Any], kind: str) -> dict[str, Any]:
    return next(each for each in manifest["status"]["conditions"] if each["type"] == kind)
