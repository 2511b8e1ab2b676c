"""What every replica follows besides Kubernetes' own resources: whatever the cluster's VolumeLocators name.

Each locator's sources start when it comes, start anew when its spec changes, and end with it. On no account does
trouble with one of them reach another, or the process.
"""

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import structlog

from mooring.api.conditions import LocatorReason
from mooring.api.locator import KIND, FollowedResource, Locator, LocatorSpec
from mooring.cluster.connection import ApiServer
from mooring.cluster.index import Change, Cluster
from mooring.cluster.resources import Resource
from mooring.cluster.standing import Standing
from mooring.follow.openstorage import OpenStorage
from mooring.follow.source import Source, run_for_ever
from mooring.follow.watched import WatchedResource, resource_name
from mooring.locate.reading import Reader
from mooring.locate.systems import Part, State, StorageSystems

#: Nobody waits longer than this for the first lists: the API server, or a storage system, may not answer.
FIRST_LISTS_SECONDS: Final = 10.0
_POLL_SECONDS: Final = 0.02
UNREAD: Final = Standing(reason=LocatorReason.READING, message="it has not been read yet")
"""How a part stands that nobody has asked for yet."""
_STATES: Final = {
    LocatorReason.FOLLOWING: State.FOLLOWING,
    LocatorReason.READING: State.READING,
    LocatorReason.RESOURCE_ABSENT: State.ABSENT,
    LocatorReason.NOT_READABLE: State.UNREACHABLE,
    LocatorReason.UNREACHABLE: State.UNREACHABLE,
    LocatorReason.INVALID_EXPRESSION: State.ABSENT,
}

_log = structlog.get_logger(__name__)


@dataclass
class Followed:
    """A locator's sources, with their tasks, and how each of its parts stands.

    The first part leads: the others wait until it is followed, since without it nothing is installed that they could be
    about.
    """

    standings: dict[Part, Standing]
    sources: Mapping[Part, Source] = field(default_factory=dict)
    tasks: dict[Part, asyncio.Task[None]] = field(default_factory=dict)
    was_read: bool = False

    @property
    def lead(self) -> Part:
        """The part that leads."""
        return next(iter(self.standings))

    @property
    def standing(self) -> Standing:
        """The first of its parts that is not followed stands for all."""
        standings = self.standings.values()
        away = (each for each in standings if each.reason is not LocatorReason.FOLLOWING)
        return next(away, self.standings[Part.REPLICAS])

    @property
    def state(self) -> State:
        """What it means for its volumes: the replicas tell, once every part that can be read has been read."""
        reasons = [self.standings[part].reason for part in (self.lead, Part.REPLICAS)]
        reason = next((each for each in reasons if each is not LocatorReason.FOLLOWING), LocatorReason.FOLLOWING)
        if reason is LocatorReason.FOLLOWING and self._is_partly_unread:
            return State.READING
        if reason is LocatorReason.NOT_READABLE and not self.was_read:
            return State.ABSENT  # other sources may know
        return _STATES[reason]

    @property
    def _is_partly_unread(self) -> bool:
        return any(each.reason is LocatorReason.READING for each in self.standings.values())


class Follower:
    """Follows what the index's VolumeLocators name, into the storage systems' read model."""

    def __init__(
        self,
        api: ApiServer,
        cluster: Cluster,
        systems: StorageSystems,
        *,
        namespace: str,
        on_change: Callable[[str], None] = lambda _locator: None,
        on_restart: Callable[[str, str], None] = lambda _kind, _reason: None,
    ) -> None:
        """Take what to follow and where to put it; nothing is followed before `run`.

        Args:
            api: the API server.
            cluster: the index, which has the locators.
            systems: the read model. It must have heard of a locator before this follower does.
            namespace: Mooring's own, where locators' Secrets are.
            on_change: called with a locator's name when it stands differently.
            on_restart: called with a resource's name and a reason each time its watch is to be begun anew.
        """
        self._api: Final = api
        self._cluster: Final = cluster
        self._systems: Final = systems
        self._namespace: Final = namespace
        self._on_change: Final = on_change
        self._on_restart: Final = on_restart
        self._followed: Final[dict[str, Followed]] = {}
        self._waiting: Final[asyncio.Queue[str]] = asyncio.Queue()
        self._started: float | None = None
        self._group: asyncio.TaskGroup | None = None
        cluster.listen(self._changed)
        for name in cluster.all(KIND):
            self._waiting.put_nowait(name)

    async def run(self) -> None:
        """Follow until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                while True:
                    name = await self._waiting.get()
                    self._stop(name)
                    self._start(name)
        finally:
            self._followed.clear()

    async def read_once(self) -> None:
        """Follow until everything has been read that can be, and no longer."""
        following = asyncio.create_task(self.run())
        while self.unread():
            await asyncio.sleep(_POLL_SECONDS)
        following.cancel()
        await asyncio.wait({following})

    def standing(self, name: str) -> Standing:
        """How it stands with a locator: the first of its parts that is not followed, its replicas before all others."""
        followed = self._followed.get(name)
        return followed.standing if followed is not None else UNREAD

    def unread(self) -> list[str]:
        """Which locators are being read for the first time; none is said to be when that has taken too long."""
        if self._started is not None and time.monotonic() - self._started > FIRST_LISTS_SECONDS:
            return []
        return [name for name in self._cluster.all(KIND) if self._is_reading(name)]

    def ages(self) -> Iterator[tuple[str, float]]:
        """For how many seconds nothing was heard of each source that there is something to hear of, by its name."""
        now = time.monotonic()
        for followed in self._followed.values():
            for source in followed.sources.values():
                if source.heard is not None:
                    yield source.name, now - source.heard

    def _changed(self, change: Change) -> None:
        if change.kind == KIND and _identity(change.old) != _identity(change.new):
            self._waiting.put_nowait(change.key)

    def _stop(self, name: str) -> None:
        followed = self._followed.pop(name, None)
        for task in followed.tasks.values() if followed is not None else ():
            task.cancel()

    def _start(self, name: str) -> None:
        locator: Locator | None = self._cluster.all(KIND).get(name)
        if locator is None:
            return
        self._started = self._started or time.monotonic()
        reader = self._systems.reader(name)
        if reader is None:
            invalid = Standing(reason=LocatorReason.INVALID_EXPRESSION, message=self._systems.summary(name).invalid)
            self._followed[name] = Followed({Part.REPLICAS: invalid})
            self._on_change(name)
            return
        sources = dict(self._sources(locator, reader))
        followed = Followed(dict.fromkeys(sources, UNREAD), sources)
        self._followed[name] = followed
        self._run(name, followed, followed.lead)

    def _run(self, name: str, followed: Followed, part: Part) -> None:
        assert self._group is not None  # noqa: S101 - sources are started by `run` and by each other
        report = partial(self._report, name, followed, part)
        followed.tasks[part] = self._group.create_task(run_for_ever(followed.sources[part], report))

    def _adjust_rest(self, name: str, followed: Followed) -> None:
        """Follow the other parts as long as the first one is there: what is not installed costs one request."""
        reason = followed.standings[followed.lead].reason
        for part in followed.sources.keys() - {followed.lead}:
            if reason is LocatorReason.FOLLOWING and part not in followed.tasks:
                self._run(name, followed, part)
            elif reason is LocatorReason.RESOURCE_ABSENT and part in followed.tasks:
                followed.tasks.pop(part).cancel()
                followed.standings[part] = UNREAD

    def _sources(self, locator: Locator, reader: Reader) -> Iterator[tuple[Part, Source]]:
        """Give the sources of a locator, the one that leads first: a resource, which costs less to miss than an API."""
        spec = locator.spec
        if spec.replicas is not None:
            yield Part.REPLICAS, self._watched(locator, Part.REPLICAS, spec.replicas.resource, reader.replica)
        if spec.nodes is not None:
            yield Part.NODES, self._watched(locator, Part.NODES, spec.nodes.resource, reader.node_entry)
        if spec.open_storage is not None:
            yield Part.REPLICAS, self._polled(locator, reader)
        if spec.serving is not None:
            yield Part.SERVING, self._watched(locator, Part.SERVING, spec.serving.resource, reader.server)

    def _watched(
        self, locator: Locator, part: Part, wanted: FollowedResource, read: Callable[[dict[str, Any]], Any]
    ) -> Source:
        sink = self._systems.sink(locator.name, part)
        template = Resource(kind=resource_name(wanted), path="", record=dict[str, Any], convert=read)
        return WatchedResource(self._api, wanted, sink, template=template, on_restart=self._on_restart)

    def _polled(self, locator: Locator, reader: Reader) -> Source:
        # The API names its own nodes, unless the locator knows a resource that does.
        nodes = self._systems.sink(locator.name, Part.NODES) if locator.spec.nodes is None else None
        return OpenStorage(
            self._api,
            self._cluster,
            locator,
            replicas=self._systems.sink(locator.name, Part.REPLICAS),
            nodes=nodes,
            volume_key=reader.volume_key,
            namespace=self._namespace,
        )

    def _report(self, name: str, followed: Followed, part: Part, standing: Standing) -> None:
        if followed.standings[part] == standing or self._followed.get(name) is not followed:
            return
        followed.standings[part] = standing
        if part is followed.lead:
            self._adjust_rest(name, followed)
        followed.was_read |= followed.state is State.FOLLOWING
        self._systems.set_state(name, followed.state)
        _log.info("locator", name=name, part=part, reason=standing.reason, detail=standing.message)
        self._on_change(name)

    def _is_reading(self, name: str) -> bool:
        followed = self._followed.get(name)
        return followed is None or followed.state is State.READING


def _identity(locator: Locator | None) -> tuple[str, LocatorSpec] | None:
    """What tells a locator from another one of that name, or from itself with another spec."""
    return (locator.uid, locator.spec) if locator is not None else None
