"""`mooring crds` and `mooring permissions`: what a cluster needs before Mooring can run in it, as YAML."""

from typing import Any

import typer

from mooring.api.crd import crds as make_crds
from mooring.api.permissions import NAMESPACED_RULES, RULES
from mooring.api.plain import plain_yaml


def crds() -> None:
    """Print the custom resource definitions; pipe them into `kubectl apply -f -`."""
    _print(make_crds())


def permissions() -> None:
    """Print the roles that Mooring needs: one in the whole cluster, one in its own namespace."""
    roles = [
        {"kind": "ClusterRole", "metadata": {"name": "mooring"}, "rules": RULES},
        {"kind": "Role", "metadata": {"name": "mooring", "namespace": "mooring-system"}, "rules": NAMESPACED_RULES},
    ]
    _print([{"apiVersion": "rbac.authorization.k8s.io/v1", **role} for role in roles])


def _print(manifests: list[dict[str, Any]]) -> None:
    typer.echo("---\n".join(map(plain_yaml, manifests)), nl=False)
