"""A TCP forwarder on loopback whose connections can be cut: a network that fails, or a Service before its pods.

TLS passes through as it is, so that certificates and names stay those of whoever answers.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import yaml

from mooring.sandbox.launcher import Sandbox
from mooring.sandbox.processes import LOOPBACK, free_ports

_CHUNK: Final = 65536

Value = TypeVar("Value")


class Wire:
    """Forwards connections while inside of its `with` statement.

    Attributes:
        port: where it listens.
    """

    def __init__(self, port: int, *, to: Callable[[], Sequence[int]]) -> None:
        """Listen on `port`; each connection goes to the next of the ports that `to` gives then, if there are any."""
        self.port: Final = port
        self._to: Final = to
        self._links: Final[set[asyncio.StreamWriter]] = set()
        self._is_down = False
        self._turn = 0
        self._loop: Final = asyncio.new_event_loop()
        self._thread: Final = threading.Thread(target=self._loop.run_forever)
        self._server: asyncio.Server | None = None

    def __enter__(self) -> Self:
        """Listen."""
        self._thread.start()
        self._server = self._run(asyncio.start_server(self._forward, LOOPBACK, self.port))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Cut everything and listen no longer."""
        self._run(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def cut(self) -> int:
        """Reset every connection; whoever wants may connect again at once. Gives how many there were."""
        return self._run(self._abort())

    @contextlib.contextmanager
    def down(self) -> Iterator[None]:
        """Let nothing through while inside."""
        self._is_down = True
        self.cut()
        try:
            yield
        finally:
            self._is_down = False

    def _run(self, work: Coroutine[Any, Any, Value]) -> Value:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ports = [] if self._is_down else self._to()
        self._turn += 1
        with contextlib.suppress(OSError, IndexError, ZeroDivisionError):
            far_reader, far_writer = await asyncio.open_connection(LOOPBACK, ports[self._turn % len(ports)])
            self._links.update((writer, far_writer))
            try:
                # Half closed connections are of no use to HTTP: the end of one direction is the end of both.
                pumps = [
                    asyncio.create_task(_pump(reader, far_writer)),
                    asyncio.create_task(_pump(far_reader, writer)),
                ]
                await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            finally:
                far_writer.transport.abort()
                writer.transport.abort()
                await asyncio.gather(*pumps)
                self._links.difference_update((writer, far_writer))
        writer.transport.abort()

    async def _abort(self) -> int:
        for writer in self._links:
            writer.transport.abort()
        return len(self._links) // 2

    async def _end(self) -> None:
        assert self._server is not None, "it was not entered"
        self._server.close()
        await self._abort()
        while self._links:
            await asyncio.sleep(0.01)


def api_wire(sandbox: Sandbox) -> Wire:
    """Give a wire to a sandbox's API server."""
    return Wire(
        free_ports(["api"], taken=sandbox.layout.ports.values())["api"],
        to=lambda: [sandbox.layout.ports["kube-apiserver"]],
    )


def through(wire: Wire, kubeconfig: Path, file: Path) -> Path:
    """Write a kubeconfig that goes to the same server through a wire."""
    config = yaml.safe_load(kubeconfig.read_text(encoding="utf-8"))
    config["clusters"][0]["cluster"]["server"] = f"https://{LOOPBACK}:{wire.port}"
    file.write_text(yaml.safe_dump(config), encoding="utf-8")
    file.chmod(0o600)
    return file


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()
