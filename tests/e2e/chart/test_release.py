"""The chart's releases on a real cluster: installed, upgraded, uninstalled by real helm."""

import json
import subprocess
from typing import Any

import pytest
import yaml
from tests.e2e.chart.conftest import CRDS, NAMESPACE, RELEASE, SECRET, WEBHOOKS, InCluster, Install, certificates
from tests.e2e.support import await_kinds, eventually
from tests.programs import CHART, Helm, HelmError, Manifest

from mooring.sandbox.launcher import Sandbox

URL = "https://127.0.0.1:1/mutate"
CA_BUNDLE = "LS0tLS1CRUdJTg=="
DATA = {"tls.crt": "Zm9v", "tls.key": "YmFy"}
KEPT = {f"CustomResourceDefinition {name}" for name in CRDS}


def objects(cluster: Sandbox) -> dict[str, str]:
    """Give everything of the release that the cluster holds, with its version: another one whenever somebody wrote."""
    kinds = (
        "clusterroles,clusterrolebindings,configmaps,crds,deployments,jobs,leases,mutatingwebhookconfigurations,"
        "networkpolicies,poddisruptionbudgets,resourcequotas,rolebindings,roles,secrets,serviceaccounts,services"
    )
    label = f"app.kubernetes.io/instance={RELEASE}"
    found = json.loads(cluster.kubectl("get", kinds, "-A", "-l", label, "-o", "json"))["items"]
    return {f"{each['kind']} {each['metadata']['name']}": _version(each) for each in found}


def _version(manifest: Manifest) -> str:
    # Controllers write the status whenever they like.
    if manifest["kind"] == "ResourceQuota":
        return str(manifest["spec"])
    # So they do the rules that they gather.
    if "aggregationRule" in manifest:
        return str(manifest["aggregationRule"])
    return str(manifest["metadata"].get("generation", manifest["metadata"]["resourceVersion"]))


def play_mooring(cluster: Sandbox) -> None:
    """Put certificates where Mooring puts them, as the field manager that it is."""
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": f"{RELEASE}-webhook"}, "data": DATA}
    webhooks = [
        {"name": name, "clientConfig": {"caBundle": CA_BUNDLE}} for name in ("pods.mooring.dev", "probe.mooring.dev")
    ]
    configuration = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": RELEASE},
        "webhooks": webhooks,
    }
    with cluster.client() as client:
        client.apply(SECRET, secret, manager="mooring")
        client.apply(WEBHOOKS, configuration, manager="mooring")


def test_every_manifest_applies(cluster: Sandbox, helm: Helm, install: Install) -> None:
    """The API server takes every rendered object, and nothing differs from what was rendered afterwards."""
    del install
    values = {"webhook": {"url": URL}, "scheduler": {"enabled": True}, "networkPolicy": {"enabled": True}}
    manifests = helm.template(release=RELEASE, namespace=NAMESPACE, **values)
    text = yaml.safe_dump_all(manifests)
    crds = [each for each in manifests if each["kind"] == "CustomResourceDefinition"]
    cluster.kubectl("apply", "--server-side", "-f", "-", stdin=yaml.safe_dump_all(crds))
    await_kinds(cluster)

    cluster.kubectl("apply", "--server-side", "-f", "-", stdin=text)

    def nothing_differs() -> bool:
        different = subprocess.run(
            cluster.kubectl_command("diff", "--server-side", "-f", "-"),
            input=text,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (different.returncode, different.stdout) == (0, "")
        return True

    # Controllers write a status between the two reads that are compared, until they have nothing to do.
    eventually(nothing_differs)
    # Locators go with their definition.
    others = [each for each in manifests if each["kind"] != "VolumeLocator"]
    cluster.kubectl("delete", "-f", "-", stdin=yaml.safe_dump_all(others), timeout=240)


def test_pods_run_under_the_strictest_standard(cluster: Sandbox, install: Install) -> None:
    """Both replicas of each component are admitted, with the priority of the cluster's own, on different nodes."""
    install(scheduler={"enabled": True})

    pods = json.loads(cluster.kubectl("get", "pods", "-n", NAMESPACE, "-o", "json"))["items"]
    for component in ("operator", "scheduler"):
        own = [each for each in pods if each["metadata"]["labels"]["app.kubernetes.io/component"] == component]
        assert len(own) == len({each["spec"]["nodeName"] for each in own}) == 2
        assert {each["spec"]["priority"] for each in own} == {2_000_000_000}


@pytest.mark.parametrize("server_side", ["true", "false"], ids=["server-side", "client-side"])
def test_upgrade_changes_nothing(cluster: Sandbox, install: Install, in_cluster: InCluster, server_side: str) -> None:
    """Upgrading to the same writes nothing, on the server's side or, as helm 3 does it, on the client's."""
    how = ("--wait", f"--server-side={server_side}")
    values: dict[str, Any] = {"webhook": {"url": URL}, "scheduler": {"enabled": True}}
    install(*how, **values)
    play_mooring(cluster)
    before = objects(cluster)

    for _ in range(2):
        in_cluster("upgrade", str(CHART), *how, values=values)

    # Helm's own records of the revisions are Secrets, with other labels.
    assert objects(cluster) == before
    assert certificates(cluster) == (DATA, [CA_BUNDLE] * 2)


@pytest.mark.parametrize("server_side", ["true", "false"], ids=["server-side", "client-side"])
def test_certificates_outlive_upgrades(
    cluster: Sandbox, install: Install, in_cluster: InCluster, server_side: str
) -> None:
    """An upgrade that changes the webhook leaves what Mooring put there."""
    how = ("--wait", f"--server-side={server_side}")
    install(*how, webhook={"url": URL})
    play_mooring(cluster)

    in_cluster("upgrade", str(CHART), *how, values={"webhook": {"url": URL, "timeoutSeconds": 3}})

    assert certificates(cluster) == (DATA, [CA_BUNDLE] * 2)
    with cluster.client() as client:
        webhooks = client.get(WEBHOOKS)["webhooks"]
    assert [each["timeoutSeconds"] for each in webhooks] == [3, 3]


def test_uninstall_leaves_policies_only(cluster: Sandbox, install: Install, in_cluster: InCluster) -> None:
    """The hook runs, nothing but the CRDs is left, with every policy, and the next release takes them over."""
    install(webhook={"url": URL}, scheduler={"enabled": True})
    policy = (
        "{apiVersion: mooring.dev/v1alpha1, kind: VolumePlacementPolicy, metadata: {name: p}, spec: {podSelector: {}}}"
    )
    cluster.kubectl("apply", "-n", "default", "-f", "-", stdin=policy)
    since = cluster.audit_offset()

    in_cluster("uninstall")

    assert eventually(lambda: objects(cluster).keys() == KEPT)
    created = {
        event["objectRef"]["resource"]
        for event in cluster.audit(since=since)
        if event["verb"] in {"create", "patch"} and event["objectRef"].get("name") == f"{RELEASE}-uninstall"
    }
    assert created >= {"serviceaccounts", "clusterroles", "clusterrolebindings", "roles", "rolebindings", "jobs"}
    assert "p" in cluster.kubectl("get", "vpp", "-n", "default", "-o", "name")
    install(webhook={"url": URL})
    assert "p" in cluster.kubectl("get", "vpp", "-n", "default", "-o", "name")


def test_uninstall_takes_the_crds_if_told(cluster: Sandbox, install: Install, in_cluster: InCluster) -> None:
    """Without `crds.keep` they go with the release."""
    install(crds={"keep": False}, webhook={"url": URL})

    in_cluster("uninstall")

    assert eventually(lambda: not objects(cluster))


def test_uninstall_never_hangs(cluster: Sandbox, install: Install, in_cluster: InCluster) -> None:
    """Where the hook's pod cannot run, helm gives up and says so; nothing is lost, and it goes without the hook."""
    nowhere = {"replicas": 0, "nodeSelector": {"no": "such-node"}}
    install(webhook={"url": URL}, uninstall={"activeDeadlineSeconds": 10}, **nowhere)
    before = objects(cluster)
    with pytest.raises(HelmError, match=f"Job/{NAMESPACE}/{RELEASE}-uninstall .*Failed"):
        in_cluster("uninstall")
    failed = f"Job {RELEASE}-uninstall"
    assert eventually(lambda: objects(cluster).keys() == before.keys() | {failed})

    in_cluster("uninstall", "--no-hooks")

    assert eventually(lambda: objects(cluster).keys() == KEPT | {failed})
