"""The webhook's certificate while it is served: read from its source again and again, and changed without a restart."""

import asyncio
import ssl
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import aiohttp
import structlog

from mooring.cluster.connection import ApiError, ApiServer
from mooring.cluster.secrets import CERTIFICATE, KEY, read_secret
from mooring.cluster.statelog import StateLog

POLL_SECONDS: Final = 10.0
#: Until there is a certificate: the leader fills the Secret moments after the first start.
_FIRST_POLL_SECONDS: Final = 2.0

#: Gives the certificate's chain and its key as PEM.
Source = Callable[[], Awaitable[tuple[bytes, bytes]]]


class ServingCertificate:
    """A TLS context that always serves the newest certificate of its source.

    Attributes:
        context: for the listener, once and for all. Until there is a certificate, connections end in the handshake.
    """

    def __init__(self, source: Source) -> None:
        self._source: Final = source
        self._loaded: tuple[bytes, bytes] | None = None
        self._current: ssl.SSLContext | None = None
        self._ready: Final = asyncio.Event()
        self._state: Final = StateLog(structlog.get_logger(__name__))
        # Each certificate gets a context of its own, for which a connection trades this one in. Loaded into one and the
        # same context, a certificate that does not fit its key would spoil the good one, and one with another kind of
        # key would be served beside the old one.
        self.context: Final = _server_context()
        self.context.sni_callback = self._choose

    async def run(self) -> None:
        """Look at the source every few seconds until cancelled; while it cannot be read, the last certificate stays."""
        while True:
            try:
                await self.look()
            except (ApiError, aiohttp.ClientError, OSError, ValueError) as error:
                self._state.warning("certificate not read", reason=str(error) or type(error).__name__)
            await asyncio.sleep(POLL_SECONDS if self._ready.is_set() else _FIRST_POLL_SECONDS)

    async def look(self) -> None:
        """Look at the source once.

        Raises:
            ApiError, aiohttp.ClientError, OSError: the source cannot be read.
            ValueError: it holds no certificate, or no key.
            ssl.SSLError: certificate and key are malformed, or do not belong together.
        """
        found = await self._source()
        if found != self._loaded:
            self._current = _load(*found)
            self._loaded = found
            self._ready.set()
            self._state.info("certificate loaded")

    @property
    def is_ready(self) -> bool:
        """Whether there is a certificate to serve."""
        return self._ready.is_set()

    async def wait_ready(self) -> None:
        """Wait for the first certificate."""
        await self._ready.wait()

    def _choose(self, connection: ssl.SSLObject, _server_name: str | None, _initial: ssl.SSLContext) -> int | None:
        """Let a connection go on with the newest certificate. OpenSSL asks for it with or without a server name."""
        if self._current is None:
            return ssl.ALERT_DESCRIPTION_INTERNAL_ERROR
        connection.context = self._current
        return None


def from_secret(api: ApiServer, *, namespace: str, name: str) -> Source:
    """Read the certificate from the Secret that the leader keeps."""

    async def read() -> tuple[bytes, bytes]:
        data = (await read_secret(api, namespace=namespace, name=name)).data
        if not data.get(CERTIFICATE) or not data.get(KEY):
            raise ValueError(f"Secret {namespace}/{name} holds no certificate yet")
        return data[CERTIFICATE], data[KEY]

    return read


def from_files(*, certificate: Path, key: Path) -> Source:
    """Read the certificate from two files."""

    async def read() -> tuple[bytes, bytes]:
        return await asyncio.to_thread(lambda: (certificate.read_bytes(), key.read_bytes()))

    return read


def _server_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _load(certificate: bytes, key: bytes) -> ssl.SSLContext:
    context = _server_context()
    # OpenSSL reads files only. This one is nobody else's, lies in the one folder that can be written where the root
    # file system cannot (/tmp), and is gone before anything else happens: no key stays on a disk.
    with tempfile.NamedTemporaryFile(prefix="mooring-") as file:
        file.write(certificate + b"\n" + key)
        file.flush()
        context.load_cert_chain(file.name, password=_refuse)
    return context


def _refuse() -> str:
    """Keep OpenSSL from asking for a password on the terminal."""
    raise ValueError("the key is encrypted")
