"""What a locator's parts come to, together, and what is waited for."""

import asyncio
from typing import Any

import pytest
from tests.unit.builders import cluster_of

from mooring.api.conditions import LocatorReason
from mooring.api.locator import KIND, parse_locator
from mooring.cluster.connection import ApiServer
from mooring.cluster.standing import Standing
from mooring.follow import follower
from mooring.follow.follower import Followed, Follower
from mooring.locate.systems import Part, State, StorageSystems

_FOLLOWING, _READING, _ABSENT, _FORBIDDEN, _LOST = (
    Standing(reason=reason, message=str(reason))
    for reason in (
        LocatorReason.FOLLOWING,
        LocatorReason.READING,
        LocatorReason.RESOURCE_ABSENT,
        LocatorReason.NOT_READABLE,
        LocatorReason.UNREACHABLE,
    )
)


@pytest.mark.parametrize(
    ("replicas", "nodes", "shown", "state"),
    [
        (_FOLLOWING, _FOLLOWING, _FOLLOWING, State.FOLLOWING),
        (_FOLLOWING, _READING, _READING, State.READING),
        (_READING, _FOLLOWING, _READING, State.READING),
        (_ABSENT, _READING, _ABSENT, State.ABSENT),
        (_FOLLOWING, _ABSENT, _ABSENT, State.FOLLOWING),
        (_FOLLOWING, _FORBIDDEN, _FORBIDDEN, State.FOLLOWING),
        (_LOST, _FOLLOWING, _LOST, State.UNREACHABLE),
        (_LOST, _FORBIDDEN, _LOST, State.UNREACHABLE),
    ],
)
def test_replicas_speak_before_the_other_parts(
    replicas: Standing, nodes: Standing, shown: Standing, state: State
) -> None:
    """What is shown is the first part that is not followed; what holds for volumes, what the replicas say."""
    followed = Followed({Part.REPLICAS: replicas, Part.NODES: nodes})

    assert followed.standing == shown
    assert followed.state is state


@pytest.mark.parametrize(
    ("nodes", "replicas", "shown", "state"),
    [
        (_ABSENT, _READING, _ABSENT, State.ABSENT),
        (_READING, _READING, _READING, State.READING),
        (_FOLLOWING, _READING, _READING, State.READING),
        (_FOLLOWING, _LOST, _LOST, State.UNREACHABLE),
        (_FOLLOWING, _FOLLOWING, _FOLLOWING, State.FOLLOWING),
    ],
)
def test_a_resource_speaks_before_an_api(nodes: Standing, replicas: Standing, shown: Standing, state: State) -> None:
    """Where the resource of nodes leads, as for Portworx, an API is not even asked while that is absent."""
    followed = Followed({Part.NODES: nodes, Part.REPLICAS: replicas})

    assert followed.standing == shown
    assert followed.state is state


@pytest.mark.parametrize(("was_read", "state"), [(False, State.ABSENT), (True, State.UNREACHABLE)])
def test_what_may_not_be_read_is_passed_over_unless_it_was_read(was_read: bool, state: State) -> None:
    """Other sources may know where the data lies; but what was read once still holds."""
    followed = Followed({Part.REPLICAS: _FORBIDDEN}, was_read=was_read)

    assert followed.state is state


class Silent(ApiServer):
    """An API server that never answers."""

    def __init__(self) -> None:
        """Take nothing: there is nobody to talk to."""

    async def send(self, method: str, path: str, **arguments: Any) -> bytes:
        """Wait for ever."""
        del method, path, arguments
        await asyncio.Event().wait()
        return b""


@pytest.mark.parametrize(("node", "reason"), [("object.n", LocatorReason.READING), ("object.", "InvalidExpression")])
async def test_first_lists_are_waited_for_but_not_for_long(
    monkeypatch: pytest.MonkeyPatch, node: str, reason: str
) -> None:
    """A locator that cannot be read at all is not waited for, and one that nobody answers about not for ever."""
    replicas = {"resource": {"group": "storage.example", "resource": "discs"}, "volume": "object.v", "node": node}
    manifest = {
        "apiVersion": "mooring.dev/v1alpha1",
        "kind": KIND,
        "metadata": {"name": "example"},
        "spec": {"driver": "csi.example.com", "replicas": replicas},
    }
    cluster = cluster_of()
    following = Follower(Silent(), cluster, StorageSystems(cluster), namespace="mooring-system")
    assert following.unread() == []
    cluster.put(KIND, parse_locator(manifest))
    assert following.unread() == ["example"]

    running = asyncio.create_task(following.run())
    await asyncio.sleep(0.01)

    assert following.standing("example").reason == reason
    assert following.unread() == (["example"] if reason is LocatorReason.READING else [])
    monkeypatch.setattr(follower, "FIRST_LISTS_SECONDS", 0.0)
    assert following.unread() == []
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
