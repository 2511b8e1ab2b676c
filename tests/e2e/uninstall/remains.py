"""What Mooring leaves in a cluster, put there by hand, with the field manager and the marks that it uses."""

from collections.abc import Mapping
from functools import reduce
from typing import Any, Final

from tests.e2e import manifests
from tests.e2e.manifests import Manifest

from mooring.api.annotations import AFFINITY_HASH
from mooring.cluster.records import Expression, NodeAffinity, NodeSelector, Term, to_json
from mooring.decide.affinity import fingerprint
from mooring.sandbox.client import ApiClient

_STRATEGIC: Final = "application/strategic-merge-patch+json"
_APIS: Final = {
    "pods": "api/v1",
    "jobs": "apis/batch/v1",
    "cronjobs": "apis/batch/v1",
    "volumeplacementpolicies": "apis/mooring.dev/v1alpha1",
}

LOCATORS: Final = "/apis/mooring.dev/v1alpha1/volumelocators"
OURS: Final = NodeAffinity(
    required=NodeSelector((Term(match_fields=(Expression("metadata.name", "In", ("node-1",)),)),))
)
USERS_PREFERENCE: Final = manifests.on_nodes("node-2")["nodeAffinity"]


class Corner:
    """A namespace full of what Mooring left."""

    def __init__(self, client: ApiClient, namespace: str) -> None:
        self.client = client
        self.namespace = namespace

    def path(self, kind: str, name: str = "") -> str:
        """Give the path of a collection of the namespace, or of an object in it."""
        found = f"/{_APIS.get(kind, 'apis/apps/v1')}/namespaces/{self.namespace}/{kind}"
        return f"{found}/{name}" if name else found

    def create(self, kind: str, manifest: Manifest) -> Manifest:
        """Create an object."""
        return dict(self.client.create(self.path(kind), manifest))

    def get(self, kind: str, name: str) -> Manifest:
        """Read an object."""
        return dict(self.client.get(self.path(kind, name)))

    def template(self, kind: str, name: str) -> Manifest:
        """Read a workload's template."""
        spec = self.get(kind, name)["spec"]
        return dict((spec["jobTemplate"]["spec"] if kind == "cronjobs" else spec)["template"])

    def node_affinity(self, kind: str, name: str) -> Manifest:
        """Read the node affinity in a workload's template, empty if there is none."""
        return dict(self.template(kind, name)["spec"].get("affinity", {}).get("nodeAffinity", {}))

    def apply_terms(self, kind: str, name: str, affinity: NodeAffinity | None = OURS) -> Manifest:
        """Own exactly this node affinity in a template, as Mooring does; gives the workload."""
        content = {} if affinity is None else marked(affinity)
        path = ("spec", "jobTemplate", "spec", "template") if kind == "cronjobs" else ("spec", "template")
        body: Manifest = reduce(lambda inner, step: {step: inner}, reversed(path), content) if content else {}
        return self._apply(kind, name, "", body)

    def apply_condition(self, kind: str, name: str) -> None:
        """Own a condition, as Mooring does."""
        condition = {
            "type": "mooring.dev/VolumeLocal",
            "status": "True",
            "reason": "AllLocal",
            "message": "all pods are near their data",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }
        body = {"status": {"conditions": [condition]}}
        if kind == "jobs":
            path = f"{self.path(kind, name)}/status?fieldManager=mooring"
            self.client.request("PATCH", path, body, content_type=_STRATEGIC)
        else:
            self._apply(kind, name, "/status", body)

    def is_settled(self, kind: str, name: str) -> bool:
        """Say whether an object's controller has seen it as it is: what it writes late would take conditions away."""
        found = self.get(kind, name)
        if kind == "jobs":
            return "Suspended" in self.conditions(kind, name)
        return bool(found.get("status", {}).get("observedGeneration") == found["metadata"]["generation"])

    def conditions(self, kind: str, name: str) -> list[str]:
        """Give the types of an object's conditions."""
        return [each["type"] for each in self.get(kind, name).get("status", {}).get("conditions", [])]

    def _apply(self, kind: str, name: str, subresource: str, body: Mapping[str, Any]) -> Manifest:
        there = self.get(kind, name)
        metadata = {key: there["metadata"][key] for key in ("name", "namespace", "uid")}
        identity = {"apiVersion": there["apiVersion"], "kind": there["kind"], "metadata": metadata}
        return dict(self.client.apply(self.path(kind, name) + subresource, {**identity, **body}, manager="mooring"))


def marked(affinity: NodeAffinity = OURS) -> Manifest:
    """Give a template with only this node affinity, and the hash that says whose it is."""
    return {
        "metadata": {"annotations": {AFFINITY_HASH: fingerprint(affinity)}},
        "spec": {"affinity": {"nodeAffinity": to_json(affinity)}},
    }


def stateful_set(name: str, **fields: Any) -> Manifest:
    """Give a StatefulSet without pods."""
    spec = {"replicas": 0, "serviceName": name, **_selecting(name, **fields)}
    return {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": name}, "spec": spec}


def replica_set(name: str, **fields: Any) -> Manifest:
    """Give a ReplicaSet without pods."""
    spec = {"replicas": 0, **_selecting(name, **fields)}
    return {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": name}, "spec": spec}


def job(name: str, *, suspend: bool, **fields: Any) -> Manifest:
    """Give a Job."""
    template = manifests.template((), restartPolicy="Never", **fields)
    spec = {"suspend": suspend, "template": template}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": spec}


def cron_job(name: str) -> Manifest:
    """Give a CronJob that never runs."""
    template = manifests.template((), restartPolicy="Never")
    spec = {"schedule": "0 0 1 1 *", "suspend": True, "jobTemplate": {"spec": {"template": template}}}
    return {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": name}, "spec": spec}


def locator(name: str) -> Manifest:
    """Give a VolumeLocator of a storage system that is not there."""
    replicas = {"resource": {"resource": "discs"}, "volume": "object.volume", "node": "object.node"}
    return {
        "apiVersion": "mooring.dev/v1alpha1",
        "kind": "VolumeLocator",
        "metadata": {"name": name},
        "spec": {"driver": "csi.example.com", "replicas": replicas},
    }


def gated_pod(name: str, *gates: str) -> Manifest:
    """Give a pod behind these gates."""
    return manifests.pod(name, schedulingGates=[{"name": gate} for gate in gates])


def _selecting(name: str, **fields: Any) -> Manifest:
    labels = {"app": name}
    return {"selector": {"matchLabels": labels}, "template": manifests.template((), labels=labels, **fields)}
