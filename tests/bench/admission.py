"""What admission costs: creating a pod in a dry run, with the API server asking Mooring and without, in turns."""

import time

import msgspec
from tests.bench import coldstart, servers
from tests.bench.load import percentile
from tests.bench.webhook import NOT_ASKED, registered, try_out, wait_until_asked
from tests.bench.world import Manifest, pod

from mooring.sandbox.client import ApiClient
from mooring.sandbox.launcher import Sandbox
from mooring.sandbox.progress import Progress


class AdmissionCost(msgspec.Struct, frozen=True, kw_only=True):
    """Times of creating a pod in a dry run, in milliseconds: medians and 99th percentiles."""

    without_p50: float
    without_p99: float
    with_p50: float
    with_p99: float


def measure(sandbox: Sandbox, *, pods: int, progress: Progress) -> AdmissionCost:
    """Time `pods` pods of each sort on a cluster that has as many claims.

    Raises:
        ServerError: Mooring did not get ready, or the API server never came to ask it.
    """
    with registered(sandbox) as port, sandbox.client() as client:
        arguments = ("--kubeconfig", str(sandbox.kubeconfig("mooring")), "--webhook-port", str(port))
        with servers.mooring(*arguments) as mooring:
            coldstart.wait_until_ready(mooring)
            wait_until_asked(client, _trial(0, asked=True))
            coldstart.wait_until_idle(mooring)
            progress(f"admission: {pods} pods with and without")
            times: dict[bool, list[float]] = {False: [], True: []}
            for number in range(pods):
                for asked, found in times.items():
                    found.append(_milliseconds(client, _trial(number, asked=asked)))
    return AdmissionCost(
        without_p50=percentile(times[False], 0.5),
        without_p99=percentile(times[False], 0.99),
        with_p50=percentile(times[True], 0.5),
        with_p99=percentile(times[True], 0.99),
    )


def _trial(number: int, *, asked: bool) -> Manifest:
    """A strict pod that does not exist yet."""
    made = pod(number, strict=True)
    made["metadata"]["name"] = f"trial-{number}"
    if not asked:
        made["metadata"]["labels"] |= NOT_ASKED
    return made


def _milliseconds(client: ApiClient, trial: Manifest) -> float:
    started = time.perf_counter()
    try_out(client, trial)
    return (time.perf_counter() - started) * 1e3
