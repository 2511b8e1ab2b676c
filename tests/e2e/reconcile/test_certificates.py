"""The webhook's certificates on a real API server, which calls the webhook through whatever happens to them."""

import asyncio
import base64
import datetime as dt
import json
import threading
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any, Self

import pytest
import yaml
from aiohttp import web
from tests.e2e.release import WEBHOOK_CONFIGURATIONS
from tests.e2e.support import eventually

from mooring.cluster.connection import ApiError, ApiServer
from mooring.cluster.secrets import CA_BUNDLE, CERTIFICATE
from mooring.pki import read_certificates
from mooring.reconcile.certificates import FIELD_MANAGER, CertificateKeeper
from mooring.reconcile.rotation import AUTHORITY_LIFETIME, CERTIFICATE_LIFETIME, GRACE, plan
from mooring.sandbox import client as sandbox_client
from mooring.sandbox.client import ApiClient
from mooring.sandbox.launcher import Sandbox
from mooring.sandbox.processes import free_ports
from mooring.serve.tls import ServingCertificate, from_secret

HOST = "127.0.0.1"
DAY = dt.timedelta(days=1)
MINUTE = dt.timedelta(minutes=1)
RENEWAL_OF_AUTHORITY = AUTHORITY_LIFETIME * 2 / 3
RENEWAL_OF_CERTIFICATE = CERTIFICATE_LIFETIME * 2 / 3
CONFIG_MAP = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "any"}}


def webhook(name: str, namespace: str, *, url: str) -> dict[str, Any]:
    """Give a webhook for the ConfigMaps of a namespace, without which none can be made there."""
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}
    return {
        "name": name,
        "clientConfig": {"url": url},
        "rules": [rule],
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "failurePolicy": "Fail",
        "timeoutSeconds": 20,
    }


class Release:
    """What the chart makes: a Secret without data, and a webhook configuration without `caBundle`."""

    def __init__(self, client: ApiClient, namespace: str, *, url: str = f"https://{HOST}:1/mutate") -> None:
        self.name = f"release-{uuid.uuid4().hex[:8]}"
        self.namespace = namespace
        self.path = f"{WEBHOOK_CONFIGURATIONS}/{self.name}"
        self.secret_path = f"/api/v1/namespaces/{namespace}/secrets/{self.name}-webhook"
        self._client = client
        self.manifest: dict[str, Any] = {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "MutatingWebhookConfiguration",
            "metadata": {"name": self.name},
            "webhooks": [webhook(name, namespace, url=url) for name in ("pods.mooring.dev", "probe.mooring.dev")],
        }
        self.secret_manifest: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "Opaque",
            "metadata": {"name": f"{self.name}-webhook", "namespace": namespace},
        }
        self.install()

    def install(self) -> None:
        """Apply both, as Helm does: at installation and at each upgrade."""
        self._client.apply(self.secret_path, self.secret_manifest, manager="helm")
        self._client.apply(self.path, self.manifest, manager="helm")

    def stored(self) -> dict[str, bytes]:
        """Give the Secret's data."""
        data = self._client.get(self.secret_path).get("data") or {}
        return {key: base64.b64decode(value) for key, value in data.items()}

    def store(self, data: dict[str, bytes]) -> None:
        """Put data into the Secret, as somebody else."""
        encoded = {key: base64.b64encode(value).decode() for key, value in data.items()}
        self._client.apply(self.secret_path, self.secret_manifest | {"data": encoded}, manager="somebody")

    def bundles(self) -> list[bytes]:
        """Give the `caBundle` of each webhook."""
        webhooks = self._client.get(self.path)["webhooks"]
        return [base64.b64decode(each["clientConfig"].get("caBundle", "")) for each in webhooks]

    def versions(self) -> tuple[str, str]:
        """Give the versions of both objects, which change with every write."""
        first, second = (self._client.get(path)["metadata"] for path in (self.path, self.secret_path))
        return first["resourceVersion"], second["resourceVersion"]

    def remove(self) -> None:
        """Take away what no namespace holds."""
        self._client.request("DELETE", self.path)


@pytest.fixture
def client(sandbox: Sandbox) -> Iterator[ApiClient]:
    """Give a client for playing everybody else."""
    with sandbox.client() as made:
        yield made


@pytest.fixture
def release(client: ApiClient, namespace: str) -> Iterator[Release]:
    """Give what the chart makes."""
    made = Release(client, namespace)
    yield made
    made.remove()


def keeper_of(api: ApiServer, release: Release) -> CertificateKeeper:
    """Give the one who looks after a release's certificates."""
    return CertificateKeeper(api, namespace=release.namespace, name=release.name)


def writes(sandbox: Sandbox, release: Release, since: int) -> list[str]:
    """Give the writes to a release's Secret and webhook configuration by our manager since then."""
    marker = f"marker-{uuid.uuid4().hex}"
    with sandbox.client() as client, pytest.raises(sandbox_client.ApiError, match="404"):
        client.get(f"/api/v1/namespaces/{release.namespace}/secrets/{marker}")

    def logged() -> list[dict[str, Any]]:
        events = list(sandbox.audit(since=since))
        return events if any(marker in event["requestURI"] for event in events) else []

    ours = f"fieldManager={FIELD_MANAGER}"
    return [
        event["objectRef"]["resource"]
        for event in eventually(logged)
        if ours in event["requestURI"] and release.name in event["requestURI"]
    ]


async def test_first_look_fills_in_both(sandbox: Sandbox, api: ApiServer, release: Release) -> None:
    """The Secret gets certificates, each webhook their bundle; the second look sends nothing at all."""
    since = sandbox.audit_offset()
    await keeper_of(api, release).keep()

    stored = release.stored()
    assert sorted(stored) == ["ca.crt", "ca.key", "tls.crt", "tls.key"]
    assert release.bundles() == [stored[CA_BUNDLE]] * 2
    assert writes(sandbox, release, since) == ["secrets", "mutatingwebhookconfigurations"]

    since = sandbox.audit_offset()
    for _ in range(2):
        await keeper_of(api, release).keep()
    assert writes(sandbox, release, since) == []


async def test_bundle_has_an_owner_of_its_own(api: ApiServer, release: Release, client: ApiClient) -> None:
    """We own `caBundle` and nothing else, so that whoever applies the configuration without it leaves it alone."""
    await keeper_of(api, release).keep()
    bundles = release.bundles()

    owned = {each["manager"]: each["fieldsV1"] for each in client.get(release.path)["metadata"]["managedFields"]}
    mine = {'k:{"name":"pods.mooring.dev"}', 'k:{"name":"probe.mooring.dev"}'}
    assert owned[FIELD_MANAGER]["f:webhooks"].keys() == mine
    for each in owned[FIELD_MANAGER]["f:webhooks"].values():
        assert each == {".": {}, "f:name": {}, "f:clientConfig": {"f:caBundle": {}}}
    assert "f:caBundle" not in json.dumps(owned["helm"])

    release.manifest["webhooks"][0]["timeoutSeconds"] = 7
    release.install()

    assert release.bundles() == bundles
    assert client.get(release.path)["webhooks"][0]["timeoutSeconds"] == 7


async def test_others_may_edit_the_configuration(api: ApiServer, release: Release, client: ApiClient) -> None:
    """What somebody else changes in the configuration stays: an enforcer's selectors are no concern of ours."""
    keeper = keeper_of(api, release)
    edited = client.get(release.path)
    edited["webhooks"][0]["namespaceSelector"]["matchExpressions"] = [{"key": "control-plane", "operator": "Exists"}]
    client.request("PUT", release.path, edited)
    await keeper.keep()

    after = client.get(release.path)
    assert after["webhooks"][0]["namespaceSelector"] == edited["webhooks"][0]["namespaceSelector"]


@pytest.mark.parametrize("how", ["replaced", "forced"])
async def test_a_bundle_that_was_wiped_is_put_back(
    sandbox: Sandbox, api: ApiServer, release: Release, client: ApiClient, how: str
) -> None:
    """Whoever takes the bundle away or puts another in its place, the next look has it right, with the same CA."""
    keeper = keeper_of(api, release)
    await keeper.keep()
    stored = release.stored()
    if how == "replaced":
        sandbox.kubectl("replace", "-f", "-", stdin=yaml.safe_dump(release.manifest))
    else:
        other = base64.b64encode(plan({}, hosts=["x.svc"], published=False, now=dt.datetime.now(dt.UTC))[CA_BUNDLE])
        webhooks = [
            {"name": each["name"], "clientConfig": {"caBundle": other.decode()}}
            for each in release.manifest["webhooks"]
        ]
        client.apply(release.path, release.manifest | {"webhooks": webhooks}, manager="thief")
    assert release.bundles() != [stored[CA_BUNDLE]] * 2

    await keeper.keep()

    assert release.bundles() == [stored[CA_BUNDLE]] * 2
    assert release.stored() == stored


async def test_garbage_in_the_secret_is_replaced(api: ApiServer, release: Release) -> None:
    """Data that are no certificates give new ones; keys of others stay in the Secret."""
    release.store({"ca.crt": b"\x00", "ca.key": b"", "tls.crt": b"nonsense", "note": b"mine"})
    await keeper_of(api, release).keep()

    stored = release.stored()
    assert stored["note"] == b"mine"
    assert read_certificates(stored[CA_BUNDLE])
    assert release.bundles() == [stored[CA_BUNDLE]] * 2


async def test_two_writers_do_not_mix(api: ApiServer, release: Release) -> None:
    """Of two that look at the same moment, as while leadership changes hands, one writes and one is refused."""
    keepers = [keeper_of(api, release) for _ in range(6)]
    ended = await asyncio.gather(*(keeper.keep() for keeper in keepers), return_exceptions=True)

    refused = [each for each in ended if each is not None]
    assert all(isinstance(each, ApiError) and each.status == 409 for each in refused), refused
    stored = release.stored()
    await keepers[0].keep()
    assert release.stored() == stored
    assert release.bundles() == [stored[CA_BUNDLE]] * 2


@pytest.mark.parametrize("missing", ["secrets", "mutatingwebhookconfigurations"])
async def test_what_the_chart_makes_is_not_made_up(
    api: ApiServer, release: Release, client: ApiClient, missing: str
) -> None:
    """Without the Secret or the configuration nothing is written, and the refusal names what is missing."""
    client.request("DELETE", release.secret_path if missing == "secrets" else release.path)

    with pytest.raises(ApiError, match=f"{missing}.*{release.name}.*not found"):
        await keeper_of(api, release).keep()

    if missing == "secrets":
        assert release.bundles() == [b"", b""]
        release.install()
    else:
        assert release.stored() == {}
        release.install()


class Calls:
    """Makes the API server call the webhook again and again, from a thread, and remembers what failed."""

    def __init__(self, sandbox: Sandbox, namespace: str) -> None:
        self.made = 0
        self.failed: list[str] = []
        self._sandbox = sandbox
        self.path = f"/api/v1/namespaces/{namespace}/configmaps?dryRun=All"
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._call)

    def __enter__(self) -> Self:
        """Start."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop and wait."""
        self._stop.set()
        self._thread.join()

    async def more(self, count: int = 10) -> None:
        """Return when so many more calls were made."""
        wanted = self.made + count
        async with asyncio.timeout(60):
            while self.made < wanted:
                await asyncio.sleep(0.01)

    def _call(self) -> None:
        with self._sandbox.client() as client:
            while not self._stop.is_set():
                try:
                    client.create(self.path, CONFIG_MAP)
                except sandbox_client.ApiError as error:
                    self.failed.append(str(error))
                self.made += 1


@asynccontextmanager
async def listening(serving: ServingCertificate, port: int) -> AsyncIterator[list[str]]:
    """Answer the API server's calls with this certificate; gives what was answered so far."""
    answered: list[str] = []

    async def allow(request: web.Request) -> web.Response:
        """Allow what is asked for, and close the connection: each call shall have a handshake of its own."""
        review = await request.json()
        answered.append(review["request"]["uid"])
        verdict = {"uid": review["request"]["uid"], "allowed": True}
        response = web.json_response({"apiVersion": review["apiVersion"], "kind": review["kind"], "response": verdict})
        response.force_close()
        return response

    app = web.Application()
    app.router.add_post("/mutate", allow)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, HOST, port, ssl_context=serving.context).start()
    try:
        yield answered
    finally:
        await runner.cleanup()


class Journey:
    """A keeper whose clock is set, and a replica that reads the Secret some calls later."""

    def __init__(self, api: ApiServer, release: Release, serving: ServingCertificate, calls: Calls) -> None:
        self._release = release
        self._serving = serving
        self._calls = calls
        self._ahead = dt.timedelta()
        self._keeper = CertificateKeeper(
            api, namespace=release.namespace, name=release.name, now=lambda: dt.datetime.now(dt.UTC) + self._ahead
        )

    async def look(self, ahead: dt.timedelta) -> None:
        """Let the keeper look at a time so far ahead of the real one."""
        self._ahead = ahead
        await self._keeper.keep()

    async def travel(self, ahead: dt.timedelta) -> tuple[int, bytes]:
        """Let the keeper look, with calls meanwhile; gives the number of authorities and the certificate."""
        await self._calls.more()
        await self.look(ahead)
        await self._calls.more()
        await self._serving.look()
        await self._calls.more()
        stored = self._release.stored()
        return len(read_certificates(stored[CA_BUNDLE])), stored[CERTIFICATE]


async def test_no_call_fails_through_a_rotation(
    sandbox: Sandbox, api: ApiServer, client: ApiClient, namespace: str
) -> None:
    """While certificate and CA are renewed, every call of the API server succeeds, though the replica lags behind.

    The API server's own clock cannot be set. So what was made long ago is due now, and what follows is made some hours
    ahead of the time, less than certificates are dated back.
    """
    port = free_ports(["webhook"], taken=sandbox.layout.ports.values())["webhook"]
    release = Release(client, namespace, url=f"https://{HOST}:{port}/mutate")
    serving = ServingCertificate(from_secret(api, namespace=namespace, name=f"{release.name}-webhook"))
    calls = Calls(sandbox, namespace)
    journey = Journey(api, release, serving, calls)
    await journey.look(-RENEWAL_OF_AUTHORITY - DAY)
    await journey.look(-RENEWAL_OF_CERTIFICATE - DAY)
    await serving.look()
    first, bundle = release.stored()[CERTIFICATE], release.stored()[CA_BUNDLE]
    async with listening(serving, port) as answered:
        # The API server learns of a new webhook, and of its bundle, when it does; from then on nothing may fail.
        await asyncio.to_thread(eventually, lambda: client.create(calls.path, CONFIG_MAP) and answered)
        with calls:
            authorities, second = await journey.travel(dt.timedelta())
            assert authorities == 2
            assert second != first, "renewed, by the old authority"
            assert await journey.travel(GRACE / 2) == (2, second)
            authorities, third = await journey.travel(GRACE + MINUTE)
            assert authorities == 2
            assert third != second, "signed by the new authority"
            assert await journey.travel(GRACE * 3 / 2) == (2, third)
            assert await journey.travel(2 * GRACE + 2 * MINUTE) == (1, third)
            assert bundle not in release.bundles()
            assert calls.failed == []

            # Had anything been wrong, it would have shown.
            release.store(plan({}, hosts=[HOST], published=False, now=dt.datetime.now(dt.UTC)))
            await serving.look()
            await calls.more()
            assert "certificate" in calls.failed[-1]
    release.remove()
