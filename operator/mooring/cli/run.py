"""`mooring run`: the one process that watches, decides, answers the scheduler and writes back."""

import asyncio
import contextlib
import gc
import signal
import ssl
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import kopf
import structlog
import typer
import uvloop
from kubernetes.aio.config import ConfigException

from mooring.api.labels import RACK_KEYS
from mooring.cli.logs import LogFormat, LogLevel, configure
from mooring.cli.options import Context, Kubeconfig, RackLabels, Snapshot
from mooring.cluster.connection import ApiServer
from mooring.cluster.index import Cluster
from mooring.cluster.reflector import Reflector, unsynced
from mooring.cluster.resources import RESOURCES
from mooring.cluster.snapshot import SnapshotError, load
from mooring.locate.locator import Locator
from mooring.reconcile.controller import Controller
from mooring.reconcile.ledger import Ledger
from mooring.reconcile.lifecycle import PolicyLifecycle
from mooring.reconcile.writer import Writer
from mooring.serve.extender import Extender
from mooring.serve.http import Readiness, create_app, drain, serve, tls_context
from mooring.serve.metrics import Metrics

DEFAULT_PORT: Final = 8099
_SYNC_POLL_SECONDS: Final = 0.05

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the command line said."""

    kubeconfig: Path | None
    context: str | None
    snapshot: Path | None
    host: str
    port: int
    tls: ssl.SSLContext | None
    rack_labels: Sequence[str]


def run(
    *,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    snapshot: Snapshot = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.")] = DEFAULT_PORT,
    tls_cert: Annotated[Path | None, typer.Option(help="Serving certificate: HTTPS instead of HTTP.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Key of the serving certificate.")] = None,
    client_ca: Annotated[Path | None, typer.Option(help="CA that clients' certificates must be signed by.")] = None,
    rack_label: RackLabels = None,
    log_level: Annotated[LogLevel, typer.Option(help="From which level on lines are written.")] = LogLevel.INFO,
    log_format: Annotated[LogFormat, typer.Option(help="How log lines look.")] = LogFormat.TEXT,
) -> None:
    """Run the operator: watch the cluster, answer the scheduler's extender calls, keep workloads near their data.

    With --snapshot it answers from manifests alone, without an API server, and writes nothing.
    """
    configure(level=log_level, form=log_format)
    settings = Settings(
        kubeconfig=kubeconfig,
        context=context,
        snapshot=snapshot,
        host=host,
        port=port,
        tls=_tls(tls_cert, tls_key, client_ca),
        rack_labels=tuple(rack_label or RACK_KEYS),
    )
    try:
        uvloop.run(_serve_snapshot(settings, snapshot) if snapshot else _operate(settings))
    except (OSError, SnapshotError, ConfigException) as error:
        _log.error("cannot run", reason=str(error))
        raise typer.Exit(1) from error


def _tls(certificate: Path | None, key: Path | None, client_ca: Path | None) -> ssl.SSLContext | None:
    if certificate is None and key is None:
        if client_ca is not None:
            raise typer.BadParameter("--client-ca needs --tls-cert and --tls-key")
        return None
    if certificate is None or key is None:
        raise typer.BadParameter("--tls-cert and --tls-key go together")
    try:
        return tls_context(certificate=certificate, key=key, client_ca=client_ca)
    except OSError as error:
        raise typer.BadParameter(f"certificate, key or CA cannot be read: {error}") from error


async def _serve_snapshot(settings: Settings, path: Path) -> None:
    cluster = Cluster(rack_labels=settings.rack_labels)
    count = load(path, cluster)
    _settle_memory()
    metrics = Metrics()
    metrics.watch(cluster, localities=dict)
    ready = Readiness(ready=True, detail=f"{count} objects from {path}")
    extender = Extender(cluster, Locator(cluster), metrics)
    async with _serving(extender, metrics, settings, readiness=lambda: ready):
        await _terminated()


async def _operate(settings: Settings) -> None:
    cluster, ledger, metrics = Cluster(rack_labels=settings.rack_labels), Ledger(), Metrics()
    locator = Locator(cluster)
    api = await ApiServer.connect(kubeconfig=settings.kubeconfig, context=settings.context)
    reflectors = [
        Reflector(api, resource, cluster, on_restart=lambda kind, why: metrics.watch_restarts.labels(kind, why).inc())
        for resource in RESOURCES.values()
    ]
    metrics.watch(cluster, localities=ledger.localities)
    metrics.watch_sync_age({reflector.kind: _age_of(reflector) for reflector in reflectors})
    extender = Extender(cluster, locator, metrics, is_ready=lambda: not unsynced(reflectors))
    controller = Controller(cluster, locator, Writer(api), ledger)
    lifecycle = PolicyLifecycle(login=_kopf_login(api), on_policy=controller.policy_changed)
    _log.info("watching", server=api.host)
    try:
        async with _serving(extender, metrics, settings, readiness=lambda: _readiness(reflectors, cluster)):
            tasks = [asyncio.create_task(reflector.run(), name=reflector.kind) for reflector in reflectors]
            tasks.append(asyncio.create_task(_reconcile(reflectors, controller, lifecycle), name="reconcile"))
            await _first_end(tasks)
    finally:
        await lifecycle.stop()
        await api.close()


async def _reconcile(reflectors: Sequence[Reflector], controller: Controller, lifecycle: PolicyLifecycle) -> None:
    started = time.monotonic()
    while unsynced(reflectors):
        await asyncio.sleep(_SYNC_POLL_SECONDS)
    _settle_memory()
    _log.info("index complete", seconds=round(time.monotonic() - started, 2))
    lifecycle.start()
    await controller.run()


async def _first_end(tasks: list[asyncio.Task[None]]) -> None:
    """Wait for SIGTERM, or for a task that ends: each is meant to run for ever, so that its end is the process's."""
    terminated = asyncio.create_task(_terminated())
    done, running = await asyncio.wait([terminated, *tasks], return_when=asyncio.FIRST_COMPLETED)
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    for task in done:
        task.result()


async def _terminated() -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await stop.wait()
    _log.info("draining")


@contextlib.asynccontextmanager
async def _serving(
    extender: Extender, metrics: Metrics, settings: Settings, *, readiness: Callable[[], Readiness]
) -> AsyncIterator[None]:
    app = create_app(extender, metrics, readiness=readiness)
    runner = await serve(app, host=settings.host, port=settings.port, tls=settings.tls)
    scheme = "https" if settings.tls else "http"
    host, port = runner.addresses[0][:2]
    _log.info("listening", url=f"{scheme}://{host}:{port}")
    try:
        yield
    finally:
        await drain(runner)


def _settle_memory() -> None:
    """Take what is in the index out of the collector's sight.

    It stays, and a full collection would walk over all of it again and again (measured: 80 ms each).
    """
    gc.collect()
    gc.freeze()


def _readiness(reflectors: Sequence[Reflector], cluster: Cluster) -> Readiness:
    missing = unsynced(reflectors)
    if missing:
        return Readiness(ready=False, detail="not read yet: " + "; ".join(missing))
    oldest = max(reflectors, key=lambda reflector: time.monotonic() - reflector.heard)
    count = sum(len(cluster.all(kind)) for kind in RESOURCES)
    age = time.monotonic() - oldest.heard
    return Readiness(ready=True, detail=f"{count} objects; {oldest.kind} last heard {age:.0f} s ago")


def _age_of(reflector: Reflector) -> Callable[[], float]:
    return lambda: time.monotonic() - reflector.heard


def _kopf_login(api: ApiServer) -> Callable[..., kopf.ConnectionInfo]:
    def login(**_: Any) -> kopf.ConnectionInfo:
        return kopf.ConnectionInfo(**api.credentials)

    return login
