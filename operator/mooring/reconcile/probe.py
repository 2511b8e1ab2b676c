"""Whether admission answers pods: asked of the API server itself, because only its answer counts.

A pod is created in a dry run, in Mooring's own namespace, with a label that the webhook answers with an annotation. If
the annotation comes back, the API server reaches the webhook, trusts its certificate and takes its patch. A lease or a
health check would prove less: VPA's showed a healthy webhook whose patches never arrived (autoscaler #6884).
"""

import time
from typing import Any, Final

import aiohttp
import msgspec
import structlog

from mooring.api.annotations import PROBE_LABEL, PROBED
from mooring.cluster.connection import ApiError, ApiServer

#: How long an answer is believed, in seconds.
BELIEVED_SECONDS: Final = 5.0

_log = structlog.get_logger(__name__)


class AdmissionProbe:
    """Asks at most every few seconds, and only when somebody wants to know."""

    def __init__(self, api: ApiServer, *, namespace: str) -> None:
        self._api: Final = api
        self._path: Final = f"/api/v1/namespaces/{namespace}/pods"
        self._asked = float("-inf")
        self._answered = False

    async def answers(self) -> bool:
        """Whether the webhook is known to answer pods now; an error counts as no."""
        if time.monotonic() - self._asked > BELIEVED_SECONDS:
            self._answered = await self._ask()
            self._asked = time.monotonic()
        return self._answered

    async def _ask(self) -> bool:
        try:
            answer = await self._api.send("POST", self._path, query={"dryRun": "All"}, body=_PROBE)
        except (ApiError, aiohttp.ClientError, TimeoutError, OSError) as error:
            _log.warning("admission cannot be probed", error=str(error) or type(error).__name__)
            return False
        annotations = msgspec.json.decode(answer, type=dict[str, Any])["metadata"].get("annotations") or {}
        return bool(annotations.get(PROBED))


# It would be admitted under the strictest Pod Security Standard, which Mooring's namespace may enforce.
_PROBE: Final[dict[str, Any]] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"generateName": "mooring-probe-", "labels": {PROBE_LABEL: "true"}},
    "spec": {
        "automountServiceAccountToken": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 65532,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [
            {
                "name": "probe",
                "image": "registry.k8s.io/pause:3.10",
                "resources": {"requests": {"cpu": "1m", "memory": "1Mi"}, "limits": {"cpu": "1m", "memory": "1Mi"}},
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "readOnlyRootFilesystem": True,
                    "capabilities": {"drop": ["ALL"]},
                },
            }
        ],
    },
}
