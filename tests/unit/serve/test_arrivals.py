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
    """What the API server has: claims that may not be in the index yet."""

    def __init__(self, *claims: str) -> None:
        self.claims = set(claims)
        self.asked: list[str] = []

    async def __call__(self, namespace: str, claim: str, /) -> bool:
        """Say whether there is a claim."""
        self.asked.append(f"{namespace}/{claim}")
        return claim in self.claims


async def _put_later(cluster: Cluster, *objects: object) -> None:
    for obj in objects:
        await asyncio.sleep(0.03)
        cluster.put(builders.kind_of(obj), obj)


async def test_what_is_known_is_not_asked_for() -> None:
    """No I/O for a pod whose claims are in the index, bound or not, nor for one that has none."""
    server = ApiServer()
    waiting = Arrivals(cluster_of(node("n1"), data("c1", on_hosts("n1")), claim("c2")), server)

    for subject in (pod("web", "c1", "c2", "c1"), pod("web"), pod("web", "c2")):
        await waiting.wait(subject)

    assert server.asked == []


async def test_a_claim_that_exists_nowhere_is_not_waited_for() -> None:
    """Asking once is enough."""
    server = ApiServer()
    started = time.monotonic()

    await Arrivals(cluster_of(), server).wait(pod("web", "c1", "c1"))

    assert server.asked == ["shop/c1"]
    assert time.monotonic() - started < arrivals.PATIENCE_SECONDS / 2


async def test_a_claim_that_is_on_its_way_is_waited_for() -> None:
    """And its volume too, which comes by another watch."""
    cluster, server = cluster_of(node("n1")), ApiServer("c1")
    bound, volume = data("c1", on_hosts("n1"))

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_put_later(cluster, bound, volume))
        await Arrivals(cluster, server).wait(pod("web", "c1", "nowhere"))
        assert cluster.claim("shop/c1") == bound
        assert cluster.volume("pv-c1") == volume
    assert server.asked == ["shop/c1", "shop/nowhere"]


async def test_a_volume_that_is_behind_its_claim_is_waited_for() -> None:
    """The claim is known, so that nobody need be asked."""
    bound, volume = data("c1", on_hosts("n1"))
    cluster, server = cluster_of(node("n1"), bound), ApiServer()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_put_later(cluster, volume))
        await Arrivals(cluster, server).wait(pod("web", "c1"))
        assert cluster.volume("pv-c1") == volume
    assert server.asked == []


async def test_patience_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """A watch that hangs keeps no pod from being created, and nothing is put into the index."""
    monkeypatch.setattr(arrivals, "PATIENCE_SECONDS", 0.05)
    cluster = cluster_of()

    with capture_logs() as logs:
        await Arrivals(cluster, ApiServer("c1")).wait(pod("web", "c1"))

    assert [(line["log_level"], line["claims"]) for line in logs] == [("warning", ["c1"])]
    assert cluster.claim("shop/c1") is None


async def test_an_api_server_that_hangs_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time for asking counts, too."""
    monkeypatch.setattr(arrivals, "PATIENCE_SECONDS", 0.05)

    async def hang(_namespace: str, _claim: str, /) -> bool:
        await asyncio.Event().wait()
        return True

    with capture_logs() as logs:
        await asyncio.wait_for(Arrivals(cluster_of(), hang).wait(pod("web", "c1")), timeout=5)

    assert [line["log_level"] for line in logs] == ["warning"]


async def test_an_api_server_that_fails_says_nothing() -> None:
    """The claim counts as missing; others are looked up all the same."""
    asked = []

    async def fail(_namespace: str, claim: str, /) -> bool:
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
