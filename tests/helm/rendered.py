"""What tests ask of rendered manifests, and the values they are rendered with."""

from collections.abc import Iterator
from typing import Any, Final

from tests.programs import Manifest

EVERYTHING: Final[dict[str, Any]] = {
    "image": {"digest": f"sha256:{'0' * 64}", "pullSecrets": [{"name": "registry"}]},
    "replicas": 3,
    "port": 8443,
    "logLevel": "debug",
    "logFormat": "text",
    "rackLabels": ["example.com/rack", "px/rack"],
    "readOnly": True,
    "hostnameAffinity": True,
    "softLocality": "Prefer",
    "gatedSchedulers": ["volcano"],
    "scoreProfile": "stork",
    "extraArgs": ["--kubeconfig=/etc/kubeconfig"],
    "webhook": {
        "port": 9443,
        "failurePolicy": "Fail",
        "timeoutSeconds": 5,
        "namespaceSelector": {
            "matchLabels": {"team": "storage"},
            "matchExpressions": [{"key": "tier", "operator": "In", "values": ["production"]}],
        },
        "annotations": {"admissions.enforcer/disabled": "true"},
        "setSchedulerName": False,
        "tlsSecretName": "webhook-tls",
    },
    "scheduler": {"enabled": True, "extraArgs": ["--v=2"]},
    "tolerations": [{"key": "node-role.kubernetes.io/control-plane", "operator": "Exists"}],
    "affinity": {"podAntiAffinity": {}},
    "podAnnotations": {"example.com/note": "some text"},
    "podLabels": {"team": "storage", "app.kubernetes.io/part-of": "storage", "app.kubernetes.io/name": "hidden"},
    "topologySpreadConstraints": [
        {"topologyKey": "topology.kubernetes.io/zone", "maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule"}
    ],
    "hostNetwork": True,
    "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
    "networkPolicy": {"enabled": True, "from": [{"namespaceSelector": {"matchLabels": {"name": "monitoring"}}}]},
}
"""Every value that adds something, added."""

VARIANTS: Final[dict[str, dict[str, Any]]] = {
    "defaults": {},
    "everything": EVERYTHING,
    "without CRDs": {"crds": {"enabled": False}},
    "without keeping CRDs": {"crds": {"keep": False}},
    "without locators": {"locators": {"enabled": False}},
    "without a webhook": {"webhook": {"enabled": False}},
    "webhook at a URL": {"webhook": {"url": "https://192.0.2.7:10250/mutate"}},
    "with a scheduler": {"scheduler": {"enabled": True}},
    "without budgets": {"podDisruptionBudget": {"enabled": False}, "scheduler": {"enabled": True}},
    "without a quota": {"resourceQuota": {"enabled": False}},
    "without a priority": {"priorityClassName": ""},
    "without a node selector": {"nodeSelector": None},
    "without an uninstall hook": {"uninstall": {"enabled": False}},
    "network policy without anybody": {"networkPolicy": {"enabled": True}, "webhook": {"enabled": False}},
}
"""Values by what they are about: the defaults, everything, and each switch the other way."""


def one(manifests: list[Manifest], kind: str, name: str) -> Manifest:
    """Give the only manifest of a kind and name."""
    (found,) = (each for each in manifests if each["kind"] == kind and each["metadata"]["name"] == name)
    return found


def names(manifests: list[Manifest], kind: str) -> set[str]:
    """Give the names of all manifests of a kind."""
    return {each["metadata"]["name"] for each in manifests if each["kind"] == kind}


def templates(manifests: list[Manifest]) -> Iterator[Manifest]:
    """Give the pod templates."""
    for manifest in manifests:
        if manifest["kind"] in {"Deployment", "Job"}:
            yield manifest["spec"]["template"]


def container(manifests: list[Manifest], kind: str, name: str) -> Manifest:
    """Give the only container of a Deployment or Job."""
    (found,) = one(manifests, kind, name)["spec"]["template"]["spec"]["containers"]
    return dict(found)


def arguments(manifests: list[Manifest], kind: str = "Deployment", name: str = "mooring") -> list[str]:
    """Give the arguments of a Deployment's or Job's only container."""
    return list(container(manifests, kind, name)["args"])
