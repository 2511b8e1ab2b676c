"""Cold start: from starting the process to `/readyz`, on a large cluster."""

import http.client
import time
from typing import Final
from urllib.parse import urlsplit

import msgspec
from tests.bench import servers
from tests.bench.apiserver import add_nodes, add_pods, add_volumes
from tests.bench.servers import Server, ServerError

from mooring.sandbox.launcher import Sandbox
from mooring.sandbox.progress import Progress

_PATIENCE_SECONDS: Final = 600.0
_QUIET_SECONDS: Final = 3.0
#: Less CPU than this over the quiet time counts as idle, in seconds.
_IDLE_CPU: Final = 0.1


class Size(msgspec.Struct, frozen=True, kw_only=True):
    """How much the cluster holds; each claim has its volume and its pod."""

    nodes: int
    claims: int
    pods: int


class ColdStart(msgspec.Struct, frozen=True, kw_only=True):
    """One start: when it was ready, and after it had written what there was to write."""

    ready_seconds: float
    ready_cpu_seconds: float
    ready_peak_mib: float
    settled_seconds: float
    settled_cpu_seconds: float
    settled_peak_mib: float
    settled_mib: float


def populate(sandbox: Sandbox, size: Size, *, progress: Progress) -> None:
    """Fill an empty cluster."""
    claims = range(size.claims)
    add_nodes(sandbox, range(size.nodes), progress=progress)
    add_volumes(sandbox, claims, nodes=size.nodes, progress=progress)
    add_pods(sandbox, claims, claimed=True, nodes=size.nodes, progress=progress)
    add_pods(sandbox, range(size.pods - size.claims), claimed=False, nodes=size.nodes, progress=progress)


def measure(sandbox: Sandbox, *, progress: Progress) -> ColdStart:
    """Start Mooring once.

    Raises:
        ServerError: it did not get ready.
    """
    progress("cold start: waiting for /readyz")
    started = time.monotonic()
    with servers.mooring("--kubeconfig", str(sandbox.kubeconfig("mooring"))) as server:
        wait_until_ready(server)
        ready, cpu, peak = time.monotonic() - started, server.cpu_seconds(), server.peak_mib()
        progress(f"cold start: ready after {ready:.1f} s, waiting until it has settled")
        settled = wait_until_idle(server) - started
        return ColdStart(
            ready_seconds=ready,
            ready_cpu_seconds=cpu,
            ready_peak_mib=peak,
            settled_seconds=settled,
            settled_cpu_seconds=server.cpu_seconds(),
            settled_peak_mib=server.peak_mib(),
            settled_mib=server.resident_mib(),
        )


def wait_until_ready(server: Server) -> None:
    """Wait for `/readyz` to say 200.

    Raises:
        ServerError: it did not in time.
    """
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=_PATIENCE_SECONDS)
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        connection.request("GET", "/readyz")
        response = connection.getresponse()
        detail = response.read().decode()
        if response.status == http.HTTPStatus.OK:
            connection.close()
            return
        if time.monotonic() > deadline:
            raise ServerError(f"not ready: {detail}")
        time.sleep(0.02)


def wait_until_idle(server: Server) -> float:
    """Wait until a server does nothing any more, and give the moment from which on it did nothing.

    Raises:
        ServerError: it never rests.
    """
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline:
        moment, used = time.monotonic(), server.cpu_seconds()
        time.sleep(_QUIET_SECONDS)
        if server.cpu_seconds() - used < _IDLE_CPU:
            return moment
    raise ServerError("it is busy for ever")
