"""How Mooring gets into a storage system's API: by a token and an authority from Secrets in its own namespace.

They are read anew each time, so that whoever renews them has nothing else to do.
"""

import ssl
from http import HTTPStatus
from typing import Final

import aiohttp

from mooring.api.conditions import LocatorReason
from mooring.api.locator import SecretKey
from mooring.cluster.connection import ApiError, ApiServer
from mooring.cluster.secrets import read_secret
from mooring.follow.rest import Access, RestError


class Credentials:
    """A token and an authority, each from a key of a Secret, or neither."""

    def __init__(self, api: ApiServer, *, namespace: str, token: SecretKey | None, authority: SecretKey | None) -> None:
        """Take where they are; without an authority, the system's are trusted."""
        self._api: Final = api
        self._namespace: Final = namespace
        self._token: Final = token
        self._authority: Final = authority
        self._read: Final[dict[SecretKey, bytes]] = {}
        self._context: tuple[bytes, ssl.SSLContext] | None = None

    async def read(self) -> Access:
        """Read the Secrets; while the API server does not answer, what was read last holds.

        Raises:
            RestError: one cannot be read, or holds nothing of use.
        """
        return Access(headers=await self._headers(), tls=await self._tls())

    async def _headers(self) -> dict[str, str]:
        if self._token is None:
            return {}
        token = (await self._value(self._token)).decode("latin-1")
        if not (token.isascii() and token.isprintable()):
            raise self._unreadable(self._token, f"the key {self._token.key} holds no token")
        return {"Authorization": f"Bearer {token}"}

    async def _tls(self) -> ssl.SSLContext:
        if self._authority is None:
            self._context = self._context or (b"", ssl.create_default_context())
            return self._context[1]
        certificates = await self._value(self._authority)
        if self._context is None or self._context[0] != certificates:
            try:
                self._context = (certificates, ssl.create_default_context(cadata=certificates.decode()))
            except (ssl.SSLError, ValueError) as error:
                problem = f"the key {self._authority.key} holds no certificates: {error}"
                raise self._unreadable(self._authority, problem) from error
        return self._context[1]

    async def _value(self, wanted: SecretKey) -> bytes:
        try:
            secret = await read_secret(self._api, namespace=self._namespace, name=wanted.name)
        except ApiError as error:
            if error.status < HTTPStatus.INTERNAL_SERVER_ERROR or wanted not in self._read:
                raise self._unreadable(wanted, str(error)) from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            if wanted not in self._read:
                raise self._unreadable(wanted, str(error) or type(error).__name__) from error
        else:
            value = secret.data.get(wanted.key, b"").strip()
            if not value:
                raise self._unreadable(wanted, f"it has no key {wanted.key}, or nothing in it")
            self._read[wanted] = value
        return self._read[wanted]

    def _unreadable(self, wanted: SecretKey, problem: str) -> RestError:
        return RestError(
            f"the Secret {self._namespace}/{wanted.name} cannot be used: {problem}", reason=LocatorReason.NOT_READABLE
        )
