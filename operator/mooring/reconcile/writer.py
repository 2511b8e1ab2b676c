"""Every write to the API server: server-side apply of our own fields, and events.

Nothing is written that is there already: the callers compare first, and server-side apply of the same value is a
no-op of the API server's.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
import structlog

from mooring.api.annotations import AFFINITY_HASH
from mooring.api.conditions import FIELD_MANAGER, Condition
from mooring.api.policy import API_VERSION, Policy, PolicyKind
from mooring.api.status import PolicyStatus
from mooring.cluster import records
from mooring.cluster.connection import ApiError, ApiServer
from mooring.cluster.records import Deployment, NodeAffinity, Pod, to_json
from mooring.decide.affinity import fingerprint
from mooring.reconcile.conditions import now as timestamp
from mooring.reconcile.conditions import transition_time

_APPLY: Final = "application/apply-patch+yaml"
_CONFLICT: Final = 409
_NOT_FOUND: Final = frozenset({404, 422})
_PLURALS: Final = {
    PolicyKind.NAMESPACED: "volumeplacementpolicies",
    PolicyKind.CLUSTER: "clustervolumeplacementpolicies",
}

_log = structlog.get_logger(__name__)


class FieldConflictError(Exception):
    """Another manager owns a field that would be written."""


class Writer:
    """Writes on behalf of the reconciler."""

    def __init__(self, api: ApiServer) -> None:
        self._api: Final = api

    async def apply_affinity(self, deployment: Deployment, affinity: NodeAffinity | None) -> int:
        """Own exactly this node affinity in a template, or none; returns the Deployment's new generation.

        The version that was decided about is sent along, so that a Deployment that has moved on (its first pods
        were just made, say) is refused and looked at again.

        Raises:
            FieldConflictError: another manager owns the list.
            ApiError: any other refusal.
        """
        body = _identity("apps/v1", "Deployment", deployment.metadata)
        body["metadata"]["resourceVersion"] = deployment.metadata.resource_version
        if affinity is not None:
            body["spec"] = {
                "template": {
                    "metadata": {"annotations": {AFFINITY_HASH: fingerprint(affinity)}},
                    "spec": {"affinity": {"nodeAffinity": to_json(affinity)}},
                }
            }
        answer = await self._apply(_deployment_path(deployment), body)
        return int(answer["metadata"]["generation"])

    async def apply_deployment_conditions(self, deployment: Deployment, conditions: Sequence[Condition]) -> None:
        """Own exactly these conditions of a Deployment.

        Raises:
            ApiError: the API server refused.
        """
        body = _identity("apps/v1", "Deployment", deployment.metadata)
        body["status"] = {"conditions": _stamped(conditions, deployment.status.conditions)}
        await self._apply(f"{_deployment_path(deployment)}/status", body, force=True)

    async def apply_pod_conditions(self, pod: Pod, conditions: Sequence[Condition]) -> None:
        """Own exactly these conditions of a pod.

        Raises:
            ApiError: the API server refused.
        """
        body = _identity("v1", "Pod", pod.metadata)
        body["status"] = {"conditions": _stamped(conditions, pod.status.conditions)}
        path = f"/api/v1/namespaces/{pod.metadata.namespace}/pods/{pod.name}/status"
        await self._apply(path, body, force=True)

    async def apply_policy_status(self, policy: Policy, status: PolicyStatus) -> None:
        """Write a policy's status, which is all ours.

        Raises:
            ApiError: the API server refused.
        """
        metadata = records.Metadata(name=policy.name, namespace=policy.namespace or "", uid=policy.uid)
        body = _identity(API_VERSION, policy.kind, metadata)
        body["status"] = status.model_dump(mode="json", by_alias=True, exclude_none=True)
        scope = f"namespaces/{policy.namespace}/" if policy.namespace else ""
        path = f"/apis/{API_VERSION}/{scope}{_PLURALS[policy.kind]}/{policy.name}/status"
        await self._apply(path, body, force=True)

    async def record_event(
        self,
        regarding: records.Object,
        *,
        kind: str,
        api_version: str,
        reason: str,
        message: str,
        warning: bool = False,
    ) -> None:
        """Record a Kubernetes event; one that cannot be recorded is only logged."""
        meta = regarding.metadata
        now = timestamp()
        name = hashlib.sha256(f"{meta.uid}{reason}{message}{now}".encode()).hexdigest()[:16]
        body = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": f"{meta.name}.{name}"[-253:], "namespace": meta.namespace},
            "involvedObject": {
                "apiVersion": api_version,
                "kind": kind,
                "name": meta.name,
                "namespace": meta.namespace,
                "uid": meta.uid,
            },
            "reason": reason,
            "message": message[:1024],
            "type": "Warning" if warning else "Normal",
            "source": {"component": FIELD_MANAGER},
            "reportingComponent": FIELD_MANAGER,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }
        try:
            await self._api.send("POST", f"/api/v1/namespaces/{meta.namespace}/events", body=body)
        except ApiError as error:
            # Said already this second, or in a namespace that goes away, where nobody will read it.
            if error.reason == "AlreadyExists" or "NamespaceTerminating" in error.causes:
                return
            _log.warning("event not recorded", object=regarding.key, reason=reason, error=str(error))

    async def _apply(self, path: str, body: Mapping[str, Any], *, force: bool = False) -> dict[str, Any]:
        query = {"fieldManager": FIELD_MANAGER, "force": "true" if force else "false"}
        try:
            answer = await self._api.send("PATCH", path, query=query, body=body, content_type=_APPLY)
        except ApiError as error:
            if error.status == _CONFLICT and "FieldManagerConflict" in error.causes:
                raise FieldConflictError(str(error)) from error
            raise
        return msgspec.json.decode(answer, type=dict[str, Any])


def is_gone(error: ApiError) -> bool:
    """Whether the refusal means that the object no longer exists: 404, or 422 from server-side apply."""
    return error.status in _NOT_FOUND


def _identity(api_version: str, kind: str, metadata: records.Metadata) -> dict[str, Any]:
    """Name an object; the uid keeps server-side apply from making a new one of that name."""
    identity = {"name": metadata.name, "uid": metadata.uid}
    if metadata.namespace:
        identity["namespace"] = metadata.namespace
    return {"apiVersion": api_version, "kind": str(kind), "metadata": {k: v for k, v in identity.items() if v}}


def _deployment_path(deployment: Deployment) -> str:
    return f"/apis/apps/v1/namespaces/{deployment.metadata.namespace}/deployments/{deployment.name}"


def _stamped(conditions: Sequence[Condition], old: Sequence[records.Condition]) -> list[dict[str, str]]:
    """Conditions on the wire; the transition time stays while the status does."""
    return [
        {
            "type": str(condition.type),
            "status": str(condition.status),
            "reason": str(condition.reason),
            "message": condition.message,
            "lastTransitionTime": transition_time(condition, old),
        }
        for condition in conditions
    ]
