"""Claims, asked for one by one: right after one was made, the index may not have it yet."""

import re
from typing import Final

import aiohttp

from mooring.cluster.connection import ApiError, ApiServer

#: What a name can be (RFC 1123 subdomain). Pods are reviewed before they are checked, and a name becomes a path here.
_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")
_LIMITS: Final = aiohttp.ClientTimeout(total=1.0)


async def claim_exists(api: ApiServer, namespace: str, name: str) -> bool:
    """Ask the API server whether there is a claim of this name.

    Raises:
        ApiError: the API server refused.
        aiohttp.ClientError, TimeoutError: there was no answer.
    """
    if not _NAME.fullmatch(namespace) or not _NAME.fullmatch(name):
        return False
    try:
        await api.send("GET", f"/api/v1/namespaces/{namespace}/persistentvolumeclaims/{name}", limits=_LIMITS)
    except ApiError as error:
        if error.is_missing:
            return False
        raise
    return True
