"""The webhook's certificates in the cluster: the Secret that all replicas serve from, and the `caBundle` that fits it.

Nothing else of the webhook configuration is touched: it is the chart's, and others edit it too. The `caBundle` has a
field manager of its own, so that whoever applies the configuration without one leaves ours alone. The price: a webhook
that is no longer in the chart would stay, with nothing but its `caBundle`, and the API server refuses that (seen). So
the chart never drops or renames a webhook of the configuration.
"""

import asyncio
import datetime as dt
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
import msgspec
import structlog

from mooring.cluster.connection import ApiError, ApiServer, PatchType
from mooring.cluster.secrets import CA_BUNDLE, Secret, read_secret, secret_path, webhook_secret
from mooring.cluster.statelog import StateLog
from mooring.reconcile.rotation import plan

FIELD_MANAGER: Final = "mooring-webhook"

_API_VERSION: Final = "admissionregistration.k8s.io/v1"
_LIMITS: Final = aiohttp.ClientTimeout(total=10.0)
_PERIOD_SECONDS: Final = 60.0
_RETRY_SECONDS: Final = 5.0


class _Service(msgspec.Struct):
    name: str
    namespace: str


class _ClientConfig(msgspec.Struct, rename="camel"):
    url: str = ""
    service: _Service | None = None
    ca_bundle: bytes = b""


class _Webhook(msgspec.Struct, rename="camel"):
    name: str
    client_config: _ClientConfig


class _Metadata(msgspec.Struct):
    uid: str


class _Configuration(msgspec.Struct):
    metadata: _Metadata
    webhooks: Sequence[_Webhook] = ()


class CertificateKeeper:
    """Keeps the certificates of the webhook configuration `name`, in the Secret `{name}-webhook` of `namespace`.

    Only the leader keeps them. `now` is the clock by which they are made and renewed.
    """

    def __init__(
        self,
        api: ApiServer,
        *,
        namespace: str,
        name: str,
        now: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
    ) -> None:
        self._api: Final = api
        self._namespace: Final = namespace
        self._secret_name: Final = webhook_secret(name)
        self._name: Final = name
        self._now: Final = now
        self._path: Final = f"/apis/{_API_VERSION}/mutatingwebhookconfigurations/{name}"
        self._decoder: Final = msgspec.json.Decoder(_Configuration)
        self._state: Final = StateLog(structlog.get_logger(__name__).bind(webhook=name))

    async def run(self) -> None:
        """Keep them until cancelled. Nothing that goes wrong ends it: it is reported, once, and tried again."""
        while True:
            pause = _PERIOD_SECONDS
            try:
                await self.keep()
            except (ApiError, aiohttp.ClientError, OSError, ValueError) as error:
                self._state.warning("certificates not kept", reason=str(error) or type(error).__name__)
                pause = _RETRY_SECONDS
            else:
                self._state.info("certificates in force")
            await asyncio.sleep(pause * random.uniform(0.9, 1.1))  # noqa: S311 - jitter, no secret

    async def keep(self) -> None:
        """Look once, and write what is due.

        Raises:
            ApiError: the API server refused; also that the Secret or the configuration, which the chart makes, is
                missing, or that another writer was faster.
            aiohttp.ClientError, TimeoutError: there was no answer.
            ValueError: the webhooks have no address for which a certificate can be made.
        """
        configuration = self._decoder.decode(await self._api.send("GET", self._path, limits=_LIMITS))
        secret = await read_secret(self._api, namespace=self._namespace, name=self._secret_name)
        bundles = {webhook.client_config.ca_bundle for webhook in configuration.webhooks}
        published = bundles == {secret.data.get(CA_BUNDLE)}
        wanted = plan(secret.data, hosts=_hosts(configuration), published=published, now=self._now())
        if any(secret.data.get(key) != value for key, value in wanted.items()):
            await self._write(secret, wanted)
        # Only what is stored is published: another writer may have been faster.
        if bundles != {wanted[CA_BUNDLE]}:
            await self._publish(configuration, wanted[CA_BUNDLE])

    async def _write(self, secret: Secret, data: Mapping[str, bytes]) -> None:
        """Write the Secret, unless it is another version by now: halves of two writers' pairs must not meet."""
        metadata = {
            "name": self._secret_name,
            "namespace": self._namespace,
            "uid": secret.metadata.uid,
            "resourceVersion": secret.metadata.resource_version,
        }
        body = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": msgspec.to_builtins(data)}
        await self._apply(secret_path(namespace=self._namespace, name=self._secret_name), body)

    async def _publish(self, configuration: _Configuration, bundle: bytes) -> None:
        """Write the bundle into every webhook: of those left out, server-side apply would take it away."""
        client_config = msgspec.to_builtins({"caBundle": bundle})
        body = {
            "apiVersion": _API_VERSION,
            "kind": "MutatingWebhookConfiguration",
            # With the uid, none is made where it was deleted meanwhile.
            "metadata": {"name": self._name, "uid": configuration.metadata.uid},
            "webhooks": [{"name": webhook.name, "clientConfig": client_config} for webhook in configuration.webhooks],
        }
        await self._apply(self._path, body)

    async def _apply(self, path: str, body: Mapping[str, Any]) -> None:
        query = {"fieldManager": FIELD_MANAGER, "force": "true"}
        await self._api.send("PATCH", path, query=query, body=body, content_type=PatchType.APPLY, limits=_LIMITS)


def _hosts(configuration: _Configuration) -> list[str]:
    """The names by which the API server calls the webhooks.

    Raises:
        ValueError: there is none.
    """
    called = {_host(webhook.client_config) for webhook in configuration.webhooks} - {""}
    if not called:
        raise ValueError("no webhook of the configuration has a service or a URL")
    return sorted(called)


def _host(client_config: _ClientConfig) -> str:
    if client_config.service is not None:
        return f"{client_config.service.name}.{client_config.service.namespace}.svc"
    return urlsplit(client_config.url).hostname or ""
