"""Workloads, the pod templates in them, and what tells how far a rollout has come."""

from typing import ClassVar, Final

import msgspec

from mooring.cluster.records.metadata import Condition, Key, Metadata, Object, Record
from mooring.cluster.records.pods import PodSpec, claim_names


class Template(Record):
    """A pod template."""

    metadata: Metadata = msgspec.field(default_factory=Metadata)
    spec: PodSpec = msgspec.field(default_factory=PodSpec)


class WorkloadStatus(Record):
    """`status` of a workload; each kind fills in the counts that it has."""

    observed_generation: int = 0
    replicas: int = 0
    updated_replicas: int = 0
    available_replicas: int = 0
    start_time: str | None = None
    conditions: tuple[Condition, ...] = ()


class Workload(Object):
    """What makes pods from a template.

    Attributes:
        template_path: where in the object the template lies.
        has_conditions: whether its status has conditions.
    """

    template_path: ClassVar[tuple[str, ...]] = ("spec", "template")
    has_conditions: ClassVar[bool] = True

    status: WorkloadStatus = msgspec.field(default_factory=WorkloadStatus)

    @property
    def kind(self) -> str:
        """The kind, as manifests name it."""
        return type(self).__name__

    @property
    def id(self) -> Key:
        """Its key among the objects of all kinds."""
        return Key(self.kind, self.key)

    @property
    def template(self) -> Template:
        """The template of its pods."""
        raise NotImplementedError

    @property
    def claims(self) -> tuple[str, ...]:
        """Names of the claims that its template mounts, those of generic ephemeral volumes left out."""
        return claim_names(self.template.spec, pod_name="")

    @property
    def claims_per_pod(self) -> bool:
        """Whether each pod has claims of its own, so that the template cannot say where its pods belong."""
        return False


class TemplatedSpec(Record):
    """`spec` of a workload with the template right in it."""

    template: Template = msgspec.field(default_factory=Template)


class Templated(Workload):
    """A workload with the template right in its spec."""

    spec: TemplatedSpec = msgspec.field(default_factory=TemplatedSpec)

    @property
    def template(self) -> Template:
        """The template of its pods."""
        return self.spec.template


class RollingUpdate(Record):
    """How many pods a rollout may be short of."""

    max_unavailable: int | str = "25%"


class Strategy(Record):
    """How a Deployment replaces its pods."""

    type: str = "RollingUpdate"
    rolling_update: RollingUpdate | None = None


class DeploymentSpec(TemplatedSpec):
    """`spec` of a Deployment."""

    replicas: int = 1
    paused: bool = False
    strategy: Strategy = msgspec.field(default_factory=Strategy)


class Deployment(Templated):
    """A Deployment."""

    spec: DeploymentSpec = msgspec.field(default_factory=DeploymentSpec)


class ReplicaSetSpec(TemplatedSpec):
    """`spec` of a ReplicaSet."""

    replicas: int = 1


class ReplicaSet(Templated):
    """A ReplicaSet. Of one that a Deployment owns only the metadata is kept: nothing else of it is ever read."""

    spec: ReplicaSetSpec = msgspec.field(default_factory=ReplicaSetSpec)


class Partition(Record):
    """Up to which ordinal a StatefulSet's rollout leaves the pods alone."""

    partition: int = 0


class UpdateStrategy(Record):
    """How a StatefulSet replaces its pods."""

    type: str = "RollingUpdate"
    rolling_update: Partition = msgspec.field(default_factory=Partition)


class Ordinals(Record):
    """How a StatefulSet numbers its pods."""

    start: int = 0


class ClaimTemplate(Record):
    """One of a StatefulSet's `volumeClaimTemplates`."""

    metadata: Metadata


class StatefulSetSpec(TemplatedSpec):
    """`spec` of a StatefulSet."""

    replicas: int = 1
    update_strategy: UpdateStrategy = msgspec.field(default_factory=UpdateStrategy)
    ordinals: Ordinals = msgspec.field(default_factory=Ordinals)
    volume_claim_templates: tuple[ClaimTemplate, ...] = ()


class StatefulSet(Templated):
    """A StatefulSet."""

    spec: StatefulSetSpec = msgspec.field(default_factory=StatefulSetSpec)

    @property
    def claims(self) -> tuple[str, ...]:
        """Names of the claims of its first pod: those of the template, and its own (TEMPLATE-STATEFULSET-ORDINAL).

        A claim template takes the place of a template's volume of the same name, as the controller does it.
        """
        spec = self.spec
        own = {each.metadata.name for each in spec.volume_claim_templates}
        volumes = tuple(volume for volume in spec.template.spec.volumes if volume.name not in own)
        shared = claim_names(msgspec.structs.replace(spec.template.spec, volumes=volumes), pod_name="")
        first = spec.ordinals.start
        return (*shared, *(f"{each.metadata.name}-{self.name}-{first}" for each in spec.volume_claim_templates))

    @property
    def claims_per_pod(self) -> bool:
        """Whether each pod has claims of its own."""
        return bool(self.spec.volume_claim_templates)


class JobSpec(TemplatedSpec):
    """`spec` of a Job."""

    suspend: bool = False


class Job(Templated):
    """A Job. Of one that a CronJob owns only the metadata is kept."""

    spec: JobSpec = msgspec.field(default_factory=JobSpec)


class JobTemplate(Record):
    """What a CronJob makes Jobs from."""

    spec: JobSpec = msgspec.field(default_factory=JobSpec)


class CronJobSpec(Record):
    """`spec` of a CronJob."""

    job_template: JobTemplate = msgspec.field(default_factory=JobTemplate)


class CronJob(Workload):
    """A CronJob."""

    template_path: ClassVar[tuple[str, ...]] = ("spec", "jobTemplate", "spec", "template")
    has_conditions: ClassVar[bool] = False

    spec: CronJobSpec = msgspec.field(default_factory=CronJobSpec)

    @property
    def template(self) -> Template:
        """The template of its Jobs' pods."""
        return self.spec.job_template.spec.template


WORKLOADS: Final[dict[str, type[Workload]]] = {
    kind.__name__: kind for kind in (Deployment, StatefulSet, ReplicaSet, Job, CronJob)
}
"""The kinds whose pods Mooring places. Never DaemonSets: their node is their purpose."""
