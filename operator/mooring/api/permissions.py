"""What Mooring may do in a cluster: the one list behind the chart's roles and the sandbox's.

Least privilege: reads of what a decision needs, writes of what is reported, and nothing on objects that are merely
observed. A test compares the list with the audit log of a run. Every `resourceNames` here is that of a release named
`mooring`; the chart puts the name of its own release in the place of `mooring`.
"""

from typing import Final, NotRequired, TypedDict

AGGREGATION_LABEL: Final = "mooring.dev/aggregate-to-operator"
"""ClusterRoles with this label, `"true"`, are part of the operator's rights: so it may read drivers' own resources."""


class PolicyRule(TypedDict):
    """One `rbac.authorization.k8s.io/v1` rule."""

    apiGroups: list[str]
    resources: list[str]
    resourceNames: NotRequired[list[str]]
    verbs: list[str]


RULES: Final[list[PolicyRule]] = [
    {
        "apiGroups": [""],
        "resources": ["namespaces", "nodes", "persistentvolumeclaims", "persistentvolumes", "pods"],
        "verbs": ["list", "watch"],
    },
    {
        "apiGroups": ["apps"],
        "resources": ["deployments", "replicasets", "statefulsets"],
        "verbs": ["get", "list", "watch", "patch"],
    },
    {
        "apiGroups": ["apps"],
        "resources": ["deployments/status", "replicasets/status", "statefulsets/status"],
        "verbs": ["patch"],
    },
    {"apiGroups": ["batch"], "resources": ["cronjobs", "jobs"], "verbs": ["get", "list", "watch", "patch"]},
    {"apiGroups": ["batch"], "resources": ["jobs/status"], "verbs": ["patch"]},
    {
        "apiGroups": ["storage.k8s.io"],
        "resources": ["csinodes", "csistoragecapacities", "storageclasses"],
        "verbs": ["list", "watch"],
    },
    # Of what a claim is to be restored, where the cluster knows snapshots.
    {"apiGroups": ["snapshot.storage.k8s.io"], "resources": ["volumesnapshots"], "verbs": ["list", "watch"]},
    {"apiGroups": [""], "resources": ["pods/status"], "verbs": ["patch"]},
    # Our own scheduling gate is taken off, with the affinity that the pod waited for.
    {"apiGroups": [""], "resources": ["pods"], "verbs": ["patch"]},
    # `updateMode: Reconcile`, where a rollout cannot bring a pod to its data. PodDisruptionBudgets are respected.
    {"apiGroups": [""], "resources": ["pods/eviction"], "verbs": ["create"]},
    # At admission, a claim that the index does not have yet.
    {"apiGroups": [""], "resources": ["persistentvolumeclaims"], "verbs": ["get"]},
    {"apiGroups": [""], "resources": ["events"], "verbs": ["create"]},
    {
        "apiGroups": ["mooring.dev"],
        "resources": ["volumeplacementpolicies", "clustervolumeplacementpolicies", "volumelocators"],
        "verbs": ["list", "watch"],
    },
    {
        "apiGroups": ["mooring.dev"],
        "resources": [
            "volumeplacementpolicies/status",
            "clustervolumeplacementpolicies/status",
            "volumelocators/status",
        ],
        "verbs": ["patch"],
    },
    {
        "apiGroups": ["admissionregistration.k8s.io"],
        "resources": ["mutatingwebhookconfigurations"],
        "resourceNames": ["mooring"],
        "verbs": ["get", "patch"],
    },
]
"""In the whole cluster."""

NAMESPACED_RULES: Final[list[PolicyRule]] = [
    # What is created cannot be told by name in a rule.
    {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["create"]},
    {
        "apiGroups": ["coordination.k8s.io"],
        "resources": ["leases"],
        "resourceNames": ["mooring"],
        "verbs": ["get", "patch"],
    },
    # Whether the second scheduler is alive.
    {
        "apiGroups": ["coordination.k8s.io"],
        "resources": ["leases"],
        "resourceNames": ["mooring-scheduler"],
        "verbs": ["get"],
    },
    # The webhook's certificates. The Secret comes with the chart, so that none need be created.
    {
        "apiGroups": [""],
        "resources": ["secrets"],
        "resourceNames": ["mooring-webhook"],
        "verbs": ["get", "patch"],
    },
    # Only as a dry run: a pod that is never stored shows whether the API server reaches the webhook. RBAC does not know
    # dry runs.
    {"apiGroups": [""], "resources": ["pods"], "verbs": ["create"]},
]
"""In the namespace of the release."""

UNINSTALL_RULES: Final[list[PolicyRule]] = [
    {
        "apiGroups": ["admissionregistration.k8s.io"],
        "resources": ["mutatingwebhookconfigurations"],
        "resourceNames": ["mooring"],
        "verbs": ["get", "delete"],
    },
    {"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "patch"]},
    {
        "apiGroups": ["apps"],
        "resources": ["deployments", "replicasets", "statefulsets"],
        "verbs": ["list", "patch"],
    },
    {"apiGroups": ["batch"], "resources": ["cronjobs", "jobs"], "verbs": ["list", "patch"]},
    {
        "apiGroups": ["mooring.dev"],
        "resources": ["volumeplacementpolicies", "clustervolumeplacementpolicies", "volumelocators"],
        "verbs": ["list"],
    },
    {"apiGroups": [""], "resources": ["pods/status"], "verbs": ["patch"]},
    {
        "apiGroups": ["apps"],
        "resources": ["deployments/status", "replicasets/status", "statefulsets/status"],
        "verbs": ["patch"],
    },
    {"apiGroups": ["batch"], "resources": ["jobs/status"], "verbs": ["patch"]},
    {
        "apiGroups": ["mooring.dev"],
        "resources": [
            "volumeplacementpolicies/status",
            "clustervolumeplacementpolicies/status",
            "volumelocators/status",
        ],
        "verbs": ["patch"],
    },
]
"""In the whole cluster, of `mooring uninstall`: what Mooring put there is taken away."""

UNINSTALL_NAMESPACED_RULES: Final[list[PolicyRule]] = [
    # The operator is stopped first, else it would put back what is taken away.
    {
        "apiGroups": ["apps"],
        "resources": ["deployments/scale"],
        "resourceNames": ["mooring"],
        "verbs": ["get", "patch"],
    },
    {
        "apiGroups": ["coordination.k8s.io"],
        "resources": ["leases"],
        "resourceNames": ["mooring"],
        "verbs": ["get", "delete"],
    },
]
"""In the namespace of the release, of `mooring uninstall`."""
