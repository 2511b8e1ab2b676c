"""The operator as the chart starts it: the same arguments, account and rights, and the webhook that leads to it."""

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.accounts import service_account_kubeconfig
from tests.e2e.chart.conftest import NAMESPACE, RELEASE, InCluster, Install, certificates
from tests.e2e.chart.test_rights import OPERATOR
from tests.e2e.manifests import STRICT, Manifest, claim, pod, policy, volume
from tests.e2e.process import MooringProcess
from tests.e2e.support import eventually
from tests.programs import CHART, Kstatus

from mooring.sandbox.launcher import Sandbox
from mooring.sandbox.processes import free_ports

DEFAULT = "/api/v1/namespaces/default"


@dataclass(frozen=True)
class Running:
    """The values of the release, and its only replica, which runs outside of the cluster."""

    values: dict[str, Any]
    process: MooringProcess


@pytest.fixture
def running(cluster: Sandbox, install: Install, tmp_path: Path) -> Iterator[Running]:
    """Install the chart, and run what its Deployment says, where the API server reaches it."""
    ports = free_ports(["http", "webhook"], taken=cluster.layout.ports.values())
    webhook = {"port": ports["webhook"], "url": f"https://127.0.0.1:{ports['webhook']}/mutate"}
    values = {"replicas": 0, "port": ports["http"], "webhook": webhook}
    install(**values)
    deployment = json.loads(cluster.kubectl("get", "deployment", RELEASE, "-n", NAMESPACE, "-o", "json"))
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    verb, *arguments = container["args"]
    assert verb == "run"
    kubeconfig = service_account_kubeconfig(
        cluster, namespace=NAMESPACE, name=RELEASE, lease=RELEASE, file=tmp_path / "kubeconfig"
    )
    outside = ("--host=127.0.0.1", f"--kubeconfig={kubeconfig}")
    with MooringProcess(tmp_path / "log", *arguments, *outside) as process:
        process.await_ready()
        yield Running(values, process)


def placed(made: Manifest) -> bool:
    """Say whether a pod is bound to node-2 by its affinity."""
    node_affinity = made["spec"].get("affinity", {}).get("nodeAffinity", {})
    terms = node_affinity.get("requiredDuringSchedulingIgnoredDuringExecution", {}).get("nodeSelectorTerms", [])
    return [field["values"] for term in terms for field in term["matchFields"]] == [["node-2"]]


def test_release_works(cluster: Sandbox, running: Running, in_cluster: InCluster) -> None:
    """Certificates are made and outlive an upgrade, pods get their affinity, and the API server refuses nothing."""

    def filled() -> bool:
        data, bundles = certificates(cluster)
        return bool(data) and all(bundles)

    eventually(filled)
    before = certificates(cluster)
    data, bundles = before
    assert data.keys() == {"ca.crt", "ca.key", "tls.crt", "tls.key"}
    assert {base64.b64decode(bundle) for bundle in bundles} == {base64.b64decode(data["ca.crt"])}
    with cluster.client() as client:
        client.create("/api/v1/persistentvolumes", volume("data", "data", "default", nodes=["node-2"]))
        client.create(f"{DEFAULT}/persistentvolumeclaims", claim("data", volume_name="data"))
        path = f"{DEFAULT}/persistentvolumeclaims/data"
        eventually(lambda: client.get(path)["status"]["phase"] == "Bound")
        # A dry run, so that nothing of it is left.
        eventually(lambda: placed(client.create(f"{DEFAULT}/pods?dryRun=All", pod("near", "data", annotations=STRICT))))

    in_cluster("upgrade", str(CHART), "--wait", values=running.values)
    assert certificates(cluster) == before
    refused = [
        f"{event['verb']} {event['requestURI']}"
        for event in cluster.audit(user=OPERATOR)
        if event["responseStatus"].get("code") == 403
    ]
    assert refused == []
    assert running.process.complaints() == []


def test_policies_are_current_once_they_are_in_force(cluster: Sandbox, running: Running, kstatus: Kstatus) -> None:
    """Flux and helm, which wait for what they apply, hear that a policy is in force, after a change too."""
    del running
    path = f"/apis/mooring.dev/v1alpha1/namespaces/{NAMESPACE}/volumeplacementpolicies"
    with cluster.client() as client:
        client.create(path, policy("near"))

        def judged(generation: int) -> bool:
            found = client.get(f"{path}/near")
            (judgement,) = kstatus([found])
            assert judgement.status == "Current", judgement
            return bool(found["status"]["observedGeneration"] == generation)

        eventually(lambda: "status" in client.get(f"{path}/near"))
        eventually(lambda: judged(1))
        client.apply(f"{path}/near", policy("near", priority=7), manager="somebody")
        eventually(lambda: judged(2))
