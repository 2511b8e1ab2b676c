"""`mooring demo`: the main job on a real control plane, told as it happens."""

import signal
import sys

import typer
from rich.console import Console

from mooring.cli.demo.scenery import DemoError, operator_beside, sandbox_for_demo
from mooring.cli.demo.story import Story
from mooring.sandbox import SandboxError


def demo() -> None:
    """Watch a policy bring MySQL to the node that holds its volume, on a control plane made for the occasion."""
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 132)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # being ended cleans up as Ctrl-C does
    try:
        with sandbox_for_demo() as sandbox, operator_beside(sandbox) as webhook:
            Story(sandbox, console, webhook=webhook).tell()
    except (DemoError, SandboxError) as error:
        console.print(f"[bold red]failed:[/] {error}")
        raise typer.Exit(1) from error
    except KeyboardInterrupt:
        console.print("interrupted; the sandbox is gone")
        raise typer.Exit(130) from None
