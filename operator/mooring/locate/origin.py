"""What a volume that does not exist yet will be filled from."""

from typing import Final

from mooring.cluster.index import Cluster
from mooring.cluster.records import DataSource, PersistentVolume, PersistentVolumeClaim, VolumeSnapshot

_CLAIM: Final = ("", "PersistentVolumeClaim")
_SNAPSHOT: Final = ("snapshot.storage.k8s.io", "VolumeSnapshot")


def source_volume(claim: PersistentVolumeClaim, cluster: Cluster) -> PersistentVolume | None:
    """The volume of which a claim is to be a clone, or of whose snapshot it is to be a restore.

    None if it is to be neither, and while, or once, that volume does not exist: the claim of which a snapshot was taken
    may be gone, and a snapshot that the storage already had was taken of none.
    """
    source = claim.spec.source
    key = _claim_of(source, source.namespace or claim.metadata.namespace, cluster) if source else ""
    # A restore may bear the name of the claim that it replaces: that one is gone, and its volume with it.
    origin = cluster.claim(key) if key != claim.key else None
    return cluster.volume(origin.spec.volume_name) if origin else None


def _claim_of(source: DataSource, namespace: str, cluster: Cluster) -> str:
    """The key of the claim that the data is of; empty where that cannot be said."""
    kind = (source.api_group or "", source.kind)
    key = f"{namespace}/{source.name}"
    if kind == _CLAIM:
        return key
    snapshot: VolumeSnapshot | None = cluster.all("VolumeSnapshot").get(key) if kind == _SNAPSHOT else None
    name = snapshot.spec.source.persistent_volume_claim_name if snapshot else None
    return f"{namespace}/{name}" if name else ""
