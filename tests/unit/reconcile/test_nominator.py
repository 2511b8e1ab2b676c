"""Nominations: the room is kept from the choice on, and given back where nothing came of it."""

import pytest
from tests.unit import builders
from tests.unit.reconcile.recorder import Recorder

from mooring.cluster.connection import ApiError
from mooring.cluster.room import Amount
from mooring.reconcile.nominator import Nominator

_POD = builders.pod("web", "c1", requests={"cpu": "1"})


async def test_the_room_is_kept_before_the_answer_and_after() -> None:
    """The next pod must not get the same room while the first one's nomination is on its way."""
    cluster = builders.cluster_of(_POD)
    writer = Recorder()

    assert await Nominator(cluster, writer).nominate(_POD, "n1")

    assert writer.written == [("nominate", "web", "n1")]
    assert cluster.usage.of("n1") == Amount(1000, 0, 1)


@pytest.mark.parametrize("status", [403, 422])
async def test_a_refusal_holds_no_pod(status: int) -> None:
    """It is told as False, and the room is free again."""
    cluster = builders.cluster_of(_POD)

    assert not await Nominator(cluster, Recorder(nominate=ApiError(status, "no"))).nominate(_POD, "n1")

    assert cluster.usage.of("n1") == Amount()


@pytest.mark.parametrize(
    "error", [*(ApiError(status, "no") for status in (404, 409, 429, 503)), TimeoutError(), OSError()]
)
async def test_without_an_answer_the_room_is_free_again(error: Exception) -> None:
    """Whoever asked decides what to do about a pod that is gone, or an API server that is."""
    cluster = builders.cluster_of(_POD)

    with pytest.raises(type(error)):
        await Nominator(cluster, Recorder(nominate=error)).nominate(_POD, "n1")

    assert cluster.usage.of("n1") == Amount()


@pytest.mark.parametrize(("refused", "free"), [(None, 3), (ApiError(403, "no"), 5)])
async def test_room_for_new_volumes_is_kept_as_well(refused: ApiError | None, free: int) -> None:
    """As long as that for the pod, and no longer."""
    cluster = builders.cluster_of(
        builders.node("n1"),
        builders.storage_class("late", binding="WaitForFirstConsumer"),
        builders.claim("c1", storage_class="late", size="2"),
        builders.capacity("all", "late", "5"),
        _POD,
    )
    writer = Recorder(nominate=refused) if refused else Recorder()
    await Nominator(cluster, writer).nominate(_POD, "n1")

    assert cluster.capacity.rooms("late") == {"n1": free}
    cluster.withdraw(_POD)
    assert cluster.capacity.rooms("late") == {"n1": 5}
