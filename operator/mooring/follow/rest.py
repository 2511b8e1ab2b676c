"""A storage system's API over HTTP: one answer at a time, with a limit to how long and how large it may be."""

from collections.abc import Mapping
from http import HTTPStatus
from ssl import SSLContext
from typing import Any, Final, NamedTuple, Self

import aiohttp
import msgspec

from mooring.api.conditions import LocatorReason

LARGEST_ANSWER: Final = 32 * 2**20
"""In bytes; what is larger would cost more memory than all the rest of the index."""
_CONNECT_SECONDS: Final = 5.0
_LONGEST_COMPLAINT: Final = 200
_REFUSALS: Final = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)


class RestError(Exception):
    """There was no answer, or none that is of any use.

    Attributes:
        reason: what it means for the locator.
        status: the HTTP status; 0 where there was no answer.
    """

    def __init__(self, message: str, *, reason: LocatorReason = LocatorReason.UNREACHABLE, status: int = 0) -> None:
        super().__init__(message)
        self.reason: Final = reason
        self.status: Final = status


class Access(NamedTuple):
    """How the API lets one in, and how it proves to be itself.

    Attributes:
        headers: what every request carries.
        tls: what its certificate is checked with.
    """

    headers: Mapping[str, str]
    tls: SSLContext


class RestApi:
    """Requests to one API, over connections that are kept while inside of its `async with` statement."""

    def __init__(self, endpoint: str) -> None:
        """Take the API's URL, to which paths are added."""
        self._endpoint: Final = endpoint.rstrip("/")
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        """Be ready to connect."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=1),
            cookie_jar=aiohttp.DummyCookieJar(),
            # What is decompressed may be larger than what came.
            headers={"Accept": "application/json", "Accept-Encoding": "identity"},
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def ask(self, path: str, access: Access, *, body: Any = None, seconds: float = 10.0) -> bytes:
        """Ask, by POST if there is a body, and give the answer's.

        Raises:
            RestError: there was no answer in time, or it is too large, or its status is not 200. Redirects are not
                followed: the token is for nobody else.
        """
        assert self._session is not None, "it was not entered"  # noqa: S101 - how it is used is ours
        try:
            async with self._session.request(
                "GET" if body is None else "POST",
                self._endpoint + path,
                json=body,
                headers=access.headers,
                ssl=access.tls,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=seconds, sock_connect=_CONNECT_SECONDS),
            ) as response:
                answer = await _read(response)
                if response.status != HTTPStatus.OK:
                    raise _refusal(response.status, answer)
                return answer
        except TimeoutError as error:
            raise RestError(f"no answer within {seconds:g} s") from error
        except (aiohttp.ClientError, OSError) as error:
            raise RestError(_why(error)) from error


async def _read(response: aiohttp.ClientResponse) -> bytes:
    read = bytearray()
    async for chunk in response.content.iter_any():
        read += chunk
        if len(read) > LARGEST_ANSWER:
            raise RestError(
                f"the answer is larger than {LARGEST_ANSWER} bytes", status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE
            )
    return bytes(read)


class _Complaint(msgspec.Struct):
    """What grpc-gateway answers where it does not answer."""

    message: str = ""
    error: str = ""


def _refusal(status: int, answer: bytes) -> RestError:
    try:
        said = msgspec.json.decode(answer, type=_Complaint)
        text = said.message or said.error
    except ValueError:
        text = answer[:_LONGEST_COMPLAINT].decode(errors="replace")
    reason = LocatorReason.NOT_READABLE if status in _REFUSALS else LocatorReason.UNREACHABLE
    words = " ".join(text.split())[:_LONGEST_COMPLAINT]
    return RestError(f"it answers {status}: {words}" if words else f"it answers {status}", reason=reason, status=status)


def _why(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return f"its certificate is not accepted: {error.certificate_error}"
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"no connection: {error.os_error.strerror or error.os_error}"
    return str(error) or type(error).__name__
