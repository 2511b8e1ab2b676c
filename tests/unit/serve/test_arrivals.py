"""Claims that the index does not know yet: waited for as long as the API server has them, and not long."""

import asyncio
import time

import pytest
from structlog.testing import capture_logs
from tests.unit import builders
from tests.unit.builders import claim, cluster_of, data, node, on_hosts, pod

from mooring.cluster.index import Cluster
from mooring.serve import arrivals
from mooring.serve.arrivals import Arrivals


class ApiServer:
    """What the API server has: claims of which the index may not know yet, and their phases."""

    def __init__(self, **phases: str) -> None:
        self.phases = phases
        self.asked: list[str] = []

    async def __call__(self, namespace: str, claim: str, /) -> str | None:
        """Give the phase of a claim."""
        self.asked.append(f"{namespace}/{claim}")
        return self.phases.get(claim)


async def _put_later(cluster: Cluster, *objects: object) -> None:
    for obj in objects:
        await asyncio.sleep(0.03)
        cluster.put(builders.kind_of(obj), obj)


async def test_what_is_known_is_not_asked_for() -> None:
    """No I/O for a pod whose claims are bound as far as the index knows, nor for one that has none."""
    server = ApiServer()
    waiting = Arrivals(cluster_of(node("n1"), data("c1", on_hosts("n1"))), server)

    for subject in (pod("web", "c1", "c1"), pod("web")):
        await waiting.wait(subject)

    assert server.asked == []


async def test_a_claim_that_exists_nowhere_is_not_waited_for() -> None:
    """Asking once is enough."""
    server = ApiServer()
    started = time.monotonic()

    await Arrivals(cluster_of(), server).wait(pod("web", "c1", "c1"))

    assert server.asked == ["shop/c1"]
    assert time.monotonic() - started < arrivals.PATIENCE_SECONDS / 2


async def test_a_claim_that_is_pending_is_not_waited_for() -> None:
    """Whether it was bound just now is asked, once; if it was not, the pod may come first."""
    server = ApiServer(c1="Pending")
    started = time.monotonic()

    await Arrivals(cluster_of(claim("c1")), server).wait(pod("web", "c1"))

    assert server.asked == ["shop/c1"]
    assert time.monotonic() - started < arrivals.PATIENCE_SECONDS / 2


async def test_a_claim_that_was_bound_just_now_is_waited_for() -> None:
    """The index still has it as Pending, and not its volume."""
    cluster, server = cluster_of(node("n1"), claim("c1")), ApiServer(c1="Bound")
    bound, volume = data("c1", on_hosts("n1"))

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_put_later(cluster, volume, bound))
        await Arrivals(cluster, server).wait(pod("web", "c1"))
        assert cluster.claim("shop/c1") == bound


async def test_a_claim_that_is_on_its_way_is_waited_for() -> None:
    """And its volume too, which comes by another watch."""
    cluster, server = cluster_of(node("n1")), ApiServer(c1="Bound")
    bound, volume = data("c1", on_hosts("n1"))

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_put_later(cluster, bound, volume))
        await Arrivals(cluster, server).wait(pod("web", "c1", "nowhere"))
        assert cluster.claim("shop/c1") == bound
        assert cluster.volume("pv-c1") == volume
    assert server.asked == ["shop/c1", "shop/nowhere"]


async def test_a_volume_that_is_behind_its_claim_is_waited_for() -> None:
    """The two come by different watches."""
    bound, volume = data("c1", on_hosts("n1"))
    cluster, server = cluster_of(node("n1"), bound), ApiServer(c1="Bound")

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_put_later(cluster, volume))
        await Arrivals(cluster, server).wait(pod("web", "c1"))
        assert cluster.volume("pv-c1") == volume


async def test_patience_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """A watch that hangs keeps no pod from being created, and nothing is put into the index."""
    monkeypatch.setattr(arrivals, "PATIENCE_SECONDS", 0.05)
    cluster = cluster_of()

    with capture_logs() as logs:
        await Arrivals(cluster, ApiServer(c1="Bound")).wait(pod("web", "c1"))

    assert [(line["log_level"], line["claims"]) for line in logs] == [("warning", ["c1"])]
    assert cluster.claim("shop/c1") is None


async def test_an_api_server_that_hangs_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time for asking counts, too."""
    monkeypatch.setattr(arrivals, "PATIENCE_SECONDS", 0.05)

    async def hang(_namespace: str, _claim: str, /) -> str | None:
        await asyncio.Event().wait()
        return None

    with capture_logs() as logs:
        await asyncio.wait_for(Arrivals(cluster_of(), hang).wait(pod("web", "c1")), timeout=5)

    assert [line["log_level"] for line in logs] == ["warning"]


async def test_an_api_server_that_fails_says_nothing() -> None:
    """The claim counts as missing; others are looked up all the same."""
    asked = []

    async def fail(_namespace: str, claim: str, /) -> str | None:
        asked.append(claim)
        raise OSError("no route to host")

    with capture_logs() as logs:
        await Arrivals(cluster_of(), fail).wait(pod("web", "c1", "c2"))

    assert asked == ["c1", "c2"]
    assert {(line["log_level"], line["reason"]) for line in logs} == {("warning", "OSError('no route to host')")}


async def test_ephemeral_claims_are_not_asked_for() -> None:
    """They are made after the pod."""
    server = ApiServer()
    volumes = [{"name": "scratch", "ephemeral": {}}]

    await Arrivals(cluster_of(), server).wait(pod("web", volumes=volumes))

    assert server.asked == []
