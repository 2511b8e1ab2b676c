"""One replica writes: leader election by a Lease, with the semantics of client-go's `leaderelection`.

The clocks of two machines are never compared: a Lease has run out when it has not changed for its duration by the
watcher's own monotonic clock. Each write carries the version that it is based on, so that of two candidates one is
refused. A leader that cannot renew stops before anybody else may begin.

The official client's `kubernetes.aio.leaderelection` is not used: an aiohttp error (the API server away for a moment)
ends it, it writes naive local time as `renewTime`, and it does not give the Lease up when the process ends.
"""

import asyncio
import datetime as dt
import random
from typing import Final

import aiohttp
import msgspec
import structlog

from mooring.cluster.connection import ApiError, ApiServer, PatchType
from mooring.cluster.leases import API_VERSION, LIMITS, Lease, LeaseSpec, decode_lease, leases_path, read_lease
from mooring.cluster.statelog import StateLog

LEASE_SECONDS: Final = 10
"""How long a Lease lasts unrenewed. A killed leader is replaced within this and two pauses, so within 14 seconds."""
RENEW_DEADLINE_SECONDS: Final = 7.0
"""How long a leader goes on that cannot renew; what is left of LEASE_SECONDS then is the time to end."""
RETRY_SECONDS: Final = 1.5

_JITTER: Final = 1.2
_TRIES: Final = 3
"""How often at once a write is tried that meets somebody else's."""
_TROUBLE: Final = (ApiError, aiohttp.ClientError, OSError, ValueError)


class LeadershipLostError(Exception):
    """This process leads no longer and must not write any more."""


class Leadership:
    """One candidate. `identity` must be this process's alone: whoever has the holder's identity takes over at once."""

    def __init__(self, api: ApiServer, *, namespace: str, name: str, identity: str) -> None:
        self._api: Final = api
        self._namespace: Final = namespace
        self._name: Final = name
        self._identity: Final = identity
        self._lease = Lease()
        self._changed_at = 0.0
        self._renewed_at = 0.0
        self._state: Final = StateLog(structlog.get_logger(__name__).bind(lease=f"{namespace}/{name}"))

    async def acquire(self) -> None:
        """Wait until this process leads, however long that takes and whatever goes wrong meanwhile."""
        while not await self._acquired():
            await asyncio.sleep(RETRY_SECONDS * random.uniform(1.0, _JITTER))  # noqa: S311 - jitter, no secret
        self._state.info("leading")

    async def hold(self) -> None:
        """Stay the leader, as long as possible. Call it when `acquire` has returned; it never returns itself.

        Raises:
            LeadershipLostError: another process leads, or the Lease could not be renewed in time.
        """
        while True:
            await asyncio.sleep(RETRY_SECONDS)
            try:
                async with asyncio.timeout_at(self._renewed_at + RENEW_DEADLINE_SECONDS):
                    while not await self._renewed():
                        await asyncio.sleep(RETRY_SECONDS)
            except TimeoutError:
                raise LeadershipLostError(f"the lease was not renewed for {RENEW_DEADLINE_SECONDS:g} s") from None

    async def release(self) -> None:
        """Give the Lease up, if it is ours, so that nobody has to wait until it runs out. Nothing may be written after.

        Whether it is ours, the API server knows best: whoever was cancelled in the middle of a request does not.
        """
        for _ in range(_TRIES):
            try:
                lease = await read_lease(self._api, namespace=self._namespace, name=self._name)
                if lease.spec.holder_identity == self._identity:
                    given_up = msgspec.structs.replace(lease.spec, holder_identity="", lease_duration_seconds=1)
                    await self._write(lease, msgspec.structs.replace(given_up, renew_time=_timestamp()))
                    self._state.info("leadership given up")
            except _TROUBLE as error:
                if _is_conflict(error):  # a renewal that was cancelled may arrive in between
                    continue
            return

    async def _acquired(self) -> bool:
        """Take the Lease if it is free; whether it is ours now."""
        started = _clock()
        try:
            lease = await self._look()
            if lease is None:
                self._lease = await self._create(self._claim(LeaseSpec()))
            elif self._is_taken(lease.spec):
                self._state.info("not leading", leader=lease.spec.holder_identity)
                return False
            else:
                self._lease = await self._write(lease, self._claim(lease.spec))
        except _TROUBLE as error:
            if not _is_conflict(error):  # another candidate was faster, and the next look shows it
                self._state.warning("lease not acquired", reason=str(error) or type(error).__name__)
            return False
        self._renewed_at = started
        return True

    async def _renewed(self) -> bool:
        """Renew our Lease, also if somebody touches the labels again and again; whether that worked."""
        started = _clock()
        for _ in range(_TRIES):
            try:
                self._lease = await self._write(self._lease, self._claim(self._lease.spec))
            except _TROUBLE as error:
                if _is_conflict(error) or _is_missing(error):
                    await self._look_again()
                    continue
                self._state.warning("lease not renewed", reason=str(error) or type(error).__name__)
                return False
            self._state.info("leading")
            self._renewed_at = started
            return True
        return False

    async def _look_again(self) -> None:
        """Find out why a renewal was refused: an answer of ours may have been lost, or somebody touched the labels."""
        try:
            lease = await self._look()
        except _TROUBLE:
            return
        if lease is None:
            raise LeadershipLostError("the lease was deleted")
        if lease.spec.holder_identity != self._identity:
            raise LeadershipLostError(f"{lease.spec.holder_identity or 'nobody'} holds the lease now")

    async def _look(self) -> Lease | None:
        try:
            lease = await read_lease(self._api, namespace=self._namespace, name=self._name)
        except ApiError as error:
            if _is_missing(error):
                return None
            raise
        if lease.spec != self._lease.spec:
            self._changed_at = _clock()
        self._lease = lease
        return lease

    def _is_taken(self, spec: LeaseSpec) -> bool:
        if not spec.holder_identity or spec.holder_identity == self._identity:
            return False
        return _clock() < self._changed_at + (spec.lease_duration_seconds or LEASE_SECONDS)

    def _claim(self, old: LeaseSpec) -> LeaseSpec:
        """What the Lease says when it is ours, now."""
        now = _timestamp()
        claim = LeaseSpec(holder_identity=self._identity, lease_duration_seconds=LEASE_SECONDS, renew_time=now)
        transitions = old.lease_transitions or 0
        if old.holder_identity == self._identity:
            return msgspec.structs.replace(claim, acquire_time=old.acquire_time, lease_transitions=transitions)
        first = old == LeaseSpec()
        return msgspec.structs.replace(claim, acquire_time=now, lease_transitions=transitions + (not first))

    async def _create(self, spec: LeaseSpec) -> Lease:
        body = {
            "apiVersion": API_VERSION,
            "kind": "Lease",
            "metadata": {"name": self._name, "namespace": self._namespace},
            "spec": msgspec.to_builtins(spec),
        }
        return decode_lease(await self._api.send("POST", leases_path(self._namespace), body=body, limits=LIMITS))

    async def _write(self, based_on: Lease, spec: LeaseSpec) -> Lease:
        """Write a Lease, unless it is another version by now.

        A patch with the version is as exclusive as a PUT, and leaves labels of others and fields of later releases.
        """
        body = {
            "metadata": {"resourceVersion": based_on.metadata.resource_version},
            "spec": msgspec.to_builtins(spec),
        }
        path = f"{leases_path(self._namespace)}/{self._name}"
        return decode_lease(await self._api.send("PATCH", path, body=body, content_type=PatchType.MERGE, limits=LIMITS))


def _clock() -> float:
    """The event loop's monotonic clock, by which `asyncio.timeout_at` goes."""
    return asyncio.get_running_loop().time()


def _timestamp() -> str:
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _is_conflict(error: Exception) -> bool:
    return isinstance(error, ApiError) and error.is_conflict


def _is_missing(error: Exception) -> bool:
    return isinstance(error, ApiError) and error.is_missing
