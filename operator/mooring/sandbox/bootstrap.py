"""What a sandbox's cluster holds from the start: the rights of Mooring and of the second scheduler."""

from typing import Any, Final

from mooring.api.permissions import AGGREGATION_LABEL, NAMESPACED_RULES, RULES
from mooring.sandbox.client import ApiClient
from mooring.sandbox.components import LEASE, NAMESPACE

_RBAC: Final = "/apis/rbac.authorization.k8s.io/v1"
#: Not the names that the chart gives, so that it can be installed into a sandbox.
_MOORING: Final = "sandbox-mooring"
_LOCATORS: Final = "sandbox-mooring-locators"
_SCHEDULER: Final = "sandbox-mooring-scheduler"

Manifest = dict[str, Any]


def grant_rights(client: ApiClient) -> None:
    """Apply the roles and bindings of the users `mooring` and `mooring-scheduler`.

    Raises:
        ApiError: kube-apiserver refuses one.
    """
    client.apply(
        f"/api/v1/namespaces/{NAMESPACE}", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    )
    manifests = [
        _role("ClusterRole", _MOORING, [dict(rule) for rule in RULES]),
        _binding("ClusterRoleBinding", _MOORING, role=_MOORING, user="mooring"),
        _locators(),
        _binding("ClusterRoleBinding", _LOCATORS, role=_LOCATORS, user="mooring"),
        _role("Role", _MOORING, [dict(rule) for rule in NAMESPACED_RULES], namespace=NAMESPACE),
        _binding("RoleBinding", _MOORING, role=_MOORING, user="mooring", namespace=NAMESPACE),
        *_second_scheduler(),
    ]
    for manifest in manifests:
        metadata = manifest["metadata"]
        parent = f"/namespaces/{metadata['namespace']}" if "namespace" in metadata else ""
        client.apply(f"{_RBAC}{parent}/{manifest['kind'].lower()}s/{metadata['name']}", manifest)


def _locators() -> Manifest:
    """Give whatever labelled ClusterRoles give; the controller manager, where there is one, keeps its rules."""
    selector = {"matchLabels": {AGGREGATION_LABEL: "true"}}
    return _object("ClusterRole", _LOCATORS, "") | {"aggregationRule": {"clusterRoleSelectors": [selector]}}


def _second_scheduler() -> list[Manifest]:
    """Give what any scheduler next to the cluster's own needs."""
    cluster_roles = ("system:kube-scheduler", "system:volume-scheduler", "system:auth-delegator")
    bound = [
        _binding(
            "ClusterRoleBinding", f"{_SCHEDULER}:{role.removeprefix('system:')}", role=role, user="mooring-scheduler"
        )
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
        _role("Role", _SCHEDULER, [lease], namespace=NAMESPACE),
        _binding("RoleBinding", _SCHEDULER, role=_SCHEDULER, user="mooring-scheduler", namespace=NAMESPACE),
        _binding("RoleBinding", f"{_SCHEDULER}:{configuration}", role=configuration, user="mooring-scheduler"),
    ]


def _role(kind: str, name: str, rules: list[Manifest], *, namespace: str = "kube-system") -> Manifest:
    return _object(kind, name, namespace) | {"rules": rules}


def _binding(kind: str, name: str, *, role: str, user: str, namespace: str = "kube-system") -> Manifest:
    group = "rbac.authorization.k8s.io"
    return _object(kind, name, namespace) | {
        "roleRef": {"apiGroup": group, "kind": kind.removesuffix("Binding"), "name": role},
        "subjects": [{"apiGroup": group, "kind": "User", "name": user}],
    }


def _object(kind: str, name: str, namespace: str) -> Manifest:
    metadata = {"name": name} if kind.startswith("Cluster") else {"name": name, "namespace": namespace}
    return {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": metadata}
