"""`VolumePlacementPolicy` and `ClusterVolumePlacementPolicy`: what users write, checked and typed.

The fields and their defaults are those of the CRDs, which are generated from these models.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Any, Final

from pydantic import AfterValidator, ConfigDict, Field, ValidationInfo, field_validator

from mooring.api import rules
from mooring.api.new_volumes import NewVolumes
from mooring.api.parsing import parse_metadata, parse_spec, parse_status
from mooring.api.selectors import ApiModel, LabelKey, LabelSelector, VolumeSelector
from mooring.api.status import PolicyStatus

GROUP: Final = "mooring.dev"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"


class PolicyKind(StrEnum):
    """The two kinds of policy; a namespaced one outranks a cluster one."""

    NAMESPACED = "VolumePlacementPolicy"
    CLUSTER = "ClusterVolumePlacementPolicy"


class Placement(StrEnum):
    """Where pods should run, seen from their data."""

    LOCAL = "Local"
    REMOTE = "Remote"
    ANYWHERE = "Anywhere"


class WhenUnsatisfiable(StrEnum):
    """What happens to a pod that cannot run where its placement says: soft or strict."""

    SCHEDULE_ANYWAY = "ScheduleAnyway"
    DO_NOT_SCHEDULE = "DoNotSchedule"


class UpdateMode(StrEnum):
    """How far Mooring may go: report only, act on what is created, or also bring what runs to its data."""

    AUDIT = "Audit"
    INITIAL = "Initial"
    RECONCILE = "Reconcile"


class PodAnnotations(StrEnum):
    """Whether annotations of pods outrank the policy."""

    HONOR = "Honor"
    IGNORE = "Ignore"


class Disruption(ApiModel):
    """The brakes of `updateMode: Reconcile`."""

    max_concurrent: Annotated[int, Field(ge=1, le=1000)] = 1
    """How many moves of this policy may be under way at the same time."""
    cooldown: Annotated[
        str,
        AfterValidator(rules.check_duration),
        Field(max_length=32, json_schema_extra=rules.with_rules(rules.DURATION_RULE)),
    ] = "10m"
    """How long a workload is left alone after a move, such as 30s, 10m or 1h30m."""

    @property
    def cooldown_seconds(self) -> float:
        """`cooldown` in seconds."""
        return rules.duration_seconds(self.cooldown)


class PolicySpec(ApiModel):
    """Which pods should run near the data of their volumes, how near, and how strictly."""

    model_config = ConfigDict(json_schema_extra=rules.with_rules(rules.NEVER_STRICT_ANYWHERE_RULE))

    pod_selector: LabelSelector
    """Selects pods by their labels; {} selects every pod with a claim. Of a workload, its template's labels count."""
    volume_selector: VolumeSelector = Field(default_factory=VolumeSelector)
    """Which of the pod's claims count; the others carry no opinion. Left out, all of them count."""
    placement: Placement = Placement.LOCAL
    """Where the pods should run: Local is near their data, Remote is away from it (of volumes that nodes without it can
    mount), Anywhere is no opinion (an opt-out)."""
    topology_key: Annotated[
        LabelKey,
        Field(max_length=rules.MAX_LABEL_KEY, json_schema_extra=rules.with_rules(rules.LABEL_KEY_RULE)),
    ] = "kubernetes.io/hostname"
    """How near is near: a node label, such as kubernetes.io/hostname or topology.kubernetes.io/zone. Nodes with the
    same value as a node that holds the data are near; a node without the label never is. With placement Remote, near
    nodes are those to stay away from."""
    when_unsatisfiable: WhenUnsatisfiable = WhenUnsatisfiable.SCHEDULE_ANYWAY
    """What if no such node has room: ScheduleAnyway lets the pod run elsewhere, DoNotSchedule keeps it waiting. It
    holds for every selected volume of the pod."""
    new_volumes: NewVolumes | None = None
    """Where volumes should be made for the pod's claims that wait for it (WaitForFirstConsumer); left out, there is no
    opinion."""
    scheduler_name: Annotated[str | None, Field(min_length=1, max_length=253)] = None
    """The scheduler that is set on pods as they are created, where they name none of their own; default-scheduler
    counts as none. The name mooring is set only while that scheduler runs."""
    update_mode: UpdateMode = UpdateMode.INITIAL
    """How far Mooring may go: Audit only reports, Initial acts on pods as they are created and never restarts
    anything, Reconcile also moves running pods to their data."""
    disruption: Disruption = Disruption()
    """The brakes on moves of running pods; they matter with updateMode Reconcile only."""
    pod_annotations: PodAnnotations = PodAnnotations.HONOR
    """Whether the pod annotations preferLocalNodeOnly and disableHyperconvergence (mooring.dev/ or
    stork.libopenstorage.org/) outrank this policy: Honor, or Ignore, which says so in an event."""
    priority: Annotated[int, Field(ge=-(2**31), le=2**31 - 1, json_schema_extra={"format": "int32"})] = 0
    """Decides between policies of the same kind that select the same pod: the highest wins, then the name that sorts
    first. Policies of a namespace always outrank cluster policies."""

    @field_validator("when_unsatisfiable")
    @classmethod
    def _never_strict_anywhere(cls, when: WhenUnsatisfiable, info: ValidationInfo) -> WhenUnsatisfiable:
        if when is WhenUnsatisfiable.DO_NOT_SCHEDULE and info.data.get("placement") is Placement.ANYWHERE:
            raise rules.broken(rules.NEVER_STRICT_ANYWHERE_MESSAGE)
        return when


class ClusterPolicySpec(PolicySpec):
    """Which pods of which namespaces should run near the data of their volumes, how near, and how strictly."""

    namespace_selector: LabelSelector
    """Selects namespaces by their labels; {} selects all of them. The namespace's name is its label
    kubernetes.io/metadata.name."""


SPEC_MODELS: Final[Mapping[PolicyKind, type[PolicySpec]]] = {
    PolicyKind.NAMESPACED: PolicySpec,
    PolicyKind.CLUSTER: ClusterPolicySpec,
}


class InvalidPolicyError(ValueError):
    """A manifest that the API server would refuse; the message names the field, such as `spec.topologyKey: ...`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A policy of either kind; `namespace` is None for a cluster policy, and only the API server gives a `uid`."""

    kind: PolicyKind
    namespace: str | None
    name: str
    spec: PolicySpec
    status: PolicyStatus = field(default_factory=PolicyStatus)
    generation: int = 0
    uid: str = ""
    resource_version: str = ""

    @property
    def key(self) -> str:
        """What people and indexes call it: `VolumePlacementPolicy/shop/databases`."""
        return "/".join(part for part in (self.kind, self.namespace, self.name) if part is not None)

    @property
    def namespace_selector(self) -> LabelSelector | None:
        """Which namespaces a cluster policy selects; None for a namespaced policy, which selects its own."""
        return self.spec.namespace_selector if isinstance(self.spec, ClusterPolicySpec) else None


def parse_policy(obj: Mapping[str, Any]) -> Policy:
    """Check and type a policy as a manifest or the API server gives it.

    A namespaced policy without `metadata.namespace` is taken as one of `default`, as kubectl would.

    Raises:
        InvalidPolicyError: it is no policy, or one that the API server would refuse.
    """
    if obj.get("apiVersion") != API_VERSION:
        raise InvalidPolicyError(f"apiVersion: must be {API_VERSION}, not {obj.get('apiVersion')!r}")
    try:
        kind = PolicyKind(obj.get("kind", ""))
    except ValueError:
        kinds = " or ".join(PolicyKind)
        raise InvalidPolicyError(f"kind: must be {kinds}, not {obj.get('kind')!r}") from None
    metadata = parse_metadata(obj, refusal=InvalidPolicyError)
    return Policy(
        kind=kind,
        namespace=metadata.get("namespace") or "default" if kind is PolicyKind.NAMESPACED else None,
        name=metadata["name"],
        spec=parse_spec(SPEC_MODELS[kind], obj.get("spec"), refusal=InvalidPolicyError),
        status=parse_status(PolicyStatus, obj.get("status")),
        generation=metadata.get("generation", 0),
        uid=metadata.get("uid", ""),
        resource_version=metadata.get("resourceVersion", ""),
    )
