"""The API server, through the official client's asyncio half: its configuration, credentials, TLS and connections.

The client's generated methods are left aside: they parse each answer into models (measured: half of the time of a
write), and the reflector must see the bytes.
"""

from collections.abc import Mapping
from enum import StrEnum
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import aiohttp
from kubernetes.aio import client, config

#: Watches hold a connection each; the rest is for writes.
_CONNECTIONS: Final = 48


class PatchType(StrEnum):
    """How the body of a PATCH is meant, as its content type."""

    APPLY = "application/apply-patch+yaml"
    JSON = "application/json-patch+json"
    MERGE = "application/merge-patch+json"
    STRATEGIC = "application/strategic-merge-patch+json"


class ApiError(Exception):
    """The API server's refusal.

    Attributes:
        status: the HTTP status.
        reason: the machine-readable reason of the answer's Status object, if it was one.
        causes: the reasons of its `details.causes`.
        fields: what they are about, such as `.spec.replicas`.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        reason: str = "",
        causes: frozenset[str] = frozenset(),
        fields: frozenset[str] = frozenset(),
    ) -> None:
        super().__init__(f"{status} {message}")
        self.status: Final = status
        self.reason: Final = reason
        self.causes: Final = causes
        self.fields: Final = fields

    @property
    def is_missing(self) -> bool:
        """Whether there is no such object."""
        return self.status == HTTPStatus.NOT_FOUND

    @property
    def is_conflict(self) -> bool:
        """Whether the object is not, or is no longer, what the request took it for."""
        return self.status == HTTPStatus.CONFLICT


class ApiServer:
    """Requests to one API server."""

    def __init__(self, api: client.ApiClient) -> None:
        self._api: Final = api

    @classmethod
    async def connect(cls, *, kubeconfig: Path | None, context: str | None = None) -> "ApiServer":
        """Read the configuration: a kubeconfig, else the pod's service account, else the default kubeconfig.

        Raises:
            kubernetes.aio.config.ConfigException: there is none, or it is malformed.
        """
        configuration = client.Configuration()
        if kubeconfig is None and context is None and _in_cluster():
            config.load_incluster_config(client_configuration=configuration)
        else:
            path = str(kubeconfig) if kubeconfig else None
            await config.load_kube_config(path, context, configuration, persist_config=False)
        configuration.connection_pool_maxsize = _CONNECTIONS
        return cls(client.ApiClient(configuration))

    @property
    def host(self) -> str:
        """The API server's URL."""
        return str(self._api.configuration.host)

    @property
    def credentials(self) -> Mapping[str, Any]:
        """The same credentials in kopf's words (`kopf.ConnectionInfo`)."""
        configuration = self._api.configuration
        bearer = str(configuration.api_key.get("authorization") or configuration.api_key.get("BearerToken") or "")
        return {
            "server": self.host,
            "ca_path": configuration.ssl_ca_cert,
            "token": bearer.removeprefix("Bearer ") or None,
            "certificate_path": configuration.cert_file,
            "private_key_path": configuration.key_file,
        }

    async def close(self) -> None:
        """Close all connections."""
        await self._api.close()

    async def open(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = "application/json",
        limits: aiohttp.ClientTimeout | None = None,
    ) -> aiohttp.ClientResponse:
        """Send a request and return the answer unread; the caller releases it.

        Raises:
            ApiError: the answer's status is 400 or above.
            aiohttp.ClientError, TimeoutError: there was no answer.
        """
        method, url, headers, body, _ = await self._api.param_serialize(
            method,
            path,
            query_params=list((query or {}).items()),
            header_params={"Accept": "application/json", "Content-Type": content_type},
            body=body,
            auth_settings=["BearerToken"],
        )
        wrapped = await self._api.call_api(method, url, headers, body, _request_timeout=limits)
        response: aiohttp.ClientResponse = wrapped.response
        if response.status >= HTTPStatus.BAD_REQUEST:
            raise await _refusal(response)
        return response

    async def send(self, method: str, path: str, **arguments: Any) -> bytes:
        """Send a request and return the whole answer.

        Raises:
            ApiError: the answer's status is 400 or above.
            aiohttp.ClientError, TimeoutError: there was no answer.
        """
        async with await self.open(method, path, **arguments) as response:
            return await response.read()


def _in_cluster() -> bool:
    return Path("/var/run/secrets/kubernetes.io/serviceaccount/token").is_file()


async def _refusal(response: aiohttp.ClientResponse) -> ApiError:
    async with response:
        text = await response.text(errors="replace")
        try:
            status = await response.json(content_type=None)
            causes = (status.get("details") or {}).get("causes") or ()
            return ApiError(
                response.status,
                status["message"],
                reason=status.get("reason", ""),
                causes=frozenset(cause.get("reason", "") for cause in causes),
                fields=frozenset(cause.get("field", "") for cause in causes),
            )
        except (ValueError, LookupError, AttributeError, TypeError):
            return ApiError(response.status, text[:500])
