"""The benchmark's cluster in the sandbox's API server: thousands of writes, with a person watching."""

import asyncio
import itertools
import ssl
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any, Final, NamedTuple

import aiohttp
import msgspec
import uvloop
from tests.bench import world
from tests.bench.world import NAMESPACE, Manifest, replica_nodes

from mooring.api.crd import crds
from mooring.sandbox.launcher import Sandbox
from mooring.sandbox.layout import Layout
from mooring.sandbox.progress import Progress

CONNECTIONS: Final = 8
PODS: Final = f"/api/v1/namespaces/{NAMESPACE}/pods"
CLAIMS: Final = f"/api/v1/namespaces/{NAMESPACE}/persistentvolumeclaims"
VOLUMES: Final = "/api/v1/persistentvolumes"
NODES: Final = "/api/v1/nodes"
POLICIES: Final = f"/apis/mooring.dev/v1alpha1/namespaces/{NAMESPACE}/volumeplacementpolicies"

_MERGE: Final = "application/merge-patch+json"
_STRATEGIC: Final = "application/strategic-merge-patch+json"


class Write(NamedTuple):
    """One write."""

    method: str
    path: str
    body: Any
    content_type: str = "application/json"


class WriteError(Exception):
    """The API server refused a write; the message holds what it said."""


def create(path: str, body: Manifest) -> Write:
    """Create an object in a collection."""
    return Write("POST", path, body)


def patch(path: str, body: Manifest, *, strategic: bool = False) -> Write:
    """Patch an object, or with `/status` at the end its status."""
    return Write("PATCH", path, body, _STRATEGIC if strategic else _MERGE)


@asynccontextmanager
async def connected(layout: Layout, *, connections: int = CONNECTIONS) -> AsyncIterator[aiohttp.ClientSession]:
    """Connections to the API server as its administrator, at most so many."""
    context = ssl.create_default_context(cafile=layout.pki("ca.crt"))
    context.load_cert_chain(layout.pki("admin.crt"), layout.pki("admin.key"))
    connector = aiohttp.TCPConnector(limit=connections, ssl=context)
    async with aiohttp.ClientSession(layout.server, connector=connector) as session:
        yield session


async def send(session: aiohttp.ClientSession, write: Write) -> None:
    """Send one write.

    Raises:
        WriteError: it was refused.
    """
    headers = {"Content-Type": write.content_type}
    body = msgspec.json.encode(write.body)
    async with session.request(write.method, write.path, data=body, headers=headers) as response:
        text = await response.read()
    # What is there already is what was wanted.
    if response.status >= HTTPStatus.BAD_REQUEST and response.status != HTTPStatus.CONFLICT:
        raise WriteError(f"{write.method} {write.path}: {text[:500].decode(errors='replace')}")


def send_all(sandbox: Sandbox, objects: Iterable[Sequence[Write]], *, total: int, what: str, tell: Progress) -> None:
    """Send the writes of many objects, several objects at a time, and each object's in order.

    Raises:
        WriteError: one was refused.
    """
    uvloop.run(_send_all(sandbox.layout, iter(objects), total=total, what=what, tell=tell))


async def _send_all(layout: Layout, rest: Iterator[Sequence[Write]], *, total: int, what: str, tell: Progress) -> None:
    started = time.monotonic()
    done = itertools.count(1)

    async def work(session: aiohttp.ClientSession) -> None:
        for writes in rest:
            for write in writes:
                await send(session, write)
            number = next(done)
            if number % 100 == 0:
                tell(f"creating {what}: {number} of {total}, {number / (time.monotonic() - started):.0f} a second")

    async with connected(layout) as session, asyncio.TaskGroup() as group:
        for _ in range(CONNECTIONS):
            group.create_task(work(session))


def prepare(sandbox: Sandbox, *, progress: Progress) -> None:
    """Make what the objects need: CRDs, the namespace with its account, the storage class, the policy."""
    progress("creating the namespace and the policy")
    namespace, storage_class, policy = world.settings()
    definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    account = {"metadata": {"name": "default"}}
    first = [create(definitions, crd) for crd in crds()]
    first += [create("/api/v1/namespaces", namespace), create("/apis/storage.k8s.io/v1/storageclasses", storage_class)]
    # Without a controller manager nobody makes the account that each pod needs.
    first += [create(f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts", account)]
    send_all(sandbox, [first], total=1, what="settings", tell=progress)
    sandbox.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
    send_all(sandbox, [[create(POLICIES, policy)]], total=1, what="the policy", tell=progress)


def add_nodes(sandbox: Sandbox, numbers: range, *, progress: Progress) -> None:
    """Create nodes and the driver's registrations on them."""
    objects = (
        (
            create(NODES, world.whole_node(number)),
            create("/apis/storage.k8s.io/v1/csinodes", world.csi_node(number)),
        )
        for number in numbers
    )
    send_all(sandbox, objects, total=len(numbers), what="nodes", tell=progress)


def add_volumes(sandbox: Sandbox, numbers: range, *, nodes: int, progress: Progress) -> None:
    """Create volumes and claims, bound to each other: without a controller manager, nobody else says so."""
    objects = (
        (
            create(VOLUMES, volume),
            patch(f"{VOLUMES}/{volume['metadata']['name']}/status", {"status": volume["status"]}),
            create(CLAIMS, claim),
            patch(f"{CLAIMS}/{claim['metadata']['name']}/status", {"status": claim["status"]}),
        )
        for volume, claim in ((world.volume(number, nodes=nodes), world.claim(number)) for number in numbers)
    )
    send_all(sandbox, objects, total=len(numbers), what="volumes with claims", tell=progress)


def add_pods(sandbox: Sandbox, numbers: range, *, claimed: bool, nodes: int, progress: Progress) -> None:
    """Create pods that are on nodes already; with a claim, on one that has its data."""
    places = (
        (number, replica_nodes(number, nodes=nodes)[0] if claimed else world.node_name(number % nodes))
        for number in numbers
    )
    objects = ((create(PODS, world.pod(number, claimed=claimed, on=node)),) for number, node in places)
    what = "pods with claims" if claimed else "pods"
    send_all(sandbox, objects, total=len(numbers), what=what, tell=progress)


def spread_volumes(sandbox: Sandbox, numbers: range, *, nodes: int, progress: Progress) -> None:
    """Put the replicas of existing volumes onto nodes out of so many."""
    objects = ((move(number, nodes=nodes),) for number in numbers)
    send_all(sandbox, objects, total=len(numbers), what="new places for volumes", tell=progress)


def move(number: int, *, nodes: int, rotation: int = 0) -> Write:
    """Write a volume's replicas, in one order or another."""
    names = replica_nodes(number, nodes=nodes)
    rotated = names[rotation % len(names) :] + names[: rotation % len(names)]
    annotations = {world.REPLICAS: ",".join(rotated)}
    return patch(f"{VOLUMES}/{world.volume_name(number)}", {"metadata": {"annotations": annotations}})
