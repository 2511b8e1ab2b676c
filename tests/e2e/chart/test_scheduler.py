"""The chart's second scheduler: the real program with the chart's configuration, account and rights."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from tests.e2e.accounts import service_account_kubeconfig
from tests.e2e.chart.conftest import NAMESPACE, RELEASE, Install
from tests.e2e.manifests import pod
from tests.e2e.support import eventually

from mooring.sandbox.launcher import Sandbox
from mooring.sandbox.processes import free_ports

NAME = f"{RELEASE}-scheduler"
USER = f"system:serviceaccount:{NAMESPACE}:{NAME}"


@pytest.fixture
def scheduler(cluster: Sandbox, install: Install, tmp_path: Path) -> Iterator[Path]:
    """Run kube-scheduler as the chart's pod would, and give its log."""
    install(scheduler={"enabled": True}, webhook={"enabled": False})
    kubeconfig = service_account_kubeconfig(
        cluster, namespace=NAMESPACE, name=NAME, lease=NAME, file=tmp_path / "kubeconfig"
    )
    configmap = json.loads(cluster.kubectl("get", "configmap", NAME, "-n", NAMESPACE, "-o", "json"))
    config = yaml.safe_load(configmap["data"]["config.yaml"])
    # All that a pod finds by itself.
    config["clientConnection"] = {"kubeconfig": str(kubeconfig)}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    port = free_ports(["scheduler"], taken=set(cluster.layout.ports.values()))["scheduler"]
    command = [
        str(cluster.layout.executable("kube-scheduler")),
        f"--config={tmp_path / 'config.yaml'}",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
        "--bind-address=127.0.0.1",
        f"--secure-port={port}",
        f"--cert-dir={tmp_path}",
    ]
    log = tmp_path / "log"
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output) as process:
        try:
            yield log
        finally:
            process.kill()


def test_schedules_with_its_own_lease_and_rights(cluster: Sandbox, scheduler: Path, install: Install) -> None:
    """It leads by a lease of the release's, schedules pods that name it, and is refused nothing."""
    del install
    lease = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases/{NAME}"
    with cluster.client() as client:
        eventually(lambda: client.get(lease)["spec"]["holderIdentity"])
    manifest = pod("asks-for-stork", schedulerName="stork")

    cluster.kubectl("apply", "-n", "default", "-f", "-", stdin=json.dumps(manifest))

    try:
        # Nothing answers as the extender, which must not matter.
        eventually(lambda: cluster.kubectl("get", "pod", "asks-for-stork", "-o", "jsonpath={.spec.nodeName}"))
    finally:
        cluster.kubectl("delete", "pod", "asks-for-stork", "--wait=false")
    refused = [
        f"{event['verb']} {event['requestURI']}"
        for event in cluster.audit(user=USER)
        if event["responseStatus"].get("code") == 403
    ]
    assert refused == []
    assert "forbidden" not in scheduler.read_text(encoding="utf-8")
