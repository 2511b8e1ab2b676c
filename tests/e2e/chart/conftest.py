"""A control plane of the chart's own: releases bring CRDs and webhooks, which concern a whole cluster."""

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.e2e.release import WEBHOOK_CONFIGURATIONS
from tests.e2e.support import await_kinds, eventually
from tests.programs import CHART, Helm

from mooring.sandbox.launcher import Sandbox, up
from mooring.sandbox.layout import COMPONENTS

NAMESPACE = "storage-tools"
RELEASE = "near-data"
CRDS = (
    "volumeplacementpolicies.mooring.dev",
    "clustervolumeplacementpolicies.mooring.dev",
    "volumelocators.mooring.dev",
)
SECRET = f"/api/v1/namespaces/{NAMESPACE}/secrets/{RELEASE}-webhook"
WEBHOOKS = f"{WEBHOOK_CONFIGURATIONS}/{RELEASE}"

InCluster = Callable[..., str]
Install = Callable[..., None]


@pytest.fixture(scope="package")
def cluster() -> Iterator[Sandbox]:
    """Give a cluster whose only scheduler is its own, with a namespace for the release."""
    components = [name for name in COMPONENTS if name != "mooring-scheduler"]
    running = up(name=f"chart-{os.getpid()}", nodes=3, zones=1, racks=1, components=components)
    running.kubectl("create", "namespace", NAMESPACE)
    # The strictest standard that Kubernetes knows: pods that do not follow it are refused.
    running.kubectl("label", "namespace", NAMESPACE, "pod-security.kubernetes.io/enforce=restricted")
    eventually(lambda: running.kubectl("get", "serviceaccount", "default", "-n", NAMESPACE))
    yield running
    running.down()


@pytest.fixture
def in_cluster(helm: Helm, cluster: Sandbox) -> InCluster:
    """Give helm with the cluster's kubeconfig and the release's name and namespace."""

    def run(verb: str, *arguments: str, values: dict[str, Any] | None = None) -> str:
        where = ("--kubeconfig", str(cluster.kubeconfig()), "--namespace", NAMESPACE)
        return helm(verb, RELEASE, *arguments, *where, values=values)

    return run


@pytest.fixture
def install(cluster: Sandbox, in_cluster: InCluster) -> Iterator[Install]:
    """Give a function that installs the chart, and take everything away afterwards, the CRDs too."""

    def run(*arguments: str, **values: Any) -> None:
        in_cluster("install", str(CHART), "--wait", "--timeout", "180s", *arguments, values=values)
        await_kinds(cluster)

    yield run
    in_cluster("uninstall", "--no-hooks", "--ignore-not-found", "--wait")
    cluster.kubectl("delete", "jobs", "--all", "-n", NAMESPACE)
    cluster.kubectl("delete", "crd", "--ignore-not-found", *CRDS, timeout=240)
    # The garbage collector takes them away some time after what they belonged to.
    eventually(lambda: not cluster.kubectl("get", "pods", "-n", NAMESPACE, "-o", "name"))


def certificates(cluster: Sandbox) -> Any:
    """Give what Mooring put into the release's objects: the Secret's data and the webhooks' caBundles."""
    with cluster.client() as client:
        webhooks = client.get(WEBHOOKS)["webhooks"]
        return client.get(SECRET).get("data"), [each["clientConfig"].get("caBundle") for each in webhooks]
