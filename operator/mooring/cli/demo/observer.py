"""What the demo asks of its cluster, and waits for."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any, Final, TypeVar

import yaml

from mooring.cli.demo.scenery import DemoError
from mooring.sandbox.launcher import Sandbox

Found = TypeVar("Found")
Manifest = dict[str, Any]

NAMESPACE: Final = "shop"
REPLICAS: Final = "mooring.dev/replica-nodes"
_PATIENCE: Final = 60.0


class Observer:
    """A user of the cluster, with kubectl and with patience."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox: Final = sandbox

    def kubectl(self, *args: str, timeout: float = 30, stdin: str | None = None) -> str:
        """Run kubectl in the demo's namespace."""
        return self._sandbox.kubectl("--namespace", NAMESPACE, *args, timeout=timeout, stdin=stdin)

    def apply(self, *manifests: Manifest) -> None:
        """Apply manifests, each to the namespace that it names."""
        self._sandbox.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(manifests))

    def read(self, kind: str, name: str) -> Manifest:
        """Read one object."""
        return dict(json.loads(self.kubectl("get", kind, name, "-o", "json")))

    def data_of(self, volume: str) -> str:
        """The node on which a volume's data lies."""
        return str(self.read("pv", volume)["metadata"]["annotations"][REPLICAS])

    def move_data_away(self, volume: str, node: str) -> str:
        """Say that a volume's data lies on a node in another zone than this one; returns which."""
        nodes = json.loads(self.kubectl("get", "nodes", "-o", "json"))["items"]
        zones = {each["metadata"]["name"]: each["metadata"]["labels"]["topology.kubernetes.io/zone"] for each in nodes}
        away = next(name for name in sorted(zones) if zones[name] != zones[node])
        self.kubectl("annotate", "pv", volume, f"{REPLICAS}={away}", "--overwrite")
        return str(away)

    def pods(self, app: str = "mysql") -> list[Manifest]:
        """An application's pods that are not going away, by name."""
        items = json.loads(self.kubectl("get", "pods", "-l", f"app={app}", "-o", "json"))["items"]
        return [pod for pod in items if "deletionTimestamp" not in pod["metadata"]]

    def running(self) -> Manifest:
        """The pod of MySQL, once there is exactly one and it runs."""

        def found() -> Manifest | None:
            pods = self.pods()
            return pods[0] if len(pods) == 1 and pods[0]["status"]["phase"] == "Running" else None

        return self.await_(found, "one running pod")

    def refusal(self) -> str:
        """Why the scheduler places MySQL's pod nowhere, empty while it has not said so."""
        pending = [pod for pod in self.pods() if not pod["spec"].get("nodeName")]
        conditions = pending[0]["status"].get("conditions", []) if pending else []
        return next((str(each["message"]) for each in conditions if each.get("reason") == "Unschedulable"), "")

    def explain(self, pod: str) -> Manifest:
        """What `mooring explain` says of a pod."""
        command = [sys.executable, "-m", "mooring", "explain", f"pod/{pod}", "-n", NAMESPACE, "-o", "json"]
        command += ["--kubeconfig", str(self._sandbox.kubeconfig("mooring"))]
        answer = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
        return dict(json.loads(answer.stdout))

    def expect_on(self, node: str) -> None:
        """Wait until MySQL runs on a node."""
        self.await_(lambda: self.running()["spec"]["nodeName"] == node, f"the pod to run on {node}")

    def expect_still(self, node: str) -> None:
        """See that MySQL stays where it is."""
        generation = self.read("deployment", "mysql")["metadata"]["generation"]
        for _ in range(4):
            time.sleep(0.5)  # what is shown is that nothing happens, and nothing takes time
            now = self.read("deployment", "mysql")["metadata"]["generation"]
            if self.running()["spec"]["nodeName"] != node or now != generation:
                raise DemoError("the pod moved without a policy")

    def await_(self, condition: Callable[[], Found | None], what: str) -> Found:
        """Wait until a condition gives something true, and give that.

        Raises:
            DemoError: it did not within a minute.
        """
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            found = condition()
            if found:
                return found
            time.sleep(0.1)
        raise DemoError(f"waited {_PATIENCE:.0f} s for {what}")
