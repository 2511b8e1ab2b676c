"""What admission costs: creating a pod in a dry run, with the API server asking Mooring and without, in turns."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import msgspec
from tests.bench import coldstart, servers
from tests.bench.apiserver import PODS
from tests.bench.load import percentile
from tests.bench.world import pod

from mooring.api.annotations import IGNORE_LABEL
from mooring.api.webhook import mutating_webhook_configuration
from mooring.sandbox.client import ApiClient
from mooring.sandbox.components import NAMESPACE
from mooring.sandbox.launcher import Sandbox
from mooring.sandbox.processes import LOOPBACK, free_ports
from mooring.sandbox.progress import Progress

_WEBHOOKS: Final = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
_SECRETS: Final = f"/api/v1/namespaces/{NAMESPACE}/secrets"
_PATIENCE_SECONDS: Final = 60.0


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
    with _registered(sandbox) as port, sandbox.client() as client:
        arguments = ("--kubeconfig", str(sandbox.kubeconfig("mooring")), "--webhook-port", str(port))
        with servers.mooring(*arguments) as mooring:
            coldstart.wait_until_ready(mooring)
            _wait_until_asked(client)
            coldstart.wait_until_idle(mooring)
            progress(f"admission: {pods} pods with and without")
            times: dict[bool, list[float]] = {False: [], True: []}
            for number in range(pods):
                for asked, found in times.items():
                    found.append(_create(client, number, asked=asked)[0])
    return AdmissionCost(
        without_p50=percentile(times[False], 0.5),
        without_p99=percentile(times[False], 0.99),
        with_p50=percentile(times[True], 0.5),
        with_p99=percentile(times[True], 0.99),
    )


@contextmanager
def _registered(sandbox: Sandbox) -> Iterator[int]:
    """Register a webhook on a free port of this machine, which is given; pods that opt out are not asked about."""
    port = free_ports(["webhook"], taken=[])["webhook"]
    client_config = {"url": f"https://{LOOPBACK}:{port}/mutate"}
    configuration = mutating_webhook_configuration(name="mooring", namespace=NAMESPACE, client_config=client_config)
    ignored = {"key": IGNORE_LABEL, "operator": "NotIn", "values": ["true"]}
    configuration["webhooks"][0]["objectSelector"] = {"matchExpressions": [ignored]}
    with sandbox.client() as client:
        client.create(_SECRETS, {"metadata": {"name": "mooring-webhook"}})
        client.create(_WEBHOOKS, configuration)
    yield port
    with sandbox.client() as client:
        client.request("DELETE", f"{_WEBHOOKS}/mooring")
        client.request("DELETE", f"{_SECRETS}/mooring-webhook")


def _wait_until_asked(client: ApiClient) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not _create(client, 0, asked=True)[1]:
        if time.monotonic() > deadline:
            raise servers.ServerError("the API server does not ask Mooring about pods")
        time.sleep(0.1)


def _create(client: ApiClient, number: int, *, asked: bool) -> tuple[float, bool]:
    """Create a strict pod in a dry run; gives the milliseconds it took, and whether it came back with affinity."""
    made = pod(number, strict=True)
    made["metadata"]["name"] = f"trial-{number}"
    if not asked:
        made["metadata"].setdefault("labels", {})[IGNORE_LABEL] = "true"
    started = time.perf_counter()
    answer = client.create(f"{PODS}?dryRun=All", made)
    return (time.perf_counter() - started) * 1e3, "affinity" in answer["spec"]
