"""The webhook's registration in a benchmark's cluster: the shipped one, but for pods that it must not see."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from tests.bench.apiserver import PODS
from tests.bench.servers import ServerError
from tests.bench.world import Manifest

from mooring.api.webhook import mutating_webhook_configuration
from mooring.sandbox.client import ApiClient
from mooring.sandbox.components import NAMESPACE
from mooring.sandbox.launcher import Sandbox
from mooring.sandbox.processes import LOOPBACK, free_ports

NOT_ASKED: Final = {"bench.example/admission": "none"}
"""Label of pods that are created as if there were no webhook."""

_WEBHOOKS: Final = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
_SECRETS: Final = f"/api/v1/namespaces/{NAMESPACE}/secrets"
_PATIENCE_SECONDS: Final = 60.0


@contextmanager
def registered(sandbox: Sandbox) -> Iterator[int]:
    """Register the webhook on a free port of this machine, which is given."""
    port = free_ports(["webhook"], taken=[])["webhook"]
    client_config = {"url": f"https://{LOOPBACK}:{port}/mutate"}
    configuration = mutating_webhook_configuration(name="mooring", namespace=NAMESPACE, client_config=client_config)
    others = [{"key": key, "operator": "NotIn", "values": [value]} for key, value in NOT_ASKED.items()]
    configuration["webhooks"][0]["objectSelector"] = {"matchExpressions": others}
    with sandbox.client() as client:
        client.create(_SECRETS, {"metadata": {"name": "mooring-webhook"}})
        client.create(_WEBHOOKS, configuration)
    try:
        yield port
    finally:
        with sandbox.client() as client:
            client.request("DELETE", f"{_WEBHOOKS}/mooring")
            client.request("DELETE", f"{_SECRETS}/mooring-webhook")


def wait_until_asked(client: ApiClient, trial: Manifest) -> None:
    """Wait until the API server asks about pods; `trial` is a strict pod whose data lies somewhere.

    Raises:
        ServerError: it never does.
    """
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while "affinity" not in try_out(client, trial)["spec"]:
        if time.monotonic() > deadline:
            raise ServerError("the API server does not ask Mooring about pods")
        time.sleep(0.1)


def try_out(client: ApiClient, pod: Manifest) -> Manifest:
    """Create a pod in a dry run, and give what would be stored."""
    return dict(client.create(f"{PODS}?dryRun=All", pod))
