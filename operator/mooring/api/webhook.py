"""The admission webhook's registration: which pods the API server asks about, and what it does if nobody answers.

The chart has a generated copy. `matchConditions` are CEL without types: a misspelt field is accepted and switches the
webhook off silently, so that each of them is evaluated by a test.
"""

from collections.abc import Mapping
from typing import Any, Final

from mooring.api.annotations import IGNORE_LABEL, PROBE_LABEL

PATH: Final = "/mutate"
"""Where Mooring answers reviews."""

PODS: Final = "pods.mooring.dev"
"""The webhook for users' pods."""
PROBE: Final = "probe.mooring.dev"
"""The webhook for pods by which Mooring finds out whether the API server reaches it."""

MATCH_CONDITIONS: Final = (
    {
        "name": "mounts-a-claim",
        "expression": "has(object.spec.volumes)"
        " && object.spec.volumes.exists(v, has(v.persistentVolumeClaim) || has(v.ephemeral))",
    },
    {
        "name": "is-not-of-a-daemonset",
        "expression": "!has(object.metadata.ownerReferences) || !object.metadata.ownerReferences.exists(o,"
        " has(o.controller) && o.controller && o.kind == 'DaemonSet')",
    },
    {
        "name": "has-no-node",
        "expression": "!has(object.spec.nodeName) || object.spec.nodeName == ''",
    },
)
"""What must hold of a pod for the API server to ask about it: that it has a claim, and may still be placed."""

_METADATA_NAME: Final = "kubernetes.io/metadata.name"
_SYSTEM_NAMESPACES: Final = ("kube-system", "kube-node-lease")


def mutating_webhook_configuration(*, name: str, namespace: str, client_config: Mapping[str, Any]) -> dict[str, Any]:
    """Give the whole configuration (admissionregistration.k8s.io/v1).

    Args:
        name: the release's.
        namespace: the release's, whose own pods are left alone.
        client_config: how the API server reaches Mooring: `service` or `url`, and `caBundle`.
    """
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": name},
        "webhooks": [{**webhook, "clientConfig": dict(client_config)} for webhook in webhooks(namespace)],
    }


def webhooks(namespace: str) -> list[dict[str, Any]]:
    """Give both webhooks without their clientConfig, for the release in this namespace.

    Every field is said, defaults too, so that what the API server stores is what was applied.
    """
    left_out = dict.fromkeys([*_SYSTEM_NAMESPACES, namespace])
    return [
        {
            "name": PODS,
            **_common(),
            # Where another webhook changes a pod after us, we are asked again.
            "reinvocationPolicy": "IfNeeded",
            "namespaceSelector": {
                "matchExpressions": [
                    {"key": IGNORE_LABEL, "operator": "NotIn", "values": ["true"]},
                    {"key": _METADATA_NAME, "operator": "NotIn", "values": list(left_out)},
                ]
            },
            "objectSelector": {},
            "matchConditions": [dict(condition) for condition in MATCH_CONDITIONS],
        },
        {
            "name": PROBE,
            **_common(),
            "reinvocationPolicy": "Never",
            "namespaceSelector": {"matchLabels": {_METADATA_NAME: namespace}},
            "objectSelector": {"matchLabels": {PROBE_LABEL: "true"}},
        },
    ]


def _common() -> dict[str, Any]:
    return {
        "admissionReviewVersions": ["v1"],
        # Mooring must never be the reason why a pod cannot be created, nor why it takes long.
        "failurePolicy": "Ignore",
        "timeoutSeconds": 2,
        "sideEffects": "None",
        "matchPolicy": "Equivalent",
        "rules": [
            {
                "apiGroups": [""],
                "apiVersions": ["v1"],
                "operations": ["CREATE"],
                "resources": ["pods"],
                "scope": "Namespaced",
            }
        ],
    }
