"""Two replicas of the operator as a cluster keeps them: started again when they end, and behind Services.

Between them and the API server is a wire that can be cut.
"""

import contextlib
import http.client
import os
import signal
import threading
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from tests.e2e.process import MooringProcess
from tests.e2e.release import Release
from tests.e2e.wire import Wire, api_wire, through

from mooring.sandbox.client import ApiClient
from mooring.sandbox.launcher import Sandbox
from mooring.sandbox.processes import LOOPBACK, free_ports

_LOOK_SECONDS: Final = 0.2
_RESTART_SECONDS: Final = 1.0


class Replica:
    """One replica and its kubelet: a thread that starts the process, asks whether it is ready, and starts it again.

    Attributes:
        identity: of its latest process: what names it in the Lease and on the pods that it gated.
        ready: whether its Services may send to it.
        starts: its processes, the latest one last.
    """

    def __init__(self, name: str, directory: Path, arguments: Sequence[str], *, is_renamed: bool) -> None:
        """Prepare it; each process is a new pod with a new name, or the same pod's container started again."""
        ports = free_ports(["http", "webhook"], taken=[])
        self.identity = name
        self.port: Final = ports["http"]
        self.webhook_port: Final = ports["webhook"]
        self.ready = False
        self.starts: Final[list[MooringProcess]] = []
        self._name: Final = name
        self._is_renamed: Final = is_renamed
        self._directory: Final = directory
        # The last of an option counts.
        self._arguments: Final = (
            *arguments,
            f"--port={self.port}",
            f"--webhook-port={self.webhook_port}",
        )
        self._ended: Final = threading.Event()
        self._thread: Final = threading.Thread(target=self._keep)

    def __enter__(self) -> Self:
        """Start it; it is not ready yet."""
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """End it for good."""
        self._ended.set()
        self._thread.join()

    def kill(self) -> None:
        """Kill its process, which cannot do anything about it."""
        if self.starts and self.starts[-1].exit_code is None:
            self.ready = False
            os.kill(self.starts[-1].pid, signal.SIGKILL)

    def _keep(self) -> None:
        while not self._ended.is_set():
            process_name = f"{self._name}-{len(self.starts) + 1}"
            if self._is_renamed:
                self.identity = process_name
            log = self._directory / f"{process_name}.log"
            with MooringProcess(log, *self._arguments, f"--identity={self.identity}") as process:
                self.starts.append(process)
                while process.exit_code is None and not self._ended.wait(_LOOK_SECONDS):
                    self.ready = self._answers()
                self.ready = False
            self._ended.wait(_RESTART_SECONDS)

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=2)
        with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
            connection.request("GET", "/readyz")
            return connection.getresponse().status == http.HTTPStatus.OK
        return False


class Replicas:
    """All replicas of a release, what stands for their Services, and their way to the API server."""

    def __init__(self, sandbox: Sandbox, release: Release, directory: Path, *, webhook_port: int) -> None:
        """Prepare replicas whose webhook the API server finds at `webhook_port`."""
        self._release: Final = release
        self.api: Final = api_wire(sandbox)
        self._services: Final = (
            Wire(webhook_port, to=lambda: [each.webhook_port for each in self.all if each.ready]),
            Wire(sandbox.extender_port, to=lambda: [each.port for each in self.all if each.ready]),
        )
        kubeconfig = through(self.api, release.kubeconfig, directory / "wired.kubeconfig")
        # Pods stay with the scheduler that they name.
        arguments = (*release.arguments, f"--kubeconfig={kubeconfig}", "--no-set-scheduler-name")
        # A container that is started again finds the pods that it gated; those of a pod that is gone are the leader's.
        self.all: Final = [
            Replica("mooring-a", directory, arguments, is_renamed=False),
            Replica("mooring-b", directory, arguments, is_renamed=True),
        ]
        self._stack: Final = contextlib.ExitStack()

    def __enter__(self) -> Self:
        """Start them; they are not ready yet."""
        with contextlib.ExitStack() as stack:
            for wire in (self.api, *self._services):
                stack.enter_context(wire)
            for replica in self.all:
                stack.enter_context(replica)
            self._stack.enter_context(stack.pop_all())
        return self

    def __exit__(self, *_: object) -> None:
        """End them."""
        self._stack.close()

    @property
    def are_ready(self) -> bool:
        """Whether all of them are in service."""
        return all(each.ready for each in self.all)

    def leader(self, client: ApiClient) -> Replica | None:
        """Give the one that holds the Lease."""
        path = f"/apis/coordination.k8s.io/v1/namespaces/{self._release.namespace}/leases/{self._release.name}"
        holder = client.get(path)["spec"].get("holderIdentity")
        return next((each for each in self.all if each.identity == holder), None)

    def ends(self) -> Counter[str]:
        """Count why processes ended so far, leaving out those that run."""
        return Counter(
            _why_ended(process) for each in self.all for process in each.starts if process.exit_code is not None
        )

    def complaints(self) -> Counter[str]:
        """Count what should not be in a healthy log, but for kopf, which calls each of its own retries an error."""
        lines = (line for each in self.all for process in each.starts for line in process.complaints())
        return Counter(str(line["event"]) for line in lines if not str(line["event"]).startswith("Request attempt #"))


def _why_ended(process: MooringProcess) -> str:
    if process.exit_code == -signal.SIGKILL:
        return "killed"
    return f"exit code {process.exit_code}"
