"""Node selector terms and the node affinity made of them."""

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from mooring.cluster.records.metadata import Record

_INTEGER: Final = re.compile("[+-]?[0-9]+")


class Expression(Record):
    """A requirement of a node selector, or of a label selector, whose operators are among the same."""

    key: str
    operator: str
    values: tuple[str, ...] = ()

    def holds(self, labels: Mapping[str, str]) -> bool:
        """Whether an object with these labels meets it; one with an operator that does not exist is met by none."""
        value = labels.get(self.key)
        match self.operator:
            case "In":
                return value in self.values
            case "NotIn":
                return value not in self.values
            case "Exists":
                return value is not None
            case "DoesNotExist":
                return value is None
            case "Gt" | "Lt":
                return self._compares(value)
            case _:
                return False

    def _compares(self, value: str | None) -> bool:
        # Python's int reads more than Go's ParseInt does: "1_0" is a label value, but no number.
        if value is None or not _INTEGER.fullmatch(value):
            return False
        if len(self.values) != 1 or not _INTEGER.fullmatch(self.values[0]):
            return False
        ours, bound = int(value), int(self.values[0])
        return ours > bound if self.operator == "Gt" else ours < bound


class Term(Record):
    """A node selector term: its expressions and fields are ANDed; one without any matches nothing."""

    match_expressions: tuple[Expression, ...] = ()
    match_fields: tuple[Expression, ...] = ()


class NodeSelector(Record):
    """Node selector terms, ORed."""

    node_selector_terms: tuple[Term, ...] = ()


class PreferredTerm(Record):
    """A weighted node selector term."""

    weight: int
    preference: Term


class NodeAffinity(Record):
    """`spec.affinity.nodeAffinity`. None and an empty list are different things to the API server."""

    required: NodeSelector | None = msgspec.field(name="requiredDuringSchedulingIgnoredDuringExecution", default=None)
    preferred: tuple[PreferredTerm, ...] | None = msgspec.field(
        name="preferredDuringSchedulingIgnoredDuringExecution", default=None
    )


class MatchLabels(Record):
    """A label selector: everything given must hold, and one that gives nothing selects everything."""

    match_labels: dict[str, str] | None = None
    match_expressions: tuple[Expression, ...] = ()

    def selects(self, labels: Mapping[str, str]) -> bool:
        """Whether it selects an object with these labels."""
        return (self.match_labels or {}).items() <= labels.items() and all(
            expression.holds(labels) for expression in self.match_expressions
        )


class PodAffinityTerm(Record):
    """Pods to be near to, or away from, and what counts as near."""

    topology_key: str = ""
    label_selector: MatchLabels | None = None


class WeightedPodAffinityTerm(Record):
    """A preference."""

    weight: int
    pod_affinity_term: PodAffinityTerm


class PodAntiAffinity(Record):
    """`spec.affinity.podAntiAffinity`."""

    required: tuple[PodAffinityTerm, ...] = msgspec.field(
        name="requiredDuringSchedulingIgnoredDuringExecution", default=()
    )
    preferred: tuple[WeightedPodAffinityTerm, ...] = msgspec.field(
        name="preferredDuringSchedulingIgnoredDuringExecution", default=()
    )


class Affinity(Record):
    """`spec.affinity`, without affinity to other pods."""

    node_affinity: NodeAffinity | None = None
    pod_anti_affinity: PodAntiAffinity | None = None
