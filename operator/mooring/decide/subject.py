"""What is decided about: a pod, or the pod that a workload's template would make."""

from collections.abc import Mapping
from typing import Final

import msgspec

from mooring.cluster.records import Metadata, PersistentVolumeClaim, Pod, PodSpec, Workload

DEFAULT_SCHEDULER: Final = "default-scheduler"


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """A pod as far as its placement is concerned.

    Attributes:
        kind: `Pod`, or the kind of the workload whose template this is.
        claims: names of the claims in the pod's namespace, in the order of its volumes.
        of_daemon_set: whether a DaemonSet made it.
    """

    kind: str
    namespace: str
    name: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    claims: tuple[str, ...]
    spec: PodSpec
    of_daemon_set: bool = False

    @property
    def scheduler_name(self) -> str:
        """The scheduler that places the pod."""
        return self.spec.scheduler_name or DEFAULT_SCHEDULER

    def planned_claim(self, name: str) -> PersistentVolumeClaim | None:
        """The claim that a generic ephemeral volume will have once the pod is there; None for any other claim."""
        for volume in self.spec.volumes:
            if volume.ephemeral is not None and name == f"{self.name}-{volume.name}":
                template = volume.ephemeral.volume_claim_template
                meta = template.metadata
                planned = Metadata(
                    name=name, namespace=self.namespace, labels=meta.labels, annotations=meta.annotations
                )
                return PersistentVolumeClaim(metadata=planned, spec=template.spec)
        return None


def subject_of_pod(pod: Pod) -> Subject:
    """See a pod as the subject of a decision."""
    return Subject(
        kind="Pod",
        namespace=pod.metadata.namespace,
        name=pod.name,
        labels=pod.labels,
        annotations=pod.annotations,
        claims=pod.claims,
        spec=pod.spec,
        of_daemon_set=pod.of_daemon_set,
    )


def subject_of_template(workload: Workload) -> Subject:
    """See the pod that a workload's template makes as the subject of a decision; a StatefulSet's first pod.

    Its generic ephemeral claims are unknown: they are named after a pod that does not exist yet.
    """
    template = workload.template
    return Subject(
        kind=workload.kind,
        namespace=workload.metadata.namespace,
        name=workload.name,
        labels=template.metadata.labels or {},
        annotations=template.metadata.annotations or {},
        claims=workload.claims,
        spec=template.spec,
    )
