"""The judge of a storm sees each promise that is broken, and none that is kept."""

import copy
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from tests.chaos.crowd import KIND, KINDS, Crowd, assemble
from tests.chaos.promises import Sight, judge
from tests.e2e.manifests import Manifest

_USER = "operator"


def crowd_of_25() -> Crowd:
    """Give the smallest crowd that has all kinds."""
    return assemble(pods=25, nodes=3, seconds=0, seed=1)


def calm(crowd: Crowd) -> Sight:
    """Give what is seen where every pod was answered, and all went well."""
    pods = [_pod(name, crowd.places.get(name, ["node-1"])[0]) for name in crowd.names]
    for kind in KINDS:
        if kind.owner:
            claims = [claim for claim in crowd.places if kind.name in claim]
            pods += [_pod(f"{claim}-x", crowd.places[claim][0], kind=kind.name, claim=claim) for claim in claims]
    audited = [_event("create", pod["metadata"]["name"], {"pods.mooring.dev/placement": "strict"}) for pod in pods]
    created = {name: f"uid-{name}" for name in crowd.names}
    return Sight(pods=pods, workloads=[], events=[], created=created, audited=audited, user=_USER)


def _pod(name: str, node: str, *, kind: str = "", claim: str = "") -> Manifest:
    kind = kind or name.rpartition("-")[0]
    has_claim = kind != "no-claim"
    conditions = [{"type": "Ready", "status": "True"}, {"type": "mooring.dev/VolumeLocal", "status": "True"}]
    volumes = [{"persistentVolumeClaim": {"claimName": claim or name}}] if has_claim else []
    return {
        "metadata": {"name": name, "uid": f"uid-{name}", "labels": {KIND: kind}},
        "spec": {"nodeName": node, "volumes": volumes},
        "status": {"conditions": conditions},
    }


def _event(verb: str, pod: str, annotations: dict[str, str]) -> dict[str, Any]:
    return {
        "verb": verb,
        "user": {"username": _USER},
        "objectRef": {"resource": "pods", "name": pod},
        "responseStatus": {"code": 200},
        "stageTimestamp": "2026-01-01T00:00:00.000000Z",
        "annotations": annotations,
    }


def test_a_calm_sight_breaks_nothing() -> None:
    """Where all is well no promise is broken, and every pod is counted."""
    crowd = crowd_of_25()

    found = judge(crowd, calm(crowd))

    assert found.broken == []
    assert sum(row.running for row in found.rows) == 25
    assert sum(row.local for row in found.rows) == len(crowd.places)


def _gate(pod: Manifest) -> None:
    pod["spec"]["schedulingGates"] = [{"name": "mooring.dev/placement"}]


def _move(pod: Manifest) -> None:
    pod["spec"]["nodeName"] = "elsewhere"
    pod["status"]["conditions"][1]["status"] = "False"


def _be_quiet(pod: Manifest) -> None:
    pod["status"]["conditions"].pop()


def _replace(pod: Manifest) -> None:
    pod["metadata"]["uid"] = "other"


def _fail(pod: Manifest) -> None:
    pod["status"]["conditions"][0]["status"] = "False"


@pytest.mark.parametrize(
    ("harm", "complaint"),
    [
        (_gate, "soft-1 is still gated"),
        (_move, "soft-1 was answered by admission, and runs on elsewhere"),
        (_be_quiet, "soft-1 is local, but VolumeLocal is missing"),
        (_replace, "soft-1 is another pod now"),
        (_fail, "soft-1 does not run"),
    ],
)
def test_harm_to_one_pod_is_seen(harm: Callable[[Manifest], None], complaint: str) -> None:
    """Each way in which a pod may come to harm breaks a promise that names the pod."""
    crowd = crowd_of_25()
    sight = calm(crowd)
    harm(next(pod for pod in sight.pods if pod["metadata"]["name"] == "soft-1"))

    assert any(line.startswith(complaint) for line in judge(crowd, sight).broken)


def test_a_pod_that_is_gone_is_seen() -> None:
    """A lost pod is missed by its name, and in the count."""
    crowd = crowd_of_25()
    sight = calm(crowd)
    kept = [pod for pod in sight.pods if pod["metadata"]["name"] != "strict-2"]

    broken = judge(crowd, msgspec.structs.replace(sight, pods=kept)).broken

    assert broken == ["5 of 6 pods of strict run", "strict-2 is gone"]


def test_only_pods_of_nobody_may_be_remote_unanswered() -> None:
    """Admission fails open: such a pod is counted, but one of a strict workload has to be brought to its data."""
    crowd = crowd_of_25()
    sight = copy.deepcopy(calm(crowd))
    names = {"soft-1", "data-strict-stateful-1-0-x"}
    for pod in sight.pods:
        if pod["metadata"]["name"] in names:
            _move(pod)
    unaudited = [event for event in sight.audited if event["objectRef"]["name"] not in names]

    found = judge(crowd, msgspec.structs.replace(sight, audited=unaudited))

    (broken,) = found.broken
    assert broken.startswith("data-strict-stateful-1-0-x is strict and has an owner, and runs on elsewhere")
    assert sum(row.remote_unanswered for row in found.rows) == 2


def test_letting_a_pod_through_is_an_answer() -> None:
    """A generated name is not in the audit log of the creation, but in that of the gate's removal."""
    crowd = crowd_of_25()
    sight = calm(crowd)
    audited = [event for event in sight.audited if "recreate" not in event["objectRef"]["name"]]
    released = _event("patch", "soft-recreate-1-x", {})

    rows = judge(crowd, msgspec.structs.replace(sight, audited=[*audited, released])).rows

    assert {row.kind.name: row.answered for row in rows if "recreate" in row.kind.name} == {
        "soft-recreate": 1,
        "strict-recreate": 0,
    }


@pytest.mark.parametrize(("told", "answered"), [({}, 0), ({"pods.mooring.dev/gate": "mooring.dev/placement"}, 1)])
def test_a_pod_whose_claim_is_missing_is_answered_by_being_held(told: dict[str, str], answered: int) -> None:
    """One that was not held, because nobody could have let it through, may run anywhere."""
    crowd = crowd_of_25()
    sight = calm(crowd)
    name = "soft-late-claim-1"
    audited = [event for event in sight.audited if event["objectRef"]["name"] != name]
    unknown = _event("create", name, {"pods.mooring.dev/placement": "unknown", **told})

    rows = judge(crowd, msgspec.structs.replace(sight, audited=[*audited, unknown])).rows

    (late,) = (row for row in rows if row.kind.name == "soft-late-claim")
    assert late.answered == late.wanted - 1 + answered


def test_a_storm_that_admission_slept_through_shows_nothing() -> None:
    """Without answers there is nothing that had to be local."""
    crowd = crowd_of_25()

    broken = judge(crowd, msgspec.structs.replace(calm(crowd), audited=[])).broken

    assert broken == ["admission answered only 0 of 16 pods"]
