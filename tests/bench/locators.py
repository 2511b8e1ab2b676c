"""What following a storage system costs: its replicas loaded and changing, and how soon answers follow them."""

import http.client
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final
from urllib.parse import urlsplit

import msgspec
from tests.bench import coldstart, replicas, servers
from tests.bench.churn import Churn
from tests.bench.followers import BEGUN, LOADED, WAYS
from tests.bench.load import Connection, percentile
from tests.bench.replicas import CLAIMED, EACH, LOCATOR
from tests.bench.servers import Server, ServerError
from tests.bench.world import node_name, pod, replica_nodes

from mooring.sandbox.launcher import Sandbox
from mooring.sandbox.progress import Progress

_MERGE: Final = "application/merge-patch+json"
_PATIENCE_SECONDS: Final = 300.0
_KEPT: Final = b'"NodeNames":["'
#: Between two moves, so that one does not meet the other.
_REST_SECONDS: Final = 0.02
#: The process that changes replicas has begun by then.
_WARM_UP_SECONDS: Final = 3.0


class FollowEffort(msgspec.Struct, frozen=True, kw_only=True):
    """How much is measured: volumes with three replicas each, seconds of steady changes, and single moves."""

    volumes: int
    nodes: int
    rate: int
    seconds: float
    moves: int


class Following(msgspec.Struct, frozen=True, kw_only=True):
    """One way to follow: what it takes to load all replicas, and what a change costs once they are loaded."""

    way: str
    load_seconds: float
    load_cpu_seconds: float
    mib: float
    cpu_us_per_change: float
    changes_per_second: float


class Answers(msgspec.Struct, frozen=True, kw_only=True):
    """How long after a replica's move was written the extender's answer was the new one, in milliseconds."""

    changes_per_second: float
    p50: float
    p99: float
    longest: float


class LocatorCost(msgspec.Struct, frozen=True, kw_only=True):
    """Everything of this part."""

    replicas: int
    following: list[Following]
    answers: list[Answers]


def measure(sandbox: Sandbox, effort: FollowEffort, *, progress: Progress) -> LocatorCost:
    """Measure Mooring, then the other ways, on a cluster that has nodes and nothing else.

    Raises:
        ServerError: a follower did not come to an end with its list.
    """
    replicas.prepare(sandbox, volumes=effort.volumes, nodes=effort.nodes, progress=progress)
    with servers.mooring("--kubeconfig", str(sandbox.kubeconfig("mooring"))) as mooring:
        coldstart.wait_until_ready(mooring)
        coldstart.wait_until_idle(mooring)
        progress("mooring: loading the replicas")
        follower = _Follower(mooring)
        replicas.locate(sandbox)
        _await_replicas(mooring, EACH * effort.volumes)
        follower.is_loaded()
        coldstart.wait_until_idle(mooring)
        progress(f"mooring: {effort.moves} moves, one at a time")
        answers = [_answers(sandbox, mooring, effort)]
        progress(f"mooring: {effort.rate} changes a second")
        following = [_changed(sandbox, follower, effort)]
        progress(f"mooring: {effort.moves} moves among {effort.rate} changes a second")
        with _changing(sandbox, effort) as changing:
            time.sleep(_WARM_UP_SECONDS)
            found = _answers(sandbox, mooring, effort)
        answers.append(msgspec.structs.replace(found, changes_per_second=changing.rate))
    for way in WAYS:
        progress(f"{way}: loading the replicas")
        with _other(sandbox, way, EACH * effort.volumes) as follower:
            progress(f"{way}: {effort.rate} changes a second")
            following.append(_changed(sandbox, follower, effort))
    return LocatorCost(replicas=EACH * effort.volumes, following=following, answers=answers)


class _Follower:
    """A follower's process, measured from the moment when it has nothing but the list before it."""

    def __init__(self, server: Server) -> None:
        self.server: Final = server
        self.load_seconds = self.load_cpu_seconds = self.mib = 0.0
        self._started: Final = time.monotonic()
        self._cpu: Final = server.cpu_seconds()
        self._mib: Final = server.resident_mib()

    def is_loaded(self) -> None:
        """Take down what it took so far."""
        self.load_seconds = time.monotonic() - self._started
        self.load_cpu_seconds = self.server.cpu_seconds() - self._cpu
        self.mib = self.server.resident_mib() - self._mib


def _changed(sandbox: Sandbox, follower: _Follower, effort: FollowEffort) -> Following:
    """Let replicas move for some time, and see what that costs a follower beyond what it takes at rest."""
    coldstart.wait_until_idle(follower.server)
    before = _cpu_share(follower.server, effort.seconds)
    with _changing(sandbox, effort) as changing:
        time.sleep(_WARM_UP_SECONDS)
        busy = _cpu_share(follower.server, effort.seconds)
    coldstart.wait_until_idle(follower.server)
    # What is still tidied up after the load is no rest: kopf has a worker for each object.
    at_rest = min(before, _cpu_share(follower.server, effort.seconds))
    return Following(
        way=follower.server.name,
        load_seconds=follower.load_seconds,
        load_cpu_seconds=follower.load_cpu_seconds,
        mib=follower.mib,
        cpu_us_per_change=max(0.0, busy - at_rest) / changing.rate * 1e6,
        changes_per_second=changing.rate,
    )


def _cpu_share(server: Server, seconds: float) -> float:
    """The CPU time that a server takes a second."""
    before, started = server.cpu_seconds(), time.monotonic()
    time.sleep(seconds)
    return (server.cpu_seconds() - before) / (time.monotonic() - started)


def _changing(sandbox: Sandbox, effort: FollowEffort) -> Churn:
    return Churn(sandbox, nodes=effort.nodes, claims=effort.volumes, rate=effort.rate, program="tests.bench.replicas")


def _answers(sandbox: Sandbox, mooring: Server, effort: FollowEffort) -> Answers:
    """Move replicas of claimed volumes, one at a time, and ask about each until the answer is the new one."""
    connection = Connection(mooring.url, "filter")
    delays = []
    with sandbox.client() as client:
        for turn in range(effort.moves):
            number = turn % CLAIMED
            node = _free_node(number, turn, nodes=effort.nodes)
            write = replicas.move(EACH * number, node)
            client.request(write.method, write.path, write.body, content_type=_MERGE)
            written = time.perf_counter()
            _await(lambda number=number, node=node: _is_kept(connection, number, node), what="the new answer")  # type: ignore[misc]
            delays.append((time.perf_counter() - written) * 1e3)
            time.sleep(_REST_SECONDS)
    connection.close()
    p50, p99 = percentile(delays, 0.5), percentile(delays, 0.99)
    return Answers(changes_per_second=0.0, p50=p50, p99=p99, longest=max(delays))


def _free_node(number: int, turn: int, *, nodes: int) -> str:
    """A node where the volume has no replica, and another one with each turn."""
    taken = replica_nodes(number, nodes=nodes)
    return next(name for each in range(turn, turn + nodes) if (name := node_name(each % nodes)) not in taken)


def _is_kept(connection: Connection, number: int, node: str) -> bool:
    """Whether a strict pod with the volume's claim may run on a node."""
    body = {"Pod": pod(number, strict=True), "NodeNames": [node]}
    return _KEPT in bytes(connection.call([msgspec.json.encode(body)]))


def _await_replicas(mooring: Server, count: int) -> None:
    address = urlsplit(mooring.url).netloc
    usable = f'mooring_locator_replicas{{locator="{LOCATOR}",state="usable"}} {float(count)}'.encode()

    def loaded() -> bool:
        connection = http.client.HTTPConnection(address, timeout=_PATIENCE_SECONDS)
        connection.request("GET", "/metrics")
        found = usable in connection.getresponse().read()
        connection.close()
        time.sleep(0.02)
        return found

    _await(loaded, what=f"{count} replicas")


def _await(check: Callable[[], bool], *, what: str) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not check():
        if time.monotonic() > deadline:
            raise ServerError(f"there never were {what}")


@contextmanager
def _other(sandbox: Sandbox, way: str, count: int) -> Iterator[_Follower]:
    """Another follower, when it has loaded everything."""
    kubeconfig = str(sandbox.kubeconfig("mooring"))
    command = [sys.executable, "-m", "tests.bench.followers", way, kubeconfig, str(count)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            _expect(process, BEGUN)
            follower = _Follower(Server(name=way, url="", pid=process.pid))
            _expect(process, LOADED)
            follower.is_loaded()
            yield follower
        finally:
            process.terminate()


def _expect(process: subprocess.Popen[str], word: str) -> None:
    assert process.stdout is not None
    if word not in process.stdout.readline():
        raise ServerError(f"it never said {word}")
