"""One kind of object, mirrored from the API server into the index, or into another sink: list, then watch, for ever.

The contract, learnt from client-go's reflector and from what kopf's watch gets wrong: a list is read in pages and put
into the index with the deletes that it implies; bookmarks move the resume point; both kinds of 410 (of a watch and of
a page) lead to a new list after a jittered pause; a silent connection is given up; the loop is yielded every few
milliseconds; and an object that cannot be read is reported and passed over, never the end of the watch.
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator
from typing import Any, Final, Protocol

import aiohttp
import msgspec
import structlog

from mooring.cluster.connection import ApiError, ApiServer
from mooring.cluster.lists import read_pages
from mooring.cluster.pace import Pace
from mooring.cluster.resources import Resource

#: The API server closes a watch after this long; each watch gets its own, so that they do not all come back at once.
WATCH_SECONDS: Final = (240, 480)
#: Bookmarks come about every minute: nothing for longer means that the connection is dead.
SILENCE_SECONDS: Final = 150.0
_FIRST_PAUSE: Final = 0.2
_LONGEST_PAUSE: Final = 5.0
#: A watch that lasted this long was a good one: the next begins without a pause.
_STEADY_SECONDS: Final = 10.0
_GONE: Final = 410

_LIMITS: Final = aiohttp.ClientTimeout(total=None, sock_connect=10.0, sock_read=SILENCE_SECONDS)

_log = structlog.get_logger(__name__)


class Sink(Protocol):
    """Where objects are put: the index, or a store of its own."""

    def put(self, kind: str, new: Any, /) -> None:
        """Take in an object that is new or has changed."""

    def remove(self, kind: str, key: str, /) -> None:
        """Forget an object."""

    def replace(self, kind: str, objects: Iterable[Any], /) -> Iterator[None]:
        """Take in a complete list, one object a step, and forget what is not in it."""


class _Event(msgspec.Struct):
    type: str
    object: msgspec.Raw


class _Versioned(msgspec.Struct):
    metadata: "_Version"


class _Version(msgspec.Struct, rename="camel"):
    resource_version: str = ""


class _Status(msgspec.Struct):
    code: int = 0
    message: str = ""


class _ExpiredError(ApiError):
    """The resume point is too old: 410 Gone, as an answer or as an event."""

    def __init__(self) -> None:
        super().__init__(_GONE, "the resume point is too old")


class Reflector:
    """Keeps one kind of a sink like the API server's.

    Attributes:
        synced: whether a complete list has been taken in since the start.
        heard: when the API server was last heard of this kind, as `time.monotonic()` gives it.
        interrupted: when it was last lost, or refused a watch; None if it never was.
        problem: what stands in the way of following it, for a person; empty while nothing does.
    """

    def __init__(
        self,
        api: ApiServer,
        resource: Resource,
        sink: Sink,
        *,
        on_restart: Callable[[str, str], None],
        on_sync: Callable[[], None] = lambda: None,
        final: Collection[int] = (),
    ) -> None:
        """Take what to mirror.

        Args:
            api: the API server.
            resource: what is mirrored.
            sink: where to.
            on_restart: called with the kind and a reason each time the watch is to be begun anew.
            on_sync: called each time a complete list has been taken in, and each time a watch is open.
            final: HTTP statuses with which `run` ends, because only somebody else can mend what they stand for.
        """
        self.synced = False
        self.heard = time.monotonic()
        self.interrupted: float | None = None
        self.problem = "not listed yet"
        self._closed: float | None = time.monotonic()
        self._api: Final = api
        self._resource: Final = resource
        self._sink: Final = sink
        self._on_restart: Final = on_restart
        self._on_sync: Final = on_sync
        self._final: Final = frozenset(final)
        self._decoder: Final = msgspec.json.Decoder(resource.record)
        self._events: Final = msgspec.json.Decoder(_Event)
        self._versions: Final = msgspec.json.Decoder(_Versioned)
        self._pace: Final = Pace()

    @property
    def kind(self) -> str:
        """The kind that is mirrored."""
        return self._resource.kind

    @property
    def blind_for(self) -> float:
        """For how many seconds nothing would be heard of a change; 0 while a watch is open."""
        return 0.0 if self._closed is None else time.monotonic() - self._closed

    async def run(self) -> None:
        """Mirror until cancelled. No failure of the API server or the network ends it, but the final ones.

        Raises:
            ApiError: the API server refused with one of the statuses that are final.
        """
        version = ""
        pause = _FIRST_PAUSE
        while True:
            try:
                if not version:
                    version = await self.read_all()
                    self.synced, self.problem = True, ""
                    self._closed = time.monotonic()
                    self._on_sync()
                started = time.monotonic()
                version = await self._watch(version)
                if time.monotonic() - started > _STEADY_SECONDS:
                    pause = _FIRST_PAUSE
                    continue
                reason = "ended-early"
            except _ExpiredError:
                reason, version = "expired", ""
            except ApiError as error:
                if error.status in self._final:
                    raise
                reason = f"status-{error.status}"
                self._report(error)
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                reason = "connection"
                self._report(error)
            except (msgspec.DecodeError, ValueError) as error:
                # A page or event that is not even JSON: the connection's state is unknown, so everything is read anew.
                reason, version = "malformed", ""
                self._report(error)
            self._on_restart(self.kind, reason)
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - jitter, no secret
            pause = min(pause * 2, _LONGEST_PAUSE)

    def _report(self, error: Exception) -> None:
        detail = str(error) or type(error).__name__
        self.interrupted = time.monotonic()
        self.problem = detail
        _log.warning("watch interrupted", kind=self.kind, error=detail)

    async def read_all(self) -> str:
        """Read all pages, then swap them in; returns the version to watch from.

        Raises:
            ApiError: the API server refused.
            aiohttp.ClientError, TimeoutError: there was no answer.
        """
        fresh: list[Any] = []
        version = ""
        try:
            async for page in read_pages(self._api, self._resource.path, selector=self._resource.selector):
                self.heard = time.monotonic()
                for raw in page.items or ():
                    _, record = self._read(raw)
                    if record is not None:
                        fresh.append(record)
                    await self._pace.breathe()
                version = page.metadata.resource_version
        except ApiError as error:
            raise (_ExpiredError() if error.status == _GONE else error) from error
        for _ in self._sink.replace(self.kind, fresh):
            await self._pace.breathe()
        return version

    async def _watch(self, version: str) -> str:
        """Follow events until the API server ends the watch; returns the version to resume from."""
        seconds = random.randint(*WATCH_SECONDS)  # noqa: S311 - jitter, no secret
        query = {
            "watch": "1",
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            "timeoutSeconds": str(seconds),
        }
        if self._resource.selector:
            query["labelSelector"] = self._resource.selector
        try:
            response = await self._api.open("GET", self._resource.path, query=query, limits=_LIMITS)
        except ApiError as error:
            raise (_ExpiredError() if error.status == _GONE else error) from error
        async with response:
            self._closed, self.problem = None, ""
            self._on_sync()
            try:
                async for line in _lines(response):
                    self.heard = time.monotonic()
                    version = self._take(line) or version
                    await self._pace.breathe()
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                self._report(error)  # what was taken in stays taken in: the next watch resumes here
            finally:
                self._closed = time.monotonic()
        return version

    def _take(self, line: bytes) -> str:
        """Take in one event; returns its version."""
        event = self._events.decode(line)
        if event.type == "ERROR":
            status = msgspec.json.decode(event.object, type=_Status)
            raise _ExpiredError if status.code == _GONE else ApiError(status.code, status.message)
        if event.type == "BOOKMARK":
            return self._versions.decode(event.object).metadata.resource_version
        version, record = self._read(event.object)
        if record is None:
            return version
        if event.type == "DELETED":
            self._sink.remove(self.kind, record.key)
        else:
            self._sink.put(self.kind, record)
        return version

    def _read(self, raw: msgspec.Raw) -> tuple[str, Any]:
        """Decode one object; one that cannot be read is reported and gives None."""
        try:
            decoded = self._decoder.decode(raw)
            version = _version(decoded)
            return version, self._resource.convert(decoded)
        except ValueError as error:  # msgspec's errors and an invalid policy's are ValueErrors
            _log.error("object passed over", kind=self.kind, error=str(error))
            return self._versions.decode(raw).metadata.resource_version, None


def _version(decoded: Any) -> str:
    if isinstance(decoded, dict):
        return str(decoded["metadata"]["resourceVersion"])
    return str(decoded.metadata.resource_version)


async def _lines(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """Split the stream into lines of any length; aiohttp's own readline has a limit."""
    rest: list[bytes] = []
    async for chunk in response.content.iter_any():
        *lines, last = chunk.split(b"\n")
        if lines:
            yield b"".join([*rest, lines[0]])
            for line in lines[1:]:
                yield line
            rest = []
        rest.append(last)


async def list_once(api: ApiServer, resource: Resource, sink: Sink) -> None:
    """Read a kind once into a sink, without a watch.

    Raises:
        ApiError: the API server refused.
        aiohttp.ClientError, TimeoutError: there was no answer.
    """
    await Reflector(api, resource, sink, on_restart=lambda _kind, _why: None).read_all()


def unsynced(reflectors: Iterable[Reflector]) -> list[str]:
    """What is not complete yet, each with its reason."""
    return [f"{reflector.kind}: {reflector.problem}" for reflector in reflectors if not reflector.synced]
