"""Leader election on a real API server: one leads, another takes over, and an outage is borne or not."""

import asyncio
import contextlib
import datetime as dt
import itertools
import os
import signal
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, Self

import pytest
import pytest_asyncio
from tests.e2e.wire import Wire, api_wire, through

from mooring.cluster.connection import ApiServer
from mooring.reconcile.leadership import (
    LEASE_SECONDS,
    RENEW_DEADLINE_SECONDS,
    RETRY_SECONDS,
    Leadership,
    LeadershipLostError,
)
from mooring.sandbox.client import ApiClient
from mooring.sandbox.launcher import Sandbox, up

HANDOVER_SECONDS = 15
#: What a machine that pauses takes longer does not count against a replica.
LONGEST_STEP_SECONDS = 0.2


class Candidate:
    """A replica that leads as soon as it may, and remembers when that began and how it ended."""

    def __init__(self, api: ApiServer, namespace: str, identity: str) -> None:
        self.identity = identity
        self.leads_since: float | None = None
        self.lost: str | None = None
        self.leadership = Leadership(api, namespace=namespace, name="mooring", identity=identity)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> Self:
        """Begin to try."""
        self._task = asyncio.create_task(self._lead())
        return self

    @property
    def leads(self) -> bool:
        """Whether it leads now, as far as it knows."""
        return self.leads_since is not None and self.lost is None

    async def until(self, condition: Callable[[], object], *, within: float = HANDOVER_SECONDS) -> float:
        """Wait until something is so, or fail in the end; gives the seconds, without the pauses of the machine."""
        waited = 0.0
        while not condition():
            assert waited < within, f"not within {within:g} s"
            before = time.monotonic()
            await asyncio.sleep(0.02)
            waited += min(time.monotonic() - before, LONGEST_STEP_SECONDS)
        return waited

    async def until_leading(self, *, within: float = HANDOVER_SECONDS) -> None:
        """Wait until it leads."""
        await self.until(lambda: self.leads, within=within)

    async def kill(self) -> None:
        """End it as SIGKILL does: it gives nothing up."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def shut_down(self) -> None:
        """End it as SIGTERM does."""
        await self.kill()
        await self.leadership.release()

    async def _lead(self) -> None:
        await self.leadership.acquire()
        self.leads_since = time.monotonic()
        try:
            await self.leadership.hold()
        except LeadershipLostError as error:
            self.lost = str(error)


Candidates = Callable[[str], Candidate]


@pytest_asyncio.fixture
async def candidates(api: ApiServer, namespace: str) -> AsyncIterator[Candidates]:
    """Give a maker of candidates for one Lease; they end with the test."""
    made: list[Candidate] = []

    def make(identity: str) -> Candidate:
        made.append(Candidate(api, namespace, identity))
        return made[-1].start()

    yield make
    for each in made:
        await each.kill()


def lease_of(client: ApiClient, namespace: str) -> dict[str, Any]:
    """Give the Lease as the API server has it."""
    return dict(client.get(f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/mooring"))


@pytest.fixture
def client(sandbox: Sandbox) -> Iterator[ApiClient]:
    """Give a client for looking at what was written."""
    with sandbox.client() as made:
        yield made


async def test_the_first_makes_the_lease(candidates: Candidates, client: ApiClient, namespace: str) -> None:
    """Where there is no Lease it is created, and it says what `kubectl get lease` and client-go expect."""
    first = candidates("first")
    await first.until_leading()

    made = lease_of(client, namespace)["spec"]
    assert made["holderIdentity"] == "first"
    assert made["leaseDurationSeconds"] == 10
    assert made["leaseTransitions"] == 0
    assert made["acquireTime"] == made["renewTime"]


async def test_one_of_many_leads(candidates: Candidates, client: ApiClient, namespace: str) -> None:
    """Of five that start together exactly one leads, and goes on leading for longer than the Lease lasts."""
    all_of_them = [candidates(f"replica-{number}") for number in range(5)]
    await all_of_them[0].until(lambda: any(each.leads for each in all_of_them))
    leader = next(each for each in all_of_them if each.leads)
    before = lease_of(client, namespace)["spec"]

    for _ in range(24):
        assert [each.identity for each in all_of_them if each.leads] == [leader.identity]
        await asyncio.sleep(0.5)

    after = lease_of(client, namespace)["spec"]
    assert after["renewTime"] > before["renewTime"]
    unchanged = ("holderIdentity", "acquireTime", "leaseTransitions")
    assert [after[key] for key in unchanged] == [before[key] for key in unchanged]


async def test_a_killed_leader_is_replaced_within_fifteen_seconds(
    candidates: Candidates, client: ApiClient, namespace: str
) -> None:
    """The other one takes over by itself, but not before the Lease has run out."""
    first = candidates("first")
    await first.until_leading()
    second = candidates("second")
    await asyncio.sleep(3)
    assert not second.leads

    await first.kill()
    left = lease_of(client, namespace)["spec"]
    await second.until_leading()

    taken = lease_of(client, namespace)["spec"]
    assert moment(taken["acquireTime"]) - moment(left["renewTime"]) >= dt.timedelta(seconds=LEASE_SECONDS)
    assert taken["leaseTransitions"] == 1


def moment(time_of_lease: str) -> dt.datetime:
    """Read a time as a Lease has it."""
    return dt.datetime.fromisoformat(time_of_lease)


async def test_a_leader_that_shuts_down_hands_over_at_once(
    candidates: Candidates, client: ApiClient, namespace: str
) -> None:
    """A Lease that is given up is taken within three seconds, again and again."""
    leader = candidates("replica-0")
    await leader.until_leading()
    for number in range(1, 4):
        following = candidates(f"replica-{number}")
        await leader.shut_down()
        await following.until_leading(within=3)
        leader = following

    assert lease_of(client, namespace)["spec"]["leaseTransitions"] == 3


async def test_who_does_not_lead_gives_nothing_up(candidates: Candidates, client: ApiClient, namespace: str) -> None:
    """A follower that is shut down leaves the leader's Lease alone."""
    first = candidates("first")
    await first.until_leading()
    await candidates("second").shut_down()

    assert lease_of(client, namespace)["spec"]["holderIdentity"] == "first"


async def test_a_restarted_process_need_not_wait(candidates: Candidates) -> None:
    """A container that is restarted in its pod has the pod's identity still, and leads again at once."""
    first = candidates("pod-1")
    await first.until_leading()
    await first.kill()

    await candidates("pod-1").until_leading(within=3)


async def test_foreign_labels_cost_nothing(candidates: Candidates, client: ApiClient, namespace: str) -> None:
    """Somebody who labels the Lease takes neither the leadership, nor loses the label, nor keeps a dead leader."""
    first = candidates("first")
    await first.until_leading()
    path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/mooring"

    def label(value: int) -> None:
        body = {"metadata": {"labels": {"seen": str(value)}}}
        client.request("PATCH", path, body, content_type="application/merge-patch+json")

    async def label_again_and_again() -> None:
        """Do it more often than the leader renews."""
        for value in itertools.count():
            label(value)
            await asyncio.sleep(RETRY_SECONDS / 3)

    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(RENEW_DEADLINE_SECONDS + 1):
            await label_again_and_again()
    label(1000)
    assert first.leads
    assert lease_of(client, namespace)["metadata"]["labels"] == {"seen": "1000"}

    second = candidates("second")
    await first.kill()
    labelling = asyncio.create_task(label_again_and_again())
    try:
        # A label that comes between its look and its write costs it another look.
        await second.until_leading(within=HANDOVER_SECONDS + RETRY_SECONDS)
    finally:
        labelling.cancel()


@pytest.mark.parametrize("how", ["stolen", "deleted"])
async def test_a_lease_that_is_taken_away_is_noticed(
    candidates: Candidates, client: ApiClient, namespace: str, how: str
) -> None:
    """When somebody else is written into the Lease, or it is deleted, the leader stops within two renewals."""
    first = candidates("first")
    await first.until_leading()
    path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/mooring"
    if how == "deleted":
        client.request("DELETE", path)
    else:
        body = {"spec": {"holderIdentity": "thief"}}
        client.request("PATCH", path, body, content_type="application/merge-patch+json")

    await first.until(lambda: first.lost, within=4)

    assert {"stolen": "thief", "deleted": "deleted"}[how] in str(first.lost)


@pytest.fixture(scope="module")
def breakable() -> Iterator[Sandbox]:
    """Give a control plane of this module's own, which its tests may break."""
    running = up(name=f"leases-{os.getpid()}", components=("etcd", "kube-apiserver"))
    yield running
    running.down()


@pytest.fixture
def wire(breakable: Sandbox) -> Iterator[Wire]:
    """Give the leader's connections to the API server, which can be cut."""
    with api_wire(breakable) as made:
        yield made


@pytest_asyncio.fixture
async def leader(breakable: Sandbox, wire: Wire, tmp_path: Path) -> AsyncIterator[Candidate]:
    """Give a leader whose API server may be broken."""
    namespace = f"leases-{uuid.uuid4().hex[:8]}"
    with breakable.client() as client:
        client.create("/api/v1/namespaces", {"metadata": {"name": namespace}})
    kubeconfig = through(wire, breakable.kubeconfig(), tmp_path / "kubeconfig")
    connected = await ApiServer.connect(kubeconfig=kubeconfig)
    made = Candidate(connected, namespace, "leader").start()
    await made.until_leading()
    yield made
    await made.kill()
    await connected.close()
    await no_connections()


async def no_connections() -> None:
    """Wait until the event loop has closed its sockets: a TLS connection ends only when a suspended peer answers."""
    selector = asyncio.get_running_loop()._selector  # type: ignore[attr-defined]
    async with asyncio.timeout(30):
        while len(selector.get_map()) > 1:  # the loop's own pipe stays
            await asyncio.sleep(0.01)


@contextlib.contextmanager
def suspended(sandbox: Sandbox) -> Iterator[None]:
    """Keep the API server from answering: connections stay open, and nothing comes back."""
    process = next(each.process for each in sandbox.status() if each.name == "kube-apiserver")
    assert process is not None
    process.send(signal.SIGSTOP)
    try:
        yield
    finally:
        process.send(signal.SIGCONT)


@contextlib.contextmanager
def stopped(sandbox: Sandbox) -> Iterator[None]:
    """Keep the API server away: connections are refused."""
    sandbox.stop("kube-apiserver")
    try:
        yield
    finally:
        sandbox.start("kube-apiserver")


@pytest.mark.parametrize("how", ["silent", "cut"])
async def test_a_short_outage_is_borne(breakable: Sandbox, wire: Wire, leader: Candidate, how: str) -> None:
    """When connections hang or are cut for three seconds the leader goes on leading."""
    began = time.monotonic()
    with suspended(breakable) if how == "silent" else wire.down():
        await asyncio.sleep(3)
    await asyncio.sleep(RENEW_DEADLINE_SECONDS + 1)
    paused = time.monotonic() - began - 3 - RENEW_DEADLINE_SECONDS - 1
    # What it would not bear is an outage that the machine has made longer.
    assert leader.leads or paused > 1


@pytest.mark.parametrize("how", ["silent", "stopped"])
async def test_a_long_outage_ends_the_leadership_before_another_can_begin(
    breakable: Sandbox, leader: Candidate, how: str
) -> None:
    """Whether connections hang or are refused, the leader has stopped before the Lease can have run out."""
    with suspended(breakable) if how == "silent" else stopped(breakable):
        took = await leader.until(lambda: leader.lost)

    assert took < LEASE_SECONDS - 2
    assert "not renewed" in str(leader.lost)
