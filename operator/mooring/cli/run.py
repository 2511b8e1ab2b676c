"""`mooring run`: what the command line says, checked and handed to the process."""

import os
import socket
import ssl
from pathlib import Path
from typing import Annotated, Final

import structlog
import typer
import uvloop
from kubernetes.aio.config import ConfigException

from mooring.api.annotations import KUBE_SCHEDULERS
from mooring.api.labels import RACK_KEYS
from mooring.cli.logs import LogFormat, LogLevel, configure
from mooring.cli.options import Context, Kubeconfig, Name, Namespace, RackLabels, Snapshot
from mooring.cli.process import operate, serve_snapshot
from mooring.cli.settings import Settings, SoftLocality, WebhookSettings
from mooring.cluster.snapshot import SnapshotError
from mooring.serve.http import tls_context
from mooring.serve.priorities import ScoreProfile

DEFAULT_PORT: Final = 8099

_log = structlog.get_logger(__name__)


def run(
    *,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    snapshot: Snapshot = None,
    namespace: Namespace = "mooring-system",
    name: Name = "mooring",
    identity: Annotated[
        str | None, typer.Option(envvar="POD_NAME", help="Name of this replica; the host and process by default.")
    ] = None,
    read_only: Annotated[
        bool, typer.Option("--read-only", help="Treat every policy as updateMode Audit: only report.")
    ] = False,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.")] = DEFAULT_PORT,
    tls_cert: Annotated[Path | None, typer.Option(help="Serving certificate: HTTPS instead of HTTP.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Key of the serving certificate.")] = None,
    client_ca: Annotated[Path | None, typer.Option(help="CA that clients' certificates must be signed by.")] = None,
    webhook_port: Annotated[
        int | None, typer.Option(help="Port of the admission webhook (HTTPS); left out, there is none.")
    ] = None,
    webhook_cert: Annotated[
        Path | None,
        typer.Option(help="The webhook's certificate as a file, instead of the Secret that Mooring keeps itself."),
    ] = None,
    webhook_key: Annotated[Path | None, typer.Option(help="Key of the webhook's certificate.")] = None,
    scheduler_lease: Annotated[
        str | None,
        typer.Option(
            metavar="NAMESPACE/NAME", help="Lease of Mooring's scheduler; NAMESPACE/NAME-scheduler by default."
        ),
    ] = None,
    set_scheduler_name: Annotated[
        bool, typer.Option(help="Give pods with local volumes to Mooring's scheduler while it is alive.")
    ] = True,
    hostname_affinity: Annotated[
        bool,
        typer.Option(
            "--hostname-affinity", help="Name nodes by their hostname label in pods' affinity, for Karpenter."
        ),
    ] = False,
    soft_locality: Annotated[
        SoftLocality,
        typer.Option(
            help="How soft rules are kept: Nominate gates pods for a moment and nominates a node, at any size of"
            " cluster; Prefer writes preferred affinity and gates nothing."
        ),
    ] = SoftLocality.NOMINATE,
    gated_scheduler: Annotated[
        list[str] | None,
        typer.Option(
            help="Name of a further scheduler that honours scheduling gates and nominated nodes, as kube-scheduler"
            " does; repeat for more."
        ),
    ] = None,
    score_profile: Annotated[
        ScoreProfile,
        typer.Option(help="What prioritize answers: mooring is 0 to 10; stork is STORK's own numbers."),
    ] = ScoreProfile.MOORING,
    rack_label: RackLabels = None,
    log_level: Annotated[LogLevel, typer.Option(help="From which level on lines are written.")] = LogLevel.INFO,
    log_format: Annotated[LogFormat, typer.Option(help="How log lines look.")] = LogFormat.TEXT,
) -> None:
    """Run the operator: watch the cluster, answer the schedulers and the API server, keep workloads near their data.

    All replicas answer; the one that holds the Lease writes. With --snapshot it answers from manifests alone, without
    an API server, and writes nothing.
    """
    configure(level=log_level, form=log_format)
    settings = Settings(
        kubeconfig=kubeconfig,
        context=context,
        namespace=namespace,
        name=name,
        identity=identity or f"{socket.gethostname()}_{os.getpid()}",
        read_only=read_only,
        host=host,
        port=port,
        tls=_tls(tls_cert, tls_key, client_ca),
        webhook=_webhook(webhook_port, webhook_cert, webhook_key),
        scheduler_lease=_lease(scheduler_lease or f"{namespace}/{name}-scheduler"),
        set_scheduler_name=set_scheduler_name,
        hostname_affinity=hostname_affinity,
        soft_locality=soft_locality,
        gated_schedulers=KUBE_SCHEDULERS.union(gated_scheduler or ()),
        score_profile=score_profile,
        rack_labels=tuple(rack_label or RACK_KEYS),
    )
    try:
        uvloop.run(serve_snapshot(settings, snapshot) if snapshot else operate(settings))
    except (OSError, SnapshotError, ConfigException) as error:
        _log.error("cannot run", reason=str(error))
        raise typer.Exit(1) from error


def _webhook(port: int | None, certificate: Path | None, key: Path | None) -> WebhookSettings | None:
    if (certificate is None) is not (key is None):
        raise typer.BadParameter("--webhook-cert and --webhook-key go together")
    if port is None:
        if certificate is not None:
            raise typer.BadParameter("--webhook-cert needs --webhook-port")
        return None
    return WebhookSettings(port=port, files=(certificate, key) if certificate and key else None)


def _lease(text: str) -> tuple[str, str]:
    namespace, slash, name = text.partition("/")
    if not (namespace and slash and name) or "/" in name:
        raise typer.BadParameter(f"--scheduler-lease is NAMESPACE/NAME, not {text!r}")
    return namespace, name


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
