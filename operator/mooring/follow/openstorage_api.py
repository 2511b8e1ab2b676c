"""The questions that OpenStorage's SDK is asked, and in which way they cost least.

One request names the nodes with their states, and one all volumes with the nodes that hold them. Where Kubernetes has
few of many volumes, each takes a request of its own. The gateway lets no answer through that is larger than 4 MiB, some
thousand volumes: then they are asked about namespace by namespace, since Portworx labels a volume with that of its
claim, and those that are not found so, one by one.
"""

from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping
from collections.abc import Set as AbstractSet
from http import HTTPStatus
from typing import Any, Final, NamedTuple, TypeVar
from urllib.parse import quote

import structlog

from mooring.cluster.pace import Pace
from mooring.follow.openstorage_answers import read_nodes, read_volume, replicas, split_volumes
from mooring.follow.rest import Access, RestApi, RestError
from mooring.locate.records import Replica, StorageNode

#: A request takes about as long as this many more volumes in an answer.
_REQUEST_COST: Final = 16
#: Many volumes take the storage system some time.
_TOGETHER_SECONDS: Final = 60.0
#: A volume's label, by its creator (csi/controller.go of libopenstorage/openstorage; the in-tree kind's did the same).
_NAMESPACE_LABEL: Final = "namespace"

_Answer = TypeVar("_Answer")

_log = structlog.get_logger(__name__)


class Told(NamedTuple):
    """Where a volume is: nowhere, as far as Mooring may see, if there are no replicas."""

    key: str
    replicas: tuple[Replica, ...]


class OpenStorageApi:
    """OpenStorage's SDK over REST."""

    def __init__(self, rest: RestApi, *, name: str) -> None:
        """Take how to ask, and what logs call it."""
        self._rest: Final = rest
        self._name: Final = name
        self._pace: Final = Pace()
        # How many volumes an answer had, by namespace or for all of them (None); None where it is too large to be had.
        # Volumes without a claim have no label to ask by.
        self._sizes: Final[dict[str | None, int | None]] = {"": None}

    async def nodes(self, access: Access) -> list[StorageNode]:
        """Ask for all nodes.

        Raises:
            RestError: there is no answer, or it is something else.
        """
        return await self._ask("/v1/nodes/filters", access, read_nodes)

    async def volumes(self, wanted: Mapping[str, str], access: Access) -> AsyncIterator[Told]:
        """Ask where volumes are, and tell of each of them once.

        Args:
            wanted: ids or names of volumes, with the namespaces of their claims; empty for those without.
            access: how to get in.

        Raises:
            RestError: there is no answer, or it is something else.
        """
        left = set(wanted)
        async for told in self._together(None, frozenset(left), access):
            left.discard(told.key)
            yield told
        for namespace, keys in _by_namespace(left, wanted) if self._sizes.get(None, 0) is None else ():
            async for told in self._together(namespace, keys, access):
                left.discard(told.key)
                yield told
        for key in left:
            yield Told(key, await self._replicas(key, access))

    async def _together(self, namespace: str | None, keys: AbstractSet[str], access: Access) -> AsyncIterator[Told]:
        """Ask about all volumes of a namespace, or all there are (None), if that is cheaper than one by one."""
        size = self._sizes.get(namespace, _REQUEST_COST)
        if size is None or len(keys) * _REQUEST_COST <= size:
            return
        body = {} if namespace is None else {"labels": {_NAMESPACE_LABEL: namespace}}
        try:
            volumes = await self._ask(
                "/v1/volumes/inspectwithfilters", access, split_volumes, body=body, seconds=_TOGETHER_SECONDS
            )
        except RestError as error:
            if not _is_too_large(error):
                raise
            _log.info("too many volumes for one answer", source=self._name, namespace=namespace, detail=str(error))
            self._sizes[namespace] = None
            return
        self._sizes[namespace] = len(volumes)
        left = set(keys)
        for each in volumes:
            volume = _read(each, read_volume)
            for key in volume.names & left:
                left.remove(key)
                yield Told(key, replicas(volume, key))
            await self._pace.breathe()
        for key in left if namespace is None else ():
            yield Told(key, ())

    async def _replicas(self, key: str, access: Access) -> tuple[Replica, ...]:
        try:
            volume = await self._ask(f"/v1/volumes/inspect/{quote(key, safe='')}", access, read_volume)
        except RestError as error:
            if error.status in (HTTPStatus.NOT_FOUND, HTTPStatus.FORBIDDEN):
                return ()  # as if it were left out of an answer about all
            raise
        return replicas(volume, key)

    async def _ask(self, path: str, access: Access, read: Callable[[bytes], _Answer], **how: Any) -> _Answer:
        return _read(await self._rest.ask(path, access, **how), read)


def _read(answer: Any, read: Callable[[Any], _Answer]) -> _Answer:
    try:
        return read(answer)
    except ValueError as error:
        raise RestError(f"it answers with something else than OpenStorage does: {error}") from error


def _by_namespace(keys: AbstractSet[str], wanted: Mapping[str, str]) -> list[tuple[str, set[str]]]:
    namespaces: defaultdict[str, set[str]] = defaultdict(set)
    for key in keys:
        namespaces[wanted[key]].add(key)
    return list(namespaces.items())


def _is_too_large(error: RestError) -> bool:
    """Whether an answer was more than we take, or than gRPC lets through, for which the gateway answers 429."""
    return error.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE or (
        error.status == HTTPStatus.TOO_MANY_REQUESTS and "larger than max" in str(error)
    )
