"""A busy cluster: a process of its own that changes objects at a steady rate until its standard input ends.

In equal shares: a pod turns ready or not, a volume's replicas are listed in another order, a node reports that it is
alive, a claim gets an annotation of somebody else's. The first two change what Mooring knows; the others are the noise
that any cluster makes.
"""

import asyncio
import itertools
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from types import TracebackType
from typing import Final, Self

import aiohttp
import uvloop
from tests.bench.apiserver import CLAIMS, CONNECTIONS, NODES, PODS, Write, connected, move, patch, send
from tests.bench.world import claim_name, node_name

from mooring.sandbox.launcher import Sandbox, attach


def changes(*, nodes: int, claims: int) -> Iterator[Write]:
    """Change the objects in turn, for ever; no change is like the one before."""
    for turn in itertools.count():
        number = turn % claims
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        ready = {"type": "Ready", "status": "True" if turn // claims % 2 else "False", "lastTransitionTime": now}
        alive = {"type": "Ready", "status": "True", "lastHeartbeatTime": now}
        yield patch(f"{PODS}/db-{number}/status", {"status": {"conditions": [ready]}}, strategic=True)
        yield move(number, nodes=nodes, rotation=turn // claims + 1)
        yield patch(f"{NODES}/{node_name(turn % nodes)}/status", {"status": {"conditions": [alive]}}, strategic=True)
        beat = {"metadata": {"annotations": {"bench.example/beat": str(turn)}}}
        yield patch(f"{CLAIMS}/{claim_name(number)}", beat)


class Churn:
    """The process, of this program or of another one that takes the same arguments.

    `rate` is what it achieved, in writes a second, once it has ended.
    """

    def __init__(
        self, sandbox: Sandbox, *, nodes: int, claims: int, rate: int, program: str = "tests.bench.churn"
    ) -> None:
        self.rate = 0.0
        command = [sys.executable, "-m", program, sandbox.name, str(nodes), str(claims), str(rate)]
        self._process: Final = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        said, _ = self._process.communicate()
        if said:
            self.rate = float(json.loads(said))


async def write_until_told(sandbox: Sandbox, writes: Iterator[Write], rate: int) -> float:
    """Write until standard input ends; gives the achieved rate."""
    started = time.monotonic()
    turns = itertools.count()

    async def work(session: aiohttp.ClientSession) -> None:
        while True:
            turn = next(turns)
            await asyncio.sleep(max(0.0, started + turn / rate - time.monotonic()))
            await send(session, next(writes))

    async with connected(sandbox.layout) as session:
        workers = [asyncio.create_task(work(session)) for _ in range(CONNECTIONS)]
        ended = asyncio.create_task(asyncio.to_thread(sys.stdin.read))
        done, _ = await asyncio.wait([*workers, ended], return_when=asyncio.FIRST_COMPLETED)
        elapsed, count = time.monotonic() - started, next(turns) - CONNECTIONS
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
        for task in done:
            task.result()  # raises what a worker failed with
    return max(0, count) / elapsed


def main() -> None:
    """Change the objects of a sandbox: its name, its nodes, its claims, and changes a second."""
    name, nodes, claims, rate = sys.argv[1:]
    writes = changes(nodes=int(nodes), claims=int(claims))
    print(uvloop.run(write_until_told(attach(name), writes, int(rate))))  # noqa: T201 - how its starter learns the rate


if __name__ == "__main__":
    main()
