"""One test's storage: classes of disks, claims of them, and where their volumes came to lie."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from tests.e2e.csi.disks import DRIVER, TOPOLOGY_KEY, node_of, segment
from tests.e2e.manifests import Manifest
from tests.e2e.support import eventually

from mooring.sandbox.client import ApiClient

_CLASSES: Final = "/apis/storage.k8s.io/v1/storageclasses"
_CAPACITIES: Final = "/apis/storage.k8s.io/v1/csistoragecapacities"
_SNAPSHOTS: Final = "snapshot.storage.k8s.io"
_MERGE: Final = "application/merge-patch+json"


class Storage:
    """What a test claims in its namespace, of disks that it shares with no other test."""

    def __init__(self, client: ApiClient, namespace: str) -> None:
        self._client = client
        self._namespace = namespace
        self._cluster_wide: list[str] = []

    def close(self) -> None:
        """Delete what lies in no namespace."""
        for path in reversed(self._cluster_wide):
            self._client.request("DELETE", path)

    # What is created.

    def storage_class(
        self,
        name: str = "disk",
        *,
        capacity: str = "100Gi",
        mode: str = "WaitForFirstConsumer",
        sizes: Mapping[str, str] | None = None,
    ) -> str:
        """Create a class of disks as large as this on every node but those in `sizes`; gives the class's name.

        Returns when CSIStorageCapacity tells how much is free on each node with a disk.
        """
        made = f"{name}-{self._namespace}"
        own = {segment(node): size for node, size in (sizes or {}).items()}
        body = {
            "metadata": {"name": made},
            "provisioner": DRIVER,
            "volumeBindingMode": mode,
            "parameters": {"class": made, "capacity": capacity, **own},
        }
        self._create(_CLASSES, body)
        if mode != "Immediate":
            disks = self._nodes_with_disks()
            eventually(lambda: self.free(made).keys() == disks)
        return made

    def claim(
        self,
        name: str,
        storage_class: str,
        *,
        size: str = "1Gi",
        labels: Mapping[str, str] | None = None,
        source: Manifest | None = None,
    ) -> None:
        """Create a claim, of a copy of `source` if there is one (see `copy_of` and `snapshot`)."""
        made = claim_template(name, storage_class, size=size, labels=labels)
        if source is not None:
            made["spec"]["dataSource"] = source
        self._client.create(self._path("persistentvolumeclaims"), made)

    def snapshot(self, name: str, claim: str) -> Manifest:
        """Create a snapshot of a claim's volume, ready to use, as its controllers do; gives the source for a copy."""
        content = f"{name}-{self._namespace}"
        api = f"/apis/{_SNAPSHOTS}/v1"
        base = {"apiVersion": f"{_SNAPSHOTS}/v1", "metadata": {"name": name}}
        spec: Manifest = {"source": {"persistentVolumeClaimName": claim}}
        path = f"{api}/namespaces/{self._namespace}/volumesnapshots"
        made = self._client.create(path, {**base, "kind": "VolumeSnapshot", "spec": spec})
        # With this driver a snapshot's id is that of its volume.
        handle = self.volume(claim)["spec"]["csi"]["volumeHandle"]
        reference = {"namespace": self._namespace, "name": name, "uid": made["metadata"]["uid"]}
        spec = {
            "driver": DRIVER,
            "deletionPolicy": "Retain",
            "source": {"volumeHandle": handle},
            "volumeSnapshotRef": {"apiVersion": base["apiVersion"], "kind": "VolumeSnapshot", **reference},
        }
        body = {**base, "kind": "VolumeSnapshotContent", "metadata": {"name": content}, "spec": spec}
        contents = f"{api}/volumesnapshotcontents"
        self._create(contents, body)
        ready = {"readyToUse": True, "restoreSize": "1Gi"}
        self._say(f"{contents}/{content}", {"snapshotHandle": handle, "readyToUse": True})
        self._say(f"{path}/{name}", {"boundVolumeSnapshotContentName": content, **ready})
        return {"apiGroup": _SNAPSHOTS, "kind": "VolumeSnapshot", "name": name}

    # What is read.

    def volume(self, claim: str) -> Manifest:
        """Wait until a claim is bound, and give its volume."""
        name = eventually(lambda: self.volume_name(claim))
        return dict(self._client.get(f"/api/v1/persistentvolumes/{name}"))

    def volume_name(self, claim: str) -> str:
        """Give the name of a claim's volume, empty if it has none now."""
        found = self._client.get(self._path("persistentvolumeclaims", claim))
        return str(found["spec"].get("volumeName", "")) if found["status"].get("phase") == "Bound" else ""

    def selected_node(self, claim: str) -> str:
        """Give the node that a scheduler has chosen for a claim, empty if none has."""
        found = self._client.get(self._path("persistentvolumeclaims", claim))
        return str(found["metadata"].get("annotations", {}).get("volume.kubernetes.io/selected-node", ""))

    def place(self, claim: str) -> str:
        """Wait until a claim is bound, and give the node on whose disk its volume lies."""
        return node_of(self.volume(claim))

    def places(self, claims: Sequence[str]) -> list[str]:
        """Wait until all these claims are bound, and give the nodes of their volumes in the same order."""
        return [self.place(claim) for claim in claims]

    def free(self, storage_class: str) -> dict[str, str]:
        """Give what CSIStorageCapacity says of a class now, by node."""
        return {
            each["nodeTopology"]["matchLabels"][TOPOLOGY_KEY].removeprefix(segment("")): each["capacity"]
            for each in self._client.get(_CAPACITIES)["items"]
            if each["storageClassName"] == storage_class
        }

    def _nodes_with_disks(self) -> set[str]:
        listed = self._client.get(f"/api/v1/nodes?labelSelector={TOPOLOGY_KEY}")["items"]
        return {node["metadata"]["name"] for node in listed}

    def _create(self, collection: str, body: Manifest) -> None:
        self._client.create(collection, body)
        self._cluster_wide.append(f"{collection}/{body['metadata']['name']}")

    def _say(self, path: str, status: Manifest) -> None:
        self._client.request("PATCH", f"{path}/status", {"status": status}, content_type=_MERGE)

    def _path(self, kind: str, name: str = "") -> str:
        return f"/api/v1/namespaces/{self._namespace}/{kind}/{name}".rstrip("/")


def claim_template(
    name: str, storage_class: str, *, size: str = "1Gi", labels: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Give a claim that waits for a volume, as it is and for a StatefulSet's `volumeClaimTemplates`."""
    return {
        "metadata": {"name": name, "labels": dict(labels or {})},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": storage_class,
            "resources": {"requests": {"storage": size}},
        },
    }


def copy_of(claim: str) -> Manifest:
    """Give the source of a claim that is to be a clone of another."""
    return {"kind": "PersistentVolumeClaim", "name": claim}
