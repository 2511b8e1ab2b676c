"""`mooring demo`: the main job on a real control plane, told as it happens."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, TypeVar

import typer
import yaml
from rich.console import Console
from rich.table import Table

import mooring
from mooring.api.crd import crds
from mooring.cli.sandbox import shown
from mooring.sandbox import SandboxError
from mooring.sandbox.launcher import Sandbox, up

Found = TypeVar("Found")

_NAMESPACE: Final = "shop"
_VOLUME: Final = "mysql-volume"
_PATIENCE: Final = 60.0
_POLICY: Final = {
    "apiVersion": "mooring.dev/v1alpha1",
    "kind": "VolumePlacementPolicy",
    "metadata": {"name": "databases", "namespace": _NAMESPACE},
    "spec": {"podSelector": {"matchLabels": {"app": "mysql"}}, "updateMode": "Reconcile"},
}


class DemoError(Exception):
    """A step did not turn out as told."""


def demo() -> None:
    """Watch a policy bring MySQL to the node that holds its volume, on a control plane made for the occasion."""
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 132)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # being ended cleans up as Ctrl-C does
    try:
        with _sandbox() as sandbox, _operator(sandbox):
            _Demo(sandbox, console).tell()
    except (DemoError, SandboxError) as error:
        console.print(f"[bold red]failed:[/] {error}")
        raise typer.Exit(1) from error
    except KeyboardInterrupt:
        console.print("interrupted; the sandbox is gone")
        raise typer.Exit(130) from None


@contextlib.contextmanager
def _sandbox() -> Iterator[Sandbox]:
    with shown() as progress:
        sandbox = up(name=f"demo-{os.getpid()}", progress=progress)
    try:
        yield sandbox
    finally:
        with _uninterrupted():
            sandbox.down()


@contextlib.contextmanager
def _operator(sandbox: Sandbox) -> Iterator[None]:
    """Run the operator as users do, with its own rights; its log is shown only if it ends early."""
    sandbox.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(crds()))
    sandbox.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
    command = [sys.executable, "-m", "mooring", "run", "--port", str(sandbox.extender_port)]
    command += ["--kubeconfig", str(sandbox.kubeconfig("mooring"))]
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(command, stderr=log, stdout=log)
        try:
            yield
            if process.poll() is not None:
                log.seek(0)
                raise DemoError(f"the operator ended with {process.returncode}:\n{log.read()}")
        finally:
            with _uninterrupted():
                process.terminate()
                process.wait(timeout=10)


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """Finish cleaning up although Ctrl-C is pressed again."""
    handlers = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


class _Demo:
    def __init__(self, sandbox: Sandbox, console: Console) -> None:
        self._sandbox: Final = sandbox
        self._console: Final = console

    def tell(self) -> None:
        """Go through the steps."""
        self._kubectl("create", "namespace", _NAMESPACE)
        self._volume()
        deployment, claim = _example()
        self._apply(claim)
        self._before(deployment)
        self._policy()
        self._stork(deployment)
        self._strict(deployment)
        self._opted_out(deployment)
        self._console.print("\n[bold green]done:[/] every step turned out as told")

    def _before(self, deployment: dict[str, Any]) -> None:
        self._say("MySQL is scheduled by the stock scheduler; its volume can be mounted from every node.")
        del deployment["spec"]["template"]["spec"]["schedulerName"]
        self._apply(deployment)
        node = self._running()["spec"]["nodeName"]
        data = self._data_away_from(node)
        self._say(f"Now we learn that the data lies on {data}. Without a policy nothing moves:")
        self._expect_still(node)
        self._show()

    def _policy(self) -> None:
        self._say("(a) A policy with updateMode: Reconcile, still under the stock scheduler:")
        data = self._data()
        self._apply(_POLICY)
        self._wait(lambda: self._deployment()["spec"]["template"]["spec"].get("affinity"), "node affinity")
        affinity = self._deployment()["spec"]["template"]["spec"]["affinity"]["nodeAffinity"]
        preferred = affinity["preferredDuringSchedulingIgnoredDuringExecution"][0]
        self._console.print(f"    its first term, on the Deployment: {json.dumps(preferred)}", soft_wrap=True)
        self._kubectl("rollout", "status", "deployment/mysql", "-n", _NAMESPACE, "--timeout=60s", timeout=70)
        condition = "--for=condition=mooring.dev/VolumeLocal"
        waited = self._kubectl("wait", condition, "deployment/mysql", "-n", _NAMESPACE, "--timeout=60s", timeout=70)
        self._console.print(f"    kubectl wait {condition}: {waited.strip()}")
        self._expect_on(data)
        self._show()
        self._wait(self._counted_local, "the policy's status")
        self._console.print(_indented(self._kubectl("get", "vpp", "-n", _NAMESPACE)))

    def _stork(self, deployment: dict[str, Any]) -> None:
        self._kubectl("delete", "vpp", "databases", "-n", _NAMESPACE)
        self._kubectl("delete", "deployment", "mysql", "-n", _NAMESPACE)
        self._wait(lambda: not self._pods(), "the old pod to go")
        data = self._data_away_from(self._data())
        self._say(f"(b) No policy, schedulerName: stork; the data lies on {data} now. The extender brings it there:")
        deployment["spec"]["template"]["spec"]["schedulerName"] = "stork"
        self._apply(deployment)
        self._expect_on(data)
        self._show()

    def _strict(self, deployment: dict[str, Any]) -> None:
        data = self._data()
        self._say(f"(c) Strict, by annotation, while {data} is cordoned: it waits, and says why.")
        self._kubectl("cordon", data)
        deployment["spec"]["template"]["metadata"]["annotations"] = {
            "stork.libopenstorage.org/preferLocalNodeOnly": "true"
        }
        deployment["spec"]["strategy"] = {"type": "Recreate", "rollingUpdate": None}
        self._apply(deployment)
        self._wait(self._refusal, "the scheduler's refusal")
        self._console.print(f"    {self._refusal().partition('. ')[0]}")
        self._show()
        self._kubectl("uncordon", data)
        self._say(f"    {data} is uncordoned:")
        self._expect_on(data)
        self._show()

    def _opted_out(self, deployment: dict[str, Any]) -> None:
        self._say("(d) Opted out by a label: Mooring has no opinion, all nodes are equal.")
        template = deployment["spec"]["template"]
        template["metadata"]["labels"]["mooring.dev/ignore"] = "true"
        self._apply(deployment)
        self._kubectl("rollout", "status", "deployment/mysql", "-n", _NAMESPACE, "--timeout=60s", timeout=70)
        self._running()
        explanation = self._explain()
        if explanation["rule"] is not None:
            raise DemoError(f"a rule holds although the pod opted out: {explanation['rule']}")
        self._show()

    # What is asked of the cluster.

    def _kubectl(self, *args: str, timeout: float = 30, stdin: str | None = None) -> str:
        return self._sandbox.kubectl(*args, timeout=timeout, stdin=stdin)

    def _apply(self, manifest: dict[str, Any]) -> None:
        self._kubectl("apply", "-n", _NAMESPACE, "-f", "-", stdin=yaml.safe_dump(manifest))

    def _volume(self) -> None:
        """A volume without node affinity: it can be mounted everywhere, and nothing draws its pod anywhere."""
        spec = {
            "capacity": {"storage": "1Gi"},
            "accessModes": ["ReadWriteOnce"],
            "csi": {"driver": "fake.csi.mooring.dev", "volumeHandle": _VOLUME},
            "claimRef": {"namespace": _NAMESPACE, "name": "mysql-data"},
        }
        volume = {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": _VOLUME}, "spec": spec}
        self._kubectl("apply", "-f", "-", stdin=yaml.safe_dump(volume))

    def _data(self) -> str:
        volume = json.loads(self._kubectl("get", "pv", _VOLUME, "-o", "json"))
        return str(volume["metadata"]["annotations"]["mooring.dev/replica-nodes"])

    def _data_away_from(self, node: str) -> str:
        """Say that the data lies on a node in another zone than this one; returns which."""
        nodes = json.loads(self._kubectl("get", "nodes", "-o", "json"))["items"]
        zones = {each["metadata"]["name"]: each["metadata"]["labels"]["topology.kubernetes.io/zone"] for each in nodes}
        away: str = next(name for name in sorted(zones) if zones[name] != zones[node])
        self._kubectl("annotate", "pv", _VOLUME, f"mooring.dev/replica-nodes={away}", "--overwrite")
        return away

    def _deployment(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self._kubectl("get", "deployment", "mysql", "-n", _NAMESPACE, "-o", "json"))
        return found

    def _pods(self) -> list[dict[str, Any]]:
        items = json.loads(self._kubectl("get", "pods", "-n", _NAMESPACE, "-o", "json"))["items"]
        return [pod for pod in items if "deletionTimestamp" not in pod["metadata"]]

    def _running(self) -> dict[str, Any]:
        """The pod, once there is exactly one and it is ready."""

        def found() -> dict[str, Any] | None:
            pods = self._pods()
            ready = [pod for pod in pods if pod["status"]["phase"] == "Running"]
            return ready[0] if len(pods) == 1 and ready else None

        return self._wait(found, "one running pod")

    def _counted_local(self) -> bool:
        policy = json.loads(self._kubectl("get", "vpp", "databases", "-n", _NAMESPACE, "-o", "json"))
        return bool(policy.get("status", {}).get("pods", {}).get("local") == 1)

    def _refusal(self) -> str:
        pending = [pod for pod in self._pods() if not pod["spec"].get("nodeName")]
        conditions = pending[0]["status"].get("conditions", []) if pending else []
        messages = (str(each["message"]) for each in conditions if each.get("reason") == "Unschedulable")
        return next(messages, "")

    def _explain(self) -> dict[str, Any]:
        pod = self._pods()[0]["metadata"]["name"]
        command = [sys.executable, "-m", "mooring", "explain", f"pod/{pod}", "-n", _NAMESPACE, "-o", "json"]
        command += ["--kubeconfig", str(self._sandbox.kubeconfig("mooring"))]
        answer = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
        explanation: dict[str, Any] = json.loads(answer.stdout)
        return explanation

    # What is expected of it.

    def _expect_on(self, node: str) -> None:
        self._wait(lambda: self._running()["spec"]["nodeName"] == node, f"the pod to run on {node}")

    def _expect_still(self, node: str) -> None:
        generation = self._deployment()["metadata"]["generation"]
        for _ in range(4):
            time.sleep(0.5)  # what is shown is that nothing happens, and nothing takes time
            if (
                self._running()["spec"]["nodeName"] != node
                or self._deployment()["metadata"]["generation"] != generation
            ):
                raise DemoError("the pod moved without a policy")

    def _wait(self, condition: Callable[[], Found | None], what: str) -> Found:
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            found = condition()
            if found:
                return found
            time.sleep(0.1)
        raise DemoError(f"waited {_PATIENCE:.0f} s for {what}")

    # What is shown.

    def _say(self, line: str) -> None:
        self._console.print(f"\n[bold]{line}[/]")

    def _show(self) -> None:
        pod = self._pods()[0]
        node = pod["spec"].get("nodeName", "")
        explanation = self._explain()
        here = next((each for each in explanation["nodes"] if each["name"] == node), None)
        opinion = explanation["rule"] is not None
        table = Table("pod", "node", "data on", "rule", "tier", "score", box=None, padding=(0, 2))
        table.add_row(
            pod["metadata"]["name"],
            node or "(pending)",
            self._data(),
            explanation["rule"]["name"] if opinion else "none",
            here["tier"] if here and opinion else "-",
            f"{here['score']:g}" if here and opinion else "-",
        )
        self._console.print(table)


def _example() -> tuple[dict[str, Any], dict[str, Any]]:
    """The MySQL Deployment and its claim, from the ready-made policies: beside the package, or in the source tree."""
    package = Path(mooring.__file__).parent
    places = (package / "policies", package.parents[1] / "policies")
    folder = next(place for place in places if place.is_dir())
    manifests = {each["kind"]: each for each in yaml.safe_load_all((folder / "examples/mysql.yaml").read_text())}
    return manifests["Deployment"], manifests["PersistentVolumeClaim"]


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.strip().splitlines())
