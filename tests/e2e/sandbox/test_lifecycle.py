"""A sandbox comes, survives what happens to it, and goes without a trace."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from functools import partial

import pytest
from tests.e2e.support import eventually

from mooring.sandbox import SandboxError
from mooring.sandbox.launcher import Sandbox, attach, find, up
from mooring.sandbox.layout import Roster
from mooring.sandbox.processes import Process
from mooring.sandbox.state import home


@pytest.fixture
def own() -> Iterator[Sandbox]:
    """Give a small sandbox that a test may break."""
    running = up(name=f"own-{os.getpid()}", nodes=2, zones=1, racks=1)
    yield running
    running.down()


def processes_of(sandbox: Sandbox) -> list[str]:
    """List what the operating system says still runs from a sandbox's directory."""
    listed = subprocess.run(["/bin/ps", "-axww", "-o", "pid=,args="], capture_output=True, text=True, check=True).stdout
    return [line for line in listed.splitlines() if f"{sandbox.directory}" in line]


def supervisor_of(sandbox: Sandbox) -> Process:
    """Give the process that looks after a sandbox."""
    roster = Roster.load(sandbox.layout.processes)
    assert roster is not None
    return roster.supervisor


def process_of(sandbox: Sandbox, component: str) -> Process:
    """Give a component's process, which must be running."""
    process = next(each.process for each in sandbox.status() if each.name == component)
    assert process is not None
    return process


def has_another_process(sandbox: Sandbox, component: str, before: Process) -> bool:
    """Say whether a component runs in another process than before."""
    return process_of(sandbox, component) != before


def all_ready(sandbox: Sandbox) -> bool:
    """Say whether every component is ready."""
    return all(each.state == "ready" for each in sandbox.status())


def api_answers(sandbox: Sandbox) -> bool:
    """Say whether the API can be read."""
    return bool(sandbox.kubectl("get", "namespaces", "-o", "name"))


def test_sandboxes_run_side_by_side(sandbox: Sandbox, own: Sandbox) -> None:
    """Two sandboxes share no port, and each has its own nodes."""
    assert not set(sandbox.layout.ports.values()) & set(own.layout.ports.values())
    assert len(sandbox.kubectl("get", "nodes", "-o", "name").split()) == 6
    assert len(own.kubectl("get", "nodes", "-o", "name").split()) == 2


def test_up_gives_the_running_sandbox(own: Sandbox) -> None:
    """Asking again for a sandbox that runs starts nothing."""
    again = up(name=own.name, nodes=5)

    assert again.directory == own.directory
    assert [each.process for each in again.status()] == [each.process for each in own.status()]
    assert attach(own.name).server == own.server


def test_nodes_are_ready_and_placed(sandbox: Sandbox) -> None:
    """Nodes are Ready without taints, lie in racks and zones, and the driver is registered on each of them."""
    columns = r"jsonpath={range .items[*]}{.metadata.name} {.metadata.labels.topology\.kubernetes\.io/rack}"
    columns += r" {.metadata.labels.topology\.kubernetes\.io/zone} {.spec.taints}{'\n'}{end}"

    def placed() -> bool:
        assert [line.split() for line in sandbox.kubectl("get", "nodes", "-o", columns).splitlines()] == [
            ["node-1", "rack-1", "zone-1"],
            ["node-2", "rack-1", "zone-1"],
            ["node-3", "rack-2", "zone-1"],
            ["node-4", "rack-2", "zone-1"],
            ["node-5", "rack-3", "zone-2"],
            ["node-6", "rack-3", "zone-2"],
        ]
        return True

    # Of a node that a test before made unschedulable for a while a controller takes the taint.
    eventually(placed)
    drivers = sandbox.kubectl("get", "csinodes", "-o", "jsonpath={.items[*].spec.drivers[*].name}").split()
    assert drivers == ["fake.csi.mooring.dev"] * 6


@pytest.mark.parametrize("scheduler", ["default-scheduler", "mooring", "stork"])
def test_deployment_rolls_out(sandbox: Sandbox, namespace: str, scheduler: str) -> None:
    """Every scheduler places pods, those with an extender also while nothing answers there, and pods become ready."""
    manifest = f"""
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web, namespace: {namespace}}}
spec:
  replicas: 3
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec:
      schedulerName: {scheduler}
      containers: [{{name: web, image: web, resources: {{requests: {{cpu: 100m}}}}}}]
"""
    sandbox.kubectl("apply", "-f", "-", stdin=manifest)

    said = sandbox.kubectl("rollout", "status", "deployment/web", "-n", namespace, "--timeout=90s", timeout=120)

    assert "successfully rolled out" in said
    pods = sandbox.kubectl("get", "pods", "-n", namespace, "-o", "jsonpath={.items[*].status.phase}")
    assert pods.split() == ["Running"] * 3


def test_mooring_has_its_own_rights_only(sandbox: Sandbox) -> None:
    """The user of the operator may read pods, may not delete them, and is told apart in the audit log."""
    since = sandbox.audit_offset()

    sandbox.kubectl("get", "pods", "-A", user="mooring")
    with pytest.raises(SandboxError, match="forbidden"):
        sandbox.kubectl("delete", "pod", "none", user="mooring")

    def logged() -> set[tuple[str, int]]:
        return {
            (event["verb"], event["responseStatus"]["code"]) for event in sandbox.audit(user="mooring", since=since)
        }

    eventually(lambda: logged() >= {("list", 200), ("delete", 403)})


def test_killed_component_is_restarted(own: Sandbox) -> None:
    """A component that dies comes back, whichever it is, and what was stored is still there."""
    own.kubectl("create", "configmap", "kept")
    for component in own.layout.components:
        # One that lost what it needs may be about to start again.
        before = eventually(partial(process_of, own, component))

        before.send(signal.SIGKILL)

        eventually(partial(has_another_process, own, component, before))
    eventually(lambda: all_ready(own))
    assert "kept" in own.kubectl("get", "configmap", "kept", "-o", "name")
    assert all(each.restarts >= 1 for each in own.status())


def test_apiserver_can_be_stopped_and_started(own: Sandbox) -> None:
    """A component that is stopped on purpose stays stopped until it is started."""
    own.stop("kube-apiserver")

    assert not process_states(own)["kube-apiserver"][1]
    with pytest.raises(SandboxError):
        own.kubectl("get", "nodes", "--request-timeout=2s")

    own.start("kube-apiserver")

    eventually(lambda: api_answers(own))
    eventually(lambda: all_ready(own))


def process_states(sandbox: Sandbox) -> dict[str, tuple[str, bool]]:
    """Give each component's state, and whether it has a process."""
    return {each.name: (each.state, each.process is not None) for each in sandbox.status()}


def test_killed_supervisor_leaves_no_process(own: Sandbox) -> None:
    """Everything ends with the supervisor even if it is killed, the sandbox is dead then, and can be started anew."""
    old = supervisor_of(own)

    old.send(signal.SIGKILL)

    eventually(lambda: not processes_of(own))
    assert {each.state for each in own.status()} == {"dead"}
    with pytest.raises(SandboxError, match="dead"):
        attach(own.name)
    assert supervisor_of(up(name=own.name, nodes=1, zones=1, racks=1)) != old


def test_deleted_directory_ends_everything(own: Sandbox) -> None:
    """Removing the state directory by hand is a way to take a sandbox down."""

    def removed() -> bool:
        # What still runs may put a file where one was just removed.
        shutil.rmtree(own.directory, ignore_errors=True)
        return not own.directory.exists()

    eventually(removed)
    eventually(lambda: not processes_of(own))


def test_down_leaves_nothing(own: Sandbox) -> None:
    """No process and no file of a sandbox is left, not even when a component had died and one was stopped."""
    process_of(own, "kwok").send(signal.SIGKILL)
    own.stop("kube-scheduler")

    own.down()

    assert not processes_of(own)
    assert not [path for path in home().iterdir() if path.name.startswith(own.name)]
    assert find(own.name) is None


def test_failed_start_leaves_nothing() -> None:
    """A sandbox that cannot be started explains why, and is not left half running."""
    name = f"broken-{os.getpid()}"

    with pytest.raises(SandboxError, match="no such component: kubelet"):
        up(name=name, components=["etcd", "kubelet"])
    with pytest.raises(SandboxError, match=r"waited 0\.1 s"):
        up(name=name, timeout=0.1)

    assert find(name) is None
    assert not [path for path in home().iterdir() if path.name.startswith(name)]
