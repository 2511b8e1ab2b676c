"""The server of the webhook: its one path, its limit, and that what is under way is answered before it ends."""

import asyncio
import contextlib
import io
import json
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web
from tests.unit.builders import claim, cluster_of

from mooring.locate.locator import Locator
from mooring.serve import http
from mooring.serve.admission import Admission
from mooring.serve.extender import Extender
from mooring.serve.http import Readiness, create_app, create_webhook_app, drain, serve
from mooring.serve.metrics import Metrics


def _body(*, padding: int = 0) -> bytes:
    pod = {
        "metadata": {"name": "web", "annotations": {"padding": "x" * padding}},
        "spec": {"volumes": [{"name": "c", "persistentVolumeClaim": {"claimName": "c"}}]},
    }
    request = {"uid": "u", "kind": {"kind": "Pod"}, "operation": "CREATE", "namespace": "shop", "object": pod}
    return json.dumps({"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": request}).encode()


@contextlib.asynccontextmanager
async def _serving(app: web.Application) -> AsyncIterator[aiohttp.ClientSession]:
    """A client of the app on a free port."""
    runner = await serve(app, host="127.0.0.1", port=0, tls=None)
    host, port = runner.addresses[0][:2]
    try:
        async with aiohttp.ClientSession(f"http://{host}:{port}") as session:
            yield session
    finally:
        await drain(runner)


def _admission() -> Admission:
    cluster = cluster_of(claim("c"))
    return Admission(cluster, Locator(cluster), Metrics())


async def test_the_webhook_serves_reviews_alone() -> None:
    """The API server reaches no other path, and reads what is wrong with a body."""
    async with _serving(create_webhook_app(_admission())) as session:
        async with session.post("/mutate", data=_body()) as answer:
            assert answer.status == 200
            assert answer.content_type == "application/json"
            assert (await answer.json())["response"] == {
                "uid": "u",
                "allowed": True,
                "auditAnnotations": {"placement": "no-opinion"},
            }
        async with session.post("/mutate", data=b"{}") as answer:
            assert answer.status == 400
            assert await answer.text() == "an AdmissionReview of admission.k8s.io/v1 is expected\n"
        for path in ("/scheduler/filter", "/metrics", "/healthz", "/"):
            async with session.post(path, data=_body()) as answer:
                assert answer.status == 404
        async with session.get("/mutate") as answer:
            assert answer.status == 405


async def test_pods_as_large_as_the_api_server_takes_them_are_reviewed() -> None:
    """3 MiB are read, and what no pod can be is refused."""
    large, too_large = _body(padding=3 * 1024 * 1024), _body(padding=http.MAX_REVIEW_BYTES)
    async with _serving(create_webhook_app(_admission())) as session:
        async with session.post("/mutate", data=io.BytesIO(large)) as answer:
            assert answer.status == 200
        with contextlib.suppress(aiohttp.ClientConnectionError):  # it may close the connection before all is sent
            async with session.post("/mutate", data=io.BytesIO(too_large)) as answer:
                assert answer.status == 413
        async with session.post("/mutate", data=_body()) as answer:
            assert answer.status == 200


async def test_a_review_under_way_is_answered() -> None:
    """Also where its body is still on the way, which aiohttp alone would drop."""
    runner = await serve(create_webhook_app(_admission()), host="127.0.0.1", port=0, tls=None)

    async def slowly() -> AsyncIterator[bytes]:
        yield _body()[:100]
        while runner.sites:
            await asyncio.sleep(0.005)
        await asyncio.sleep(0.05)  # as long as it takes to close a connection that nobody waits for
        yield _body()[100:]

    host, port = runner.addresses[0][:2]
    async with aiohttp.ClientSession(f"http://{host}:{port}") as session:
        call = asyncio.create_task(session.post("/mutate", data=slowly()))
        async with asyncio.timeout(5):
            while not runner.app[http._UNDER_WAY].count:
                await asyncio.sleep(0.005)
        await drain(runner)
        async with await call as answer:
            assert answer.status == 200


@pytest.mark.parametrize("served", [True, False])
async def test_from_a_snapshot_reviews_are_served_beside_the_extender(*, served: bool) -> None:
    """One port for everything; without admission the path is not there."""
    cluster = cluster_of()
    app = create_app(
        Extender(cluster, Locator(cluster), Metrics()),
        Metrics(),
        readiness=lambda: Readiness(ready=True, detail=""),
        admission=_admission() if served else None,
    )
    async with _serving(app) as session:
        async with session.post("/mutate", data=_body()) as answer:
            assert answer.status == (200 if served else 404)
        async with session.get("/readyz") as answer:
            assert answer.status == 200
