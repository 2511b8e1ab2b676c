"""`mooring run --snapshot`: the whole extender over real HTTP, from manifests alone."""

import base64
import contextlib
import http.client
import json
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from tests.e2e import manifests
from tests.e2e.process import MooringProcess

from mooring.pki import Pair
from mooring.sandbox.credentials import make_authority, make_client, make_serving
from mooring.sandbox.nodes import make_nodes

_NODES = [f"node-{number}" for number in range(1, 7)]
_MEGABYTE = 1024 * 1024


def cluster() -> list[manifests.Manifest]:
    """Give six nodes, a volume on node-2, and pods that want it in different ways."""
    volume = manifests.volume("pv-data", "data", "shop", nodes=["node-2"])
    claim = manifests.claim("data", volume_name="pv-data") | {"status": {"phase": "Bound"}}
    pods = [
        manifests.pod("soft", "data", schedulerName="stork"),
        manifests.pod("strict", "data", annotations=manifests.STRICT),
        manifests.pod("plain", "data"),
    ]
    for each in (claim, *pods):
        each["metadata"]["namespace"] = "shop"
    return [*make_nodes(nodes=6, zones=2, racks=3), volume, claim, *pods]


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the cluster into a folder: a list of nodes, and a file of many documents."""
    folder = tmp_path_factory.mktemp("snapshot")
    nodes = [each for each in cluster() if each["kind"] in {"Node", "CSINode"}]
    others = [each for each in cluster() if each not in nodes]
    (folder / "nodes.yaml").write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "List", "items": nodes}))
    (folder / "others.yaml").write_text(yaml.safe_dump_all(others))
    return folder


def named(pod: str) -> manifests.Manifest:
    """Give a pod of the cluster."""
    return next(each for each in cluster() if each["kind"] == "Pod" and each["metadata"]["name"] == pod)


def by_name(pod: str) -> dict[str, Any]:
    """Give a call as kube-scheduler makes it with `nodeCacheCapable: true`."""
    return {"Pod": named(pod), "Nodes": None, "NodeNames": _NODES}


def by_object(pod: str) -> dict[str, Any]:
    """Give a call as kube-scheduler makes it with `nodeCacheCapable: false`."""
    items = [each for each in cluster() if each["kind"] == "Node"]
    return {"Pod": named(pod), "Nodes": {"metadata": {}, "items": items}, "NodeNames": None}


def test_filter_answers_in_the_form_it_was_asked(served: MooringProcess) -> None:
    """Names in, names out; objects in, the same objects out; refusals are the same in both."""
    names, objects = served.ask("filter", by_name("strict")), served.ask("filter", by_object("strict"))

    assert names["NodeNames"] == ["node-2"]
    assert names["Nodes"] is None
    assert objects["NodeNames"] is None
    (kept,) = [each for each in cluster() if each["kind"] == "Node" and each["metadata"]["name"] == "node-2"]
    assert objects["Nodes"]["items"] == [kept]
    refused = names["FailedAndUnresolvableNodes"]
    assert refused == objects["FailedAndUnresolvableNodes"]
    assert refused == dict.fromkeys(
        (node for node in _NODES if node != "node-2"), "not near the data of data, which lies on node-2"
    )
    assert names["FailedNodes"] == {}
    assert names["Error"] == ""


def test_prioritize_scores_by_tier(served: MooringProcess) -> None:
    """The node scores 10, its rack 5, its zone 2.5 rounded up, the region 1; without an opinion all score 0."""
    expected = {"node-1": 5, "node-2": 10, "node-3": 3, "node-4": 3, "node-5": 1, "node-6": 1}

    for body in (by_name("soft"), by_object("soft")):
        answer = served.ask("prioritize", body)
        assert [each["Host"] for each in answer] == _NODES
        assert {each["Host"]: each["Score"] for each in answer} == expected
    assert {each["Score"] for each in served.ask("prioritize", by_name("plain"))} == {0}


def test_preempt_keeps_off_nodes_without_the_data(served: MooringProcess) -> None:
    """Of two nodes with victims only the one with the data stays, with its victims."""
    victims = {node: {"Pods": [{"UID": f"uid-{node}"}], "NumPDBViolations": 0} for node in ("node-1", "node-2")}

    answer = served.ask("preempt", {"Pod": named("strict"), "NodeNameToMetaVictims": victims})

    assert answer == {"NodeNameToMetaVictims": {"node-2": victims["node-2"]}}


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (b"", "truncated"),
        (b"{", "truncated"),
        (b"[]", "Expected `object`, got `array`"),
        (b'{"NodeNames":["a"]}', "Pod is missing"),
        (b'{"Pod":{"metadata":{"name":"p"}}}', "neither NodeNames nor Nodes is given"),
        (b'{"Pod":{"metadata":{"name":"p"}},"NodeNames":"a"}', "NodeNames: Expected `array`, got `str`"),
        (b'{"Pod":{"metadata":{"name":"p"}},"NodeNames":[1]}', "NodeNames: Expected `str`, got `int`"),
        (b'{"Pod":{"metadata":{"name":7}},"NodeNames":[]}', "$.Pod.metadata.name"),
        (b'{"Pod":{"metadata":{"name":"p"}},"Nodes":{"items":[{}]}}', "Nodes.items"),
        (b'{"Pod":{"metadata":{"name":"p"}},"NodeNames":["\xff"]}', "utf-8"),
    ],
)
@pytest.mark.parametrize("verb", ["filter", "prioritize"])
def test_a_malformed_body_is_told_what_is_wrong(served: MooringProcess, verb: str, body: bytes, complaint: str) -> None:
    """A 400 with a sentence, never a stack trace or an empty answer."""
    status, text = served.request("POST", f"/scheduler/{verb}", body)

    assert status == 400
    assert complaint.lower() in text.lower()


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/scheduler/filter", 405),
        ("POST", "/scheduler/bind", 404),
        ("GET", "/", 404),
        ("POST", "/healthz", 405),
        ("GET", "/healthz", 200),
        ("GET", "/readyz", 200),
        ("GET", "/metrics", 200),
    ],
)
def test_paths_and_methods(served: MooringProcess, method: str, path: str, status: int) -> None:
    """What is not served says so in HTTP's own words."""
    assert served.request(method, path)[0] == status


def reviewed(process: MooringProcess, pod: manifests.Manifest, **fields: Any) -> dict[str, Any]:
    """POST an AdmissionReview of a new pod and give the response."""
    request = {"uid": "u", "kind": {"kind": "Pod"}, "operation": "CREATE", "namespace": "shop", "object": pod, **fields}
    review = {"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": request}
    status, text = process.request("POST", "/mutate", json.dumps(review).encode())
    assert status == 200, text
    response: dict[str, Any] = json.loads(text)["response"]
    assert (response["uid"], response["allowed"]) == ("u", True)
    return response


def test_reviews_are_answered(served: MooringProcess) -> None:
    """A strict pod is bound to its data, soft ones are gated, and a scheduler that somebody chose stays."""
    strict = reviewed(served, named("strict"))
    unnamed = named("plain")
    del unnamed["metadata"]["name"]
    plain, soft = reviewed(served, unnamed), reviewed(served, named("soft"))

    patch = {each["path"]: each["value"] for each in json.loads(base64.b64decode(strict["patch"]))}
    terms = [{"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["node-2"]}]}]
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}
    assert patch["/spec/affinity"] == {"nodeAffinity": required}
    assert strict["auditAnnotations"]["policy"] == "annotation preferLocalNodeOnly"
    gated = [
        {each["path"]: each["value"] for each in json.loads(base64.b64decode(found["patch"]))}
        for found in (plain, soft)
    ]
    assert [patch.get("/spec/schedulerName") for patch in gated] == ["mooring", None]
    assert [patch["/spec/schedulingGates"] for patch in gated] == [[{"name": "mooring.dev/placement"}]] * 2


def test_a_review_that_is_none_is_told_what_is_wrong(served: MooringProcess) -> None:
    """A 400 with a sentence, as for the extender's calls."""
    status, text = served.request("POST", "/mutate", b'{"kind":"Pod"}')

    assert (status, text) == (400, "an AdmissionReview of admission.k8s.io/v1 is expected\n")


def test_large_bodies(served: MooringProcess) -> None:
    """60 MiB are read and answered, more than 64 MiB are refused, and the process goes on."""
    call = by_name("strict")
    call["Pod"]["metadata"]["annotations"]["padding"] = "x" * (60 * _MEGABYTE)

    assert served.ask("filter", call)["NodeNames"] == ["node-2"]

    call["Pod"]["metadata"]["annotations"]["padding"] = "x" * (65 * _MEGABYTE)
    with contextlib.suppress(ConnectionError):  # it may close the connection before everything is sent
        assert served.request("POST", "/scheduler/filter", json.dumps(call).encode())[0] == 413
    assert served.ask("filter", by_name("strict"))["NodeNames"] == ["node-2"]


def test_connections_are_kept(served: MooringProcess) -> None:
    """Calls one after the other, also after a refused one, share one connection."""
    address = urlsplit(served.url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=10)
    with contextlib.closing(connection):
        connection.connect()
        first = connection.sock
        for body in (json.dumps(by_name("soft")).encode(), b"{", json.dumps(by_name("soft")).encode()):
            connection.request("POST", "/scheduler/prioritize", body)
            connection.getresponse().read()
            assert connection.sock is first


def test_metrics_count(served: MooringProcess) -> None:
    """Calls are counted by verb and outcome, with their latency, and the index by kind."""
    before = served.metrics()
    served.ask("filter", by_name("strict"))
    served.ask("prioritize", by_name("plain"))
    after = served.metrics()

    def gained(name: str) -> float:
        return after[name] - before.get(name, 0)

    assert gained('mooring_decisions_total{outcome="strict",verb="filter"}') == 1
    assert gained('mooring_decisions_total{outcome="no-opinion",verb="prioritize"}') == 1
    assert gained('mooring_extender_duration_seconds_count{verb="filter"}') == 1
    assert gained('mooring_extender_duration_seconds_bucket{le="+Inf",verb="prioritize"}') == 1
    assert after['mooring_index_objects{kind="Node"}'] == 6
    assert after['mooring_index_objects{kind="Pod"}'] == 3


def test_explain_agrees_with_the_extender(served: MooringProcess, snapshot: Path) -> None:
    """`mooring explain` from the same files names the same refusals and the same scores."""
    for pod in ("soft", "strict", "plain"):
        told = json.loads(explain(snapshot, f"pod/{pod}", "-o", "json"))
        filtered = served.ask("filter", by_name(pod))
        assert [node["name"] for node in told["nodes"] if node["eligible"]] == filtered["NodeNames"]
        refusals = {node["name"]: node["refusals"][0] for node in told["nodes"] if node["refusals"]}
        assert refusals == filtered["FailedAndUnresolvableNodes"]
        scores = {each["Host"]: each["Score"] for each in served.ask("prioritize", by_name(pod))}
        assert {node["name"]: int(node["score"] / 10 + 0.5) for node in told["nodes"]} == scores

    text = explain(snapshot, "pod/strict")
    assert "Rule:      annotation preferLocalNodeOnly (strict, kubernetes.io/hostname" in text
    assert "Score   100: node-2 (node)" in text
    assert "Refused:   node-1, node-3, node-4, node-5, node-6: not near the data of data" in text


def explain(snapshot: Path, *args: str) -> str:
    """Run `mooring explain` on a snapshot and give what it printed."""
    command = [sys.executable, "-m", "mooring", "explain", "--snapshot", str(snapshot), "-n", "shop", *args]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize(
    ("args", "code", "complaint"),
    [
        (["pod/nobody"], 1, "there is no pod nobody in namespace shop"),
        (["deployment/nobody"], 1, "there is no deployment nobody in namespace shop"),
        (["nobody"], 1, "say what to explain as KIND/NAME, such as pod/NAME or deployment/NAME"),
        (["pod/soft", "-o", "xml"], 2, "xml"),
    ],
)
def test_explain_says_what_it_cannot_do(snapshot: Path, args: list[str], code: int, complaint: str) -> None:
    """A mistake gives an exit code and a sentence on standard error."""
    command = [sys.executable, "-m", "mooring", "explain", "--snapshot", str(snapshot), "-n", "shop", *args]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == code
    assert complaint in done.stderr
    assert "Traceback" not in done.stderr


def test_a_snapshot_that_is_none_ends_the_process(tmp_path: Path) -> None:
    """A wrong path is an exit code and a sentence, not a server without a cluster."""
    with MooringProcess(tmp_path / "log", "--snapshot", str(tmp_path / "nothing"), "--port", "0") as process:
        assert process.wait(timeout=60) == 1
        (line,) = [line for line in process.lines() if line["level"] == "error"]
        assert "nothing" in line["reason"]


def test_not_ready_before_the_index_is_complete(tmp_path: Path, snapshot: Path) -> None:
    """Without an API server it lives, is not ready and says why; strict pods get no node, others all."""
    del snapshot
    # Bound, so that nobody takes it, and without a listener, so that connections are refused.
    unused = socket.socket()
    unused.bind(("127.0.0.1", 0))
    port = unused.getsockname()[1]
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "users": [{"name": "u", "user": {}}],
    }
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(yaml.safe_dump(config))
    with unused, MooringProcess(tmp_path / "log", "--kubeconfig", str(kubeconfig), "--port", "0") as process:
        assert process.status("/healthz") == 200
        status, text = process.request("GET", "/readyz")
        assert status == 503
        assert "not read yet" in text
        assert process.ask("filter", by_name("strict"))["NodeNames"] == []
        assert process.ask("filter", by_name("soft"))["NodeNames"] == _NODES
        process.terminate()
        assert process.wait(timeout=30) == 0


@pytest.fixture(scope="module")
def authority() -> Pair:
    """Give a certificate authority."""
    return make_authority()


@pytest.fixture(scope="module")
def secure(
    snapshot: Path, authority: Pair, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[MooringProcess, Path]]:
    """Run the process with HTTPS, and clients that must show a certificate; gives it and the folder of the files."""
    folder = tmp_path_factory.mktemp("tls")
    write(folder, "serving", make_serving(authority))
    write(folder, "client", make_client(authority, name="kube-scheduler"))
    write(folder, "stranger", make_client(make_authority(), name="kube-scheduler"))
    (folder / "ca.crt").write_bytes(authority.certificate_pem())
    files = {"--tls-cert": "serving.crt", "--tls-key": "serving.key", "--client-ca": "ca.crt"}
    options = [part for option, file in files.items() for part in (option, str(folder / file))]
    with MooringProcess(folder / "log", "--snapshot", str(snapshot), "--port", "0", *options) as process:
        assert process.url.startswith("https://")
        yield process, folder


def write(folder: Path, name: str, pair: Pair) -> None:
    """Write a certificate and its key."""
    (folder / f"{name}.crt").write_bytes(pair.certificate_pem())
    (folder / f"{name}.key").write_bytes(pair.key_pem())


def test_https_serves_who_shows_a_certificate(secure: tuple[MooringProcess, Path]) -> None:
    """A client with a certificate of the CA is answered."""
    assert ask_securely(*secure, certificate="client") == ["node-2"]


@pytest.mark.parametrize("certificate", ["stranger", ""])
def test_https_refuses_others(secure: tuple[MooringProcess, Path], certificate: str) -> None:
    """Without a certificate, or with one of another CA, there is no answer."""
    with pytest.raises((ssl.SSLError, ConnectionError, http.client.HTTPException)):
        ask_securely(*secure, certificate=certificate)


def ask_securely(process: MooringProcess, folder: Path, *, certificate: str) -> Any:
    """Call filter over HTTPS, checking the server's certificate, and give the nodes that are left."""
    context = ssl.create_default_context(cafile=str(folder / "ca.crt"))
    if certificate:
        context.load_cert_chain(folder / f"{certificate}.crt", folder / f"{certificate}.key")
    address = urlsplit(process.url)
    connection = http.client.HTTPSConnection(address.hostname or "", address.port, timeout=10, context=context)
    with contextlib.closing(connection):
        connection.request("POST", "/scheduler/filter", json.dumps(by_name("strict")))
        return json.loads(connection.getresponse().read())["NodeNames"]


@pytest.mark.parametrize(
    "options",
    [["--tls-cert", "missing.crt"], ["--tls-cert", "missing.crt", "--tls-key", "missing.key"], ["--client-ca", "ca"]],
)
def test_half_a_tls_configuration_is_refused(snapshot: Path, options: list[str]) -> None:
    """A certificate without its key, or files that are not there, end the command with a usage error."""
    command = [sys.executable, "-m", "mooring", "run", "--snapshot", str(snapshot), "--port", "0", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)

    assert done.returncode == 2
    assert "tls-cert" in done.stderr or "cannot be read" in done.stderr
