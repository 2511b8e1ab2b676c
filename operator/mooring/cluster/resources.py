"""The kinds that Mooring reads: where the API serves them, and the record or model that each becomes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from mooring.api.locator import parse_locator
from mooring.api.policy import parse_policy
from mooring.cluster import records


@dataclass(frozen=True, kw_only=True)
class Resource:
    """A kind to list and watch.

    Attributes:
        kind: the kind, as manifests and logs name it.
        path: the collection's URL path over all namespaces, or within the one that is read.
        record: the type that msgspec decodes one object into; `dict` where `convert` does the work.
        convert: turns the decoded object into what the index holds; raises ValueError for an object it refuses.
        selector: a label selector as kubectl takes it; empty for all objects.
        optional: whether a cluster need not serve it; then nobody waits for it.
    """

    kind: str
    path: str
    record: Any
    convert: Callable[[Any], Any]
    selector: str = ""
    optional: bool = False

    @property
    def group(self) -> str:
        """The API group, empty for the core one."""
        return self.path.split("/")[2] if self.path.startswith("/apis/") else ""

    @property
    def api_version(self) -> str:
        """`apiVersion`, as manifests say it."""
        return self.path.rpartition("/")[0].removeprefix("/apis/").removeprefix("/api/")

    def object_path(self, namespace: str | None, name: str) -> str:
        """The URL path of one object."""
        root, _, plural = self.path.rpartition("/")
        scope = f"/namespaces/{namespace}" if namespace else ""
        return f"{root}{scope}/{plural}/{name}"


def _slim(kind: str, path: str, record: type[records.Object], *, optional: bool = False) -> Resource:
    return Resource(kind=kind, path=path, record=record, convert=records.slim, optional=optional)


def _own(kind: str, plural: str, parse: Callable[[Any], Any]) -> Resource:
    return Resource(kind=kind, path=f"/apis/mooring.dev/v1alpha1/{plural}", record=dict[str, Any], convert=parse)


RESOURCES: Final[dict[str, Resource]] = {
    resource.kind: resource
    for resource in (
        _slim("Namespace", "/api/v1/namespaces", records.Namespace),
        _slim("Node", "/api/v1/nodes", records.Node),
        _slim("CSINode", "/apis/storage.k8s.io/v1/csinodes", records.CSINode),
        _slim("StorageClass", "/apis/storage.k8s.io/v1/storageclasses", records.StorageClass),
        _slim("CSIStorageCapacity", "/apis/storage.k8s.io/v1/csistoragecapacities", records.CSIStorageCapacity),
        _slim("PersistentVolume", "/api/v1/persistentvolumes", records.PersistentVolume),
        _slim("PersistentVolumeClaim", "/api/v1/persistentvolumeclaims", records.PersistentVolumeClaim),
        _slim(
            "VolumeSnapshot",
            "/apis/snapshot.storage.k8s.io/v1/volumesnapshots",
            records.VolumeSnapshot,
            optional=True,
        ),
        _slim("Pod", "/api/v1/pods", records.Pod),
        _slim("Deployment", "/apis/apps/v1/deployments", records.Deployment),
        _slim("StatefulSet", "/apis/apps/v1/statefulsets", records.StatefulSet),
        _slim("ReplicaSet", "/apis/apps/v1/replicasets", records.ReplicaSet),
        _slim("Job", "/apis/batch/v1/jobs", records.Job),
        _slim("CronJob", "/apis/batch/v1/cronjobs", records.CronJob),
        _own("VolumePlacementPolicy", "volumeplacementpolicies", parse_policy),
        _own("ClusterVolumePlacementPolicy", "clustervolumeplacementpolicies", parse_policy),
        _own("VolumeLocator", "volumelocators", parse_locator),
    )
}


def from_manifest(kind: str, manifest: dict[str, Any]) -> Any:
    """Turn one manifest into what the index holds.

    Raises:
        ValueError: a field has the wrong type, or a policy is invalid; the message names the field.
    """
    resource = RESOURCES[kind]
    try:
        return resource.convert(msgspec.convert(manifest, resource.record))
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from error
