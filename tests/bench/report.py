"""What the benchmark found, for people and as JSON."""

import platform
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
from rich.console import Console
from rich.table import Table
from tests.bench.admission import AdmissionCost
from tests.bench.coldstart import ColdStart, Size
from tests.bench.latency import Row
from tests.bench.lives import CLIENTS
from tests.bench.load import Summary
from tests.bench.locality import STEADY_RATE, LocalityRow
from tests.bench.locators import LocatorCost
from tests.bench.room import RoomRow

_REFERENCES: Final = ("Go, json", "Go, sonic")


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """Where it was measured."""

    cpu: str
    cores: int
    system: str
    python: str
    go: str


class Report(msgspec.Struct, kw_only=True):
    """Everything that was measured."""

    machine: Machine
    idle: list[Row] = []
    churn: list[Row] = []
    churn_rates: dict[str, float] = {}
    cold_start_size: Size | None = None
    cold_starts: list[ColdStart] = []
    admission: AdmissionCost | None = None
    locality: list[LocalityRow] = []
    locators: LocatorCost | None = None
    room: list[RoomRow] = []


def machine(binary: Path) -> Machine:
    """Ask this machine; the Go version is the one that built the reference."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return Machine(
        cpu=models[0] if models else platform.machine(),
        cores=len(models) or 1,
        system=f"{platform.system()} {platform.release()}",
        python=f"{platform.python_implementation()} {platform.python_version()}",
        go=_go_version(binary),
    )


def _go_version(binary: Path) -> str:
    try:
        said = subprocess.run(["go", "version", str(binary)], capture_output=True, text=True, check=False).stdout  # noqa: S607
    except FileNotFoundError:
        return "unknown: no go command on PATH"
    return said.rpartition(":")[2].strip() or "unknown"


def show(report: Report, console: Console) -> None:
    """Print the tables."""
    where = report.machine
    console.print(f"{where.cpu}, {where.cores} cores, {where.system}; {where.python}, {where.go}\n")
    if report.idle:
        console.print("Extender calls while nothing happens; p50 / p99 in ms, calls a second")
        console.print(_latency_table(report.idle))
    if report.churn:
        rates = ", ".join(f"{rate:.0f}/s at {nodes} nodes" for nodes, rate in report.churn_rates.items())
        console.print(f"\nExtender calls while the API server tells of changes, {rates}")
        console.print(_latency_table(report.churn))
    if report.cold_start_size and report.cold_starts:
        size = report.cold_start_size
        console.print(f"\nCold start: {size.nodes:,} nodes, {size.claims:,} volumes and claims, {size.pods:,} pods")
        console.print(_cold_start_table(report.cold_starts))
    if report.admission is not None:
        console.print(f"\n{_admission(report.admission)}")
    if report.locality:
        _show_locality(report.locality, console, cores=where.cores)
    if report.locators is not None:
        _show_locators(report.locators, console)
    if report.room:
        console.print("\nWhich nodes have no room for a pod's new volumes; each node has a pool of its own")
        console.print(_room_table(report.room))


def _latency_table(rows: Sequence[Row]) -> Table:
    names = list(rows[0].summaries)
    table = Table(box=None, pad_edge=False)
    for heading in ("verb", "sent", "nodes", "conn."):
        table.add_column(heading, justify="right" if heading in {"nodes", "conn."} else "left")
    for name in (*names, *(f"mooring : {name}" for name in _REFERENCES)):
        table.add_column(name, justify="right")
    for row in rows:
        cell = row.cell
        form = "objects" if cell.whole else "names"
        figures = [_figures(row.summaries[name]) for name in names]
        ratios = [f"{row.ratio(name):.2f}" for name in _REFERENCES]
        table.add_row(cell.verb, form, f"{cell.nodes:,}", str(cell.connections), *figures, *ratios)
    return table


def _figures(summary: Summary) -> str:
    return f"{summary.p50:.2f} / {summary.p99:.2f}, {summary.per_second:,.0f}"


def _admission(cost: AdmissionCost) -> str:
    before = f"{cost.without_p50:.2f} / {cost.without_p99:.2f}"
    after = f"{cost.with_p50:.2f} / {cost.with_p99:.2f}"
    ratio = f"{cost.with_p50 / cost.without_p50:.2f} times the median"
    return f"A pod's creation (dry run), p50 / p99 in ms: {before} without admission, {after} with it, {ratio}"


def _show_locality(rows: Sequence[LocalityRow], console: Console, *, cores: int) -> None:
    burst = rows[0].bursts[0]
    console.print(f"\nPods on their data: {burst.created} pods with a claim each, created by {CLIENTS} clients")
    console.print(f"Control plane, schedulers, Mooring and clients share {cores} cores. Requests are without the")
    console.print("control plane's reads; time added is what the median pod of a burst takes longer to its node.")
    for size in dict.fromkeys(row.nodes for row in rows):
        console.print(_locality_table([row for row in rows if row.nodes == size]))
    console.print(f"\nThe same at a steady {STEADY_RATE} pods a second; p50 / p99 in ms")
    console.print(_trickle_table(rows))


def _locality_table(rows: Sequence[LocalityRow]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column(f"{rows[0].nodes:,} nodes", min_width=40)
    for heading in ("on their data", "pods/s", "to no locality", "Mooring's requests a pod", "all", "ms added a pod"):
        table.add_column(heading, justify="right")
    rate, time = rows[0].typical("per_second"), rows[0].typical("to_bound")
    for row in rows:
        table.add_row(
            row.way,
            f"{row.share:.0%}" + (f" ({row.unbound} nowhere)" if row.unbound else ""),
            f"{row.typical('per_second'):.0f}",
            f"{row.typical('per_second') / rate:.2f}",
            f"{row.typical('own_requests'):.2f}",
            f"{row.typical('all_requests'):.2f}",
            f"{row.typical('to_bound') - time:+.0f}",
        )
    return table


def _trickle_table(rows: Sequence[LocalityRow]) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("nodes", "", "gated", "answered to released", "sent to bound"):
        table.add_column(heading, justify="left" if not heading else "right")
    for row in rows:
        if (found := row.trickle) is None:
            continue
        released = found.to_release_p50 is not None and f"{found.to_release_p50:.1f} / {found.to_release_p99:.1f}"
        bound = f"{found.to_bound_p50:.1f} / {found.to_bound_p99:.1f}"
        table.add_row(f"{row.nodes:,}", row.way, f"{found.gated} of {found.created}", released or "-", bound)
    return table


def _show_locators(cost: LocatorCost, console: Console) -> None:
    console.print(
        f"\nFollowing {cost.replicas:,} replicas of one locator, with Longhorn's expressions, beside other ways"
    )
    console.print(_following_table(cost))
    console.print("\nFrom a replica's move, as written, to the extender's new answer, in ms")
    table = Table(box=None, pad_edge=False)
    for heading in ("changes a second besides", "p50", "p99", "longest"):
        table.add_column(heading, justify="right")
    for each in cost.answers:
        table.add_row(f"{each.changes_per_second:.0f}", *(f"{ms:.1f}" for ms in (each.p50, each.p99, each.longest)))
    console.print(table)


def _following_table(cost: LocatorCost) -> Table:
    ours = cost.following[0]
    table = Table(box=None, pad_edge=False)
    for heading in ("", "loaded in s", "CPU s", "MiB", "changes/s", "CPU us a change", "mooring : it"):
        table.add_column(heading, justify="right" if heading else "left")
    for each in cost.following:
        figures = (f"{each.load_seconds:.2f}", f"{each.load_cpu_seconds:.2f}", f"{each.mib:.0f}")
        change = (f"{each.changes_per_second:.0f}", f"{each.cpu_us_per_change:.0f}")
        # Less than the kernel's clock ticks compares with nothing.
        ratio = f"{ours.cpu_us_per_change / each.cpu_us_per_change:.2f}" if each.cpu_us_per_change else "-"
        table.add_row(each.way, *figures, *change, ratio)
    return table


def _room_table(rows: Sequence[RoomRow]) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("nodes", "us for each node or pool that comes", "ms to ask", "ms to look at everything"):
        table.add_column(heading, justify="right")
    for row in rows:
        table.add_row(f"{row.nodes:,}", f"{row.kept_us:.0f}", f"{row.asked_ms:.2f}", f"{row.looked_ms:.1f}")
    return table


def _cold_start_table(starts: Sequence[ColdStart]) -> Table:
    table = Table(box=None, pad_edge=False)
    rows: list[tuple[str, list[float], str]] = [
        ("ready", [start.ready_seconds for start in starts], "s"),
        ("CPU until ready", [start.ready_cpu_seconds for start in starts], "s"),
        ("peak memory until ready", [start.ready_peak_mib for start in starts], "MiB"),
        ("nothing left to do", [start.settled_seconds for start in starts], "s"),
        ("CPU until then", [start.settled_cpu_seconds for start in starts], "s"),
        ("peak memory until then", [start.settled_peak_mib for start in starts], "MiB"),
        ("memory then", [start.settled_mib for start in starts], "MiB"),
    ]
    table.add_column("")
    for number in range(len(starts)):
        table.add_column(f"start {number + 1}", justify="right")
    table.add_column("")
    for name, values, unit in rows:
        table.add_row(name, *(f"{value:.1f}" for value in values), unit)
    return table


def save(report: Report, path: Path) -> None:
    """Write everything as JSON."""
    found: Any = msgspec.to_builtins(report)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=2) + b"\n")
