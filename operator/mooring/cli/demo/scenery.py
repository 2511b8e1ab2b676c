"""What the demo plays on: a sandbox, and the operator as a process beside it."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator

import yaml

from mooring.api.crd import crds
from mooring.cli.sandbox import shown
from mooring.sandbox.launcher import Sandbox, up
from mooring.sandbox.processes import LOOPBACK, free_ports


class DemoError(Exception):
    """A step did not turn out as told."""


@contextlib.contextmanager
def sandbox_for_demo() -> Iterator[Sandbox]:
    """Give a sandbox, and take it down however the demo ends."""
    with shown() as progress:
        sandbox = up(name=f"demo-{os.getpid()}", progress=progress)
    try:
        yield sandbox
    finally:
        with _uninterrupted():
            sandbox.down()


@contextlib.contextmanager
def operator_beside(sandbox: Sandbox) -> Iterator[str]:
    """Run the operator as users do, with its own rights, and give the URL of its webhook, which nobody calls yet.

    Raises:
        DemoError: it ended early; its log is in the message.
    """
    sandbox.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(crds()))
    sandbox.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
    port = free_ports(["webhook"], taken=[])["webhook"]
    command = [sys.executable, "-m", "mooring", "run", f"--port={sandbox.extender_port}", f"--webhook-port={port}"]
    # Which scheduler a pod gets is the story's to tell.
    command += ["--no-set-scheduler-name", f"--kubeconfig={sandbox.kubeconfig('mooring')}"]
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(command, stderr=log, stdout=log)
        try:
            yield f"https://{LOOPBACK}:{port}/mutate"
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
