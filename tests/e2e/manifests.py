"""Small builders of manifests for a real API server: only what a test is about is said."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from mooring.sandbox.nodes import DRIVER

Manifest = dict[str, Any]

REPLICAS: Final = "mooring.dev/replica-nodes"
STRICT: Final = {"mooring.dev/preferLocalNodeOnly": "true"}
HOSTNAME: Final = "kubernetes.io/hostname"
ZONE: Final = "topology.kubernetes.io/zone"


def volume(
    name: str,
    claim: str,
    namespace: str,
    *,
    nodes: Sequence[str] = (),
    driver: str = DRIVER,
    modes: Sequence[str] = ("ReadWriteOnce",),
    storage_class: str = "",
) -> Manifest:
    """Give a PersistentVolume made for one claim, which any node can mount; its data lies on `nodes`."""
    annotations = {REPLICAS: ",".join(nodes)} if nodes else {}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name, "annotations": annotations},
        "spec": {
            "capacity": {"storage": "1Gi"},
            "accessModes": list(modes),
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": storage_class,
            "csi": {"driver": driver, "volumeHandle": name},
            "claimRef": {"name": claim, "namespace": namespace},
        },
    }


def claim(
    name: str,
    *,
    volume_name: str,
    modes: Sequence[str] = ("ReadWriteOnce",),
    storage_class: str = "",
    labels: Mapping[str, str] | None = None,
) -> Manifest:
    """Give the claim of a volume that exists."""
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "labels": dict(labels or {})},
        "spec": {
            "accessModes": list(modes),
            "storageClassName": storage_class,
            "volumeName": volume_name,
            "resources": {"requests": {"storage": "1Gi"}},
        },
    }


def template(
    claims: Iterable[str],
    *,
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
    cpu: str = "10m",
    **spec: Any,
) -> Manifest:
    """Give metadata and spec of a pod that mounts these claims; further fields of its spec as they are in YAML."""
    names = list(claims)
    container = {
        "name": "main",
        "image": "example.com/main:1",
        "resources": {"requests": {"cpu": cpu}},
        "volumeMounts": [{"name": name, "mountPath": f"/data/{name}"} for name in names],
    }
    return {
        "metadata": {"labels": dict(labels or {}), "annotations": dict(annotations or {})},
        "spec": {
            "terminationGracePeriodSeconds": 0,
            "containers": [container],
            "volumes": [{"name": name, "persistentVolumeClaim": {"claimName": name}} for name in names],
            **spec,
        },
    }


def pod(name: str, *claims: str, **fields: Any) -> Manifest:
    """Give a pod that mounts these claims; fields as `template` takes them."""
    made = template(claims, **fields)
    made["metadata"]["name"] = name
    return {"apiVersion": "v1", "kind": "Pod", **made}


def deployment(
    name: str,
    *claims: str,
    replicas: int = 1,
    strategy: Mapping[str, Any] | None = None,
    paused: bool = False,
    minReadySeconds: int = 0,  # noqa: N803 - as in YAML
    labels: Mapping[str, str] | None = None,
    **fields: Any,
) -> Manifest:
    """Give a Deployment whose pods mount these claims; by default its rollouts never wait for a volume."""
    selected = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "paused": paused,
            "minReadySeconds": minReadySeconds,
            "selector": {"matchLabels": selected},
            "strategy": dict(strategy or {"type": "Recreate"}),
            "template": template(claims, labels={**selected, **(labels or {})}, **fields),
        },
    }


def workload(
    kind: str,
    name: str,
    *claims: str,
    own_claim: str = "",
    spec: Mapping[str, Any] | None = None,
    labels: Mapping[str, str] | None = None,
    **fields: Any,
) -> Manifest:
    """Give a workload of any kind whose pods mount these claims; further fields as `template` takes them.

    With `own_claim` it is a StatefulSet that makes a claim of this name for each pod; `spec` has more of its spec.
    """
    selected = {"app": name}
    made: Manifest = {"template": template(claims, labels={**selected, **(labels or {})}, **fields)}
    if kind in {"Job", "CronJob"}:
        made["template"]["spec"].setdefault("restartPolicy", "OnFailure")
    else:
        made["selector"] = {"matchLabels": selected}
    if own_claim:
        resources = {"requests": {"storage": "1Gi"}}
        claim_spec = {"accessModes": ["ReadWriteOnce"], "storageClassName": "", "resources": resources}
        made["volumeClaimTemplates"] = [{"metadata": {"name": own_claim}, "spec": claim_spec}]
    if kind == "CronJob":
        made = {"schedule": "0 0 1 1 *", "jobTemplate": {"spec": made}}
    return {
        "apiVersion": "batch/v1" if kind in {"Job", "CronJob"} else "apps/v1",
        "kind": kind,
        "metadata": {"name": name},
        "spec": made | dict(spec or {}),
    }


def rolling(*, max_unavailable: int | str, max_surge: int | str = 1) -> Manifest:
    """Give the strategy that starts new pods beside old ones."""
    return {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxUnavailable": max_unavailable, "maxSurge": max_surge},
    }


def policy(name: str, **spec: Any) -> Manifest:
    """Give a policy of a namespace, for all pods unless `podSelector` says otherwise."""
    return {
        "apiVersion": "mooring.dev/v1alpha1",
        "kind": "VolumePlacementPolicy",
        "metadata": {"name": name},
        "spec": {"podSelector": {}, **spec},
    }


def cluster_policy(name: str, **spec: Any) -> Manifest:
    """Give a policy of the cluster, which must say `namespaceSelector`."""
    return policy(name, **spec) | {"kind": "ClusterVolumePlacementPolicy"}


def on_nodes(*nodes: str) -> Manifest:
    """Give the affinity of a pod that a test puts somewhere itself, as a preference that it can be drawn away from."""
    requirement = {"key": HOSTNAME, "operator": "In", "values": list(nodes)}
    preference = {"weight": 1, "preference": {"matchExpressions": [requirement]}}
    return {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [preference]}}
