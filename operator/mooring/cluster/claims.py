"""Claims, asked for one by one: right after one was made or bound, the index may not know yet."""

import re
from typing import Final

import aiohttp
import msgspec

from mooring.cluster.connection import ApiError, ApiServer
from mooring.cluster.records import PersistentVolumeClaim

#: What a name can be (RFC 1123 subdomain). Pods are reviewed before they are checked, and a name becomes a path here.
_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")
_CLAIM: Final = msgspec.json.Decoder(PersistentVolumeClaim)
_LIMITS: Final = aiohttp.ClientTimeout(total=1.0)


async def claim_phase(api: ApiServer, namespace: str, name: str) -> str | None:
    """Ask the API server for the phase of a claim; None if there is no claim of this name.

    Raises:
        ApiError: the API server refused.
        aiohttp.ClientError, TimeoutError: there was no answer.
    """
    if not _NAME.fullmatch(namespace) or not _NAME.fullmatch(name):
        return None
    path = f"/api/v1/namespaces/{namespace}/persistentvolumeclaims/{name}"
    try:
        return _CLAIM.decode(await api.send("GET", path, limits=_LIMITS)).status.phase
    except ApiError as error:
        if error.is_missing:
            return None
        raise
