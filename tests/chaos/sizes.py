"""How large a storm is, and what it does when."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple


class Blow(StrEnum):
    """What the storm does."""

    KILL_ALL = "kill every replica"
    KILL_LEADER = "kill the leader"
    KILL_FOLLOWER = "kill the other one"
    STOP_API_SERVER = "stop the API server"
    CUT_WATCHES = "cut the operator's connections"
    CUT_OFF = "keep the operator from the API server"


class Strike(NamedTuple):
    """A blow `at` so many seconds after the storm began, or once the operator has got up again from the one before.

    One that lasts does so for `seconds`.
    """

    at: float
    blow: Blow
    seconds: float = 0


@dataclass(frozen=True, kw_only=True)
class Size:
    """How large a storm is.

    Attributes:
        pods: how many come; a multiple of 25.
        seconds: within which time.
        settling: how many seconds after the last blow and the last creation all promises must hold.
    """

    pods: int
    nodes: int
    seconds: float
    settling: float
    strikes: Sequence[Strike]


# What follows an outage has slack before it: stopping and starting the API server takes seconds, too.
LARGE: Final = Size(
    pods=300,
    nodes=24,
    seconds=70,
    settling=120,
    strikes=(
        Strike(4, Blow.KILL_ALL),
        Strike(13, Blow.CUT_WATCHES),
        Strike(16, Blow.KILL_LEADER),
        Strike(23, Blow.STOP_API_SERVER, 10),
        Strike(46, Blow.KILL_FOLLOWER),
        Strike(52, Blow.CUT_OFF, 4),
        Strike(59, Blow.KILL_LEADER),
        Strike(62, Blow.CUT_WATCHES),
        Strike(68, Blow.KILL_ALL),
    ),
)
SMALL: Final = Size(
    pods=50,
    nodes=12,
    seconds=18,
    settling=400,  # a pod that it gave up kube-scheduler tries again after five minutes at the latest
    strikes=(
        Strike(3, Blow.KILL_ALL),
        Strike(9, Blow.STOP_API_SERVER, 5),
        Strike(16, Blow.CUT_WATCHES),
    ),
)
