"""Leases (coordination.k8s.io): by them processes say that they live, and agree on who leads."""

from typing import Final

import aiohttp
import msgspec

from mooring.cluster.connection import ApiServer

API_VERSION: Final = "coordination.k8s.io/v1"

#: For one request about a Lease: a connection that hangs must leave time for another try.
LIMITS: Final = aiohttp.ClientTimeout(total=3.0)


class LeaseSpec(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Who holds a Lease, and since when; times as the API server writes them, RFC 3339 with microseconds."""

    holder_identity: str | None = None
    lease_duration_seconds: int | None = None
    acquire_time: str | None = None
    renew_time: str | None = None
    lease_transitions: int | None = None


class LeaseMetadata(msgspec.Struct, frozen=True, rename="camel"):
    """What names this very version of a Lease."""

    resource_version: str = ""


class Lease(msgspec.Struct, frozen=True):
    """A Lease."""

    metadata: LeaseMetadata = LeaseMetadata()
    spec: LeaseSpec = LeaseSpec()


_decoder: Final = msgspec.json.Decoder(Lease)


def leases_path(namespace: str) -> str:
    """Give the path of a namespace's Leases."""
    return f"/apis/{API_VERSION}/namespaces/{namespace}/leases"


def decode_lease(body: bytes) -> Lease:
    """Read a Lease from an answer.

    Raises:
        ValueError: it is none.
    """
    return _decoder.decode(body)


async def read_lease(api: ApiServer, *, namespace: str, name: str) -> Lease:
    """Read a Lease.

    Raises:
        ApiError: the API server refused, or there is no such Lease.
        aiohttp.ClientError, TimeoutError: there was no answer.
        ValueError: the answer is no Lease.
    """
    return decode_lease(await api.send("GET", f"{leases_path(namespace)}/{name}", limits=LIMITS))
