"""`mooring crds` and `mooring permissions`: what a cluster needs before Mooring can run in it, as YAML."""

import sys

import typer
import yaml

from mooring.api.crd import crds as make_crds
from mooring.api.permissions import RULES


def crds() -> None:
    """Print the custom resource definitions; pipe them into `kubectl apply -f -`."""
    yaml.safe_dump_all(make_crds(), sys.stdout, sort_keys=False)


def permissions() -> None:
    """Print the ClusterRole that Mooring needs."""
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": "mooring"},
        "rules": list(RULES),
    }
    typer.echo(yaml.safe_dump(role, sort_keys=False), nl=False)
