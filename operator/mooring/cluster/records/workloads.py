"""Workloads and the pod templates in them."""

import msgspec

from mooring.cluster.records.metadata import Condition, Metadata, Object, Record
from mooring.cluster.records.pods import PodSpec, claim_names


class Template(Record):
    """A pod template."""

    metadata: Metadata = msgspec.field(default_factory=Metadata)
    spec: PodSpec = msgspec.field(default_factory=PodSpec)


class RollingUpdate(Record):
    """How many pods a rollout may be short of."""

    max_unavailable: int | str = "25%"


class Strategy(Record):
    """How a Deployment replaces its pods."""

    type: str = "RollingUpdate"
    rolling_update: RollingUpdate | None = None


class DeploymentSpec(Record):
    """`spec` of a Deployment."""

    replicas: int = 1
    paused: bool = False
    strategy: Strategy = msgspec.field(default_factory=Strategy)
    template: Template = msgspec.field(default_factory=Template)


class DeploymentStatus(Record):
    """`status` of a Deployment."""

    observed_generation: int = 0
    replicas: int = 0
    updated_replicas: int = 0
    available_replicas: int = 0
    conditions: tuple[Condition, ...] = ()


class Deployment(Object):
    """A Deployment."""

    spec: DeploymentSpec = msgspec.field(default_factory=DeploymentSpec)
    status: DeploymentStatus = msgspec.field(default_factory=DeploymentStatus)

    @property
    def claims(self) -> tuple[str, ...]:
        """Names of the claims that its template mounts, those of generic ephemeral volumes left out."""
        return claim_names(self.spec.template.spec, pod_name="")
