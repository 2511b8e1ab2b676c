"""Claims that are so new, or so newly bound, that the index does not know it yet."""

import asyncio
from typing import Final, Protocol

import structlog

from mooring.cluster.index import Cluster
from mooring.cluster.records import Pod, claim_names

#: How long a pod waits for its claims: well within the 2 s after which the API server creates it without us.
PATIENCE_SECONDS: Final = 0.5
_POLL_SECONDS: Final = 0.01
_BOUND: Final = "Bound"

_log = structlog.get_logger(__name__)


class Lookup(Protocol):
    """Asks the API server about a claim."""

    async def __call__(self, namespace: str, claim: str, /) -> str | None:
        """The phase of a claim, None if there is none; whatever is raised is logged, and nothing is waited for."""


class Arrivals:
    """Waits until the index has what the API server has already; it never puts anything there itself."""

    def __init__(self, cluster: Cluster, lookup: Lookup) -> None:
        self._cluster: Final = cluster
        self._lookup: Final = lookup

    async def wait(self, pod: Pod) -> None:
        """Wait for a pod's claims and their volumes, as far as they exist; at once where all are bound.

        A StatefulSet's controller makes claims right before the pod, and a person may create a pod the moment that its
        claim is bound. Those of generic ephemeral volumes come after it.
        """
        namespace = pod.metadata.namespace
        names = dict.fromkeys(claim_names(pod.spec, pod_name=""))
        behind = [name for name in names if not self._has(namespace, name, phase=_BOUND)]
        if not behind:
            return
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                phases = await asyncio.gather(*(self._phase(namespace, name) for name in behind))
                coming = [(name, phase) for name, phase in zip(behind, phases, strict=True) if phase is not None]
                while not all(self._has(namespace, name, phase=phase) for name, phase in coming):
                    await asyncio.sleep(_POLL_SECONDS)
        except TimeoutError:
            _log.warning("claims did not reach the index in time", pod=pod.key, claims=behind)

    def _has(self, namespace: str, name: str, *, phase: str) -> bool:
        """Whether the index has a claim in this phase, and if it is bound its volume."""
        claim = self._cluster.claim(f"{namespace}/{name}")
        if claim is None:
            return False
        if phase != _BOUND:
            return True
        return claim.status.phase == _BOUND and self._cluster.volume(claim.spec.volume_name) is not None

    async def _phase(self, namespace: str, name: str) -> str | None:
        try:
            return await self._lookup(namespace, name)
        except Exception as error:  # noqa: BLE001 - the pod's other volumes are placed all the same
            _log.warning("a claim cannot be looked up", claim=f"{namespace}/{name}", reason=repr(error))
            return None
