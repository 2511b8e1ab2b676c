"""Claims that are so new that the index does not know them yet."""

import asyncio
from typing import Final, Protocol

import structlog

from mooring.cluster.index import Cluster
from mooring.cluster.records import Pod, claim_names

#: How long a pod waits for its claims: well within the 2 s after which the API server creates it without us.
PATIENCE_SECONDS: Final = 0.5
_POLL_SECONDS: Final = 0.01

_log = structlog.get_logger(__name__)


class Lookup(Protocol):
    """Asks the API server whether it has a claim."""

    async def __call__(self, namespace: str, claim: str, /) -> bool:
        """Whether there is a claim of this name; whatever is raised is logged, and the claim counts as missing."""


class Arrivals:
    """Waits until the index has what the API server has already; it never puts anything there itself."""

    def __init__(self, cluster: Cluster, lookup: Lookup) -> None:
        self._cluster: Final = cluster
        self._lookup: Final = lookup

    async def wait(self, pod: Pod) -> None:
        """Wait for a pod's claims and their volumes, as far as they exist; at once where nothing is missing.

        A StatefulSet's controller makes claims right before the pod. Those of generic ephemeral volumes come after it.
        """
        namespace = pod.metadata.namespace
        behind = [name for name in dict.fromkeys(claim_names(pod.spec, pod_name="")) if not self._has(namespace, name)]
        if not behind:
            return
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                coming = [name for name in behind if await self._exists(namespace, name)]
                while not all(self._has(namespace, name) for name in coming):
                    await asyncio.sleep(_POLL_SECONDS)
        except TimeoutError:
            _log.warning("claims did not reach the index in time", pod=pod.key, claims=behind)

    def _has(self, namespace: str, name: str) -> bool:
        """Whether the index has a claim, and its volume if it is bound to one."""
        claim = self._cluster.claim(f"{namespace}/{name}")
        if claim is None:
            return False
        return claim.status.phase != "Bound" or self._cluster.volume(claim.spec.volume_name) is not None

    async def _exists(self, namespace: str, name: str) -> bool:
        if self._cluster.claim(f"{namespace}/{name}") is not None:
            return True  # only its volume is behind
        try:
            return await self._lookup(namespace, name)
        except Exception as error:  # noqa: BLE001 - the pod's other volumes are placed all the same
            _log.warning("a claim cannot be looked up", claim=f"{namespace}/{name}", reason=repr(error))
            return False
