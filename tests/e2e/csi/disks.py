"""Local disks on the nodes of a sandbox: volumes made by the real csi-provisioner, with topology and capacity.

The driver behind it is `tests/csi/disk`, which stores nothing; nobody mounts here.
"""

import json
import os
import subprocess
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final, Self

from tests.e2e.manifests import Manifest
from tests.e2e.support import REPOSITORY, eventually

from mooring.sandbox.build import build_program, find_go
from mooring.sandbox.client import ApiClient
from mooring.sandbox.launcher import Sandbox
from mooring.sandbox.progress import Progress

DRIVER: Final = "disk.csi.mooring.dev"
TOPOLOGY_KEY: Final = f"topology.{DRIVER}/node"
"""Label of the nodes with disks: the node's name with `disk-of-` before it, for no driver need call it by its name."""

_MODULE: Final = REPOSITORY / "tests" / "csi"
_PROVISIONER: Final = "github.com/kubernetes-csi/external-provisioner/v6/cmd/csi-provisioner"
_SNAPSHOTS: Final = "github.com/kubernetes-csi/external-snapshotter/client/v8"
_SNAPSHOT_RESOURCES: Final = {"volumesnapshots", "volumesnapshotcontents", "volumesnapshotclasses"}
_CAPACITY_NAMESPACE: Final = "kube-system"
_JSON_PATCH: Final = "application/json-patch+json"


class Disks:
    """The driver and its csi-provisioner. Use it in a `with` statement: no process of it is left afterwards."""

    def __init__(self, sandbox: Sandbox, directory: Path, progress: Progress) -> None:
        self.directory = directory
        self._sandbox = sandbox
        self._progress = progress
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        """Give every node that is there a disk, and start both processes, built first if need be."""
        driver = build_program("disk", self._progress, module=_MODULE, package="./disk")
        provisioner = build_program("csi-provisioner", self._progress, module=_MODULE, package=_PROVISIONER)
        self._sandbox.kubectl("apply", "-k", str(self._snapshot_crds()))
        with self._sandbox.client() as client:
            # Whoever looks for a resource before it is served looks again much later.
            eventually(lambda: _served(client, "snapshot.storage.k8s.io/v1") >= _SNAPSHOT_RESOURCES)
            client.create("/apis/storage.k8s.io/v1/csidrivers", _CSI_DRIVER)
            add_disks(client, [node["metadata"]["name"] for node in client.get("/api/v1/nodes")["items"]])
        socket = self.directory / "socket"
        self._spawn(driver, f"-driver={DRIVER}", f"-topology-key={TOPOLOGY_KEY}", f"-socket={socket}")
        eventually(socket.exists)
        self._spawn(provisioner, f"--csi-address={socket}", f"--kubeconfig={self._sandbox.kubeconfig()}", *_ARGUMENTS)
        return self

    def __exit__(self, *_: object) -> None:
        """Kill both processes."""
        self._stack.close()

    def tail(self, *, lines: int = 30) -> str:
        """Give the ends of both logs."""
        logs = sorted(self.directory.glob("*.log"))
        return "\n".join(f"{log.name}:\n{_end(log, lines)}" for log in logs)

    def _spawn(self, program: Path, *arguments: str) -> None:
        environment = os.environ | {"NAMESPACE": _CAPACITY_NAMESPACE}
        with (self.directory / f"{program.name}.log").open("ab") as log:
            process = subprocess.Popen(
                [program, *arguments], stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment
            )
        self._stack.callback(process.wait)
        self._stack.callback(process.kill)

    def _snapshot_crds(self) -> Path:
        """Give the directory with the CRDs of snapshots, which are of the module whose client csi-provisioner uses."""
        go = find_go((_MODULE / "go.mod").read_text(encoding="utf-8"), self._progress)
        command = [str(go), "mod", "download", "-json", _SNAPSHOTS]
        environment = os.environ | {"GOTOOLCHAIN": "local", "GOFLAGS": "", "GOWORK": "off"}

        def downloaded() -> Path:
            done = subprocess.run(command, cwd=_MODULE, capture_output=True, text=True, check=False, env=environment)
            assert done.returncode == 0, done.stdout + done.stderr
            return Path(json.loads(done.stdout)["Dir"])

        # The build needed all of it but a word about the version: a proxy that does not answer once is asked again.
        return eventually(downloaded, every=5) / "config" / "crd"


def add_disks(client: ApiClient, nodes: Sequence[str], *, attach_limit: int | None = None) -> None:
    """Let the driver run on nodes, as kubelets say it: by a label, and by an entry in their CSINode."""
    for node in nodes:
        label = {"metadata": {"labels": {TOPOLOGY_KEY: segment(node)}}}
        client.request("PATCH", f"/api/v1/nodes/{node}", label, content_type="application/merge-patch+json")
        entry: Manifest = {"name": DRIVER, "nodeID": node, "topologyKeys": [TOPOLOGY_KEY]}
        if attach_limit is not None:
            entry["allocatable"] = {"count": attach_limit}
        added = [{"op": "add", "path": "/spec/drivers/-", "value": entry}]
        client.request("PATCH", f"/apis/storage.k8s.io/v1/csinodes/{node}", added, content_type=_JSON_PATCH)


def _served(client: ApiClient, version: str) -> set[str]:
    return {each["name"] for each in client.get(f"/apis/{version}")["resources"]}


def segment(node: str) -> str:
    """Give what the driver calls a node."""
    return f"disk-of-{node}"


def node_of(volume: Manifest) -> str:
    """Give the only node from which a volume of the driver can be used."""
    (term,) = volume["spec"]["nodeAffinity"]["required"]["nodeSelectorTerms"]
    (expression,) = term["matchExpressions"]
    assert (expression["key"], expression["operator"]) == (TOPOLOGY_KEY, "In")
    (value,) = expression["values"]
    return str(value).removeprefix(segment(""))


_CSI_DRIVER: Final[Manifest] = {
    "metadata": {"name": DRIVER},
    # Nothing is attached: there is no csi-attacher here.
    "spec": {"attachRequired": False, "storageCapacity": True},
}

_ARGUMENTS: Final = (
    "--strict-topology",
    "--immediate-topology=true",
    "--enable-capacity",
    "--capacity-ownerref-level=-1",
    # The defaults spare a busy API server; here they would only make tests wait.
    "--capacity-poll-interval=1s",
    "--kube-api-qps=100",
    "--kube-api-burst=100",
    "--kube-api-capacity-qps=100",
    "--kube-api-capacity-burst=100",
    "--retry-interval-max=2s",
    "--timeout=10s",
    "--v=3",
)


def _end(log: Path, lines: int) -> str:
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
