"""The benchmark: `python -m tests.bench.run [--quick] [--json FILE] [PART ...]`.

It reports and asserts nothing. Everything runs on loopback and ends with the benchmark.
"""

import argparse
import contextlib
import json
import os
import tempfile
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Final

from rich.console import Console
from tests.bench import admission, apiserver, coldstart, latency, locality, locators, room, servers, world
from tests.bench.churn import Churn
from tests.bench.coldstart import Size
from tests.bench.latency import Effort, LoadClient, Row
from tests.bench.locality import LocalityEffort
from tests.bench.locators import FollowEffort
from tests.bench.report import Report, machine, save, show
from tests.bench.servers import Server

from mooring.cli.sandbox import shown
from mooring.sandbox.build import build_reference
from mooring.sandbox.launcher import Sandbox, up
from mooring.sandbox.layout import COMPONENTS
from mooring.sandbox.progress import Progress

_SIZES: Final = (100, 1000, 5000)
_CHANGES_PER_SECOND: Final = 500
_FULL: Final = Effort(rounds=3, calls=500, seconds=1.5, claims=4000)
_QUICK: Final = Effort(rounds=2, calls=100, seconds=0.5, claims=400)
_LARGE: Final = Size(nodes=5000, claims=20_000, pods=50_000)
_TENTH: Final = Size(nodes=500, claims=2000, pods=5000)
_EVERYWHERE: Final = LocalityEffort(sizes=_SIZES, rounds=2, pods=300, steady_pods=500)
_SOMEWHERE: Final = LocalityEffort(sizes=_SIZES[:1], rounds=1, pods=60, steady_pods=100)
_FOLLOWED: Final = FollowEffort(volumes=6_667, nodes=1000, rate=_CHANGES_PER_SECOND, seconds=20.0, moves=200)
_FOLLOWED_QUICK: Final = FollowEffort(volumes=667, nodes=100, rate=_CHANGES_PER_SECOND, seconds=5.0, moves=50)
#: Components of a cluster in which nothing happens by itself.
_API: Final = ("etcd", "kube-apiserver")
#: Width of the tables where nobody says how wide the output is.
_WIDTH: Final = 200


class Bench:
    """One run of the benchmark; each part adds to the report."""

    def __init__(self, binary: Path, *, quick: bool, progress: Progress) -> None:
        self.report: Final = Report(machine=machine(binary))
        self._binary: Final = binary
        self._progress: Final = progress
        self._effort: Final = _QUICK if quick else _FULL
        self._size: Final = _TENTH if quick else _LARGE
        self._starts: Final = 1 if quick else 3
        self._locality: Final = _SOMEWHERE if quick else _EVERYWHERE
        self._followed: Final = _FOLLOWED_QUICK if quick else _FOLLOWED

    def latency(self) -> None:
        """Time the verbs while nothing happens: Mooring from a snapshot."""
        for nodes in _SIZES:
            self._progress(f"reading a snapshot: {nodes} nodes")
            with _snapshot(nodes, self._effort.claims) as folder, servers.mooring("--snapshot", folder) as mooring:
                self.report.idle += self._rows(mooring, nodes)

    def churn(self) -> None:
        """Time the verbs while the API server tells Mooring of changes, in a cluster that grows."""
        claims = range(self._effort.claims)
        existing = 0
        with self._sandbox("churn") as sandbox:
            for nodes in _SIZES:
                apiserver.add_nodes(sandbox, range(existing, nodes), progress=self._progress)
                if existing:
                    apiserver.spread_volumes(sandbox, claims, nodes=nodes, progress=self._progress)
                else:
                    apiserver.add_volumes(sandbox, claims, nodes=nodes, progress=self._progress)
                    apiserver.add_pods(sandbox, claims, claimed=True, nodes=nodes, progress=self._progress)
                existing = nodes
                with servers.mooring("--kubeconfig", str(sandbox.kubeconfig("mooring"))) as mooring:
                    self._progress(f"waiting until Mooring has settled: {nodes} nodes")
                    coldstart.wait_until_ready(mooring)
                    coldstart.wait_until_idle(mooring)
                    changing = Churn(sandbox, nodes=nodes, claims=len(claims), rate=_CHANGES_PER_SECOND)
                    with changing:
                        self.report.churn += self._rows(mooring, nodes)
                    self.report.churn_rates[str(nodes)] = changing.rate

    def cold_start(self) -> None:
        """Time the start on a large cluster."""
        self.report.cold_start_size = self._size
        with self._sandbox("start") as sandbox:
            coldstart.populate(sandbox, self._size, progress=self._progress)
            for _ in range(self._starts):
                self.report.cold_starts.append(coldstart.measure(sandbox, progress=self._progress))

    def admission(self) -> None:
        """Time what the webhook adds to the creation of a pod, on a cluster of the middle size."""
        nodes, pods = _SIZES[1], self._effort.calls
        with self._sandbox("admission") as sandbox:
            apiserver.add_nodes(sandbox, range(nodes), progress=self._progress)
            apiserver.add_volumes(sandbox, range(pods), nodes=nodes, progress=self._progress)
            self.report.admission = admission.measure(sandbox, pods=pods, progress=self._progress)

    def locality(self) -> None:
        """Compare ways to ask for locality, on a whole control plane."""
        for nodes in self._locality.sizes:
            with self._sandbox("locality", nodes=nodes, components=COMPONENTS) as sandbox:
                effort, progress = self._locality, self._progress
                self.report.locality += locality.measure(sandbox, nodes=nodes, effort=effort, progress=progress)

    def locators(self) -> None:
        """Follow a storage system's replicas, beside other ways to follow them."""
        with self._sandbox("locators") as sandbox:
            apiserver.add_nodes(sandbox, range(self._followed.nodes), progress=self._progress)
            self.report.locators = locators.measure(sandbox, self._followed, progress=self._progress)

    def room(self) -> None:
        """Ask which nodes have room for new volumes."""
        for nodes in _SIZES:
            self._progress(f"looking for room: {nodes} nodes")
            self.report.room.append(room.measure(nodes=nodes, calls=self._effort.calls))

    def _rows(self, mooring: Server, nodes: int) -> list[Row]:
        local = world.replica_nodes(0, nodes=nodes)
        with (
            servers.reference(self._binary, "json", local) as encoding_json,
            servers.reference(self._binary, "sonic", local) as sonic,
            servers.floor() as floor,
            LoadClient() as client,
        ):
            all_ = (mooring, encoding_json, sonic, floor)
            return latency.measure(all_, nodes=nodes, effort=self._effort, client=client, progress=self._progress)

    @contextlib.contextmanager
    def _sandbox(self, purpose: str, *, nodes: int = 0, components: Collection[str] = _API) -> Iterator[Sandbox]:
        """A cluster with the benchmark's settings; by default no more of it than its API server."""
        name = f"bench-{purpose}-{os.getpid()}"
        racks = max(world.ZONES, nodes // world.RACK)
        sandbox = up(
            name=name,
            nodes=nodes,
            zones=world.ZONES,
            racks=racks,
            drivers=[world.DRIVER],
            components=components,
            progress=self._progress,
        )
        try:
            apiserver.prepare(sandbox, progress=self._progress)
            yield sandbox
        finally:
            self._progress("taking the sandbox down")
            sandbox.down()


@contextlib.contextmanager
def _snapshot(nodes: int, claims: int) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        text = json.dumps(world.snapshot(nodes=nodes, claims=claims))
        (Path(folder) / "cluster.json").write_text(text, encoding="utf-8")
        yield folder


PARTS: Final[dict[str, Callable[[Bench], None]]] = {
    "latency": Bench.latency,
    "churn": Bench.churn,
    "cold-start": Bench.cold_start,
    "admission": Bench.admission,
    "locality": Bench.locality,
    "locators": Bench.locators,
    "room": Bench.room,
}


def main() -> None:
    """Run the parts that the command line names, or all, and show what they found."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.run", description="Measure Mooring on this machine.")
    parser.add_argument("--quick", action="store_true", help="fewer calls, and a tenth of the large cluster")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures to this file, too")
    parser.add_argument("part", nargs="*", help=f"{', '.join(PARTS)}; all of them by default")
    arguments = parser.parse_args()
    if strangers := set(arguments.part) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(strangers))}")
    with shown() as progress:
        bench = Bench(build_reference(progress), quick=arguments.quick, progress=progress)
        for name in arguments.part or PARTS:
            PARTS[name](bench)
            if arguments.json:
                save(bench.report, arguments.json)  # after each part: a later one may fail
    console = Console(highlight=False)
    show(bench.report, console if console.is_terminal else Console(highlight=False, width=_WIDTH))


if __name__ == "__main__":
    main()
