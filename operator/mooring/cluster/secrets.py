"""The Secret with the webhook's certificates: the leader fills it, and every replica serves from it."""

from collections.abc import Mapping
from typing import Final

import aiohttp
import msgspec

from mooring.cluster.connection import ApiServer

CA_BUNDLE: Final = "ca.crt"
"""The authorities that the API server must trust, as PEM, newest first."""
CA_KEY: Final = "ca.key"
"""The key of the newest authority."""
CERTIFICATE: Final = "tls.crt"
KEY: Final = "tls.key"

_LIMITS: Final = aiohttp.ClientTimeout(total=10.0)


class SecretMetadata(msgspec.Struct, rename="camel"):
    """What names this very version of a Secret."""

    uid: str
    resource_version: str


class Secret(msgspec.Struct):
    """A Secret; its data as they are, not in base64."""

    metadata: SecretMetadata
    data: Mapping[str, bytes] = {}


_decoder: Final = msgspec.json.Decoder(Secret)


def webhook_secret(release: str) -> str:
    """Name the Secret of a release's webhook, which the chart makes."""
    return f"{release}-webhook"


def secret_path(*, namespace: str, name: str) -> str:
    """Give the path of a Secret."""
    return f"/api/v1/namespaces/{namespace}/secrets/{name}"


async def read_secret(api: ApiServer, *, namespace: str, name: str) -> Secret:
    """Read a Secret.

    Raises:
        ApiError: the API server refused, or there is no such Secret.
        aiohttp.ClientError, TimeoutError: there was no answer.
        ValueError: the answer is no Secret.
    """
    return _decoder.decode(await api.send("GET", secret_path(namespace=namespace, name=name), limits=_LIMITS))
