"""What Mooring may do in a cluster: the one list behind the chart's ClusterRole and the sandbox's.

Least privilege: reads of what a decision needs, writes of what is reported, and nothing on objects that are merely
observed. A test compares the list with the audit log of a run.
"""

from typing import Final, TypedDict


class PolicyRule(TypedDict):
    """One `rbac.authorization.k8s.io/v1` rule."""

    apiGroups: list[str]
    resources: list[str]
    verbs: list[str]


RULES: Final[list[PolicyRule]] = [
    {
        "apiGroups": [""],
        "resources": ["namespaces", "nodes", "persistentvolumeclaims", "persistentvolumes", "pods"],
        "verbs": ["list", "watch"],
    },
    {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["list", "watch", "patch"]},
    {"apiGroups": ["apps"], "resources": ["deployments/status"], "verbs": ["patch"]},
    {"apiGroups": ["storage.k8s.io"], "resources": ["csinodes", "storageclasses"], "verbs": ["list", "watch"]},
    {"apiGroups": [""], "resources": ["pods/status"], "verbs": ["patch"]},
    {"apiGroups": [""], "resources": ["events"], "verbs": ["create"]},
    {
        "apiGroups": ["mooring.dev"],
        "resources": ["volumeplacementpolicies", "clustervolumeplacementpolicies"],
        "verbs": ["list", "watch"],
    },
    {
        "apiGroups": ["mooring.dev"],
        "resources": ["volumeplacementpolicies/status", "clustervolumeplacementpolicies/status"],
        "verbs": ["patch"],
    },
]
