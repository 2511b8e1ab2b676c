"""Node selector terms and the node affinity made of them."""

from collections.abc import Mapping

import msgspec

from mooring.cluster.records.metadata import Record


class Expression(Record):
    """A node selector requirement."""

    key: str
    operator: str
    values: tuple[str, ...] = ()


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
    """A label selector, read as far as most are written."""

    match_labels: dict[str, str] | None = None
    match_expressions: tuple[Expression, ...] = ()

    def surely_selects(self, labels: Mapping[str, str]) -> bool:
        """Whether it selects an object with these labels; one with expressions is taken not to."""
        return not self.match_expressions and (self.match_labels or {}).items() <= labels.items()


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
