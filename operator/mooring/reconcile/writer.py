"""Every write to the API server: server-side apply of our own fields, evictions, and events.

Nothing is written that is there already: the callers compare first, and server-side apply of the same value is a
no-op of the API server's.
"""

import hashlib
from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any, Final, NamedTuple

import msgspec
import structlog

from mooring.api.annotations import AFFINITY_HASH
from mooring.api.conditions import FIELD_MANAGER, Condition
from mooring.api.locator import Locator
from mooring.api.locator_status import LocatorStatus
from mooring.api.policy import Policy
from mooring.api.status import PolicyStatus, StatusModel
from mooring.cluster import records
from mooring.cluster.connection import ApiError, ApiServer, PatchType
from mooring.cluster.records import NodeAffinity, NodeSelector, Pod, Workload, to_json
from mooring.cluster.resources import RESOURCES
from mooring.decide.affinity import fingerprint
from mooring.reconcile.conditions import now as timestamp
from mooring.reconcile.conditions import transition_time
from mooring.reconcile.traces import Leftover, affinity_traces, gate_removal

_TOO_MANY: Final = 429

_log = structlog.get_logger(__name__)


class FieldConflictError(Exception):
    """Another manager owns a field that would be written.

    Attributes:
        fields: the paths of those fields, as the API server writes them.
    """

    def __init__(self, message: str, *, fields: frozenset[str] = frozenset()) -> None:
        super().__init__(message)
        self.fields: Final = fields


class EvictionRefusedError(Exception):
    """A PodDisruptionBudget does not allow the eviction now; the message is the API server's."""


class Event(NamedTuple):
    """What an event says."""

    reason: str
    message: str
    warning: bool = False


class Writer:
    """Writes on behalf of the reconciler."""

    def __init__(self, api: ApiServer) -> None:
        self._api: Final = api

    async def apply_affinity(self, workload: Workload, affinity: NodeAffinity) -> int:
        """Own exactly this node affinity in a template; returns the workload's new generation.

        The version that was decided about is sent along, so that a workload that has moved on (its first pods were just
        made, say) is refused and looked at again.

        Raises:
            FieldConflictError: another manager owns the list.
            ApiError: any other refusal.
        """
        body = _identity(workload.kind, workload.metadata)
        body["metadata"]["resourceVersion"] = workload.metadata.resource_version
        template = {
            "metadata": {"annotations": {AFFINITY_HASH: fingerprint(affinity)}},
            "spec": {"affinity": {"nodeAffinity": to_json(affinity)}},
        }
        body |= reduce(lambda inner, name: {name: inner}, reversed(workload.template_path), template)
        path = _path(workload.kind, workload.metadata)
        try:
            answer = await self._apply(path, body)
        except FieldConflictError as error:
            # Whoever applies `annotations: {}` owns the map itself, as long as it is empty, and nothing that we take.
            if error.fields != {f".{'.'.join(workload.template_path)}.metadata.annotations"}:
                raise
            answer = await self._apply(path, body, force=True)
        return int(answer["metadata"]["generation"])

    async def release_affinity(self, workload: Workload) -> int:
        """Take our node affinity out of a template, whoever its fields belong to; returns the new generation.

        Raises:
            FieldConflictError: another manager applies it too.
            ApiError: any other refusal, such as of a workload that has changed meanwhile.
        """
        path = _path(workload.kind, workload.metadata)
        manifest = msgspec.json.decode(await self._api.send("GET", path), type=dict[str, Any])
        trace = next(affinity_traces(workload.kind, manifest), None)
        if isinstance(trace, Leftover):
            raise FieldConflictError(trace.reason)
        if trace is not None:
            query = {"fieldManager": FIELD_MANAGER}
            answer = await self._api.send("PATCH", path, query=query, body=trace.body, content_type=trace.content_type)
            manifest = msgspec.json.decode(answer, type=dict[str, Any])
        return int(manifest["metadata"]["generation"])

    async def apply_conditions(
        self, workload: Workload, conditions: Sequence[Condition], *, old: Sequence[records.Condition]
    ) -> Sequence[records.Condition]:
        """Own exactly these conditions of a workload, and give them as they were written.

        `old` are those of ours that were there before, for their times.

        Raises:
            ApiError: the API server refused.
        """
        body = _identity(workload.kind, workload.metadata)
        stamped = _stamped(conditions, old)
        path = f"{_path(workload.kind, workload.metadata)}/status"
        if workload.kind == "Job":
            # A Job's conditions are one atomic list to server-side apply; merged by type they stay their writers' own.
            gone = {each.type for each in old} - {each["type"] for each in stamped}
            deleted = [{"$patch": "delete", "type": kind} for kind in sorted(gone)]
            body["status"] = {"conditions": [*stamped, *deleted]}
            query = {"fieldManager": FIELD_MANAGER}
            await self._api.send("PATCH", path, query=query, body=body, content_type=PatchType.STRATEGIC)
        else:
            body["status"] = {"conditions": stamped}
            await self._apply(path, body, force=True)
        return msgspec.convert(stamped, list[records.Condition])

    async def evict(self, pod: Pod) -> None:
        """Ask for a pod's eviction, which PodDisruptionBudgets may refuse.

        Raises:
            EvictionRefusedError: one does.
            ApiError: any other refusal.
        """
        meta = pod.metadata
        body = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": meta.name, "namespace": meta.namespace},
            "deleteOptions": {"preconditions": {"uid": meta.uid}},
        }
        try:
            await self._api.send("POST", f"{_path('Pod', meta)}/eviction", body=body)
        except ApiError as error:
            if error.status == _TOO_MANY:
                raise EvictionRefusedError(str(error)) from error
            raise

    async def nominate(self, pod: Pod, node: str) -> None:
        """Make kube-scheduler try a node first for a pod, and keep room for it there until then.

        Raises:
            ApiError: the API server refused.
        """
        # Not applied: whoever clears the field must not have to fight for it.
        body = {"metadata": {"uid": pod.metadata.uid}, "status": {"nominatedNodeName": node}}
        query = {"fieldManager": FIELD_MANAGER}
        path = f"{_path('Pod', pod.metadata)}/status"
        await self._api.send("PATCH", path, query=query, body=body, content_type=PatchType.MERGE)

    async def let_through(self, pod: Pod, required: NodeSelector | None) -> None:
        """Take our gate off a pod, and only ours, in one write with the affinity that it was waiting for.

        Raises:
            ApiError: the API server refused.
        """
        body = gate_removal()
        body["metadata"]["uid"] = pod.metadata.uid
        if required is not None:
            body["spec"]["affinity"] = {"nodeAffinity": to_json(NodeAffinity(required=required))}
        query = {"fieldManager": FIELD_MANAGER}
        path = _path("Pod", pod.metadata)
        await self._api.send("PATCH", path, query=query, body=body, content_type=PatchType.STRATEGIC)

    async def apply_pod_conditions(self, pod: Pod, conditions: Sequence[Condition]) -> None:
        """Own exactly these conditions of a pod.

        Raises:
            ApiError: the API server refused.
        """
        body = _identity("Pod", pod.metadata)
        body["status"] = {"conditions": _stamped(conditions, pod.status.conditions)}
        await self._apply(f"{_path('Pod', pod.metadata)}/status", body, force=True)

    async def apply_policy_status(self, policy: Policy, status: PolicyStatus) -> None:
        """Write a policy's status, which is all ours.

        Raises:
            ApiError: the API server refused.
        """
        metadata = records.Metadata(name=policy.name, namespace=policy.namespace or "", uid=policy.uid)
        await self._apply_own_status(policy.kind, metadata, status)

    async def apply_locator_status(self, locator: Locator, status: LocatorStatus) -> None:
        """Write a locator's status, which is all ours.

        Raises:
            ApiError: the API server refused.
        """
        metadata = records.Metadata(name=locator.name, uid=locator.uid)
        await self._apply_own_status(locator.kind, metadata, status)

    async def record_event(self, kind: str, regarding: records.Object, event: Event, *, once: bool = False) -> None:
        """Record a Kubernetes event; one that cannot be recorded is only logged.

        With `once`, the same event about the same object is there only once as long as the API server keeps it (an
        hour), whichever replica says it.
        """
        meta = regarding.metadata
        now = timestamp()
        source = f"{meta.uid}{event.reason}{event.message}{'' if once else now}"
        name = hashlib.sha256(source.encode()).hexdigest()[:16]
        body = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": f"{meta.name}.{name}"[-253:], "namespace": meta.namespace},
            "involvedObject": {
                "apiVersion": RESOURCES[kind].api_version,
                "kind": kind,
                "name": meta.name,
                "namespace": meta.namespace,
                "uid": meta.uid,
            },
            "reason": event.reason,
            "message": event.message[:1024],
            "type": "Warning" if event.warning else "Normal",
            "source": {"component": FIELD_MANAGER},
            "reportingComponent": FIELD_MANAGER,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }
        try:
            await self._api.send("POST", f"/api/v1/namespaces/{meta.namespace}/events", body=body)
        except ApiError as error:
            # Said already, or in a namespace that goes away, where nobody will read it.
            if error.reason == "AlreadyExists" or "NamespaceTerminating" in error.causes:
                return
            _log.warning("event not recorded", object=regarding.key, reason=event.reason, error=str(error))

    async def _apply_own_status(self, kind: str, metadata: records.Metadata, status: StatusModel) -> None:
        body = _identity(kind, metadata)
        body["status"] = status.model_dump(mode="json", by_alias=True, exclude_none=True)
        await self._apply(f"{_path(kind, metadata)}/status", body, force=True)

    async def _apply(self, path: str, body: Mapping[str, Any], *, force: bool = False) -> dict[str, Any]:
        query = {"fieldManager": FIELD_MANAGER, "force": "true" if force else "false"}
        try:
            answer = await self._api.send("PATCH", path, query=query, body=body, content_type=PatchType.APPLY)
        except ApiError as error:
            if error.is_conflict and "FieldManagerConflict" in error.causes:
                raise FieldConflictError(str(error), fields=error.fields) from error
            raise
        return msgspec.json.decode(answer, type=dict[str, Any])


def _identity(kind: str, metadata: records.Metadata) -> dict[str, Any]:
    """Name an object; the uid keeps server-side apply from making a new one of that name."""
    identity = {"name": metadata.name, "uid": metadata.uid}
    if metadata.namespace:
        identity["namespace"] = metadata.namespace
    named = {key: value for key, value in identity.items() if value}
    return {"apiVersion": RESOURCES[kind].api_version, "kind": str(kind), "metadata": named}


def _path(kind: str, metadata: records.Metadata) -> str:
    return RESOURCES[kind].object_path(metadata.namespace, metadata.name)


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
