"""The answer to "where does this volume's data lie?"."""

from typing import Final

import msgspec

from mooring.cluster.topology import Level


class Location(msgspec.Struct, frozen=True, kw_only=True):
    """Where a volume's data lies, and who says so.

    Attributes:
        nodes: the nodes that hold a replica; where `precision` is coarser than a host, the nodes of the area in which
            the data lies, any of which may hold it. Only nodes that exist are listed.
        offline: those of the nodes whose replica cannot be used, as the source says.
        precision: how finely the source can tell places apart; None when the place is unknown.
        confined: whether the volume can be used from no other node, so that kube-scheduler looks nowhere else anyway.
        source: who says so, with the resource and the field, in words for a person.
        problem: why the place is unknown, or what is odd about it; empty when nothing is.
    """

    nodes: frozenset[str] = frozenset()
    offline: frozenset[str] = frozenset()
    precision: Level | None = None
    confined: bool = False
    source: str = ""
    problem: str = ""

    @property
    def known(self) -> bool:
        """Whether there is anything to be near to. An unknown place constrains nothing: unknown is not remote."""
        return self.precision is not None


UNKNOWN_LOCATION: Final = Location()
"""What there is to say of a volume that does not exist yet."""
