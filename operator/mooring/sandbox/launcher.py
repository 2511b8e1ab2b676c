"""Starts and finds sandboxes.

`up()` gives a `Sandbox`; `attach()` finds one that another process started. A sandbox lives in a directory of its own
and belongs to no process: it stays until `down()`.
"""

import contextlib
import os
import subprocess
import sys
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, Final

import mooring
from mooring.sandbox import SandboxError
from mooring.sandbox.bootstrap import grant_rights
from mooring.sandbox.build import build
from mooring.sandbox.client import ApiClient, ApiError
from mooring.sandbox.components import config_files
from mooring.sandbox.credentials import write_credentials
from mooring.sandbox.instance import Sandbox
from mooring.sandbox.layout import COMPONENTS, PORTS, Layout, known
from mooring.sandbox.nodes import DRIVER, all_ready, create_nodes, load_nodes, make_nodes
from mooring.sandbox.processes import free_ports, locked
from mooring.sandbox.progress import Progress
from mooring.sandbox.state import clear, directory_of, home, lock_of

__all__ = ["Sandbox", "attach", "find", "up"]

_API: Final = {"etcd", "kube-apiserver"}

_PROGRAMS: Final = (
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubectl",
    "kwok",
    "kwok-stages",
)


def _quiet(line: str) -> None:
    """Tell nobody."""
    del line


def up(
    *,
    name: str = "default",
    nodes: int = 6,
    zones: int = 2,
    racks: int = 3,
    drivers: Sequence[str] = (DRIVER,),
    node_manifests: Path | None = None,
    components: Collection[str] = COMPONENTS,
    progress: Progress = _quiet,
    timeout: float = 120,
) -> Sandbox:
    """Give the running sandbox of this name, started if there is none; a live one is given as it is.

    Everything is ready then: the API, the schedulers, the nodes, and the default service account. Building the binary
    takes minutes, once. `node_manifests` is a YAML file of Nodes and CSINodes, instead of made ones. `timeout` is in
    seconds, for each thing that is waited for.

    Raises:
        SandboxError: something did not work; nothing is left running then.
    """
    directory = directory_of(name)
    wanted = known(components)
    manifests = (
        make_nodes(nodes=nodes, zones=zones, racks=racks, drivers=drivers)
        if node_manifests is None
        else load_nodes(node_manifests)
    )
    binary = build(progress)
    with locked(lock_of(name)):
        existing = find(name)
        if existing is not None and existing.alive():
            return existing
        clear(directory)
        try:
            progress("starting the control plane")
            sandbox = Sandbox(_prepare(directory, wanted, binary))
            _start(sandbox, manifests, progress=progress, timeout=timeout)
            _settle(sandbox, progress=progress, timeout=timeout)
        except BaseException:
            clear(directory)
            lock_of(name).unlink()
            raise
    return sandbox


def attach(name: str = "default") -> Sandbox:
    """Give the running sandbox of this name.

    Raises:
        SandboxError: there is none, or it is dead.
    """
    sandbox = find(name)
    if sandbox is None:
        raise SandboxError(f"there is no sandbox {name}; start one with `mooring sandbox up --name {name}`")
    if not sandbox.alive():
        raise SandboxError(f"sandbox {name} is dead; `mooring sandbox up --name {name}` starts it anew")
    return sandbox


def find(name: str) -> Sandbox | None:
    """Give the sandbox of this name, dead or alive, or None."""
    try:
        return Sandbox(Layout.load(directory_of(name)))
    except SandboxError:
        return None


def _prepare(directory: Path, components: tuple[str, ...], binary: Path) -> Layout:
    siblings = [found for path in home().iterdir() if path.is_dir() and (found := find(path.name))]
    taken = {port for sibling in siblings for port in sibling.layout.ports.values()}
    layout = Layout(directory=directory, ports=free_ports(PORTS, taken=taken), components=components)
    layout.save()
    write_credentials(layout)
    for program in _PROGRAMS:
        layout.executable(program).symlink_to(binary)
    for path, text in config_files(layout).items():
        path.write_text(text, encoding="utf-8")
    stages = subprocess.run([layout.executable("kwok-stages")], capture_output=True, check=True).stdout
    layout.config("kwok.yaml").write_bytes(stages)
    return layout


def _launch(layout: Layout) -> None:
    # The supervisor must find this very mooring, installed or not.
    paths = [str(Path(mooring.__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
    with layout.log("supervisor").open("ab") as log:
        subprocess.run(
            [sys.executable, "-m", "mooring.sandbox.supervisor", str(layout.directory)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
            check=True,
        )


def _start(sandbox: Sandbox, manifests: Sequence[dict[str, Any]], *, progress: Progress, timeout: float) -> None:
    layout = sandbox.layout
    # What acts on the cluster comes last: a scheduler without its rights only fails and backs off, and controllers that
    # see nodes come one by one write to each of them again and again.
    held = [layout.stopped(name) for name in layout.components if name not in _API]
    for path in held:
        path.touch()
    _launch(layout)
    sandbox.wait_for(sandbox.alive, "the supervisor", timeout=timeout)
    if set(layout.components) >= _API:
        sandbox.start("kube-apiserver", timeout=timeout)
        with sandbox.client() as client:
            grant_rights(client)
        create_nodes(layout, manifests, progress=progress)
    for path in held:
        path.unlink()
    for component in layout.components:
        progress(f"waiting for {component}")
        sandbox.start(component, timeout=timeout)


def _settle(sandbox: Sandbox, *, progress: Progress, timeout: float) -> None:
    """Wait for what the controllers and kwok make of a new cluster."""
    components = set(sandbox.layout.components)
    if not components >= _API | {"kube-controller-manager"}:
        return
    progress("waiting for the nodes and the default service account")
    with sandbox.client() as client:
        sandbox.wait_for(lambda: _has_account(client), "the default service account", timeout=timeout)
        if "kwok" in components:
            sandbox.wait_for(lambda: all_ready(client), "the nodes to be Ready", timeout=timeout)


def _has_account(client: ApiClient) -> bool:
    with contextlib.suppress(ApiError):
        client.get("/api/v1/namespaces/default/serviceaccounts/default")
        return True
    return False
