"""Node selector terms and the node affinity made of them."""

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


class Affinity(Record):
    """`spec.affinity`, of which only the node part concerns Mooring."""

    node_affinity: NodeAffinity | None = None
