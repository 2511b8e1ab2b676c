"""Pods, and the specs that templates share with them."""

from typing import Final

import msgspec

from mooring.cluster.records.affinity import Affinity, MatchLabels, NodeAffinity
from mooring.cluster.records.metadata import Condition, Key, Metadata, Object, Record, holds
from mooring.cluster.records.quantities import Quantity
from mooring.cluster.records.storage import PersistentVolumeClaimSpec

#: Why a pod is not scheduled (kube-apiserver's own word, in the condition PodScheduled).
_GATED: Final = "SchedulingGated"


class ClaimSource(Record):
    """`persistentVolumeClaim` of a pod's volume."""

    claim_name: str


class EphemeralTemplate(Record):
    """What a generic ephemeral volume's claim is made from."""

    metadata: Metadata = msgspec.field(default_factory=Metadata)
    spec: PersistentVolumeClaimSpec = msgspec.field(default_factory=PersistentVolumeClaimSpec)


class EphemeralSource(Record):
    """`ephemeral` of a pod's volume: the claim is named POD-VOLUME, and made once the pod is there."""

    volume_claim_template: EphemeralTemplate = msgspec.field(default_factory=EphemeralTemplate)


class Volume(Record):
    """One entry of `spec.volumes`, empty unless it is a claim."""

    name: str
    persistent_volume_claim: ClaimSource | None = None
    ephemeral: EphemeralSource | None = None


class Resources(Record):
    """A container's resources."""

    requests: dict[str, Quantity] | None = None


class Container(Record):
    """A container: only what it asks for."""

    resources: Resources | None = None


class Toleration(Record):
    """A toleration; an empty key with Exists tolerates everything."""

    key: str = ""
    operator: str = "Equal"
    value: str = ""
    effect: str = ""


class SchedulingGate(Record):
    """What keeps schedulers away from a pod until whoever put it there takes it away (KEP-3521)."""

    name: str


class SpreadConstraint(Record):
    """A topology spread constraint."""

    max_skew: int = 1
    topology_key: str = ""
    when_unsatisfiable: str = "DoNotSchedule"
    label_selector: MatchLabels | None = None


class PodSpec(Record):
    """`spec` of a pod or of a pod template."""

    node_name: str = ""
    scheduler_name: str = ""
    volumes: tuple[Volume, ...] = ()
    node_selector: dict[str, str] | None = None
    affinity: Affinity | None = None
    tolerations: tuple[Toleration, ...] = ()
    containers: tuple[Container, ...] = ()
    scheduling_gates: tuple[SchedulingGate, ...] = ()
    topology_spread_constraints: tuple[SpreadConstraint, ...] = ()

    @property
    def node_affinity(self) -> NodeAffinity:
        """The node affinity, empty where there is none."""
        found = self.affinity.node_affinity if self.affinity else None
        return found or NodeAffinity()


class PodStatus(Record):
    """`status` of a pod."""

    phase: str = ""
    nominated_node_name: str = ""
    conditions: tuple[Condition, ...] = ()


class Pod(Object):
    """A pod. Without a claim only its place, requests and gates are kept: nothing else of it is ever read."""

    spec: PodSpec = msgspec.field(default_factory=PodSpec)
    status: PodStatus = msgspec.field(default_factory=PodStatus)

    @property
    def finished(self) -> bool:
        """Whether it has ended, so that it neither uses a node nor counts for a policy."""
        return self.status.phase in {"Succeeded", "Failed"}

    @property
    def place(self) -> str:
        """The node on which it runs or is to run; empty for none."""
        return self.spec.node_name or self.status.nominated_node_name

    @property
    def is_ready(self) -> bool:
        """Whether it serves."""
        return holds(self.status.conditions, "Ready")

    @property
    def gates(self) -> frozenset[str]:
        """Names of the gates that keep schedulers away from it."""
        return frozenset(gate.name for gate in self.spec.scheduling_gates)

    @property
    def was_given_up(self) -> bool:
        """Whether a scheduler has tried to place it, in vain.

        Behind a gate none does, though the status is the same; and it stays so until the first attempt after the gate.
        """
        conditions = (each for each in self.status.conditions if each.type == "PodScheduled")
        tried = any(each.status == "False" and each.reason != _GATED for each in conditions)
        return tried and not self.spec.node_name

    @property
    def claims(self) -> tuple[str, ...]:
        """Names of the claims it mounts, in the order of its volumes."""
        return claim_names(self.spec, pod_name=self.name)

    @property
    def of_daemon_set(self) -> bool:
        """Whether a DaemonSet made it: its node is its purpose, and no rule moves it."""
        controller = self.metadata.controller
        return controller is not None and controller.kind == "DaemonSet"

    @property
    def workload(self) -> Key | None:
        """What made it; None for a pod of its own or of a kind that is not read.

        A Deployment names its ReplicaSets DEPLOYMENT-HASH and labels their pods with the hash, so that the way from a
        pod to its Deployment takes no look at the ReplicaSet.
        """
        controller = self.metadata.controller
        if controller is None:
            return None
        suffix = "-" + self.labels.get("pod-template-hash", "")
        if controller.kind == "ReplicaSet" and suffix != "-" and controller.name.endswith(suffix):
            return Key("Deployment", f"{self.metadata.namespace}/{controller.name.removesuffix(suffix)}")
        return Key(controller.kind, f"{self.metadata.namespace}/{controller.name}")


def claim_names(spec: PodSpec, *, pod_name: str) -> tuple[str, ...]:
    """Name the claims of a pod's volumes; a generic ephemeral volume's claim is POD-VOLUME (KEP-1698)."""
    names = []
    for volume in spec.volumes:
        if volume.persistent_volume_claim is not None:
            names.append(volume.persistent_volume_claim.claim_name)
        elif volume.ephemeral is not None and pod_name:
            names.append(f"{pod_name}-{volume.name}")
    return tuple(names)
