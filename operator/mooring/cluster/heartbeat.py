"""Whether somebody lives, by the Lease that it renews: the second scheduler gets pods only while it does."""

import asyncio
import datetime as dt
import time
from typing import Final

import aiohttp
import structlog

from mooring.cluster.connection import ApiError, ApiServer
from mooring.cluster.leases import LeaseSpec, read_lease
from mooring.cluster.statelog import StateLog

POLL_SECONDS: Final = 5.0
#: kube-scheduler's own default, for a Lease that does not say how long it lasts.
_DEFAULT_SECONDS: Final = 15


class Heartbeat:
    """Follows one Lease.

    Clocks of two machines are not compared: alive is who has changed `renewTime` within the Lease's own duration, by
    this process's monotonic clock. Only the first look has no change to go by. There the wall clock decides, so that
    admission need not wait after a start; if the clocks disagree, the next look puts it right.

    A Lease that is missing or cannot be read is no error: nobody is known to be alive then.
    """

    def __init__(self, api: ApiServer, *, namespace: str, name: str) -> None:
        self._api: Final = api
        self._namespace: Final = namespace
        self._name: Final = name
        self._seen: LeaseSpec | None = None
        self._fresh_until = 0.0
        self._state: Final = StateLog(structlog.get_logger(__name__).bind(lease=f"{namespace}/{name}"))

    @property
    def alive(self) -> bool:
        """Whether the Lease is held and fresh."""
        return time.monotonic() < self._fresh_until

    async def run(self) -> None:
        """Look every few seconds until cancelled. Nothing that goes wrong ends it."""
        while True:
            await self.look()
            await asyncio.sleep(POLL_SECONDS)

    async def look(self) -> None:
        """Look at the Lease once."""
        reason = "it is not renewed"
        try:
            lease = await read_lease(self._api, namespace=self._namespace, name=self._name)
            self._take(lease.spec)
        except (ApiError, aiohttp.ClientError, OSError, ValueError) as error:
            reason = str(error) or type(error).__name__
        if self.alive:
            self._state.info("lease is fresh")
        else:
            self._state.info("lease is not fresh", reason=reason)

    def _take(self, spec: LeaseSpec) -> None:
        first = self._seen is None
        changed = self._seen is None or spec.renew_time != self._seen.renew_time
        self._seen = spec
        if not spec.holder_identity:
            self._fresh_until = 0.0  # given up, which ends a life at once
        elif changed and (not first or _seems_recent(spec)):
            # A Lease that lasts no longer than the time between two looks would seem to come and go.
            self._fresh_until = time.monotonic() + max(_duration(spec), 2 * POLL_SECONDS)


def _duration(spec: LeaseSpec) -> int:
    return spec.lease_duration_seconds or _DEFAULT_SECONDS


def _seems_recent(spec: LeaseSpec) -> bool:
    if spec.renew_time is None:
        return False
    age = dt.datetime.now(dt.UTC) - dt.datetime.fromisoformat(spec.renew_time)
    return abs(age.total_seconds()) < _duration(spec)
