"""Ways to ask for locality, side by side on a whole control plane: how many pods reach their data, and at what cost."""

import contextlib
from math import isnan
from statistics import median
from typing import Final

import msgspec
from tests.bench.field import Field
from tests.bench.load import percentile
from tests.bench.ways import WAYS, Way

from mooring.sandbox.launcher import Sandbox
from mooring.sandbox.progress import Progress

STEADY_RATE: Final = 50
"""Pods a second where it is measured how long one takes while none has to queue."""


class LocalityEffort(msgspec.Struct, frozen=True, kw_only=True):
    """How much is measured: in clusters of these sizes, each way so often, with so many pods."""

    sizes: tuple[int, ...]
    rounds: int
    pods: int
    steady_pods: int


class Burst(msgspec.Struct, frozen=True, kw_only=True):
    """Pods that were created as fast as the API server took them.

    Attributes:
        local: how many came to their data.
        per_second: pods bound, from the first one's creation to the last one's binding.
        to_bound: median of the milliseconds from sending a creation until the pod was seen on a node.
        requests: requests to the API server for each pod, by user; the control plane's reads are not counted.
    """

    created: int
    bound: int
    local: int
    per_second: float
    to_bound: float
    requests: dict[str, float]

    @property
    def own_requests(self) -> float:
        """Mooring's requests for each pod."""
        return self.requests.get("mooring", 0.0)

    @property
    def all_requests(self) -> float:
        """Everybody's requests for each pod."""
        return sum(self.requests.values())


class Trickle(msgspec.Struct, frozen=True, kw_only=True):
    """Pods that were created at the steady rate; medians and 99th percentiles in milliseconds.

    Attributes:
        gated: how many had Mooring's gate.
        to_bound_p50: from sending a creation until the pod was seen on a node.
        to_release_p50: from a creation's answer until the pod was seen without its gate; None if none had one.
    """

    created: int
    bound: int
    local: int
    gated: int
    to_bound_p50: float
    to_bound_p99: float
    to_release_p50: float | None
    to_release_p99: float | None


class LocalityRow(msgspec.Struct, kw_only=True):
    """What a way of asking came to in a cluster of one size."""

    way: str
    nodes: int
    bursts: list[Burst] = []
    trickle: Trickle | None = None

    @property
    def share(self) -> float:
        """Of the pods that were created, those on their data."""
        return sum(burst.local for burst in self.bursts) / sum(burst.created for burst in self.bursts)

    @property
    def unbound(self) -> int:
        """Pods that came to no node."""
        return sum(burst.created - burst.bound for burst in self.bursts)

    def typical(self, figure: str) -> float:
        """The median of a figure over the bursts."""
        return float(median(getattr(burst, figure) for burst in self.bursts))


def measure(sandbox: Sandbox, *, nodes: int, effort: LocalityEffort, progress: Progress) -> list[LocalityRow]:
    """Measure every way in a sandbox that was started with so many nodes; the first row is the reference.

    Raises:
        ServerError: Mooring did not get ready, or the cluster never came to rest.
        WriteError: the API server refused something.
    """
    field = Field(sandbox, nodes=nodes, claims=max(effort.pods, effort.steady_pods))
    field.prepare(progress)
    rows = {way: LocalityRow(way=way.name, nodes=nodes) for way in WAYS}
    for turn in range(effort.rounds + 1):
        # Where Mooring has no part it is not there: a process that looks on takes its share of the machine.
        for mooring in (False, True):
            with field.mooring() if mooring else contextlib.nullcontext():
                for way in (each for each in WAYS if each.mooring == mooring):
                    about = f"{nodes} nodes, {way.name}"
                    if turn == 0:
                        progress(f"{about}: warming up")
                        field.run(way, effort.pods // 3)
                        continue
                    progress(f"{about}: round {turn} of {effort.rounds}")
                    rows[way].bursts.append(_burst(field, way, effort.pods))
                    if way.trickles and turn == effort.rounds:
                        progress(f"{about}: {STEADY_RATE} pods a second")
                        rows[way].trickle = _trickle(field, way, effort.steady_pods)
    return list(rows.values())


def _burst(field: Field, way: Way, pods: int) -> Burst:
    lives, requests = field.run(way, pods)
    bound = [life for life in lives if life.node]
    seconds = max(life.bound for life in bound) - min(life.sent for life in lives)
    return Burst(
        created=len(lives),
        bound=len(bound),
        local=field.count_local(lives),
        per_second=len(bound) / seconds,
        to_bound=percentile([life.bound - life.sent for life in bound], 0.5) * 1e3,
        requests={user: number / pods for user, number in requests.items()},
    )


def _trickle(field: Field, way: Way, pods: int) -> Trickle:
    lives, _ = field.run(way, pods, rate=STEADY_RATE)
    to_bound = [life.bound - life.sent for life in lives if life.node]
    to_release = [life.released - life.answered for life in lives if not isnan(life.released)]
    return Trickle(
        created=len(lives),
        bound=len(to_bound),
        local=field.count_local(lives),
        gated=sum(life.gated for life in lives),
        to_bound_p50=percentile(to_bound, 0.5) * 1e3,
        to_bound_p99=percentile(to_bound, 0.99) * 1e3,
        to_release_p50=percentile(to_release, 0.5) * 1e3 if to_release else None,
        to_release_p99=percentile(to_release, 0.99) * 1e3 if to_release else None,
    )
