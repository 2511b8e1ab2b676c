"""Chaos: `python -m tests.chaos [--small] [--seed NUMBER] [--logs DIRECTORY]`.

It ends with 1 if a promise was broken. Everything runs on loopback and ends with it.
"""

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table
from tests.chaos import storm
from tests.chaos.sizes import LARGE, SMALL
from tests.chaos.storm import Outcome
from tests.programs import Helm, build_helm

from mooring.sandbox.progress import plain

_SHOWN = 20


def main() -> None:
    """Let a storm rage and tell what was done and what came out."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description="Break everything around Mooring.")
    parser.add_argument("--small", action="store_true", help="the storm that is part of the tests")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="repeat what was drawn by lot")  # noqa: S311
    parser.add_argument("--logs", type=Path, metavar="DIRECTORY", help="keep the operator's logs here")
    arguments = parser.parse_args()
    console, started = Console(highlight=False, width=120), time.monotonic()
    console.print(f"seed {arguments.seed}")

    progress = plain(lambda line: console.print(f"{time.monotonic() - started:6.1f} s  {line}", soft_wrap=True))
    size = SMALL if arguments.small else LARGE
    with tempfile.TemporaryDirectory() as scratch:
        directory = arguments.logs or Path(scratch)
        directory.mkdir(parents=True, exist_ok=True)
        helm = Helm(build_helm(progress), directory / "helm")
        outcome = storm.run(size, seed=arguments.seed, helm=helm, directory=directory, progress=progress)
    show(outcome, console)
    sys.exit(1 if outcome.broken else 0)


def show(outcome: Outcome, console: Console) -> None:
    """Print what was done and what came out."""
    console.print("\nWhat was done")
    for line in outcome.struck:
        console.print(f"  {line}")
    console.print(f"  creations tried again: {outcome.retries}")
    console.print(f"\nWhat came out\n{_told('the processes ended', outcome.ends)}\n{_told('writes', outcome.writes)}")
    if held := outcome.judgement.held:
        console.print(f"  {len(held)} pods were gated, for {held[len(held) // 2]:.3f} s (median) to {held[-1]:.1f} s")
    console.print()
    console.print(_table(outcome))
    if outcome.settled is not None:
        console.print(f"\nEvery promise held {outcome.settled:.0f} s after the storm.")
    for line in outcome.broken[:_SHOWN]:
        console.print(f"BROKEN: {line}")
    if len(outcome.broken) > _SHOWN:
        console.print(f"... and {len(outcome.broken) - _SHOWN} more")


def _table(outcome: Outcome) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("pods")
    for heading in ("created", "running", "gated", "answered", "local", "remote", "remote, unanswered"):
        table.add_column(heading, justify="right")
    for row in outcome.judgement.rows:
        table.add_row(row.kind.name, *(str(number) for number in row[1:]))
    totals = [sum(numbers) for numbers in zip(*(row[1:] for row in outcome.judgement.rows), strict=True)]
    table.add_row("all", *(str(number) for number in totals))
    return table


def _told(what: str, counts: dict[str, int]) -> str:
    told = ", ".join(f"{name}: {count}" for name, count in sorted(counts.items()))
    return f"  {what}: {told or 'none'}"


if __name__ == "__main__":
    main()
