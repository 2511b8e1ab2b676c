"""Seeing to it that no operator of a release runs, for it would put back what is taken away."""

import asyncio
import time
from typing import Final, NamedTuple

import msgspec

from mooring.cluster.connection import ApiError, ApiServer, PatchType
from mooring.cluster.leases import LeaseSpec, leases_path, read_lease
from mooring.cluster.lists import read_items
from mooring.cluster.resources import RESOURCES
from mooring.reconcile.leadership import LEASE_SECONDS, RETRY_SECONDS

#: An operator that is told to end first answers what was asked. A pod on a dead node never goes, and is not waited for.
_PODS_SECONDS: Final = 60.0
#: Within this time any candidate takes a Lease that is free.
_GRACE_SECONDS: Final = 2 * RETRY_SECONDS
_POLL_SECONDS: Final = 0.5


class StillRunningError(Exception):
    """An operator of the release goes on leading; it must be ended by whoever started it."""


class Release(NamedTuple):
    """Which Mooring of the cluster."""

    namespace: str
    name: str

    def __str__(self) -> str:
        """As `namespace/name`."""
        return f"{self.namespace}/{self.name}"


class Scale(NamedTuple):
    """How many pods a Deployment asks for, and the label selector that selects them."""

    replicas: int
    selector: str


async def read_scale(api: ApiServer, release: Release) -> Scale | None:
    """Read the scale of a release's Deployment; None if there is no Deployment, as where the operator runs elsewhere.

    Raises:
        ApiError: the API server refused.
        aiohttp.ClientError, TimeoutError: there was no answer.
    """
    try:
        answer = msgspec.json.decode(await api.send("GET", _scale_path(release)))
    except ApiError as error:
        if error.is_missing:
            return None
        raise
    return Scale(answer["spec"].get("replicas", 0), answer["status"].get("selector", ""))


async def scale_down(api: ApiServer, release: Release) -> None:
    """Tell all replicas of a release's Deployment to end.

    Raises:
        ApiError: the API server refused.
        aiohttp.ClientError, TimeoutError: there was no answer.
    """
    await api.send("PATCH", _scale_path(release), body={"spec": {"replicas": 0}}, content_type=PatchType.MERGE)


async def await_no_pods(api: ApiServer, release: Release, selector: str) -> None:
    """Wait until no pod of a release's Deployment is left, or for a minute.

    Raises:
        ApiError: the API server refused.
        aiohttp.ClientError, TimeoutError: there was no answer.
    """
    path = f"/api/v1/namespaces/{release.namespace}/pods"
    deadline = time.monotonic() + _PODS_SECONDS
    while time.monotonic() < deadline and [item async for item in read_items(api, path, selector=selector)]:
        await asyncio.sleep(_POLL_SECONDS)


async def await_no_leader(api: ApiServer, release: Release) -> LeaseSpec | None:
    """Wait until a release's Lease shows that nobody leads and nobody waits to; returns what it says then.

    As with the candidates themselves, clocks of two machines are not compared: what counts is that it stays the same.

    Raises:
        StillRunningError: somebody renews it, or has taken it.
        ApiError: the API server refused.
        aiohttp.ClientError, TimeoutError: there was no answer.
    """
    seen = await read_leader(api, release)
    since = time.monotonic()
    while time.monotonic() < since + _GRACE_SECONDS + _lasts(seen):
        await asyncio.sleep(_POLL_SECONDS)
        spec = await read_leader(api, release)
        if spec == seen:
            continue
        if spec is not None and spec.holder_identity:
            raise StillRunningError(f"{spec.holder_identity} holds the Lease {release} and goes on running")
        seen, since = spec, time.monotonic()
    return seen


async def read_leader(api: ApiServer, release: Release) -> LeaseSpec | None:
    """Read who leads, as the release's Lease says it; None if there is no Lease.

    Raises:
        ApiError: the API server refused.
        aiohttp.ClientError, TimeoutError: there was no answer.
    """
    try:
        return (await read_lease(api, namespace=release.namespace, name=release.name)).spec
    except ApiError as error:
        if error.is_missing:
            return None
        raise


async def delete_lease(api: ApiServer, release: Release) -> None:
    """Delete a release's Lease.

    Raises:
        ApiError: the API server refused, or there is no Lease.
        aiohttp.ClientError, TimeoutError: there was no answer.
    """
    await api.send("DELETE", f"{leases_path(release.namespace)}/{release.name}")


def _lasts(spec: LeaseSpec | None) -> float:
    """For how many seconds a Lease holds unrenewed."""
    if spec is None or not spec.holder_identity:
        return 0
    return spec.lease_duration_seconds or LEASE_SECONDS


def _scale_path(release: Release) -> str:
    return RESOURCES["Deployment"].object_path(release.namespace, release.name) + "/scale"
