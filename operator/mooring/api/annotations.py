"""The words users write on pods, namespaces, nodes and volumes: Mooring's own, and STORK's as STORK means them.

A STORK annotation has a twin under `mooring.dev/`. Where both are given the twin wins, so that a manifest can move over
one word at a time.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

PREFIX: Final = "mooring.dev/"
STORK_PREFIX: Final = "stork.libopenstorage.org/"
OPERATOR_PREFIX: Final = "operator.libopenstorage.org/"

IGNORE_LABEL: Final = "mooring.dev/ignore"
"""Label of a pod or namespace: `"true"` opts out, whatever any policy says."""
REPLICA_NODES: Final = "mooring.dev/replica-nodes"
"""Annotation of a PersistentVolume: the names of the nodes that hold its data, separated by commas."""
STORAGE_STATE_PREFIX: Final = "storage-state.mooring.dev/"
"""Annotation of a node, followed by a driver's name: the state of that driver's storage on the node."""
AFFINITY_HASH: Final = "mooring.dev/affinity-hash"
"""Annotation of a pod or pod template: marks the node affinity in it as Mooring's."""
GATE: Final = "mooring.dev/placement"
"""Scheduling gate of a pod that waits for Mooring's answer."""
GATED_BY: Final = "mooring.dev/gated-by"
"""Annotation of such a pod: the name of the replica that put the gate there, which also takes it away."""
PROBE_LABEL: Final = "mooring.dev/probe"
"""Label of a pod that asks, in a dry run, whether the API server reaches the admission webhook."""
PROBED: Final = "mooring.dev/probed"
"""Annotation that such a pod gets for an answer."""

SCHEDULER: Final = "mooring"
"""The name of the scheduler that asks Mooring for each pod."""
OPT_IN_SCHEDULERS: Final = frozenset({SCHEDULER, "stork"})
"""Scheduler names that ask for the soft local rule where no policy selects the pod."""

SHAREDV4: Final = "sharedv4"
"""Parameter of a StorageClass or label of a volume, Portworx's own: `"true"` where many nodes may mount the volume."""
SHAREDV4_SERVICE: Final = "sharedv4_svc_type"
"""Beside it: what kind of Service the volume is served through. Both make a volume that wants to be remote."""
DEFAULT_CLASS: Final = "storageclass.kubernetes.io/is-default-class"
"""Annotation of a StorageClass, Kubernetes' own: claims that name no class get this one."""
SELECTED_NODE: Final = "volume.kubernetes.io/selected-node"
"""Annotation of a claim, kube-scheduler's own: the node for which the volume is to be made."""

_TRUE: Final = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_FALSE: Final = frozenset({"0", "f", "F", "FALSE", "false", "False"})


def parse_boolean(text: str) -> bool | None:
    """Read yes or no from the values of Go's strconv.ParseBool, as STORK does; None for anything else."""
    return text in _TRUE if text in _TRUE or text in _FALSE else None


@dataclass(frozen=True, slots=True)
class BooleanReading:
    """What an annotation says, and a sentence for each value that is not a boolean."""

    value: bool
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BooleanAnnotation:
    """A yes-or-no annotation or label; `spellings` are its keys, the one that wins first."""

    spellings: tuple[str, ...]
    default: bool = False

    def read(self, values: Mapping[str, str]) -> BooleanReading:
        """Read it from an object's annotations (or labels).

        The first spelling with a boolean decides. A value that is not a boolean is a problem and otherwise counts as
        absent.
        """
        return self.read_nearest([("", values)])

    def read_nearest(self, sources: Iterable[tuple[str, Mapping[str, str]]]) -> BooleanReading:
        """Read it from several objects, of which the first that says yes or no decides.

        Args:
            sources: what a person calls each object, ending in a space, and its values.
        """
        problems: list[str] = []
        for name, values in sources:
            for key in self.spellings:
                if (text := values.get(key)) is None:
                    continue
                if (value := parse_boolean(text)) is not None:
                    return BooleanReading(value=value, problems=tuple(problems))
                problems.append(f"{name}{key}: {text!r} is not a boolean (true or false) and is passed over")
        return BooleanReading(value=self.default, problems=tuple(problems))


KUBE_SCHEDULERS: Final = frozenset({"default-scheduler", *OPT_IN_SCHEDULERS})
"""Scheduler names that belong to kube-scheduler, which honours scheduling gates and nominated nodes."""

PREFER_LOCAL_NODE_ONLY: Final = BooleanAnnotation(
    spellings=(f"{PREFIX}preferLocalNodeOnly", f"{STORK_PREFIX}preferLocalNodeOnly")
)
"""On a pod: only nodes with a replica of every volume will do."""
DISABLE_HYPERCONVERGENCE: Final = BooleanAnnotation(
    spellings=(f"{PREFIX}disableHyperconvergence", f"{STORK_PREFIX}disableHyperconvergence")
)
"""On a pod: all nodes score equally."""
DISABLE_ADMISSION: Final = BooleanAnnotation(
    spellings=(f"{PREFIX}disable-admission-controller", f"{STORK_PREFIX}disable-admission-controller")
)
"""On a pod: the admission webhook leaves it alone."""
PREFER_REMOTE_NODE: Final = BooleanAnnotation(
    spellings=(f"{PREFIX}preferRemoteNode", f"{STORK_PREFIX}preferRemoteNode"), default=True
)
"""On a claim, its volume or its StorageClass: pods of a volume that wants to be remote run away from its replicas."""
PREFER_REMOTE_NODE_ONLY: Final = BooleanAnnotation(
    spellings=(f"{PREFIX}preferRemoteNodeOnly", f"{STORK_PREFIX}preferRemoteNodeOnly")
)
"""In the same places: they run there and nowhere else."""
SKIP_SCHEDULER_SCORING: Final = BooleanAnnotation(
    spellings=(f"{PREFIX}skipSchedulerScoring", f"{STORK_PREFIX}skipSchedulerScoring")
)
"""On a claim or its volume: the volume draws no pod anywhere."""
RESTORE_IN_PROGRESS: Final = BooleanAnnotation(
    spellings=(f"{PREFIX}restore-in-progress", f"{STORK_PREFIX}restore-in-progress")
)
"""On a claim: its data is not complete yet, and no pod should start with it."""
UNSCHEDULABLE: Final = BooleanAnnotation(spellings=(f"{PREFIX}unschedulable", f"{OPERATOR_PREFIX}unschedulable"))
"""On a node: it takes no pods with volumes."""
IGNORE: Final = BooleanAnnotation(spellings=(IGNORE_LABEL,))
"""On a pod or namespace, as a label: Mooring keeps its hands off."""


class NodeStorageState(StrEnum):
    """The state of one driver's storage on a node."""

    ONLINE = "Online"
    STORAGE_DOWN = "StorageDown"
    """The node reaches the storage system, but its own disks are down: half the score."""
    DEGRADED = "Degraded"
    """Pods with volumes of the driver are refused."""
    OFFLINE = "Offline"
    """Pods with volumes of the driver are refused."""


@dataclass(frozen=True, slots=True)
class StorageStateReading:
    """The state that an annotation names, or None and the reason."""

    state: NodeStorageState | None
    problem: str | None = None


def parse_replica_nodes(text: str) -> tuple[str, ...]:
    """Node names from the value of `mooring.dev/replica-nodes`, in the order given."""
    return tuple(name for part in text.split(",") if (name := part.strip()))


def parse_storage_state(text: str) -> StorageStateReading:
    """The state from the value of a `storage-state.mooring.dev/DRIVER` annotation, spelled exactly."""
    try:
        return StorageStateReading(NodeStorageState(text))
    except ValueError:
        return StorageStateReading(None, f"{text!r} is not a storage state ({', '.join(NodeStorageState)})")
