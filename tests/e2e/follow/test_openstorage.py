"""Volumes of which only OpenStorage's API says where they are: its own server, asked by the operator."""

import datetime as dt
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.e2e import manifests
from tests.e2e.follow.field import Field
from tests.e2e.follow.portworx import (
    OFFLINE,
    STORAGE_DOWN,
    OpenStorageServer,
    Portworx,
    build_openstorage,
    node_id,
    token,
)
from tests.e2e.support import eventually
from tests.e2e.wire import Wire

from mooring import pki
from mooring.sandbox.processes import LOOPBACK, free_ports
from mooring.sandbox.progress import plain

DAY = dt.timedelta(days=1)
SIGNING = "what tokens are signed with"

# Capturing replaces sys.stderr: compiling takes minutes, and whoever waits must see that something happens.
_progress = plain(lambda line: print(f"openstorage: {line}", file=sys.__stderr__, flush=True))

Start = Callable[..., OpenStorageServer]


@pytest.fixture(scope="module")
def binary() -> Path:
    """Give the server, built before a test begins to wait for anything."""
    return build_openstorage(_progress)


@pytest.fixture
def start(binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """Start servers that end with the test."""
    with ExitStack() as stack:
        # Sockets' paths must be short.
        yield lambda **options: stack.enter_context(
            OpenStorageServer(binary, tmp_path_factory.mktemp("sdk"), **options)
        )


@pytest.fixture
def portworx(field: Field, start: Start) -> Portworx:
    """Give Portworx without security."""
    return Portworx(field, start())


def test_volumes_are_where_the_api_says(portworx: Portworx) -> None:
    """Node ids become nodes by the API's own list; when a replica moves, the answer follows at the interval."""
    volume = portworx.volume("data", "node-1", "node-3")
    locator = portworx.locator()

    portworx.field.await_kept("data", "node-1", "node-3")
    portworx.field.await_status(
        locator, reason="Following", volumes=1, replicas={"total": 2, "usable": 2, "unknown": 0}
    )

    portworx.server.change(volume, "node-3", "node-5")
    portworx.field.await_kept("data", "node-3", "node-5")


def test_a_new_volume_is_found_at_once(portworx: Portworx) -> None:
    """The first of all, before which there is nothing to ask about, and others, long before the next look."""
    locator = portworx.locator(interval="1h")
    portworx.field.await_status(locator, reason="ResourceAbsent")

    portworx.volume("first", "node-2")
    portworx.field.await_kept("first", "node-2")
    portworx.field.await_status(locator, reason="Following")

    portworx.volume("second", "node-3")
    portworx.field.await_kept("second", "node-3")


def test_states_of_nodes_count(portworx: Portworx) -> None:
    """Offline nodes take no pod with a volume; those whose own disks are down do, but what they hold is not near."""
    field = portworx.field
    portworx.volume("data", "node-1", "node-2", "node-3")
    portworx.locator()
    field.await_kept("data", "node-1", "node-2", "node-3")

    portworx.server.set_nodes({"node-1": OFFLINE, "node-2": STORAGE_DOWN})

    field.await_kept("data", "node-3")
    soft = manifests.pod("asking", "data", schedulerName="mooring")
    soft["metadata"]["namespace"] = field.stage.namespace
    assert field.stage.operator.ask("filter", {"Pod": soft, "NodeNames": field.nodes})["NodeNames"] == field.nodes[1:]
    portworx.server.set_nodes({})
    field.await_kept("data", "node-1", "node-2", "node-3")


def test_a_replica_that_is_not_current_does_not_count(portworx: Portworx) -> None:
    """Portworx says which replicas fell behind; they count again once they have caught up."""
    volume = portworx.volume("data", "node-1", "node-2", current=node_id("node-2"))
    locator = portworx.locator()
    portworx.field.await_kept("data", "node-2")
    portworx.field.await_status(locator, replicas={"total": 2, "usable": 1, "unknown": 0})

    portworx.server.change(volume, current=f"{node_id('node-1')},{node_id('node-2')}")

    portworx.field.await_kept("data", "node-1", "node-2")


def test_a_resource_may_name_the_nodes(portworx: Portworx) -> None:
    """Where the locator has one, as Portworx has its StorageNodes, it alone says which node is meant, and its state."""
    field = portworx.field
    field.install(plural="storagenodes")
    collection = f"/apis/{field.group}/v1/namespaces/{field.stage.namespace}/storagenodes"
    for node, named in {"node-4": "node-1", "node-5": "node-2"}.items():
        status = {"nodeUid": node_id(named), "phase": "Online"}
        made = {"apiVersion": f"{field.group}/v1", "kind": "Storagenodes", "metadata": {"name": node}, "status": status}
        field.stage.client.create(collection, made)
    portworx.volume("data", "node-1", "node-2")
    portworx.server.set_nodes({"node-4": OFFLINE})

    portworx.locator(
        nodes={
            "resource": {"group": field.group, "resource": "storagenodes"},
            "id": "object.status.nodeUid",
            "node": "object.metadata.name",
            "state": "object.status.phase",
        }
    )

    field.await_kept("data", "node-4", "node-5")
    field.stage.patch(f"{collection}/node-5", {"status": {"phase": "Offline"}})
    field.await_kept("data", "node-4")


def test_what_was_said_holds_while_nobody_answers(portworx: Portworx) -> None:
    """The status says that, since when and why; afterwards all goes on from where it is then."""
    volume = portworx.volume("data", "node-1")
    with Wire(free_ports(["wire"], taken=[])["wire"], to=lambda: [portworx.server.port]) as wire:
        locator = portworx.locator(endpoint=f"http://{LOOPBACK}:{wire.port}")
        portworx.field.await_kept("data", "node-1")
        portworx.field.await_status(locator, reason="Following")
        with wire.down():
            portworx.server.change(volume, "node-4")
            portworx.field.await_status(locator, reason="Unreachable", status="False", message=", since 20")
            assert portworx.field.kept("data") == ["node-1"]
        portworx.field.await_kept("data", "node-4")
        portworx.field.await_status(locator, reason="Following")


def test_what_is_too_much_for_one_answer_is_asked_for_in_pieces(portworx: Portworx) -> None:
    """The gateway refuses what is more than gRPC lets through: some thousand volumes, or a few with long labels.

    Then volumes are asked about by the namespace of their claims, and where that is too much too, one by one.
    """
    namespace = portworx.field.stage.namespace
    for number in range(5):
        portworx.server.create(f"of-others-{number}", "node-6", note="x" * 900_000)
    portworx.volume("first", "node-1", namespace=namespace)
    portworx.volume("second", "node-2", namespace=namespace)
    locator = portworx.locator()
    portworx.field.await_kept("first", "node-1")
    portworx.field.await_kept("second", "node-2")
    # A volume that is heard of alone is asked about alone, and about all together at the next interval.
    eventually(lambda: _refused(portworx) == [None])

    for number in range(5):
        portworx.volume(f"data-{number}", f"node-{number + 1}", namespace=namespace, note="x" * 900_000)
    for number in range(5):
        portworx.field.await_kept(f"data-{number}", f"node-{number + 1}")

    portworx.field.await_status(locator, reason="Following", volumes=7)
    eventually(lambda: _refused(portworx) == [None, namespace])


def test_volumes_of_the_in_tree_kind_are_found(portworx: Portworx) -> None:
    """They have no driver of their own, and go by the volume's name as well as by its id."""
    portworx.server.create("tables", "node-6")
    portworx.field.driver = "pxd.portworx.com"
    portworx.locator()

    portworx.claim("data", {"portworxVolume": {"volumeID": "tables"}})

    portworx.field.await_kept("data", "node-6")


def test_token_and_authority_come_from_secrets(field: Field, start: Start, tmp_path: Path) -> None:
    """Nothing is known without them. They are read again and again: what is renewed is used, what expired is told."""
    authority, other = (pki.make_authority(name, now=dt.datetime.now(dt.UTC), lifetime=DAY) for name in ("px", "other"))
    pair = pki.make_serving(authority, name="px", hosts=[LOOPBACK], now=dt.datetime.now(dt.UTC), lifetime=DAY)
    files = (tmp_path / "tls.crt", tmp_path / "tls.key")
    for file, content in zip(files, (pair.certificate_pem(), pair.key_pem()), strict=True):
        file.write_bytes(content)
    portworx = Portworx(field, start(secret=SIGNING, tls=files))
    portworx.volume("data", "node-1")
    certificates = portworx.secret("ca", "ca.crt", other.certificate_pem().decode())
    signed = portworx.secret("token", "auth-token", token(SIGNING, issuer="nobody"))

    endpoint = f"https://{LOOPBACK}:{portworx.server.port}"
    locator = portworx.locator(endpoint=endpoint, tokenSecret=signed, caSecret=certificates)
    field.await_status(locator, reason="Unreachable", message="its certificate is not accepted")

    portworx.renew(certificates, authority.certificate_pem().decode())
    field.await_status(locator, reason="NotReadable", message="it answers 401: nobody is not a trusted issuer")
    field.await_unknown("data")

    portworx.renew(signed, token(SIGNING))
    field.await_status(locator, reason="Following")
    field.await_kept("data", "node-1")

    portworx.renew(signed, token(SIGNING, seconds=-60.0))
    field.await_status(locator, reason="NotReadable", message="it answers 403: Unable to authenticate token")
    assert field.kept("data") == ["node-1"]

    portworx.renew(signed, token(SIGNING))
    field.await_status(locator, reason="Following")


def test_a_secret_that_is_missing_is_named(portworx: Portworx) -> None:
    """With the namespace in which it should be."""
    portworx.volume("data", "node-1")
    locator = portworx.locator(tokenSecret={"name": "nowhere", "key": "auth-token"})

    portworx.field.await_status(locator, reason="NotReadable", message="the Secret mooring-system/nowhere")


def test_explain_names_the_volume_and_the_field(portworx: Portworx) -> None:
    """Asked of the cluster and of the API by a person who may reach both, without the operator."""
    volume = portworx.volume("data", "node-2")
    locator = portworx.locator()
    portworx.field.await_kept("data", "node-2")
    portworx.field.stage.pod("web", "data", annotations=manifests.STRICT)
    kubeconfig = str(portworx.field.stage.sandbox.kubeconfig("mooring"))
    command = [sys.executable, "-m", "mooring", "explain", "-n", portworx.field.stage.namespace]

    done = subprocess.run(
        [*command, "--kubeconfig", kubeconfig, "pod/web"], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    assert "data: Located on node-2" in done.stdout
    for part in (f"VolumeLocator {locator}", f"OpenStorage volume {volume} (replica_sets)", node_id("node-2")):
        assert part in done.stdout


def test_the_age_of_the_last_answer_is_a_metric(portworx: Portworx) -> None:
    """Beside that of watched resources: an alert needs no other rule."""
    portworx.volume("data", "node-1")
    locator = portworx.locator()
    portworx.field.await_status(locator, reason="Following")
    name = f'mooring_sync_age_seconds{{kind="{_name(portworx)}"}}'

    assert eventually(lambda: portworx.field.stage.operator.metrics()[name] < 30)


def _refused(portworx: Portworx) -> list[str | None]:
    """For which namespaces, or all volumes together, the operator got no answer because it would be too large."""
    lines = portworx.field.stage.operator.lines()
    return [
        line["namespace"]
        for line in lines
        if line["event"] == "too many volumes for one answer" and line["source"] == _name(portworx)
    ]


def _name(portworx: Portworx) -> str:
    """What logs and metrics call the API."""
    return f"OpenStorage {LOOPBACK}:{portworx.server.port}"
