"""How it stands with something that is followed and may be absent, forbidden or unreachable."""

from dataclasses import dataclass

from mooring.api.conditions import LocatorReason


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Whether something is followed, and what stands in the way.

    Attributes:
        reason: the reason of the locator's `Ready` condition.
        message: the same in a sentence for a person.
        resource: what is followed, such as `longhorn.io/v1beta2 replicas`; empty while nothing is.
    """

    reason: LocatorReason
    message: str
    resource: str = ""
