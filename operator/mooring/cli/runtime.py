"""What every kind of process does: work until the end, listen, and keep its memory still."""

import asyncio
import contextlib
import gc
import signal
import ssl
from collections.abc import AsyncIterator, Coroutine
from typing import Any

import structlog
from aiohttp import web

from mooring.serve.http import drain, serve

_log = structlog.get_logger(__name__)


async def first_end(*work: Coroutine[Any, Any, None]) -> None:
    """Work until the first ends, or fails: each is meant to run for ever, so that its end is the others' too."""
    tasks = [asyncio.create_task(each) for each in work]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()


async def terminated() -> None:
    """Wait for SIGTERM or SIGINT."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await stop.wait()
    _log.info("draining")


@contextlib.asynccontextmanager
async def listening(
    app: web.Application, host: str, port: int, tls: ssl.SSLContext | None, *, what: str = "listening"
) -> AsyncIterator[None]:
    """Listen while inside, and answer what was asked before leaving; `what` is what the log calls it.

    Raises:
        OSError: the address is taken or not ours.
    """
    runner = await serve(app, host=host, port=port, tls=tls)
    found_host, found_port = runner.addresses[0][:2]
    _log.info(what, url=f"{'https' if tls else 'http'}://{found_host}:{found_port}")
    try:
        yield
    finally:
        await drain(runner)


def settle_memory() -> None:
    """Take what is in the index out of the collector's sight.

    It stays, and a full collection would walk over all of it again and again (measured: 80 ms each).
    """
    gc.collect()
    gc.freeze()
