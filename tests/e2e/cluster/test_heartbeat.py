"""Whether the second scheduler is alive, by the Lease that a real kube-scheduler renews."""

import asyncio
import signal
from collections.abc import Callable

from structlog.testing import capture_logs

from mooring.cluster.connection import ApiServer
from mooring.cluster.heartbeat import Heartbeat
from mooring.sandbox.components import LEASE, NAMESPACE
from mooring.sandbox.launcher import Sandbox

SCHEDULER = "mooring-scheduler"


async def looks_until(heartbeat: Heartbeat, condition: Callable[[], bool], *, within: float) -> None:
    """Let it look twice a second until something is so."""
    async with asyncio.timeout(within):
        while not condition():
            await heartbeat.look()
            await asyncio.sleep(0.5)


async def test_alive_while_the_scheduler_renews(sandbox: Sandbox, api: ApiServer) -> None:
    """It is alive, also at the first look; ended, it is dead within seconds; started again, it is alive again."""
    heartbeat = Heartbeat(api, namespace=NAMESPACE, name=LEASE)
    await looks_until(heartbeat, lambda: heartbeat.alive, within=90)
    newcomer = Heartbeat(api, namespace=NAMESPACE, name=LEASE)
    await newcomer.look()
    assert newcomer.alive

    sandbox.stop(SCHEDULER)
    try:
        await looks_until(heartbeat, lambda: not heartbeat.alive, within=30)
    finally:
        sandbox.start(SCHEDULER)

    await looks_until(heartbeat, lambda: heartbeat.alive, within=90)


async def test_dead_when_the_scheduler_hangs(sandbox: Sandbox, api: ApiServer) -> None:
    """A scheduler that does nothing any more, though its process and its Lease are there, is not alive."""
    heartbeat = Heartbeat(api, namespace=NAMESPACE, name=LEASE)
    await looks_until(heartbeat, lambda: heartbeat.alive, within=90)
    process = next(each.process for each in sandbox.status() if each.name == SCHEDULER)
    assert process is not None
    process.send(signal.SIGSTOP)
    try:
        await looks_until(heartbeat, lambda: not heartbeat.alive, within=30)
        newcomer = Heartbeat(api, namespace=NAMESPACE, name=LEASE)
        await newcomer.look()
        assert not newcomer.alive
    finally:
        process.send(signal.SIGCONT)
    await looks_until(heartbeat, lambda: heartbeat.alive, within=90)


async def test_what_cannot_be_read_is_not_alive_and_said_once(sandbox: Sandbox, api: ApiServer) -> None:
    """A Lease that does not exist, or that may not be read, is no error, however often it is looked at."""
    limited = await ApiServer.connect(kubeconfig=sandbox.kubeconfig("mooring"))
    missing = Heartbeat(api, namespace="kube-system", name="no-such-scheduler")
    forbidden = Heartbeat(limited, namespace="kube-system", name="kube-controller-manager")
    with capture_logs() as lines:
        for _ in range(3):
            for heartbeat in (missing, forbidden):
                await heartbeat.look()
                assert not heartbeat.alive
    await limited.close()

    assert [(line["event"], line["reason"][:3]) for line in lines] == [
        ("lease is not fresh", "404"),
        ("lease is not fresh", "403"),
    ]
