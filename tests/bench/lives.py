"""Pods from their creation to a node: many clients create them, and one watch tells what becomes of each.

All times are of this process's own clock: what a pod says of itself, in its PodScheduled condition, is in whole
seconds.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from math import isnan, nan
from typing import Final

import aiohttp
import msgspec
import uvloop
from tests.bench.apiserver import PODS, WriteError, connected
from tests.bench.world import Manifest

from mooring.api.annotations import GATE
from mooring.sandbox.layout import Layout

CLIENTS: Final = 16
"""So many create pods, each one after the other, over a connection of its own."""

_PATIENCE_SECONDS: Final = 60.0


@dataclass(slots=True)
class Life:
    """What became of one pod; moments are in seconds, and not a number where they never came.

    Attributes:
        sent: its creation was sent.
        answered: its creation was answered.
        gated: it had Mooring's gate.
        released: it was first seen without the gate.
        node: where it went, or empty.
        bound: it was first seen on that node.
    """

    sent: float = nan
    answered: float = nan
    gated: bool = False
    released: float = nan
    node: str = ""
    bound: float = nan


class Metadata(msgspec.Struct, rename="camel"):
    """The part of a pod's metadata that is looked at."""

    name: str
    resource_version: str


class Gate(msgspec.Struct):
    """A scheduling gate."""

    name: str


class Spec(msgspec.Struct, rename="camel"):
    """The part of a pod's spec that is looked at."""

    node_name: str = ""
    scheduling_gates: list[Gate] = []


class Pod(msgspec.Struct):
    """A pod as a watch tells of it."""

    metadata: Metadata
    spec: Spec


class _Event(msgspec.Struct):
    object: Pod


_decoder: Final = msgspec.json.Decoder(_Event)


def live(layout: Layout, pods: Sequence[Manifest], *, rate: float | None = None) -> dict[str, Life]:
    """Create pods, as fast as all clients together can or at a steady rate a second, and give their lives by name.

    It returns when all are on nodes, or when for a minute no other has come to one.

    Raises:
        WriteError: the API server refused one, or the watch.
    """
    return uvloop.run(_live(layout, pods, rate))


async def _live(layout: Layout, pods: Sequence[Manifest], rate: float | None) -> dict[str, Life]:
    lives = {pod["metadata"]["name"]: Life() for pod in pods}
    turns = iter([(turn, lives[pod["metadata"]["name"]], msgspec.json.encode(pod)) for turn, pod in enumerate(pods)])
    async with connected(layout, connections=CLIENTS + 1) as session:
        version = await _ready(session)
        started = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            group.create_task(follow(_watch(session, version), lives))
            for _ in range(CLIENTS):
                group.create_task(_create(session, turns, started=started, rate=rate))
    return lives


async def _ready(session: aiohttp.ClientSession) -> str:
    """Open all connections, so that no handshake is measured; gives the version to watch from."""

    async def connect() -> None:
        async with session.get("/version") as response:
            await response.read()

    await asyncio.gather(*(connect() for _ in range(CLIENTS + 1)))
    async with session.get(f"{PODS}?limit=1") as response:
        return str((await response.json())["metadata"]["resourceVersion"])


async def _create(
    session: aiohttp.ClientSession, turns: Iterator[tuple[int, Life, bytes]], *, started: float, rate: float | None
) -> None:
    headers = {"Content-Type": "application/json"}
    for turn, life, body in turns:
        if rate:
            await asyncio.sleep(max(0.0, started + turn / rate - time.perf_counter()))
        life.sent = time.perf_counter()
        async with session.post(PODS, data=body, headers=headers) as response:
            text = await response.read()
        life.answered = time.perf_counter()
        if response.status != HTTPStatus.CREATED:
            raise WriteError(f"creating a pod: {text[:500].decode(errors='replace')}")


async def follow(sights: AsyncIterator[tuple[float, Pod]], lives: Mapping[str, Life]) -> None:
    """Write down when which pod was seen how, until all are on nodes or none gets there any more."""
    left = sum(not life.node for life in lives.values())
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_PATIENCE_SECONDS) as patience:
            async for moment, pod in sights:
                life = lives[pod.metadata.name]
                gated = any(gate.name == GATE for gate in pod.spec.scheduling_gates)
                life.gated |= gated
                if life.gated and not gated and isnan(life.released):
                    life.released = moment
                if pod.spec.node_name and not life.node:
                    life.node, life.bound = pod.spec.node_name, moment
                    patience.reschedule(asyncio.get_running_loop().time() + _PATIENCE_SECONDS)
                    left -= 1
                if not left:
                    return


async def _watch(session: aiohttp.ClientSession, version: str) -> AsyncIterator[tuple[float, Pod]]:
    """Watch pods for ever: the API server ends the watch of a client that it finds slow, and that is not the end."""
    while True:
        query = {"watch": "true", "resourceVersion": version, "timeoutSeconds": "3600"}
        async with session.get(PODS, params=query, timeout=aiohttp.ClientTimeout(total=None)) as response:
            async for line in response.content:
                moment = time.perf_counter()
                pod = decode(line)
                version = pod.metadata.resource_version
                yield moment, pod


def decode(line: bytes) -> Pod:
    """Read a line of a watch.

    Raises:
        WriteError: it tells of something else than a pod.
    """
    try:
        return _decoder.decode(line).object
    except msgspec.DecodeError as error:
        raise WriteError(f"watching pods: {line[:500].decode(errors='replace')}") from error
