"""A sandbox that exists, and what can be done with it."""

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from mooring.sandbox import SandboxError
from mooring.sandbox.client import ApiClient
from mooring.sandbox.credentials import USERS
from mooring.sandbox.layout import ComponentStatus, Layout, Roster, known
from mooring.sandbox.state import remove

_POLL: Final = 0.05


class Sandbox:
    """A sandbox that exists; whether it runs is what `status` says."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.name = layout.directory.name
        self.directory = layout.directory
        self.server = layout.server
        """URL of kube-apiserver."""
        self.extender_port = layout.ports["extender"]
        """Where the second scheduler expects Mooring; nothing listens there until somebody runs it."""
        self.extender_url = layout.extender
        self.serving_certificate = (layout.pki("serving.crt"), layout.pki("serving.key"))
        """For servers that kube-apiserver calls on loopback, such as webhooks; signed by `ca_file`."""
        self.ca_file = layout.pki("ca.crt")

    def kubeconfig(self, user: str = "admin") -> Path:
        """Give the path of a user's kubeconfig.

        Raises:
            SandboxError: there is no such user.
        """
        if user not in USERS:
            raise SandboxError(f"no user {user} in a sandbox; there are {', '.join(USERS)}")
        return self.layout.kubeconfig(user)

    def kubectl_command(self, *args: str, user: str = "admin") -> list[str]:
        """Give the command line of a kubectl call, for those who want to run it themselves."""
        kubectl = str(self.layout.executable("kubectl"))
        cache = self.layout.data("kubectl")
        return [kubectl, f"--kubeconfig={self.kubeconfig(user)}", f"--cache-dir={cache}", *args]

    def kubectl(
        self, *args: str, stdin: str | None = None, user: str = "admin", check: bool = True, timeout: float = 60
    ) -> str:
        """Run kubectl, with `stdin` as its input, and give what it printed.

        Raises:
            SandboxError: it failed, unless `check` is false, or took longer than `timeout` seconds.
        """
        try:
            done = subprocess.run(
                self.kubectl_command(*args, user=user),
                input=stdin or "",
                capture_output=True,
                text=True,
                check=False,
                timeout=timeout,
                # A person's own preferences must not change what a program gets.
                env=os.environ | {"KUBERC": "off"},
            )
        except subprocess.TimeoutExpired as error:
            raise SandboxError(f"kubectl {' '.join(args)} took longer than {timeout:g} s") from error
        if check and done.returncode != 0:
            raise SandboxError(f"kubectl {' '.join(args)}: {done.stderr.strip()}")
        return done.stdout

    def client(self, user: str = "admin") -> ApiClient:
        """Give a raw client for one thread; close it, or use it in a `with` statement."""
        return ApiClient(self.layout, user=user)

    def status(self) -> tuple[ComponentStatus, ...]:
        """Say how each component is doing, in starting order."""
        roster = Roster.load(self.layout.processes)
        if roster is None:
            return ()
        if roster.supervisor.alive():
            return roster.components
        return tuple(
            ComponentStatus(name=each.name, state="dead", process=None, restarts=each.restarts)
            for each in roster.components
        )

    def alive(self) -> bool:
        """Say whether somebody looks after the components."""
        roster = Roster.load(self.layout.processes)
        return roster is not None and roster.supervisor.alive()

    def stop(self, component: str, *, timeout: float = 30) -> None:
        """Stop a component and keep it stopped; return when its process is gone."""
        self._check(component)
        self.layout.stopped(component).touch()
        self._await_state(component, "stopped", timeout=timeout)

    def start(self, component: str, *, timeout: float = 60) -> None:
        """Start a component that was stopped, and return when it is ready."""
        self._check(component)
        self.layout.stopped(component).unlink(missing_ok=True)
        self._await_state(component, "ready", timeout=timeout)

    def audit_offset(self) -> int:
        """Give the present end of the audit log, for `audit(since=...)`."""
        try:
            return self.layout.audit_log.stat().st_size
        except FileNotFoundError:
            return 0

    def audit(self, *, user: str | None = None, since: int = 0) -> Iterator[dict[str, Any]]:
        """Give the audit events from an offset on, those of one user if one is given.

        Only finished requests are there: a request may be logged milliseconds after its answer was received, and a
        watch when it ends. `user` is the name in the cluster, such as `mooring` or `system:kube-scheduler`.
        """
        if not self.layout.audit_log.exists():
            return
        with self.layout.audit_log.open("rb") as log:
            if since:
                # A line that was half written when the offset was taken tells of what was before it.
                log.seek(since - 1)
                log.readline()
            for line in log:
                # The last line may be half written.
                if line.endswith(b"\n"):
                    event = json.loads(line)
                    if user is None or event["user"]["username"] == user:
                        yield event

    def down(self) -> None:
        """End everything that belongs to the sandbox, and remove its directory."""
        remove(self.name)

    def _check(self, component: str) -> None:
        known([component])
        if component not in self.layout.components:
            raise SandboxError(f"sandbox {self.name} was started without {component}")
        if not self.alive():
            raise SandboxError(f"sandbox {self.name} is dead; start it again, or take it down")

    def _await_state(self, component: str, state: str, *, timeout: float) -> None:
        def reached() -> bool:
            return any(each.name == component and each.state == state for each in self.status())

        self.wait_for(reached, f"{component} to be {state}", timeout=timeout)

    def wait_for(self, condition: Callable[[], bool], what: str, *, timeout: float) -> None:
        """Poll until a condition holds.

        Raises:
            SandboxError: it did not within `timeout` seconds; the message tells about what is not ready.
        """
        deadline = time.monotonic() + timeout
        while True:
            asked = time.monotonic()
            if condition():
                return
            if time.monotonic() > deadline:
                raise SandboxError(f"sandbox {self.name}: waited {timeout:g} s for {what}\n{self._ailing()}")
            # Listing thousands of nodes is work: asking must not be what the control plane is busy with.
            time.sleep(max(_POLL, 5 * (time.monotonic() - asked)))

    def _ailing(self) -> str:
        """Tell about the components that are not ready, with the ends of their logs."""
        roster = Roster.load(self.layout.processes)
        if roster is None:
            return self._end_of_log("supervisor")
        return "\n".join(
            f"{each.name} is {each.state}, restarted {each.restarts} times:\n{self._end_of_log(each.name)}"
            for each in roster.components
            if each.state in {"starting", "stopping", "backoff"}
        )

    def _end_of_log(self, component: str) -> str:
        log = self.layout.log(component)
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.exists() else []
        return "\n".join(lines[-8:])
