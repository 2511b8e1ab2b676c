"""`mooring sandbox`: a real control plane on this machine, for trying things out."""

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from mooring.sandbox import SandboxError
from mooring.sandbox.launcher import Sandbox, attach, find, up
from mooring.sandbox.progress import Progress, plain
from mooring.sandbox.state import remove

sandbox_app = typer.Typer(
    name="sandbox", help="A real control plane on this machine: start it, look at it, end it.", no_args_is_help=True
)

Name = Annotated[str, typer.Option(help="Which sandbox; several can run side by side.")]

_PASS_ON = {"allow_extra_args": True, "ignore_unknown_options": True}


@sandbox_app.command("up")
def up_command(
    name: Name = "default",
    nodes: Annotated[int, typer.Option(min=0, help="How many nodes pretend to run pods.")] = 6,
    zones: Annotated[int, typer.Option(min=1, help="How many zones they are spread over.")] = 2,
    racks: Annotated[int, typer.Option(min=1, help="How many racks there are in all zones together.")] = 3,
    nodes_from: Annotated[
        Path | None,
        typer.Option(help="YAML file of Nodes and CSINodes to pretend, such as kubectl prints those of a cluster."),
    ] = None,
) -> None:
    """Start a sandbox, unless it runs already. The first time the control plane is compiled: minutes."""
    with _explained(), shown() as progress:
        sandbox = up(name=name, nodes=nodes, zones=zones, racks=racks, node_manifests=nodes_from, progress=progress)
    typer.echo(f"sandbox {name} is ready: {sandbox.server}")
    typer.echo(f"its second scheduler looks for Mooring at {sandbox.extender_url}")
    typer.echo(f"export KUBECONFIG={sandbox.kubeconfig()}")


@sandbox_app.command()
def status(name: Name = "default") -> None:
    """Show what runs; exit with 1 unless all of it is ready."""
    sandbox = find(name)
    if sandbox is None:
        typer.echo(f"there is no sandbox {name}", err=True)
        raise typer.Exit(1)
    table = Table("component", "state", "pid", "restarts", "port", box=None, pad_edge=False)
    components = sandbox.status()
    for each in components:
        port = sandbox.layout.ports[each.name]
        table.add_row(each.name, each.state, str(each.pid or "-"), str(each.restarts), str(port))
    Console().print(table)
    if not components or any(each.state != "ready" for each in components):
        raise typer.Exit(1)


@sandbox_app.command()
def down(name: Name = "default") -> None:
    """End a sandbox and remove everything that belongs to it."""
    with _explained():
        existed = remove(name)
    typer.echo(f"sandbox {name} is gone" if existed else f"there was no sandbox {name}")


@sandbox_app.command()
def kubeconfig(
    name: Name = "default",
    user: Annotated[str, typer.Option(help="admin, mooring, or a component.")] = "admin",
) -> None:
    """Print the path of a kubeconfig."""
    with _explained():
        typer.echo(_existing(name).kubeconfig(user))


@sandbox_app.command()
def stop(component: Annotated[str, typer.Argument()], name: Name = "default") -> None:
    """Stop one component and keep it stopped."""
    with _explained():
        attach(name).stop(component)


@sandbox_app.command()
def start(component: Annotated[str, typer.Argument()], name: Name = "default") -> None:
    """Start a component that was stopped."""
    with _explained():
        attach(name).start(component)


@sandbox_app.command(context_settings=_PASS_ON, add_help_option=False)
def kubectl(context: typer.Context, name: Name = "default") -> None:
    """Run kubectl as the sandbox's administrator."""
    with _explained():
        command = attach(name).kubectl_command(*context.args)
    raise typer.Exit(subprocess.run(command, check=False).returncode)


def _existing(name: str) -> Sandbox:
    sandbox = find(name)
    if sandbox is None:
        raise SandboxError(f"there is no sandbox {name}")
    return sandbox


@contextlib.contextmanager
def _explained() -> Iterator[None]:
    """Turn what a sandbox cannot do into a message and exit code 1."""
    try:
        yield
    except SandboxError as error:
        typer.echo(f"mooring: {error}", err=True)
        raise typer.Exit(1) from error


@contextlib.contextmanager
def shown() -> Iterator[Progress]:
    """Show progress on stderr: in place on a terminal, else a line now and then."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield plain(lambda line: typer.echo(line, err=True))
        return
    with console.status("", spinner="dots") as shown:
        yield shown.update
