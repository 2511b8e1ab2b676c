"""`newVolumes`: where volumes that do not exist yet should be made, in the words of Portworx's VolumePlacementStrategy.

Portworx speaks of the nodes of replicas; these rules speak of the node of the pod, which is where a driver with
WaitForFirstConsumer makes the volume (volume.kubernetes.io/selected-node).
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Final

from pydantic import ConfigDict, Field, ValidationInfo, field_validator

from mooring.api import rules
from mooring.api.labels import HOSTNAME
from mooring.api.selectors import ApiModel, LabelKey

MAX_RULES: Final = 8
"""Rules of one kind in a policy: CEL's cost estimate needs a bound."""
_MAX_ENTRIES: Final = 16
"""Expressions in a rule, and values in an expression."""
STATEFUL_SET_POD: Final = ("mooring.dev/statefulset-pod", "px/statefulset-pod")
"""Keys that stand for the name of the StatefulSet's pod that mounts a claim, as if it were a label of the claim."""

_MAX_LABEL_VALUE: Final = 63
_TEMPLATE: Final = r"\$\{pvc\.(namespace|statefulset-pod|labels\.[-A-Za-z0-9_./]+)\}"
_VALUE: Final = rf"^([-A-Za-z0-9_.]|{_TEMPLATE})*$"
_NUMBER_MESSAGE: Final = "Gt and Lt need exactly one value"
_NUMBER_RULE: Final = rules.CelRule(
    rule="!(self.operator in ['Gt', 'Lt']) || (has(self.values) && size(self.values) == 1)",
    message=_NUMBER_MESSAGE,
    fieldPath=".values",
)


class Enforcement(StrEnum):
    """Whether a rule has to be kept."""

    REQUIRED = "Required"
    PREFERRED = "Preferred"


class MatchOperator(StrEnum):
    """How a label is compared with the values of an expression; Gt and Lt compare whole numbers."""

    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"
    GT = "Gt"
    LT = "Lt"


class Spreading(StrEnum):
    """What happens to a pod whose volumes cannot be spread as asked."""

    SCHEDULE_ANYWAY = "ScheduleAnyway"
    DO_NOT_SCHEDULE = "DoNotSchedule"


class FreeSpace(StrEnum):
    """Which nodes come first, of those with room for the volumes."""

    MOST_FREE = "MostFree"
    LEAST_FREE = "LeastFree"


Value = Annotated[str, Field(max_length=512, pattern=_VALUE)]


class TemplateExpression(ApiModel):
    """One requirement on one label, whose values may be taken from the claim that the volume is made for."""

    model_config = ConfigDict(
        json_schema_extra=rules.with_rules(rules.VALUES_REQUIRED_RULE, rules.VALUES_FORBIDDEN_RULE, _NUMBER_RULE)
    )

    key: Annotated[
        LabelKey,
        Field(max_length=rules.MAX_LABEL_KEY, json_schema_extra=rules.with_rules(rules.LABEL_KEY_RULE)),
    ]
    """The label key that is compared: of nodes in nodeAffinity, of claims in volumeAffinity and volumeAntiAffinity,
    where mooring.dev/statefulset-pod stands for the name of the StatefulSet's pod that mounts the claim."""
    operator: MatchOperator
    """How the label is compared: In, NotIn, Exists, DoesNotExist, Gt or Lt."""
    values: Annotated[tuple[Value, ...], Field(max_length=_MAX_ENTRIES)] = ()
    """The values to compare with. ${pvc.namespace}, ${pvc.labels.KEY} and ${pvc.statefulset-pod} in them stand for what
    the claim of the new volume says."""

    @field_validator("values")
    @classmethod
    def _values_fit_operator(cls, values: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        operator = info.data.get("operator")
        if operator in {MatchOperator.IN, MatchOperator.NOT_IN} and not values:
            raise rules.broken(rules.VALUES_REQUIRED_MESSAGE)
        if operator in {MatchOperator.EXISTS, MatchOperator.DOES_NOT_EXIST} and values:
            raise rules.broken(rules.VALUES_FORBIDDEN_MESSAGE)
        if operator in {MatchOperator.GT, MatchOperator.LT} and len(values) != 1:
            raise rules.broken(_NUMBER_MESSAGE)
        return values


class NodeRule(ApiModel):
    """On which nodes, by their labels, new volumes should be made."""

    enforcement: Enforcement = Enforcement.REQUIRED
    """Required keeps the pod waiting until there is such a node; Preferred goes by weight."""
    weight: Annotated[int, Field(ge=1, le=100, json_schema_extra={"format": "int32"})] = 1
    """How much a Preferred rule counts beside the others."""
    match_expressions: Annotated[tuple[TemplateExpression, ...], Field(min_length=1, max_length=_MAX_ENTRIES)]
    """Requirements; all of them must hold."""


class VolumeRule(NodeRule):
    """Near which other volumes, or away from which, new volumes should be made; of claims of the same namespace."""

    topology_key: Annotated[
        LabelKey,
        Field(max_length=rules.MAX_LABEL_KEY, json_schema_extra=rules.with_rules(rules.LABEL_KEY_RULE)),
    ] = HOSTNAME
    """How near is near: nodes with the same value of this label as a node that holds such a volume."""


class VolumeSpread(ApiModel):
    """How evenly the volumes of a StatefulSet are spread."""

    topology_key: Annotated[
        LabelKey,
        Field(max_length=rules.MAX_LABEL_KEY, json_schema_extra=rules.with_rules(rules.LABEL_KEY_RULE)),
    ]
    """The label over whose values the volumes of one claim template are spread, such as topology.kubernetes.io/zone."""
    max_skew: Annotated[int, Field(ge=1, le=1000, json_schema_extra={"format": "int32"})] = 1
    """By how many volumes the fullest value may be ahead of the emptiest."""
    when_unsatisfiable: Spreading = Spreading.DO_NOT_SCHEDULE
    """What if that cannot be: DoNotSchedule keeps the pod waiting, ScheduleAnyway only prefers what is emptier."""


class NewVolumes(ApiModel):
    """Where volumes should be made for claims that wait for their pod (WaitForFirstConsumer)."""

    node_affinity: Annotated[tuple[NodeRule, ...], Field(max_length=MAX_RULES)] = ()
    """By the labels of nodes. All Required rules must hold."""
    volume_affinity: Annotated[tuple[VolumeRule, ...], Field(max_length=MAX_RULES)] = ()
    """Near the volumes of other claims. Where there is none yet, a claim that itself matches may go anywhere."""
    volume_anti_affinity: Annotated[tuple[VolumeRule, ...], Field(max_length=MAX_RULES)] = ()
    """Away from the volumes of other claims."""
    spread: VolumeSpread | None = None
    """Spreads the volumes of a StatefulSet."""
    capacity: FreeSpace = FreeSpace.MOST_FREE
    """Which nodes come first, of those where CSIStorageCapacity has room for all new volumes of the pod together:
    MostFree or LeastFree."""


class UnresolvedTemplateError(ValueError):
    """A claim does not have what a template asks it for, or what comes out cannot be a label's value."""


def resolve_value(value: str, *, namespace: str, labels: Mapping[str, str], stateful_set_pod: str) -> str:
    """Put what a claim says in the place of templates.

    Args:
        value: as in `matchExpressions[].values`.
        namespace: of the claim.
        labels: of the claim.
        stateful_set_pod: the name of the StatefulSet's pod that mounts the claim; empty if it is none's.

    Raises:
        UnresolvedTemplateError: the claim has no such label, or is not a StatefulSet's; or the API server would refuse
            the value in a pod's required node affinity.
    """

    def found(match: re.Match[str]) -> str:
        name = match[1]
        if name == "namespace":
            return namespace
        if name == "statefulset-pod":
            if stateful_set_pod:
                return stateful_set_pod
            raise UnresolvedTemplateError(f"{match[0]}: the claim is not a StatefulSet's")
        key = name.removeprefix("labels.")
        if key not in labels:
            raise UnresolvedTemplateError(f"{match[0]}: the claim has no label {key}")
        return labels[key]

    resolved = re.sub(_TEMPLATE, found, value)
    if len(resolved) > _MAX_LABEL_VALUE or not re.fullmatch(rules.LABEL_VALUE_PATTERN, resolved):
        raise UnresolvedTemplateError(f"no label has the value {resolved!r}")
    return resolved
