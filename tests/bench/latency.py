"""Latency of the extender's verbs: Mooring, the Go references and the floor, in turns."""

import json
import subprocess
import sys
from collections.abc import Sequence
from types import TracebackType
from typing import Final, Self

import msgspec
from tests.bench.load import CallError, Connection, Job, Sample, Summary, body_of, summarize
from tests.bench.servers import Server
from tests.bench.world import replica_nodes

from mooring.sandbox.progress import Progress


class Effort(msgspec.Struct, frozen=True, kw_only=True):
    """How much is measured: in each round, each server gets so many calls or seconds, whichever are over first."""

    rounds: int
    calls: int
    seconds: float
    claims: int


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """What is called, and how: one row of the tables."""

    nodes: int
    whole: bool
    verb: str
    connections: int

    def __str__(self) -> str:
        form = "Node objects" if self.whole else "names"
        return f"{self.verb}, {self.nodes} nodes, {form}, {self.connections} connections"


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A cell's figures, by server."""

    cell: Cell
    summaries: dict[str, Summary]

    def ratio(self, other: str) -> float:
        """Mooring's median over another server's: below 1, Mooring is faster."""
        return self.summaries["mooring"].p50 / self.summaries[other].p50


class LoadClient:
    """The load client's process."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "tests.bench.load"]
        self._process: Final = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.terminate()
        self._process.communicate()

    def run(self, job: Job) -> Sample:
        """Have a job done.

        Raises:
            CallError: the client gave up; it says why on standard error.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(msgspec.json.encode(job) + b"\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise CallError("the load client ended")
        return msgspec.json.decode(line, type=Sample)


def measure(
    servers: Sequence[Server], *, nodes: int, effort: Effort, client: LoadClient, progress: Progress
) -> list[Row]:
    """Measure every cell of one size of cluster; Mooring is the first server.

    Raises:
        CallError: a server did not answer as it should.
    """
    check(servers[0], nodes=nodes)
    return [
        # Each cell goes on with other pods and claims than the one before, until all had their turn.
        _measure_cell(
            cell, servers, first=number * effort.calls * effort.rounds, effort=effort, client=client, progress=progress
        )
        for number, cell in enumerate(_cells(nodes))
    ]


def _cells(nodes: int) -> list[Cell]:
    return [
        Cell(nodes=nodes, whole=whole, verb=verb, connections=connections)
        for whole in (False, True)
        for verb in ("filter", "prioritize")
        for connections in (1, 4)
    ]


def _measure_cell(
    cell: Cell, servers: Sequence[Server], *, first: int, effort: Effort, client: LoadClient, progress: Progress
) -> Row:
    samples: dict[str, list[Sample]] = {server.name: [] for server in servers}
    answer_bytes = 0
    for turn in range(effort.rounds + 1):
        warms_up = turn == 0
        for server in servers:  # one after the other in each round, so that the machine's noise hits all alike
            progress(f"{cell}: " + ("warming up" if warms_up else f"round {turn} of {effort.rounds}"))
            sample = client.run(
                Job(
                    url=f"{server.url}/{answer_bytes}" if server.name == "floor" else server.url,
                    verb=cell.verb,
                    nodes=cell.nodes,
                    whole=cell.whole,
                    connections=cell.connections,
                    calls=effort.calls // 4 if warms_up else effort.calls,
                    seconds=effort.seconds / 2 if warms_up else effort.seconds,
                    claims=effort.claims,
                    first=first + turn * effort.calls,
                )
            )
            if server is servers[0]:
                answer_bytes = sample.answer_bytes
            if not warms_up:
                samples[server.name].append(sample)
    return Row(cell=cell, summaries={name: summarize(rounds) for name, rounds in samples.items()})


def check(server: Server, *, nodes: int) -> None:
    """See that a server knows where the data lies: the speed of wrong answers is of no interest.

    Raises:
        CallError: it keeps other nodes than those with the replicas, or likes others better.
    """
    for verb in ("filter", "prioritize"):
        job = Job(url="", verb=verb, nodes=nodes, whole=False, connections=1, calls=1, seconds=1.0, claims=1)
        connection = Connection(server.url, verb)
        answer = bytes(connection.call(body_of(job, 0)))
        connection.close()
        said = json.loads(answer.partition(b"\r\n\r\n")[2])
        best = said["NodeNames"] if verb == "filter" else [each["Host"] for each in said if each["Score"] == 10]
        if set(best) != set(replica_nodes(0, nodes=nodes)):
            raise CallError(f"{verb} of {server.name} gives {sorted(best)[:5]}")
