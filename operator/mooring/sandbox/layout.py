"""Where the parts of one sandbox are: paths below its state directory, and ports on loopback."""

import json
import os
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Self

from mooring.sandbox import SandboxError
from mooring.sandbox.processes import LOOPBACK, Process

COMPONENTS: Final = (
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kwok",
    "kube-scheduler",
    "mooring-scheduler",
)
"""Every component, in starting order."""

PORTS: Final = (*COMPONENTS, "etcd-peer", "extender")
"""What needs a port: the components, etcd's unused peer port, and the extender that somebody else will run."""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The plan of a sandbox, as kept in `sandbox.json`."""

    directory: Path
    ports: Mapping[str, int]
    components: tuple[str, ...] = COMPONENTS
    """Those to run, a part of COMPONENTS."""

    @property
    def file(self) -> Path:
        """The plan itself; without it there is no sandbox."""
        return self.directory / "sandbox.json"

    @property
    def server(self) -> str:
        """URL of kube-apiserver."""
        return f"https://{LOOPBACK}:{self.ports['kube-apiserver']}"

    @property
    def extender(self) -> str:
        """URL of the extender that the second scheduler calls, without a path."""
        return f"http://{LOOPBACK}:{self.ports['extender']}"

    @property
    def audit_log(self) -> Path:
        """Where kube-apiserver writes one JSON audit event a line."""
        return self.directory / "audit.log"

    @property
    def processes(self) -> Path:
        """Where the supervisor says what runs."""
        return self.directory / "processes.json"

    def executable(self, program: str) -> Path:
        """Path of a program; all are links to the one binary."""
        return self.directory / "bin" / program

    def pki(self, file: str) -> Path:
        """Path of a key or certificate."""
        return self.directory / "pki" / file

    def kubeconfig(self, user: str) -> Path:
        """Path of a user's kubeconfig."""
        return self.directory / "kubeconfig" / f"{user}.yaml"

    def config(self, file: str) -> Path:
        """Path of a component's configuration file."""
        return self.directory / "config" / file

    def data(self, component: str) -> Path:
        """Directory where a component may leave files."""
        return self.directory / "data" / component

    def log(self, component: str) -> Path:
        """Path of a component's output."""
        return self.directory / "logs" / f"{component}.log"

    def stopped(self, component: str) -> Path:
        """File whose presence asks the supervisor to keep a component stopped."""
        return self.directory / "stopped" / component

    def save(self) -> None:
        """Make the directories and write the plan."""
        for part in ("bin", "pki", "kubeconfig", "config", "data", "logs", "stopped"):
            (self.directory / part).mkdir(parents=True, exist_ok=True)
        # Keys lie here: nobody else's business.
        self.directory.chmod(0o700)
        plan = {"ports": dict(self.ports), "components": self.components}
        write_whole(self.file, json.dumps(plan, indent=2))

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Read the plan of an existing sandbox.

        Raises:
            SandboxError: there is none, or it cannot be read.
        """
        try:
            plan = json.loads((directory / "sandbox.json").read_text(encoding="utf-8"))
            return cls(directory=directory, ports=plan["ports"], components=tuple(plan["components"]))
        except (OSError, ValueError, KeyError) as error:
            raise SandboxError(f"no sandbox at {directory}: {error}") from error


@dataclass(frozen=True, kw_only=True)
class ComponentStatus:
    """What the supervisor knows about a component."""

    name: str
    state: str
    """waiting (for what it needs), starting, ready, stopping, stopped (on purpose), backoff (died), or dead (nobody
    supervises it)."""
    process: Process | None
    restarts: int
    """How often it was started again after it died."""

    @property
    def pid(self) -> int | None:
        """Its process id, while it runs."""
        return None if self.process is None else self.process.pid


@dataclass(frozen=True, kw_only=True)
class Roster:
    """What runs: the supervisor and its components, as kept in `processes.json`."""

    supervisor: Process
    components: tuple[ComponentStatus, ...]

    def save(self, path: Path) -> None:
        """Write the roster, at once for every reader."""
        write_whole(path, json.dumps(asdict(self), indent=2))

    @classmethod
    def load(cls, path: Path) -> Self | None:
        """Read the roster, or give None while there is none yet."""
        try:
            said = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        components = tuple(
            ComponentStatus(**{**component, "process": _process(component["process"])})
            for component in said["components"]
        )
        return cls(supervisor=Process(**said["supervisor"]), components=components)


def _process(said: dict[str, object] | None) -> Process | None:
    return None if said is None else Process(pid=int(str(said["pid"])), started=str(said["started"]))


def write_whole(path: Path, text: str) -> None:
    """Write a file so that a reader sees either the old text or all of the new one."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)


def known(components: Collection[str]) -> tuple[str, ...]:
    """Give these components in starting order.

    Raises:
        SandboxError: one of them does not exist.
    """
    if strangers := sorted(set(components) - set(COMPONENTS)):
        raise SandboxError(f"no such component: {', '.join(strangers)}; there are {', '.join(COMPONENTS)}")
    return tuple(name for name in COMPONENTS if name in components)
