"""Selectors of Kubernetes objects, with Kubernetes' meaning and Kubernetes' limits on names.

The models are also the source of the CRDs (`mooring.api.crd`): attribute docstrings become field descriptions, and the
CEL rule beside a validator says the same thing to the API server.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from pydantic.alias_generators import to_camel

from mooring.api import rules

MAX_ENTRIES: Final = 32
"""Labels, expressions or names in one selector: CEL's cost estimate needs a bound."""

LabelKey = Annotated[str, AfterValidator(rules.check_label_key)]
LabelValue = Annotated[str, Field(max_length=63, pattern=rules.LABEL_VALUE_PATTERN)]
MatchLabels = Annotated[
    dict[LabelKey, LabelValue],
    Field(max_length=MAX_ENTRIES, json_schema_extra=rules.with_rules(rules.LABEL_KEYS_RULE)),
]


class ApiModel(BaseModel):
    """A frozen part of a resource: camelCase on the wire, unknown fields refused."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        extra="forbid",
        frozen=True,
        populate_by_name=True,
        use_attribute_docstrings=True,
        validate_default=True,
    )


class Operator(StrEnum):
    """How a label is compared with the values of an expression."""

    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"


class LabelExpression(ApiModel):
    """One requirement on one label (`LabelSelectorRequirement` in Kubernetes)."""

    model_config = ConfigDict(
        json_schema_extra=rules.with_rules(rules.VALUES_REQUIRED_RULE, rules.VALUES_FORBIDDEN_RULE)
    )

    key: Annotated[
        LabelKey,
        Field(max_length=rules.MAX_LABEL_KEY, json_schema_extra=rules.with_rules(rules.LABEL_KEY_RULE)),
    ]
    """The label key that is compared."""
    operator: Operator
    """How the label is compared. NotIn also matches objects without the label."""
    values: Annotated[tuple[LabelValue, ...], Field(max_length=MAX_ENTRIES)] = ()
    """The values to compare with: at least one for In and NotIn, none for Exists and DoesNotExist."""

    @field_validator("values")
    @classmethod
    def _values_fit_operator(cls, values: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        operator = info.data.get("operator")
        if operator in {Operator.IN, Operator.NOT_IN} and not values:
            raise rules.broken(rules.VALUES_REQUIRED_MESSAGE)
        if operator in {Operator.EXISTS, Operator.DOES_NOT_EXIST} and values:
            raise rules.broken(rules.VALUES_FORBIDDEN_MESSAGE)
        return values

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether an object with these labels meets the requirement."""
        match self.operator:
            case Operator.IN:
                return labels.get(self.key) in self.values
            case Operator.NOT_IN:
                return labels.get(self.key) not in self.values
            case Operator.EXISTS:
                return self.key in labels
            case Operator.DOES_NOT_EXIST:
                return self.key not in labels


class LabelSelector(ApiModel):
    """A Kubernetes label selector: everything given must hold, and `{}` selects everything."""

    model_config = ConfigDict(json_schema_extra={"x-kubernetes-map-type": "atomic"})

    match_labels: MatchLabels = Field(default_factory=dict)
    """Labels that the object must have, with exactly these values."""
    match_expressions: Annotated[tuple[LabelExpression, ...], Field(max_length=MAX_ENTRIES)] = ()
    """Further requirements on labels; all of them must hold."""

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether an object with these labels is selected."""
        return has_labels(labels, self.match_labels) and all(
            expression.matches(labels) for expression in self.match_expressions
        )


class VolumeSelector(ApiModel):
    """Which claims of a pod count: everything given must hold, and what is left out or empty constrains nothing."""

    storage_class_names: Annotated[
        tuple[Annotated[str, Field(min_length=1, max_length=253)], ...],
        Field(max_length=MAX_ENTRIES, json_schema_extra={"x-kubernetes-list-type": "set"}),
        AfterValidator(rules.check_unique),
    ] = ()
    """Only claims of these StorageClasses count."""
    drivers: Annotated[
        tuple[Annotated[str, Field(min_length=1, max_length=63)], ...],
        Field(max_length=MAX_ENTRIES, json_schema_extra={"x-kubernetes-list-type": "set"}),
        AfterValidator(rules.check_unique),
    ] = ()
    """Only volumes of these CSI drivers count, such as topolvm.io."""
    match_labels: MatchLabels = Field(default_factory=dict)
    """Only claims with these labels count."""

    def matches(self, storage_class: str | None, driver: str | None, labels: Mapping[str, str]) -> bool:
        """Whether a claim counts, given its StorageClass, its volume's CSI driver (None: not known) and its labels."""
        return (
            (not self.storage_class_names or storage_class in self.storage_class_names)
            and (not self.drivers or driver in self.drivers)
            and has_labels(labels, self.match_labels)
        )


def has_labels(labels: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    """Whether every wanted label is there with its value."""
    return all(labels.get(key) == value for key, value in wanted.items())
