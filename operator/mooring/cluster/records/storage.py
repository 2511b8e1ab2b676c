"""Volumes, claims, storage classes, and what there is to make volumes from: free capacity and snapshots."""

import msgspec

from mooring.api.annotations import DEFAULT_CLASS, SELECTED_NODE
from mooring.cluster.records.affinity import MatchLabels, NodeSelector
from mooring.cluster.records.metadata import Object, Record
from mooring.cluster.records.quantities import Quantity, parse_bytes


class CSISource(Record):
    """`spec.csi` of a PersistentVolume; of its attributes only what says something about placement."""

    driver: str
    volume_handle: str = ""
    volume_attributes: dict[str, str] | None = None


class PortworxSource(Record):
    """`spec.portworxVolume` of a PersistentVolume of the in-tree kind."""

    volume_id: str = msgspec.field(default="", name="volumeID")

    def as_csi(self) -> CSISource:
        """The same volume as the CSI driver knows it (csi-translation-lib, plugins/portworx.go)."""
        return CSISource(driver="pxd.portworx.com", volume_handle=self.volume_id)


class ClaimReference(Record):
    """Which claim a volume is bound to."""

    namespace: str = ""
    name: str = ""


class VolumeNodeAffinity(Record):
    """From which nodes a volume can be used."""

    required: NodeSelector | None = None


class PersistentVolumeSpec(Record):
    """The part of a volume that says what and where it is."""

    csi: CSISource | None = None
    portworx_volume: PortworxSource | None = None
    claim_ref: ClaimReference | None = None
    node_affinity: VolumeNodeAffinity | None = None
    storage_class_name: str = ""
    access_modes: tuple[str, ...] = ()


class PersistentVolume(Object):
    """A volume."""

    spec: PersistentVolumeSpec = msgspec.field(default_factory=PersistentVolumeSpec)

    @property
    def driver(self) -> str:
        """The CSI driver's name; empty for the in-tree kinds, but Portworx's, which its driver has taken over."""
        return self.spec.csi.driver if self.spec.csi else ""


class ClaimResources(Record):
    """How much storage a claim asks for."""

    requests: dict[str, Quantity] | None = None


class DataSource(Record):
    """What a volume is to be filled from: a claim (a clone), a snapshot (a restore), or something of a populator's."""

    kind: str
    name: str
    api_group: str | None = None
    namespace: str = ""


class PersistentVolumeClaimSpec(Record):
    """The part of a claim that leads to its volume, or says what is to be made."""

    volume_name: str = ""
    storage_class_name: str | None = None
    resources: ClaimResources | None = None
    data_source: DataSource | None = None
    data_source_ref: DataSource | None = None

    @property
    def requested_bytes(self) -> int:
        """How large the volume must be at least; 0 where that is not said."""
        requests = (self.resources.requests if self.resources else None) or {}
        return parse_bytes(requests.get("storage", 0))

    @property
    def source(self) -> DataSource | None:
        """What the volume is to be filled from; `dataSourceRef` knows more kinds, and namespaces, and wins."""
        return self.data_source_ref or self.data_source


class PhaseStatus(Record):
    """A status of which only the phase matters."""

    phase: str = ""


class PersistentVolumeClaim(Object):
    """A claim. It is bound only once both its volume's name and the phase say so."""

    spec: PersistentVolumeClaimSpec = msgspec.field(default_factory=PersistentVolumeClaimSpec)
    status: PhaseStatus = msgspec.field(default_factory=PhaseStatus)

    @property
    def selected_node(self) -> str:
        """The node for which a scheduler has asked its driver to make the volume; empty for none."""
        return self.annotations.get(SELECTED_NODE, "")


class TopologyLabel(Record):
    """A label, and the values of which a place must have one."""

    key: str
    values: tuple[str, ...] = ()


class TopologyTerm(Record):
    """A place where a storage class allows volumes: its labels are ANDed; one without any is no place."""

    match_label_expressions: tuple[TopologyLabel, ...] = ()


class StorageClass(Object):
    """A storage class; of its parameters only what says something about placement."""

    provisioner: str = ""
    volume_binding_mode: str = "Immediate"
    allowed_topologies: tuple[TopologyTerm, ...] | None = None
    parameters: dict[str, str] | None = None

    @property
    def is_default(self) -> bool:
        """Whether claims that name no class get it."""
        return self.annotations.get(DEFAULT_CLASS) == "true"

    @property
    def waits_for_pod(self) -> bool:
        """Whether its claims are bound only once a pod that mounts them has a node."""
        return self.volume_binding_mode == "WaitForFirstConsumer"


class CSIStorageCapacity(Object):
    """What a CSI driver has free for one storage class, for the nodes of one topology segment."""

    storage_class_name: str = ""
    node_topology: MatchLabels | None = None
    capacity: Quantity | None = None
    maximum_volume_size: Quantity | None = None

    @property
    def free_bytes(self) -> int:
        """How much is free; a driver that only says how large one volume may be has at least room for that one."""
        free = self.maximum_volume_size if self.capacity is None else self.capacity
        return parse_bytes(free or 0)

    @property
    def largest_volume(self) -> int:
        """How large one volume may be."""
        return self.free_bytes if self.maximum_volume_size is None else parse_bytes(self.maximum_volume_size)


class SnapshotSource(Record):
    """What a snapshot was taken of; None where a snapshot that the storage already had was taken in."""

    persistent_volume_claim_name: str | None = None


class VolumeSnapshotSpec(Record):
    """`spec` of a snapshot."""

    source: SnapshotSource = msgspec.field(default_factory=SnapshotSource)


class VolumeSnapshot(Object):
    """A snapshot of a volume. Its kind comes with the snapshot controller, not with Kubernetes."""

    spec: VolumeSnapshotSpec = msgspec.field(default_factory=VolumeSnapshotSpec)
