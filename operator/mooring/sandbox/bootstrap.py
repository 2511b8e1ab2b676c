"""What a sandbox's cluster holds from the start: the rights of Mooring and of the second scheduler."""

from typing import Any, Final

from mooring.api.permissions import RULES
from mooring.sandbox.client import ApiClient
from mooring.sandbox.components import LEASE

_RBAC: Final = "/apis/rbac.authorization.k8s.io/v1"
_SCHEDULER: Final = "mooring-scheduler"

Manifest = dict[str, Any]


def grant_rights(client: ApiClient) -> None:
    """Apply the roles and bindings of the users `mooring` and `mooring-scheduler`.

    Raises:
        ApiError: kube-apiserver refuses one.
    """
    manifests = [
        _role("ClusterRole", "mooring", [dict(rule) for rule in RULES]),
        _binding("ClusterRoleBinding", "mooring", role="mooring", user="mooring"),
        *_second_scheduler(),
    ]
    for manifest in manifests:
        metadata = manifest["metadata"]
        parent = f"/namespaces/{metadata['namespace']}" if "namespace" in metadata else ""
        client.apply(f"{_RBAC}{parent}/{manifest['kind'].lower()}s/{metadata['name']}", manifest)


def _second_scheduler() -> list[Manifest]:
    """Give what any scheduler next to the cluster's own needs; its kind of lease it may create anyway."""
    cluster_roles = ("system:kube-scheduler", "system:volume-scheduler", "system:auth-delegator")
    bound = [
        _binding("ClusterRoleBinding", f"{_SCHEDULER}:{role.removeprefix('system:')}", role=role, user=_SCHEDULER)
        for role in cluster_roles
    ]
    lease = {
        "apiGroups": ["coordination.k8s.io"],
        "resources": ["leases"],
        "resourceNames": [LEASE],
        "verbs": ["get", "update", "patch"],
    }
    configuration = "extension-apiserver-authentication-reader"
    return [
        *bound,
        _role("Role", _SCHEDULER, [lease]),
        _binding("RoleBinding", _SCHEDULER, role=_SCHEDULER, user=_SCHEDULER),
        _binding("RoleBinding", f"{_SCHEDULER}:{configuration}", role=configuration, user=_SCHEDULER),
    ]


def _role(kind: str, name: str, rules: list[Manifest]) -> Manifest:
    return _object(kind, name) | {"rules": rules}


def _binding(kind: str, name: str, *, role: str, user: str) -> Manifest:
    group = "rbac.authorization.k8s.io"
    return _object(kind, name) | {
        "roleRef": {"apiGroup": group, "kind": kind.removesuffix("Binding"), "name": role},
        "subjects": [{"apiGroup": group, "kind": "User", "name": user}],
    }


def _object(kind: str, name: str) -> Manifest:
    metadata = {"name": name} if kind.startswith("Cluster") else {"name": name, "namespace": "kube-system"}
    return {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": metadata}
