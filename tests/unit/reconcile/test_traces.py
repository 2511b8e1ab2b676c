"""What is found on objects that the API server gave, and what the requests would take from them."""

import copy
from collections.abc import Mapping
from typing import Any, Final

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.builders import need
from tests.unit.jsonpatch import patched

from mooring.api.annotations import AFFINITY_HASH, GATE
from mooring.cluster.connection import PatchType
from mooring.cluster.records import Key, NodeAffinity
from mooring.decide.affinity import fingerprint
from mooring.reconcile.traces import Change, Leftover, Trace, traces_of

REQUIRED: Final = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED: Final = "preferredDuringSchedulingIgnoredDuringExecution"
OURS: Final = {"nodeSelectorTerms": [{"matchFields": [need("metadata.name", "In", "n1")]}]}
MARK: Final = fingerprint(msgspec.convert({REQUIRED: OURS}, NodeAffinity))
THEIRS: Final = [{"weight": 1, "preference": {"matchFields": [need("metadata.name", "In", "n2")]}}]

Manifest = dict[str, Any]


def workload(
    kind: str = "Deployment",
    *,
    annotations: Mapping[str, str] | None = None,
    affinity: Mapping[str, Any] | None = None,
    managers: Mapping[str, str] | None = None,
    **spec: Any,
) -> Manifest:
    """A workload; `managers` own the required terms in its template: their names and their operations."""
    template: Manifest = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "main"}]}}
    if annotations:
        template["metadata"]["annotations"] = dict(annotations)
    if affinity is not None:
        template["spec"]["affinity"] = dict(affinity)
    owned: Manifest = {"f:template": {"f:spec": {"f:affinity": {"f:nodeAffinity": {f"f:{REQUIRED}": {}}}}}}
    content: Manifest = {**spec, "template": template}
    if kind == "CronJob":
        owned, content = {"f:jobTemplate": {"f:spec": owned}}, {"jobTemplate": {"spec": content}}
    fields = [
        {"manager": name, "operation": operation, "fieldsV1": {"f:spec": owned}}
        for name, operation in (managers or {}).items()
    ]
    return {"metadata": {"name": "web", "namespace": "shop", "uid": "1", "managedFields": fields}, "spec": content}


def required(terms: Any = OURS) -> Manifest:
    """A template's affinity with only these required terms."""
    return {"nodeAffinity": {REQUIRED: terms}}


def pod(**spec: Any) -> Manifest:
    """A pod."""
    return {"metadata": {"name": "web-0", "namespace": "shop"}, "spec": spec}


def after(manifest: Manifest, change: Change | Leftover) -> Manifest:
    """The workload after a JSON patch whose tests hold."""
    assert isinstance(change, Change)
    assert change.content_type == "application/json-patch+json"
    for operation in change.body:
        if operation["op"] == "test":
            assert at(manifest, operation["path"]) == operation["value"]
    removals = [operation for operation in change.body if operation["op"] == "remove"]
    # Each removal is guarded by a test of the same field.
    assert [each["path"] for each in removals] == [each["path"] for each in change.body if each["op"] == "test"]
    return dict(patched(manifest, removals))


def at(manifest: Manifest, pointer: str) -> Any:
    """What a JSON pointer points to."""
    found: Any = manifest
    for step in pointer.split("/")[1:]:
        found = found[step.replace("~1", "/").replace("~0", "~")]
    return found


def test_only_our_gate_is_named() -> None:
    """The patch deletes one entry of the list and who put it there, and says nothing of the others."""
    (change,) = traces_of("Pod", pod(schedulingGates=[{"name": "example.com/first"}, {"name": GATE}]))

    assert change == Change(
        Key("Pod", "shop/web-0"),
        Trace.GATE,
        "/api/v1/namespaces/shop/pods/web-0",
        PatchType.STRATEGIC,
        {
            "metadata": {"annotations": {"mooring.dev/gated-by": None}},
            "spec": {"schedulingGates": [{"$patch": "delete", "name": "mooring.dev/placement"}]},
        },
    )
    assert list(traces_of("Pod", pod(schedulingGates=[{"name": "example.com/first"}]))) == []
    assert list(traces_of("Pod", pod())) == []


def test_pods_without_a_scheduler_are_named() -> None:
    """Whoever waits for our scheduler waits for ever once it is gone; whoever is scheduled does not care."""
    (found,) = traces_of("Pod", pod(schedulerName="mooring"))

    assert isinstance(found, Leftover)
    assert str(found.key) == "Pod/shop/web-0"
    assert list(traces_of("Pod", pod(schedulerName="mooring", nodeName="n1"))) == []
    assert list(traces_of("Pod", pod(schedulerName="default-scheduler"))) == []


@pytest.mark.parametrize("kind", ["Pod", "Deployment", "Job"])
def test_conditions_of_ours_go_by_type(kind: str) -> None:
    """All types of ours, whatever this release calls them, and nobody else's."""
    manifest = pod() if kind == "Pod" else workload(kind)
    types = ("Ready", "mooring.dev/VolumeLocal", "mooring.dev/Older", "example.com/mooring.dev")
    manifest["status"] = {"conditions": [{"type": each} for each in types]}

    (change,) = traces_of(kind, manifest)

    assert isinstance(change, Change)
    assert (change.trace, change.path.endswith("/status")) == (Trace.CONDITIONS, True)
    deleted = [{"$patch": "delete", "type": each} for each in ("mooring.dev/VolumeLocal", "mooring.dev/Older")]
    assert change.body == {"status": {"conditions": deleted}}


def test_the_status_of_policies_goes() -> None:
    """All of it is ours, the conditions without a prefix too."""
    status = {"observedGeneration": 1, "conditions": [{"type": "Ready"}]}
    namespaced = {"metadata": {"name": "near", "namespace": "shop"}, "status": status}
    whole = {"metadata": {"name": "near"}, "status": status}

    (first,) = traces_of("VolumePlacementPolicy", namespaced)
    (second,) = traces_of("ClusterVolumePlacementPolicy", whole)

    assert isinstance(first, Change)
    assert isinstance(second, Change)
    assert first.path == "/apis/mooring.dev/v1alpha1/namespaces/shop/volumeplacementpolicies/near/status"
    assert second.path == "/apis/mooring.dev/v1alpha1/clustervolumeplacementpolicies/near/status"
    assert first.body == second.body == {"status": None}
    assert list(traces_of("VolumePlacementPolicy", namespaced | {"status": {}})) == []


@pytest.mark.parametrize(
    ("annotations", "managers"),
    [
        pytest.param({AFFINITY_HASH: MARK}, {"mooring": "Apply"}, id="as written"),
        pytest.param({AFFINITY_HASH: MARK}, {"kubectl": "Update"}, id="after a rollout undo"),
        pytest.param({}, {"mooring": "Apply"}, id="without the mark"),
        pytest.param({AFFINITY_HASH: "other"}, {"mooring": "Apply", "kubectl": "Update"}, id="with an older mark"),
    ],
)
@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "ReplicaSet", "CronJob"])
def test_terms_are_ours_by_hash_or_by_owner(kind: str, annotations: dict[str, str], managers: dict[str, str]) -> None:
    """They go with their mark, and the template is as if they had never been there."""
    manifest = workload(kind, annotations=annotations, affinity=required(), managers=managers)

    (change,) = traces_of(kind, manifest)

    assert after(manifest, change)["spec"] == workload(kind)["spec"]


@pytest.mark.parametrize(
    ("annotations", "managers"),
    [
        pytest.param({}, {"kubectl": "Update"}, id="a user's"),
        pytest.param({}, {"argocd-controller": "Apply"}, id="applied by another"),
        pytest.param({AFFINITY_HASH: "other"}, {"kubectl": "Update"}, id="changed since"),
        pytest.param({}, {"mooring": "Update"}, id="by one of the same name"),
    ],
)
def test_terms_of_others_are_theirs(annotations: dict[str, str], managers: dict[str, str]) -> None:
    """Neither a mark that does not fit nor a field manager that does not apply makes them ours."""
    manifest = workload(annotations=annotations, affinity=required(), managers=managers)

    assert list(traces_of("Deployment", manifest)) == []


def test_terms_that_somebody_applies_too_stay() -> None:
    """Who has them in Git would put them back, with a rollout each time."""
    managers = {"mooring": "Apply", "argocd-controller": "Apply"}
    (found,) = traces_of("Deployment", workload(affinity=required(), managers=managers))

    assert isinstance(found, Leftover)
    assert found.reason == "keeps its node affinity: argocd-controller applies it too"


@pytest.mark.parametrize("kind", ["ReplicaSet", "Job"])
def test_copies_of_an_owners_template_are_left(kind: str) -> None:
    """A Deployment's ReplicaSets and a CronJob's Jobs go with their owners' templates."""
    manifest = workload(kind, annotations={AFFINITY_HASH: MARK}, affinity=required())
    manifest["metadata"]["ownerReferences"] = [{"kind": "Owner", "name": "o", "uid": "2", "controller": True}]

    assert list(traces_of(kind, manifest)) == []


def test_the_template_of_a_started_job_is_left() -> None:
    """The API server would refuse the change."""
    marked: Manifest = {"annotations": {AFFINITY_HASH: MARK}, "affinity": required()}
    (running,) = traces_of("Job", workload("Job", **marked))
    (waiting,) = traces_of("Job", workload("Job", **marked, suspend=True))

    assert isinstance(running, Leftover)
    assert isinstance(waiting, Change)


def test_a_mark_alone_is_left() -> None:
    """It does nothing, and removing it would restart the workload."""
    assert list(traces_of("Deployment", workload(annotations={AFFINITY_HASH: MARK}))) == []


KEYS: Final = st.sampled_from(["a", "b/c", "d~e"])
USERS: Final[st.SearchStrategy[Manifest]] = st.fixed_dictionaries(
    {},
    optional={
        "podAffinity": st.just({"requiredDuringSchedulingIgnoredDuringExecution": []}),
        "podAntiAffinity": st.just({}),
    },
)


@given(
    annotations=st.dictionaries(KEYS, st.text(max_size=3), max_size=3),
    users=USERS,
    preference=st.booleans(),
    kind=st.sampled_from(["Deployment", "CronJob"]),
)
def test_whatever_is_not_ours_stays(
    annotations: dict[str, str], users: Manifest, kind: str, *, preference: bool
) -> None:
    """The patched template is the one without our terms and our mark, and nothing is found in it again."""
    theirs: Manifest = copy.deepcopy(users) | ({"nodeAffinity": {PREFERRED: THEIRS}} if preference else {})
    both = theirs | {"nodeAffinity": {**theirs.get("nodeAffinity", {}), REQUIRED: OURS}}
    manifest = workload(kind, annotations={**annotations, AFFINITY_HASH: MARK}, affinity=both)

    (change,) = traces_of(kind, manifest)

    rest = after(manifest, change)
    assert rest["spec"] == workload(kind, annotations=annotations, affinity=theirs or None)["spec"]
    assert list(traces_of(kind, rest)) == []
