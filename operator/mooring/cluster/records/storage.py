"""Volumes, claims and storage classes."""

import msgspec

from mooring.api.annotations import DEFAULT_CLASS
from mooring.cluster.records.affinity import NodeSelector
from mooring.cluster.records.metadata import Object, Record


class CSISource(Record):
    """`spec.csi` of a PersistentVolume; of its attributes only what says something about placement."""

    driver: str
    volume_handle: str = ""
    volume_attributes: dict[str, str] | None = None


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
    claim_ref: ClaimReference | None = None
    node_affinity: VolumeNodeAffinity | None = None
    storage_class_name: str = ""
    access_modes: tuple[str, ...] = ()


class PersistentVolume(Object):
    """A volume."""

    spec: PersistentVolumeSpec = msgspec.field(default_factory=PersistentVolumeSpec)

    @property
    def driver(self) -> str:
        """The CSI driver's name, empty for volumes of the in-tree kinds."""
        return self.spec.csi.driver if self.spec.csi else ""


class PersistentVolumeClaimSpec(Record):
    """The part of a claim that leads to its volume."""

    volume_name: str = ""
    storage_class_name: str | None = None


class PhaseStatus(Record):
    """A status of which only the phase matters."""

    phase: str = ""


class PersistentVolumeClaim(Object):
    """A claim. It is bound only once both its volume's name and the phase say so."""

    spec: PersistentVolumeClaimSpec = msgspec.field(default_factory=PersistentVolumeClaimSpec)
    status: PhaseStatus = msgspec.field(default_factory=PhaseStatus)


class StorageClass(Object):
    """A storage class; of its parameters only what says something about placement."""

    provisioner: str = ""
    volume_binding_mode: str = "Immediate"
    parameters: dict[str, str] | None = None

    @property
    def is_default(self) -> bool:
        """Whether claims that name no class get it."""
        return self.annotations.get(DEFAULT_CLASS) == "true"

    @property
    def waits_for_pod(self) -> bool:
        """Whether its claims are bound only once a pod that mounts them has a node."""
        return self.volume_binding_mode == "WaitForFirstConsumer"
