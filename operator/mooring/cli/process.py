"""The running process: from manifests alone, or as a replica of the operator."""

from pathlib import Path

import structlog

from mooring.cli.replica import Replica
from mooring.cli.runtime import first_end, listening, settle_memory, terminated
from mooring.cli.settings import Settings
from mooring.cluster.connection import ApiServer
from mooring.cluster.index import Cluster
from mooring.cluster.snapshot import load
from mooring.locate.locator import Locator
from mooring.locate.snapshot import load_storage
from mooring.serve.admission import Admission
from mooring.serve.extender import Extender
from mooring.serve.http import Readiness, create_app
from mooring.serve.metrics import Metrics

_log = structlog.get_logger(__name__)


async def serve_snapshot(settings: Settings, path: Path) -> None:
    """Answer from manifests until SIGTERM.

    Raises:
        SnapshotError: they cannot be read.
        OSError: the address is taken or not ours.
    """
    cluster = Cluster(rack_labels=settings.rack_labels, read_only=settings.read_only)
    metrics, locator = Metrics(), Locator(cluster)
    count = load(path, cluster)
    load_storage(path, cluster, locator.systems)
    settle_memory()
    metrics.watch(cluster, localities=dict)
    admission = Admission(
        cluster,
        locator,
        metrics,
        set_scheduler_name=settings.set_scheduler_name,
        by_hostname=settings.hostname_affinity,
        gating=settings.gating(),
    )
    ready = Readiness(ready=True, detail=f"{count} objects from {path}")
    extender = Extender(cluster, locator, metrics, profile=settings.score_profile)
    app = create_app(extender, metrics, readiness=lambda: ready, admission=admission)
    async with listening(app, settings.host, settings.port, settings.tls):
        await terminated()


async def operate(settings: Settings) -> None:
    """Watch, serve and, as the leader, write, until SIGTERM.

    Raises:
        OSError: an address is taken or not ours.
        kubernetes.aio.config.ConfigException: there is no way to the API server.
    """
    api = await ApiServer.connect(kubeconfig=settings.kubeconfig, context=settings.context)
    replica = Replica(settings, api)
    _log.info("watching", server=api.host)
    try:
        async with replica.serving():
            await first_end(terminated(), *replica.work())
    finally:
        await replica.retire()
        await api.close()
