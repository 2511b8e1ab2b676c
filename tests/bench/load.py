"""The load client: a process of its own that sends extender calls over kept-alive connections and times each.

It is the same for every server, and does as little as Python can between two calls: a request's parts are made
beforehand and go out in one `sendmsg`; an answer is received into one buffer and only its head and end are looked at.
The time of a call is from before that send to the answer's last byte. Jobs come as JSON, one a line, on standard
input; figures go the same way to standard output.
"""

import gc
import socket
import sys
import threading
import time
from collections.abc import Sequence
from functools import lru_cache
from itertools import count
from typing import Final
from urllib.parse import urlsplit

import msgspec
from tests.bench.world import node_name, pod, whole_node

_LONGEST_ANSWER: Final = 16 * 1024 * 1024
_END_OF_CHUNKS: Final = b"\r\n0\r\n\r\n"


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What to send: `calls` calls in all, fewer if `seconds` are over before.

    Attributes:
        url: the extender's URL, without the verb.
        verb: `filter`, about strict pods, or `prioritize`, about soft ones.
        nodes: how many candidates each call has.
        whole: whether they are sent as Node objects instead of names.
        claims: each call is about the next of so many pods and claims, from `first` on.
    """

    url: str
    verb: str
    nodes: int
    whole: bool
    connections: int
    calls: int
    seconds: float
    claims: int
    first: int = 0


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured: one latency a call, and from the first send to the last answer; in seconds.

    Attributes:
        answer_bytes: length of an answer with its head.
    """

    latencies: list[float]
    elapsed: float
    answer_bytes: int = 0


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """Figures of all rounds together; latencies in milliseconds."""

    p50: float
    p99: float
    per_second: float
    calls: int


def percentile(values: Sequence[float], fraction: float) -> float:
    """The value at a fraction of the way through the sorted values, between two neighbours in proportion.

    Raises:
        ValueError: there is no value.
    """
    if not values:
        raise ValueError("no value, no percentile")
    ordered = sorted(values)
    position = fraction * (len(ordered) - 1)
    below = int(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (position - below)


def summarize(samples: Sequence[Sample]) -> Summary:
    """Put rounds together: percentiles over all calls, and the rate over the time in which calls were made."""
    latencies = [latency for sample in samples for latency in sample.latencies]
    return Summary(
        p50=percentile(latencies, 0.5) * 1e3,
        p99=percentile(latencies, 0.99) * 1e3,
        per_second=len(latencies) / sum(sample.elapsed for sample in samples),
        calls=len(latencies),
    )


class CallError(Exception):
    """A server did not answer as it should; the message holds the beginning of what it said."""


class Connection:
    """One kept-alive connection."""

    def __init__(self, url: str, verb: str) -> None:
        parts = urlsplit(url)
        self._head: Final = f"POST {parts.path}/{verb} HTTP/1.1\r\nHost: {parts.netloc}\r\n".encode()
        self._buffer: Final = bytearray(_LONGEST_ANSWER)
        self._socket: Final = socket.create_connection((str(parts.hostname), parts.port or 80))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def close(self) -> None:
        """End the connection."""
        self._socket.close()

    def call(self, body: Sequence[bytes]) -> memoryview:
        """Send a body and give the whole answer, head included; it is valid until the next call.

        Raises:
            CallError: the answer's status is not 200.
        """
        length = sum(map(len, body))
        head = b"%bContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (self._head, length)
        self._send([memoryview(part) for part in (head, *body)])
        received = self._receive()
        if not self._buffer.startswith(b"HTTP/1.1 200"):
            raise CallError(bytes(self._buffer[: min(received, 500)]).decode(errors="replace"))
        return memoryview(self._buffer)[:received]

    def _send(self, parts: list[memoryview]) -> None:
        while parts:
            sent = self._socket.sendmsg(parts)
            while parts and sent >= len(parts[0]):
                sent -= len(parts.pop(0))
            if parts:
                parts[0] = parts[0][sent:]

    def _receive(self) -> int:
        view, received, expected = memoryview(self._buffer), 0, -1
        while True:
            size = self._socket.recv_into(view[received:])
            if not size:
                raise CallError("the server closed the connection")
            received += size
            if expected < 0 and (end := self._buffer.find(b"\r\n\r\n", 0, received)) >= 0:
                expected = self._length(end)
            # Nothing is sent before an answer is there, so that its end is the end of what was received.
            if received == expected or (expected == 0 and self._buffer.endswith(_END_OF_CHUNKS, 0, received)):
                return received

    def _length(self, end: int) -> int:
        """The length of the whole answer by its head, or 0 for one that comes in chunks."""
        fields = bytes(self._buffer[:end]).lower().split(b"\r\n")
        lengths = [int(field.partition(b":")[2]) for field in fields if field.startswith(b"content-length:")]
        return end + 4 + lengths[0] if lengths else 0


@lru_cache(maxsize=2)
def candidates(nodes: int, whole: bool) -> bytes:
    """The end of a body, after the pod: candidates as kube-scheduler writes them, compact and in Go's field order."""
    if not whole:
        names = [node_name(number) for number in range(nodes)]
        return b',"Nodes":null,"NodeNames":' + msgspec.json.encode(names) + b"}"
    whole_nodes = [whole_node(number) for number in range(nodes)]
    # In a list the items do not repeat what they are.
    items = [{part: each[part] for part in ("metadata", "spec", "status")} for each in whole_nodes]
    return b',"Nodes":{"metadata":{},"items":' + msgspec.json.encode(items) + b'},"NodeNames":null}'


def body_of(job: Job, number: int) -> tuple[bytes, bytes]:
    """The body of a call about a pod, in two parts of which the second is shared."""
    subject = pod(number % job.claims, strict=job.verb == "filter")
    return b'{"Pod":' + msgspec.json.encode(subject), candidates(job.nodes, job.whole)


def run(job: Job) -> Sample:
    """Do a job.

    Raises:
        CallError: a server did not answer as it should.
    """
    bodies = [body_of(job, job.first + each) for each in range(job.calls)]
    connections = [Connection(job.url, job.verb) for _ in range(job.connections)]
    turns = count()
    latencies: list[float] = []
    failures: list[Exception] = []
    sizes: list[int] = []
    deadline = time.perf_counter() + job.seconds

    def work(connection: Connection) -> None:
        try:
            # Taking the next number of a count is one step: no two threads get the same.
            while (turn := next(turns)) < job.calls:
                started = time.perf_counter()
                answer = connection.call(bodies[turn])
                ended = time.perf_counter()
                latencies.append(ended - started)
                sizes.append(len(answer))
                if ended > deadline:
                    break
        except (CallError, OSError) as error:
            failures.append(error)

    started = time.perf_counter()
    threads = [threading.Thread(target=work, args=(connection,)) for connection in connections[1:]]
    for thread in threads:
        thread.start()
    work(connections[0])
    for thread in threads:
        thread.join()
    elapsed = time.perf_counter() - started
    for connection in connections:
        connection.close()
    if failures:
        raise failures[0]
    return Sample(latencies=latencies, elapsed=elapsed, answer_bytes=max(sizes, default=0))


def main() -> None:
    """Do one job a line until there are no more."""
    gc.disable()  # a pause of the client's would look like one of the server's; a call leaves no cycles behind
    for line in sys.stdin.buffer:
        sample = run(msgspec.json.decode(line, type=Job))
        sys.stdout.buffer.write(msgspec.json.encode(sample) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
