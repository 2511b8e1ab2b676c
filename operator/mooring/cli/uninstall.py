"""`mooring uninstall`: what Mooring has put into a cluster is taken away again."""

import asyncio
from pathlib import Path
from typing import Annotated

import aiohttp
import typer
from kubernetes.aio.config import ConfigException

from mooring.cli.options import Context, Kubeconfig, Name, Namespace
from mooring.cluster.connection import ApiServer
from mooring.reconcile.standdown import Release, StillRunningError
from mooring.reconcile.traces import Trace
from mooring.reconcile.uninstall import Report, Uninstaller


def uninstall_command(
    *,
    namespace: Namespace = "mooring-system",
    name: Name = "mooring",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")] = False,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Take Mooring out of a cluster: stop the operator, delete its webhook, free what it holds.

    Scheduling gates, node affinity in the templates of workloads, conditions and the status of policies go; whatever
    others wrote stays. A workload whose template had node affinity makes its pods anew. `helm uninstall` runs this
    first; by hand it does the same where the operator is dead. It can be run again at any time.

    Exits with 0 if all is gone, and with 1 if something could not be removed.
    """
    release = Release(namespace, name)
    try:
        report = asyncio.run(_uninstall(release, kubeconfig, context, dry_run=dry_run))
    except StillRunningError as error:
        typer.echo(f"mooring: {error}. It would put back what is taken away: end it, and run this again.", err=True)
        raise typer.Exit(1) from error
    except (ConfigException, aiohttp.ClientError, OSError) as error:
        typer.echo(f"mooring: {error}", err=True)
        raise typer.Exit(1) from error
    _print(report, dry_run=dry_run)
    if report.failures:
        raise typer.Exit(1)


async def _uninstall(release: Release, kubeconfig: Path | None, context: str | None, *, dry_run: bool) -> Report:
    api = await ApiServer.connect(kubeconfig=kubeconfig, context=context)
    try:
        uninstaller = Uninstaller(api, release, tell=typer.echo)
        return await (uninstaller.preview() if dry_run else uninstaller.run())
    finally:
        await api.close()


def _print(report: Report, *, dry_run: bool) -> None:
    for leftover in report.leftovers:
        typer.echo(f"stays: {leftover.key} {leftover.reason}", err=True)
    for failure in report.failures:
        typer.echo(f"not removed: {failure}", err=True)
    if dry_run:
        typer.echo("dry run: nothing was changed")
        return
    counts = {trace: sum(each is trace for _, each in report.removed) for trace in Trace}
    done = ", ".join(f"{trace} ({count})" for trace, count in counts.items() if count)
    typer.echo(f"removed: {done or 'nothing, for nothing was there'}")
