"""The admission webhook as the API server sees it: which pods it asks about, and what if nobody answers."""

import base64
import contextlib
import http.client
import json
import os
import signal
import ssl
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from tests.e2e import manifests
from tests.e2e.manifests import Manifest
from tests.e2e.operator.webhooks import (
    PODS,
    Creations,
    Patch,
    Replica,
    another_webhook,
    called,
    expressions,
    on,
    register,
    required,
    terms_of,
    tried,
)
from tests.e2e.release import ADMISSION, WEBHOOK_CONFIGURATIONS, Release
from tests.e2e.stage import STRICT_RULE, Stage
from tests.e2e.support import eventually

from mooring.sandbox.client import ApiError

_LINUX = expressions(os="linux")
_OWNER = {"apiVersion": "apps/v1", "name": "agent", "uid": str(uuid.uuid4()), "controller": True}
_EPHEMERAL = {
    "name": "scratch",
    "ephemeral": {
        "volumeClaimTemplate": {
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
        },
    },
}


def comes(stage: Stage, pod: Manifest, *, namespace: str = "") -> bool:
    """Say whether the operator hears of a pod that somebody creates, as a dry run."""
    # A name of its own, because the creation before may be logged only now.
    name = f"trial-{uuid.uuid4().hex[:8]}"
    creations = Creations(stage, namespace=namespace)
    tried(stage, {**pod, "metadata": {**pod["metadata"], "name": name}}, namespace=namespace)
    return bool(creations.told(name))


def _owned(kind: str) -> Manifest:
    pod = manifests.pod("web", "data")
    pod["metadata"]["ownerReferences"] = [{**_OWNER, "kind": kind}]
    return pod


#: For each condition, a pod that it keeps away, and one that differs in this only.
TWINS = {
    "mounts-a-claim": (manifests.pod("web", volumes=[{"name": "data", "emptyDir": {}}]), manifests.pod("web", "data")),
    "is-not-of-a-daemonset": (_owned("DaemonSet"), _owned("ReplicaSet")),
    "has-no-node": (manifests.pod("web", "data", nodeName="node-1"), manifests.pod("web", "data")),
}


@pytest.mark.parametrize("condition", TWINS)
def test_each_condition_keeps_pods_away(admitted: Stage, condition: str) -> None:
    """One kind of pods each, and no others."""
    kept_away, twin = TWINS[condition]

    assert not comes(admitted, kept_away)
    assert comes(admitted, twin)


@pytest.mark.parametrize("condition", TWINS)
def test_no_other_condition_would(stage: Stage, condition: str) -> None:
    """With one condition turned into its opposite, just the pods come that it kept away."""
    kept_away, twin = TWINS[condition]

    def negated(conditions: list[Manifest]) -> list[Manifest]:
        assert condition in {each["name"] for each in conditions}
        return [
            {**each, "expression": f"!({each['expression']})"} if each["name"] == condition else each
            for each in conditions
        ]

    register(stage, conditions=negated)

    eventually(lambda: comes(stage, kept_away))
    assert not comes(stage, twin)


def test_conditions_are_those_that_have_a_test(admitted: Stage) -> None:
    """What is added to the registration needs a twin here."""
    (webhook,) = [each for each in _webhooks(admitted) if each["name"] == PODS]

    assert {each["name"] for each in webhook["matchConditions"]} == TWINS.keys()


def test_pods_with_ephemeral_volumes_come(admitted: Stage) -> None:
    """Their claims are made after them, but policies may set their scheduler."""
    assert comes(admitted, manifests.pod("web", volumes=[_EPHEMERAL]))


def test_pods_of_a_namespace_that_opted_out_stay_away(admitted: Stage) -> None:
    """Until the label goes."""
    path, pod = f"/api/v1/namespaces/{admitted.namespace}", manifests.pod("web", "data")
    assert comes(admitted, pod)

    admitted.patch(path, {"metadata": {"labels": {"mooring.dev/ignore": "true"}}})
    eventually(lambda: not comes(admitted, pod))

    admitted.patch(path, {"metadata": {"labels": {"mooring.dev/ignore": None}}})
    eventually(lambda: comes(admitted, pod))


def test_pods_of_the_systems_namespaces_stay_away(stage: Stage, release: Release) -> None:
    """Even if somebody labels them: Kubernetes' own, and the release's, whose pods must start without Mooring."""
    pod = manifests.pod("web", "data")
    left_out = ["kube-system", "kube-node-lease", release.namespace]
    with contextlib.ExitStack() as stack:
        for name in [*left_out, stage.namespace]:
            stack.enter_context(_labelled(stage, name))
        # The API server learns of labels in the order of the writes: of the stage's, the last one, after the others'.
        eventually(lambda: comes(stage, pod))

        assert [name for name in left_out if comes(stage, pod, namespace=name)] == []


@contextlib.contextmanager
def _labelled(stage: Stage, namespace: str) -> Iterator[None]:
    path = f"/api/v1/namespaces/{namespace}"
    stage.patch(path, {"metadata": {"labels": {ADMISSION: "true"}}})
    try:
        yield
    finally:
        stage.patch(path, {"metadata": {"labels": {ADMISSION: None}}})


def _label(pod: Manifest) -> Patch:
    there = pod["metadata"].get("labels", {})
    return [{"op": "add", "path": "/metadata/labels", "value": {**there, "mesh": "on"}}]


def _second_volume(pod: Manifest) -> Patch:
    if any(each["name"] == "second" for each in pod["spec"]["volumes"]):
        return []
    claim = {"persistentVolumeClaim": {"claimName": "second"}}
    return [{"op": "add", "path": "/spec/volumes/-", "value": {"name": "second", **claim}}]


@pytest.mark.parametrize("own", [None, {"matchExpressions": _LINUX}], ids=["without-terms", "with-terms"])
@pytest.mark.parametrize(
    ("change", "nodes"), [(_label, ["node-1", "node-2"]), (_second_volume, ["node-2"])], ids=["label", "volume"]
)
def test_asked_again_it_does_nothing_twice(
    admitted: Stage, change: Any, nodes: list[str], own: Manifest | None
) -> None:
    """The API server asks again after a webhook that changed the pod; what that one added is taken in."""
    admitted.volumes({"data": ["node-1", "node-2"], "second": ["node-2", "node-3"]})
    admitted.policy("near", **STRICT_RULE)
    affinity = {"affinity": required(own)} if own else {}
    creations = Creations(admitted)

    with another_webhook(admitted, change):
        # The API server learns of a new webhook when it does.
        eventually(lambda: _changed(tried(admitted, manifests.pod("early", "data", **affinity))))
        pod = admitted.pod("web", "data", **affinity)

    assert terms_of(pod) == on(*nodes, **(own or {}))
    assert ("mooring.dev/affinity-hash" in pod["metadata"].get("annotations", {})) is (own is None)
    assert PODS in called(creations.annotations("web"), again=True)
    assert admitted.node_of("web") in nodes


def _changed(pod: Manifest) -> bool:
    return "mesh" in pod["metadata"].get("labels", {}) or any(
        each["name"] == "second" for each in pod["spec"]["volumes"]
    )


def test_pods_are_created_while_nobody_answers(stage: Stage, release: Release, tmp_path: Path) -> None:
    """As they are: after 2 s where the process hangs, at once where there is none. Once it is back they are placed."""
    replica = Replica(release, tmp_path)
    stage.volume("data", "node-4")
    stage.policy("near", **STRICT_RULE)
    creations = Creations(stage)
    register(stage, url=replica.url, timeout=2)

    with replica.running() as process:
        eventually(lambda: _is_placed(stage))
        os.kill(process.pid, signal.SIGSTOP)
        assert 2 <= _seconds_without_answer(stage, creations, "while-it-hangs") < 3
        os.kill(process.pid, signal.SIGCONT)
        eventually(lambda: _is_placed(stage))
    assert _seconds_without_answer(stage, creations, "while-it-is-gone") < 1
    with replica.running():
        eventually(lambda: _is_placed(stage))


def test_the_certificate_may_come_from_files(stage: Stage, release: Release, tmp_path: Path) -> None:
    """Of somebody's own authority, which the configuration names; the release's Secret is not looked at."""
    certificate, key = stage.sandbox.serving_certificate
    replica = Replica(release, tmp_path, f"--webhook-cert={certificate}", f"--webhook-key={key}")
    stage.volume("data", "node-4")
    stage.policy("near", **STRICT_RULE)
    register(stage, url=replica.url, ca=stage.sandbox.ca_file.read_bytes())

    with replica.running():
        eventually(lambda: _is_placed(stage))


def _is_placed(stage: Stage) -> bool:
    return terms_of(tried(stage, manifests.pod("trial", "data"))) == on("node-4")


def _seconds_without_answer(stage: Stage, creations: Creations, name: str) -> float:
    """Create pods for which nobody answers, and give the time that the quickest takes: a machine may pause."""
    return min(_seconds_to_create(stage, creations, f"{name}-{number}") for number in range(3))


def _seconds_to_create(stage: Stage, creations: Creations, name: str) -> float:
    started = time.monotonic()
    pod = stage.pod(name, "data")
    seconds = time.monotonic() - started
    assert terms_of(pod) is None
    assert PODS in creations.annotations(name).values(), "the API server did not ask"
    stage.node_of(name)
    return seconds


# What listens there.


def _webhooks(stage: Stage) -> list[Manifest]:
    return list(stage.client.get(f"{WEBHOOK_CONFIGURATIONS}/mooring")["webhooks"])


def _bundle(stage: Stage) -> str:
    (bundle,) = {each["clientConfig"]["caBundle"] for each in _webhooks(stage)}
    return base64.b64decode(bundle).decode()


def _call(
    stage: Stage, method: str, path: str, body: bytes | None = None, *, context: ssl.SSLContext | None = None
) -> tuple[int, str]:
    """Call the webhook as the API server does, trusting what its registration says."""
    address = urlsplit(_webhooks(stage)[0]["clientConfig"]["url"])
    trusting = context or ssl.create_default_context(cadata=_bundle(stage))
    connection = http.client.HTTPSConnection(address.hostname or "", address.port, timeout=30, context=trusting)
    with contextlib.closing(connection):
        connection.request(method, path, body)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "truncated"),
        (b"no JSON", "malformed"),
        (b'{"apiVersion": "v1", "kind": "Pod"}', "an AdmissionReview of admission.k8s.io/v1 is expected"),
        (b'{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"}', "request is missing"),
    ],
)
def test_what_is_no_review_is_refused(stage: Stage, body: bytes, reason: str) -> None:
    """With 400 and a reason."""
    status, text = _call(stage, "POST", "/mutate", body)

    assert status == 400
    assert reason in text


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/mutate", 405),
        ("POST", "/", 404),
        ("POST", "/mutate/pods", 404),
        ("POST", "/scheduler/filter", 404),
        ("GET", "/metrics", 404),
        ("GET", "/readyz", 404),
    ],
)
def test_nothing_else_is_there(stage: Stage, method: str, path: str, status: int) -> None:
    """Who reaches the webhook reaches neither the extender nor the metrics."""
    assert _call(stage, method, path)[0] == status


def test_reviews_are_not_answered_in_plain(stage: Stage) -> None:
    """Where the extender listens, nobody answers reviews."""
    assert stage.operator.request("POST", "/mutate", b"{}")[0] == 404


def test_old_tls_is_refused(stage: Stage) -> None:
    """From 1.2 on it is spoken."""
    context = ssl.create_default_context(cadata=_bundle(stage))
    # Else it would be this side that refuses.
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(ssl.SSLError, match=r"EOF|ALERT_PROTOCOL_VERSION"):
        _call(stage, "GET", "/mutate", context=context)

    context.maximum_version = context.minimum_version = ssl.TLSVersion.TLSv1_2
    assert _call(stage, "GET", "/mutate", context=context)[0] == 405


# Its certificates.


def test_the_bundle_is_written_by_a_manager_of_its_own(stage: Stage) -> None:
    """So that whoever applies the chart's configuration leaves it alone."""
    managers = stage.client.get(f"{WEBHOOK_CONFIGURATIONS}/mooring")["metadata"]["managedFields"]

    assert {each["manager"] for each in managers if "f:caBundle" in json.dumps(each)} == {"mooring-webhook"}


def test_lost_certificates_are_made_anew(admitted: Stage, release: Release) -> None:
    """The Secret is deleted, and comes back as garbage: the last certificate is served until there is a new one."""
    admitted.volume("data", "node-4")
    admitted.policy("near", **STRICT_RULE)
    path = f"/api/v1/namespaces/{release.namespace}/secrets/mooring-webhook"
    before, pid = _bundle(admitted), admitted.operator.pid
    assert _is_placed(admitted)

    admitted.delete(path)
    with pytest.raises(ApiError, match="404"):
        admitted.client.get(path)
    assert _is_placed(admitted)
    (secret,) = [each for each in release.manifests if each["kind"] == "Secret"]
    garbage = base64.b64encode(b"nonsense").decode()
    data = dict.fromkeys(("ca.crt", "ca.key", "tls.crt", "tls.key"), garbage)
    admitted.sandbox.kubectl("apply", "--server-side", "-f", "-", stdin=yaml.safe_dump({**secret, "data": data}))

    # The keeper looks once a minute.
    eventually(lambda: _bundle(admitted) != before, timeout=150)
    assert admitted.client.get(path)["data"]["ca.crt"] == base64.b64encode(_bundle(admitted).encode()).decode()
    eventually(lambda: _call(admitted, "GET", "/mutate")[0] == 405)
    eventually(lambda: _is_placed(admitted))
    assert (admitted.operator.pid, admitted.operator.exit_code) == (pid, None)
