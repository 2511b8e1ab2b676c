"""`mooring explain`: the decision about one pod, or about those that a workload's template makes, in words."""

import asyncio
import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import aiohttp
import typer
from kubernetes.aio.config import ConfigException

from mooring.api.labels import RACK_KEYS
from mooring.cli.logs import LogFormat, LogLevel, configure
from mooring.cli.options import Context, Kubeconfig, RackLabels, Snapshot
from mooring.cluster.connection import ApiError, ApiServer
from mooring.cluster.index import Cluster
from mooring.cluster.reflector import list_once
from mooring.cluster.resources import RESOURCES, Resource
from mooring.cluster.snapshot import SnapshotError, load
from mooring.decide.decision import decide
from mooring.decide.explain import explain, render
from mooring.decide.subject import Subject, subject_of_pod, subject_of_template
from mooring.follow.follower import Follower
from mooring.locate.locator import Locator
from mooring.locate.snapshot import load_storage

#: Where the chart is installed by default, and with it the Secrets of VolumeLocators.
_NAMESPACE: Final = "mooring-system"
#: What kubectl takes for a kind: the singular, the plural, its short name, each with or without the group.
_KINDS: Final = {
    word: kind
    for kind, words in {
        "Pod": "pod pods po",
        "Deployment": "deployment deployments deploy deployment.apps deployments.apps",
        "StatefulSet": "statefulset statefulsets sts statefulset.apps statefulsets.apps",
        "ReplicaSet": "replicaset replicasets rs replicaset.apps replicasets.apps",
        "Job": "job jobs job.batch jobs.batch",
        "CronJob": "cronjob cronjobs cj cronjob.batch cronjobs.batch",
    }.items()
    for word in words.split()
}


class Output(StrEnum):
    """How the explanation is printed."""

    TEXT = "text"
    JSON = "json"


def explain_command(
    what: Annotated[str, typer.Argument(help="Such as pod/NAME, deployment/NAME or sts/NAME.", metavar="KIND/NAME")],
    *,
    namespace: Annotated[str, typer.Option("--namespace", "-n", help="Its namespace.")] = "default",
    snapshot: Snapshot = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    rack_label: RackLabels = None,
    output: Annotated[Output, typer.Option("--output", "-o", help="How to print it.")] = Output.TEXT,
) -> None:
    """Say where a pod belongs and why: the rule, each volume, the nodes by tier, and every refusal with its reason."""
    cluster = Cluster(rack_labels=tuple(rack_label or RACK_KEYS))
    locator = Locator(cluster)
    try:
        if snapshot is not None:
            load(snapshot, cluster)
            load_storage(snapshot, cluster, locator.systems)
        else:
            configure(level=LogLevel.WARNING, form=LogFormat.TEXT)  # what is followed is told to operators only
            asyncio.run(_read(cluster, locator, kubeconfig, context))
        subject = _find(what, namespace, cluster)
    except (SnapshotError, ConfigException, ApiError, aiohttp.ClientError, OSError, LookupError) as error:
        typer.echo(f"mooring: {error.args[0] if isinstance(error, LookupError) else error}", err=True)
        raise typer.Exit(1) from error
    explanation = explain(decide(subject, cluster, locator), cluster)
    typer.echo(json.dumps(explanation, indent=2) if output is Output.JSON else render(explanation))


async def _read(cluster: Cluster, locator: Locator, kubeconfig: Path | None, context: str | None) -> None:
    api = await ApiServer.connect(kubeconfig=kubeconfig, context=context)
    try:
        await asyncio.gather(*(_read_kind(api, resource, cluster) for resource in RESOURCES.values()))
        follower = Follower(api, cluster, locator.systems, namespace=_NAMESPACE)
        await follower.read_once()
    finally:
        await api.close()


async def _read_kind(api: ApiServer, resource: Resource, cluster: Cluster) -> None:
    try:
        await list_once(api, resource, cluster)
    except ApiError as error:
        if not (resource.optional and error.is_missing):
            raise


def _find(what: str, namespace: str, cluster: Cluster) -> Subject:
    word, slash, name = what.partition("/")
    kind = _KINDS.get(word.lower())
    if not slash or kind is None:
        raise LookupError(f"say what to explain as KIND/NAME, such as pod/NAME or deployment/NAME, not {what!r}")
    found = cluster.all(kind).get(f"{namespace}/{name}")
    if found is None:
        raise LookupError(f"there is no {kind.lower()} {name} in namespace {namespace}")
    return subject_of_pod(found) if kind == "Pod" else subject_of_template(found)
