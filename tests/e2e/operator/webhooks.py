"""What tests of admission share: what becomes of a pod, what the audit log says of it, and more webhooks than one."""

import base64
import contextlib
import itertools
import json
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.e2e import manifests
from tests.e2e.manifests import Manifest
from tests.e2e.process import MooringProcess
from tests.e2e.release import ADMISSION, WEBHOOK_CONFIGURATIONS, Release
from tests.e2e.stage import Stage
from tests.e2e.support import eventually

from mooring.sandbox.launcher import Sandbox
from mooring.sandbox.processes import free_ports

PODS = "pods.mooring.dev"

_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_NAME = "kubernetes.io/metadata.name"
_CREATED = 201

Patch = list[dict[str, Any]]


def tried(stage: Stage, pod: Manifest, *, namespace: str = "") -> Manifest:
    """Create a pod as a dry run, and give what it would be."""
    path = f"/api/v1/namespaces/{namespace or stage.namespace}/pods?dryRun=All"
    return dict(stage.client.create(path, pod))


def stored(stage: Stage, pod: str) -> Manifest:
    """Give a pod as it is now."""
    return dict(stage.client.get(stage.path("pods", pod)))


def terms_of(pod: Manifest) -> list[Manifest] | None:
    """Give a pod's required terms, or None if it has none."""
    required = pod["spec"].get("affinity", {}).get("nodeAffinity", {}).get(_REQUIRED)
    return None if required is None else list(required["nodeSelectorTerms"])


def on(*nodes: str, **term: Any) -> list[Manifest]:
    """Give one term for each node, each with what else `term` says."""
    return [{**term, "matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]} for node in nodes]


def expressions(**values: str | list[str]) -> list[Manifest]:
    """Give expressions that labels have one of these values; `os`, `rack` and `zone` are the labels' short names."""
    keys = {"os": "kubernetes.io/os", "host": "kubernetes.io/hostname"}
    return [
        {
            "key": keys.get(key, f"topology.kubernetes.io/{key}"),
            "operator": "In",
            "values": [value] if isinstance(value, str) else value,
        }
        for key, value in values.items()
    ]


def located(stage: Stage, name: str, **values: str | list[str]) -> None:
    """Create a bound claim whose volume says by its own node affinity where it lies; values as `expressions` has."""
    volume = manifests.volume(stage.volume_name(name), name, stage.namespace)
    volume["spec"]["nodeAffinity"] = {"required": {"nodeSelectorTerms": [{"matchExpressions": expressions(**values)}]}}
    stage.create_in_cluster("/api/v1/persistentvolumes", volume)
    claim = manifests.claim(name, volume_name=stage.volume_name(name))
    path = stage.path("persistentvolumeclaims")
    stage.client.create(path, claim)
    eventually(lambda: stage.client.get(f"{path}/{name}")["status"]["phase"] == "Bound")


def required(*terms: Manifest) -> Manifest:
    """Give the affinity of a pod whose user requires one of these terms."""
    return {"nodeAffinity": {_REQUIRED: {"nodeSelectorTerms": list(terms)}}}


class Creations:
    """What the audit log says of the pods that are created in a stage's namespace, or another one, from now on."""

    def __init__(self, stage: Stage, *, namespace: str = "") -> None:
        self._stage = stage
        self._namespace = namespace or stage.namespace
        self._since = stage.sandbox.audit_offset()

    def all(self) -> list[dict[str, Any]]:
        """Give what is there by now.

        What was refused is left out: a StatefulSet's controller that has not heard of its pod yet makes it again.
        """
        return [
            event
            for event in self._stage.sandbox.audit(since=self._since)
            if (event["verb"], event["objectRef"]["resource"]) == ("create", "pods")
            and event["objectRef"].get("namespace") == self._namespace
            and "subresource" not in event["objectRef"]
            and event["responseStatus"]["code"] == _CREATED
        ]

    def annotations(self, pod: str) -> dict[str, str]:
        """Wait until a pod's latest creation is there, and give its annotations."""
        found = eventually(lambda: [each for each in self.all() if each["objectRef"].get("name") == pod])
        return dict(found[-1]["annotations"])

    def told(self, pod: str) -> dict[str, str]:
        """Wait until a pod's latest creation is there, and give what Mooring said of it."""
        return by_mooring(self.annotations(pod))


def by_mooring(annotations: Mapping[str, str]) -> dict[str, str]:
    """Give the audit annotations that come from Mooring."""
    return {key.removeprefix(f"{PODS}/"): value for key, value in annotations.items() if key.startswith(f"{PODS}/")}


def called(annotations: Mapping[str, str], *, again: bool = False) -> dict[str, bool]:
    """Give the webhooks that the API server called for a pod, or called again, and whether each changed the pod."""
    prefix = f"mutation.webhook.admission.k8s.io/round_{int(again)}_"
    # The rest of the key counts other tests' webhooks too, as long as the API server has not heard that they are gone.
    calls = [json.loads(value) for key, value in annotations.items() if key.startswith(prefix)]
    return {call["webhook"]: call["mutated"] for call in calls}


def admit(stage: Stage) -> None:
    """Let a stage's pods come to the release's webhook from now on."""
    stage.patch(f"/api/v1/namespaces/{stage.namespace}", {"metadata": {"labels": {ADMISSION: "true"}}})
    # The API server's admission learns of labels by a watch of its own.
    await_told(stage, "missing")


def await_told(stage: Stage, *claims: str, **said: str) -> None:
    """Wait until the API server asks Mooring about the stage's pods, and Mooring says this of one with these claims."""
    creations = Creations(stage)
    numbers = itertools.count(1)

    def told() -> bool:
        name = f"trial-{next(numbers)}"
        tried(stage, manifests.pod(name, *claims))
        found = creations.told(name)
        assert found, "Mooring was not asked"
        assert said.items() <= found.items(), f"Mooring says {found}"
        return True

    eventually(told)


def register(
    stage: Stage,
    *,
    url: str = "",
    ca: bytes = b"",
    timeout: int | None = None,
    conditions: Callable[[list[Manifest]], list[Manifest]] = lambda same: same,
) -> None:
    """Register the release's webhook a second time, for the stage's namespace only, and in other ways as given.

    `timeout` is in seconds.
    """
    configuration = stage.client.get(f"{WEBHOOK_CONFIGURATIONS}/mooring")
    (webhook,) = [each for each in configuration["webhooks"] if each["name"] == PODS]
    webhook["matchConditions"] = conditions(webhook["matchConditions"])
    webhook["clientConfig"]["url"] = url or webhook["clientConfig"]["url"]
    webhook["clientConfig"]["caBundle"] = base64.b64encode(ca).decode() or webhook["clientConfig"]["caBundle"]
    webhook["timeoutSeconds"] = timeout or webhook["timeoutSeconds"]
    webhook["namespaceSelector"] = {"matchLabels": {_NAME: stage.namespace}}
    _register(stage, f"copy-{stage.namespace}", webhook)


class Replica:
    """A replica of the release beside the operator, which leads: it answers, and writes nothing."""

    def __init__(self, release: Release, directory: Path, *args: str) -> None:
        port = free_ports(["webhook"], taken=[])["webhook"]
        self.url = f"https://127.0.0.1:{port}/mutate"
        self._logs = (directory / f"log-{number}" for number in itertools.count(1))
        # The last of an option counts.
        self._arguments = (*release.arguments, f"--webhook-port={port}", "--port=0", *args)

    @contextlib.contextmanager
    def running(self) -> Iterator[MooringProcess]:
        """Run it while inside; it must be healthy."""
        with MooringProcess(next(self._logs), *self._arguments) as process:
            process.await_ready()
            yield process
            assert process.complaints() == []


@contextlib.contextmanager
def another_webhook(stage: Stage, change: Callable[[Manifest], Patch]) -> Iterator[None]:
    """Have somebody else's webhook change the stage's pods too, after Mooring's.

    Where it does change something, the API server asks Mooring again.
    """
    with _serving(stage.sandbox, change) as url:
        # Webhooks are called in the order of their configurations' names.
        bring_pods(stage, url, order="zz", failure_policy="Fail")
        yield


def bring_pods(stage: Stage, url: str, *, order: str, failure_policy: str = "Ignore") -> None:
    """Bring all pods of a stage, as they are created, to a server that has the sandbox's certificate."""
    webhook = {
        "name": f"{order}.example.com",
        "clientConfig": {"url": url, "caBundle": base64.b64encode(stage.sandbox.ca_file.read_bytes()).decode()},
        "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}],
        "namespaceSelector": {"matchLabels": {_NAME: stage.namespace}},
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "failurePolicy": failure_policy,
    }
    _register(stage, f"{order}-{stage.namespace}", webhook)


def _register(stage: Stage, name: str, webhook: Mapping[str, Any]) -> None:
    configuration = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": name},
        "webhooks": [webhook],
    }
    stage.create_in_cluster(WEBHOOK_CONFIGURATIONS, configuration)


@contextlib.contextmanager
def _serving(sandbox: Sandbox, change: Callable[[Manifest], Patch]) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            response = {"uid": review["request"]["uid"], "allowed": True}
            if patch := change(review["request"]["object"]):
                encoded = base64.b64encode(json.dumps(patch).encode()).decode()
                response |= {"patchType": "JSONPatch", "patch": encoded}
            answer = {"apiVersion": review["apiVersion"], "kind": review["kind"], "response": response}
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*sandbox.serving_certificate)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"https://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()
