"""One thing that is asked of a pod's node because of volumes that do not exist yet."""

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet

import msgspec

from mooring.cluster.records import Expression


class Demand(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is asked of a pod's node.

    Attributes:
        name: the field that asks, such as `volumeAffinity[0]`.
        required: whether a node that does not meet it is out of the question.
        weight: how much it counts beside the others, where it is not required.
        nodes: the nodes that meet it, or with `inverted` those that do not.
        expressions: the same as requirements on node labels; empty where no label tells.
        key: the label to whose value on the chosen node the pod is bound, because other volumes that are still to be
            made go by where this one is; empty where none do.
        message: why the other nodes are refused, in words that fit into a pod's event.
        passing: whether the answer changes as volumes are made, and not only as policies and nodes do.
    """

    name: str
    required: bool
    nodes: AbstractSet[str]
    message: str
    inverted: bool = False
    weight: int = 1
    expressions: tuple[Expression, ...] = ()
    key: str = ""
    passing: bool = True

    def narrow(self, nodes: AbstractSet[str]) -> AbstractSet[str]:
        """Those of some nodes that meet it."""
        return nodes - self.nodes if self.inverted else nodes & self.nodes


def only_in(key: str, values: Iterable[str]) -> tuple[Expression, ...]:
    """What selects the nodes whose label has one of some values: with none of them no node, said as is allowed."""
    sorted_values = tuple(sorted(values))
    if not sorted_values:
        return Expression(key, "Exists"), Expression(key, "DoesNotExist")
    return (Expression(key, "In", sorted_values),)


def narrow(demands: Sequence[Demand], nodes: AbstractSet[str]) -> AbstractSet[str]:
    """Those of some nodes that meet whatever has to be met."""
    for demand in demands:
        if demand.required:
            nodes = demand.narrow(nodes)
    return nodes
