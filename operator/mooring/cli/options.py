"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

Kubeconfig = Annotated[
    Path | None,
    typer.Option(envvar="KUBECONFIG", help="Kubeconfig file; in a pod, its service account is the default."),
]
Context = Annotated[str | None, typer.Option(help="Context of the kubeconfig.")]
Snapshot = Annotated[
    Path | None,
    typer.Option(help="YAML manifests (a file or folder) in place of an API server."),
]
RackLabels = Annotated[
    list[str] | None,
    typer.Option("--rack-label", help="Node label that names a rack; repeat for more, the first that a node has wins."),
]
Namespace = Annotated[
    str,
    typer.Option(envvar="MOORING_NAMESPACE", help="Namespace of the release: of its Lease, its Secret and its probes."),
]
Name = Annotated[
    str,
    typer.Option(envvar="MOORING_NAME", help="Name of the release, by which its Lease and webhook are called."),
]
