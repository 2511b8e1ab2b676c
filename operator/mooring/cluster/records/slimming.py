"""What makes a record slim: dropping what is never read."""

from collections.abc import Mapping
from sys import intern
from typing import Final, TypeVar

from mooring.api.annotations import (
    DEFAULT_CLASS,
    PREFIX,
    SELECTED_NODE,
    SHAREDV4,
    SHAREDV4_SERVICE,
    STORAGE_STATE_PREFIX,
    STORK_PREFIX,
    UNSCHEDULABLE,
)
from mooring.api.conditions import ObjectCondition
from mooring.cluster.records.metadata import Condition, Object
from mooring.cluster.records.nodes import Node
from mooring.cluster.records.pods import Pod, PodSpec, Volume
from mooring.cluster.records.storage import CSIStorageCapacity, PersistentVolume, StorageClass, VolumeSnapshot
from mooring.cluster.records.workloads import Templated, Workload, WorkloadStatus

#: Node and pod conditions of others that are read; the rest are dropped, or each heartbeat would look like a change.
_READ_CONDITIONS: Final = frozenset({"Ready", "PodScheduled", *ObjectCondition})
_READ_ANNOTATIONS: Final = (
    PREFIX,
    STORK_PREFIX,
    STORAGE_STATE_PREFIX,
    DEFAULT_CLASS,
    SELECTED_NODE,
    *UNSCHEDULABLE.spellings,
)
#: A driver's own attributes may be many and long.
_READ_ATTRIBUTES: Final = (PREFIX, STORK_PREFIX, SHAREDV4, SHAREDV4_SERVICE)
_READ_RESOURCES: Final = frozenset({"cpu", "memory", "pods"})

AnyObject = TypeVar("AnyObject", bound=Object)


def slim(record: AnyObject) -> AnyObject:
    """Drop from a fresh record what is never read, and share its strings.

    Called once for each record before anyone else sees it; the one place where a record is changed.
    """
    meta = record.metadata
    meta.labels = _shared(meta.labels)
    meta.annotations = _only(_READ_ANNOTATIONS, meta.annotations)
    if isinstance(record, Workload):
        _slim_workload(record)
        return record
    meta.resource_version = ""
    if isinstance(record, Node):
        allocatable = record.status.allocatable or {}
        record.status.allocatable = {name: allocatable[name] for name in allocatable.keys() & _READ_RESOURCES}
        record.status.conditions = _only_read(record.status.conditions)
    elif isinstance(record, Pod):
        record.spec.node_name = intern(record.spec.node_name)
        record.status.conditions = _only_read(record.status.conditions)
        _slim_pod(record)
    elif isinstance(record, PersistentVolume):
        if record.spec.portworx_volume is not None:
            record.spec.csi = record.spec.portworx_volume.as_csi()
            record.spec.portworx_volume = None
        if record.spec.csi is not None:
            record.spec.csi.volume_attributes = _only(_READ_ATTRIBUTES, record.spec.csi.volume_attributes)
    elif isinstance(record, StorageClass):
        record.parameters = _only(_READ_ATTRIBUTES, record.parameters)
    elif isinstance(record, CSIStorageCapacity | VolumeSnapshot):
        meta.labels = meta.annotations = None
        meta.owner_references = ()
    return record


def _slim_workload(workload: Workload) -> None:
    if workload.metadata.controller is not None and isinstance(workload, Templated):
        # Its owner's template is the one that counts, and a Deployment keeps ten ReplicaSets.
        workload.metadata.labels = workload.metadata.annotations = None
        workload.metadata.resource_version = ""
        workload.metadata.generation = 0
        workload.spec, workload.status = type(workload.spec)(), WorkloadStatus()
        return
    template = workload.template.metadata
    template.annotations = _only(_READ_ANNOTATIONS, template.annotations)
    workload.status.conditions = _only_read(workload.status.conditions)


def _slim_pod(pod: Pod) -> None:
    pod.spec.volumes = tuple(volume for volume in pod.spec.volumes if _is_claim(volume))
    if pod.spec.volumes:
        return
    pod.metadata.labels = None
    pod.metadata.annotations = None
    pod.metadata.owner_references = ()
    pod.status.conditions = ()
    spec = pod.spec
    pod.spec = PodSpec(node_name=spec.node_name, containers=spec.containers, scheduling_gates=spec.scheduling_gates)


def _is_claim(volume: Volume) -> bool:
    return volume.persistent_volume_claim is not None or volume.ephemeral is not None


def _only(read: tuple[str, ...], values: Mapping[str, str] | None) -> dict[str, str] | None:
    """Keep the keys that begin with one of these."""
    if not values:
        return None
    return {intern(key): value for key, value in values.items() if key.startswith(read)} or None


def _only_read(conditions: tuple[Condition, ...]) -> tuple[Condition, ...]:
    return tuple(condition for condition in conditions if condition.type in _READ_CONDITIONS)


def _shared(labels: Mapping[str, str] | None) -> dict[str, str] | None:
    return {intern(key): intern(value) for key, value in labels.items()} if labels else None
