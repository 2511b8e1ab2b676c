"""The HTTP server: thin handlers over the extender, admission, health and metrics."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, NamedTuple

import structlog
from aiohttp import web

from mooring.api.webhook import PATH as WEBHOOK_PATH
from mooring.serve.admission import Admission
from mooring.serve.extender import Extender
from mooring.serve.metrics import Metrics
from mooring.serve.wire import MalformedRequestError

#: With `nodeCacheCapable: false` kube-scheduler sends the Node objects of a whole cluster.
MAX_BODY_BYTES: Final = 64 * 1024 * 1024
#: kube-apiserver takes 3 MiB of a pod; what it adds before it asks (defaults, managedFields, the user) is no more.
MAX_REVIEW_BYTES: Final = 6 * 1024 * 1024
#: SIGTERM to the end: requests under way are answered, then connections are closed.
DRAIN_SECONDS: Final = 4.0

_JSON: Final = {"Content-Type": "application/json"}
_DRAIN_POLL_SECONDS: Final = 0.02

_log = structlog.get_logger(__name__)
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_Answer = Callable[[bytes], Awaitable[bytes]]


class _UnderWay:
    """How many calls have begun and are not answered yet."""

    def __init__(self) -> None:
        self.count = 0


_UNDER_WAY: Final = web.AppKey("under-way", _UnderWay)


class Readiness(NamedTuple):
    """Whether the index is complete, and what is missing otherwise."""

    ready: bool
    detail: str


def create_app(
    extender: Extender, metrics: Metrics, *, readiness: Callable[[], Readiness], admission: Admission | None = None
) -> web.Application:
    """Put the handlers behind their paths; with `admission` reviews are answered beside the extender's calls."""
    app = web.Application(client_max_size=MAX_BODY_BYTES)
    under_way = app[_UNDER_WAY] = _UnderWay()
    app.router.add_post("/scheduler/filter", _answering(_at_once(extender.filter), under_way))
    app.router.add_post("/scheduler/prioritize", _answering(_at_once(extender.prioritize), under_way))
    app.router.add_post("/scheduler/preempt", _answering(_at_once(extender.preempt), under_way))
    if admission is not None:
        app.router.add_post(WEBHOOK_PATH, _answering(admission.review, under_way))
    app.router.add_get("/healthz", _healthz)
    app.router.add_get("/readyz", _readyz(readiness))
    app.router.add_get("/metrics", _metrics(metrics))
    return app


def create_webhook_app(admission: Admission) -> web.Application:
    """Put admission behind its path, alone: the API server reaches nothing else there."""
    app = web.Application(client_max_size=MAX_REVIEW_BYTES)
    under_way = app[_UNDER_WAY] = _UnderWay()
    app.router.add_post(WEBHOOK_PATH, _answering(admission.review, under_way))
    return app


async def serve(app: web.Application, *, host: str, port: int, tls: ssl.SSLContext | None) -> web.AppRunner:
    """Start to listen; `drain` ends it.

    Raises:
        OSError: the address is taken or not ours.
    """
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=DRAIN_SECONDS / 2, handle_signals=False)
    await runner.setup()
    await web.TCPSite(runner, host, port, ssl_context=tls, backlog=1024).start()
    return runner


async def drain(runner: web.AppRunner) -> None:
    """Stop to listen, answer what is under way, and close all connections.

    aiohttp's own cleanup drops what still comes in of a request's body, so the bodies are waited for before it.
    """
    for site in list(runner.sites):
        await site.stop()
    loop = asyncio.get_running_loop()
    deadline = loop.time() + DRAIN_SECONDS / 2
    while runner.app[_UNDER_WAY].count and loop.time() < deadline:
        await asyncio.sleep(_DRAIN_POLL_SECONDS)
    await runner.cleanup()


def tls_context(*, certificate: Path, key: Path, client_ca: Path | None) -> ssl.SSLContext:
    """Load the serving certificate; with `client_ca`, clients must present a certificate signed by it.

    Raises:
        OSError: a file is missing or is no certificate or key (ssl.SSLError is an OSError).
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, key)
    if client_ca is not None:
        context.load_verify_locations(client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def _at_once(answer: Callable[[bytes], bytes]) -> _Answer:
    async def answer_at_once(body: bytes) -> bytes:
        return answer(body)

    return answer_at_once


def _answering(answer: _Answer, under_way: _UnderWay) -> _Handler:
    async def handle(request: web.Request) -> web.Response:
        under_way.count += 1
        try:
            body = await answer(await request.read())
        except MalformedRequestError as error:
            _log.warning("malformed request", path=request.path, reason=str(error))
            return web.Response(status=400, text=f"{error}\n")
        finally:
            under_way.count -= 1
        return web.Response(body=body, headers=_JSON)

    return handle


async def _healthz(_request: web.Request) -> web.Response:
    return web.Response(text="ok\n")


def _readyz(readiness: Callable[[], Readiness]) -> _Handler:
    async def handle(_request: web.Request) -> web.Response:
        state = readiness()
        return web.Response(status=200 if state.ready else 503, text=f"{state.detail}\n")

    return handle


def _metrics(metrics: Metrics) -> _Handler:
    async def handle(_request: web.Request) -> web.Response:
        return web.Response(body=metrics.render(), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})

    return handle
