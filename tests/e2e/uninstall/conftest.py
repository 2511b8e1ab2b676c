"""A control plane of its own, because uninstalling concerns a whole cluster; a release of the chart for each test."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from tests.e2e.accounts import service_account_kubeconfig
from tests.e2e.manifests import Manifest
from tests.e2e.release import ADMISSION, Release
from tests.e2e.support import eventually
from tests.programs import Helm

from mooring.sandbox.launcher import Sandbox, up

Done = subprocess.CompletedProcess[str]


class Uninstall:
    """`mooring uninstall` as the chart's hook runs it: with the hook's ServiceAccount and no other rights.

    Attributes:
        account: the name of the ServiceAccount and of its roles.
        user: what the audit log calls it.
    """

    def __init__(self, cluster: Sandbox, release: Release, helm: Helm, directory: Path) -> None:
        rendered = helm.template(release=release.name, namespace=release.namespace)
        hooks = [
            each for each in rendered if each["metadata"].get("annotations", {}).get("helm.sh/hook") == "pre-delete"
        ]
        self._rights = yaml.safe_dump_all(each for each in hooks if each["kind"] != "Job")
        (job,) = (each for each in hooks if each["kind"] == "Job")
        (container,) = job["spec"]["template"]["spec"]["containers"]
        account = job["spec"]["template"]["spec"]["serviceAccountName"]
        cluster.kubectl("apply", "-f", "-", stdin=self._rights)
        file = directory / "uninstall.kubeconfig"
        kubeconfig = service_account_kubeconfig(
            cluster, namespace=release.namespace, name=account, lease=release.name, file=file
        )
        self._cluster = cluster
        self._command = [sys.executable, "-m", "mooring", *container["args"], "--kubeconfig", str(kubeconfig)]
        self.account = account
        self.user = f"system:serviceaccount:{release.namespace}:{account}"

    def start(self) -> subprocess.Popen[str]:
        """Start it."""
        return subprocess.Popen(self._command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def __call__(self, *arguments: str) -> Done:
        """Run it to its end."""
        return subprocess.run([*self._command, *arguments], capture_output=True, text=True, timeout=300, check=False)

    def requests(self, since: int) -> list[Manifest]:
        """Give what it asked the API server for since an offset of the audit log."""
        return list(self._cluster.audit(user=self.user, since=since))

    def writes(self, since: int) -> list[str]:
        """Give what it wrote since an offset of the audit log."""
        return [
            f"{event['verb']} {event['requestURI']}"
            for event in self.requests(since)
            if event["verb"] not in {"get", "list"}
        ]

    def delete(self) -> None:
        """Take its rights away."""
        self._cluster.kubectl("delete", "-f", "-", stdin=self._rights)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """Give a control plane that belongs to this module."""
    running = up(name=f"uninstall-{os.getpid()}", nodes=4, zones=1, racks=1)
    yield running
    running.down()


@pytest.fixture
def release(sandbox: Sandbox, helm: Helm, tmp_path: Path) -> Iterator[Release]:
    """Install the chart with one replica, whose pod runs nothing and stays until `let_pods_go`."""
    made = Release(sandbox, helm, tmp_path, admission={ADMISSION: "true"}, replicas=1)
    held = {"spec": {"template": {"metadata": {"finalizers": ["test/kubelet"]}}}}
    sandbox.kubectl("patch", "deployment", made.name, "-n", made.namespace, "--type=merge", "-p", json.dumps(held))
    eventually(lambda: len(operator_pods(sandbox, made, held=True)) == 1)
    yield made
    let_pods_go(sandbox, made)
    made.delete()


def operator_pods(sandbox: Sandbox, release: Release, *, held: bool) -> list[str]:
    """Give the names of the pods of a release's Deployment, those that are held or the others."""
    label = "app.kubernetes.io/component=operator"
    listed = json.loads(sandbox.kubectl("get", "pods", "-n", release.namespace, "-l", label, "-o", "json"))["items"]
    return [each["metadata"]["name"] for each in listed if bool(each["metadata"].get("finalizers")) is held]


def let_pods_go(sandbox: Sandbox, release: Release) -> None:
    """Say what a kubelet says when the processes of its pods have ended."""
    for name in operator_pods(sandbox, release, held=True):
        freed = json.dumps({"metadata": {"finalizers": None}})
        sandbox.kubectl("patch", "pod", name, "-n", release.namespace, "--type=merge", "-p", freed, check=False)


@pytest.fixture
def uninstall(sandbox: Sandbox, release: Release, helm: Helm, tmp_path: Path) -> Iterator[Uninstall]:
    """Give `mooring uninstall` with the rights of the chart's hook."""
    made = Uninstall(sandbox, release, helm, tmp_path)
    yield made
    made.delete()
