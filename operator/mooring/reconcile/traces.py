"""What Mooring has left on an object, and the request that takes it away. Pure.

Ours is what carries our name: a scheduling gate, conditions of our types, the fields of our field manager, and terms
that the hash in the same template marks as ours, whoever their fields belong to now (after `kubectl rollout undo`,
kubectl). Each request names what it removes and nothing else, so that what others write meanwhile stays.
"""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any, NamedTuple

from mooring.api.annotations import AFFINITY_HASH, GATE, GATED_BY, PREFIX, SCHEDULER
from mooring.api.conditions import FIELD_MANAGER
from mooring.api.policy import GROUP
from mooring.api.status import UNSEEN
from mooring.cluster.connection import PatchType
from mooring.cluster.records import WORKLOADS, Key, Workload, to_json
from mooring.cluster.resources import RESOURCES, from_manifest
from mooring.reconcile.rollout import rollout_of
from mooring.reconcile.templates import own_affinity

Manifest = Mapping[str, Any]
FieldPath = tuple[str, ...]


class Trace(StrEnum):
    """What Mooring leaves on objects, in the order in which it is taken away."""

    GATE = "scheduling gate"
    AFFINITY = "node affinity"
    CONDITIONS = "conditions"
    STATUS = "status"


class Change(NamedTuple):
    """A PATCH that removes one trace from one object."""

    key: Key
    trace: Trace
    path: str
    content_type: PatchType
    body: Any


class Leftover(NamedTuple):
    """What cannot be taken away from an object, in words."""

    key: Key
    reason: str


def traces_of(kind: str, manifest: Manifest) -> Iterator[Change | Leftover]:
    """Find all traces on an object, which the API server gave.

    Raises:
        ValueError: the object is none of its kind.
    """
    if kind == "Pod":
        yield from _gate(kind, manifest)
        yield from _lost_scheduler(kind, manifest)
    if kind in WORKLOADS:
        yield from affinity_traces(kind, manifest)
    if RESOURCES[kind].group == GROUP:
        yield from _own_status(kind, manifest)
    else:
        yield from _conditions(kind, manifest)


def gate_removal() -> dict[str, Any]:
    """Give the strategic merge patch that takes our gate off a pod, and who put it there, and nothing else.

    A plain merge patch would replace the list, and other people's gates with it.
    """
    return {
        "metadata": {"annotations": {GATED_BY: None}},
        "spec": {"schedulingGates": [{"$patch": "delete", "name": GATE}]},
    }


def _gate(kind: str, manifest: Manifest) -> Iterator[Change]:
    if any(gate["name"] == GATE for gate in _at(manifest, "spec", "schedulingGates") or ()):
        yield Change(_key(kind, manifest), Trace.GATE, _path(kind, manifest), PatchType.STRATEGIC, gate_removal())


def _lost_scheduler(kind: str, manifest: Manifest) -> Iterator[Leftover]:
    spec = manifest["spec"]
    if spec.get("schedulerName") == SCHEDULER and not spec.get("nodeName"):
        yield Leftover(
            _key(kind, manifest),
            f"waits for the scheduler {SCHEDULER}; once that is gone, only a new pod can have another one",
        )


def affinity_traces(kind: str, manifest: Manifest) -> Iterator[Change | Leftover]:
    """Find our node affinity in a workload's template.

    Raises:
        ValueError: the object is no such workload.
    """
    workload: Workload = from_manifest(kind, dict(manifest))
    if workload.metadata.controller is not None:
        return  # its template is a copy of its owner's
    parts = _own_parts(manifest, workload)
    if not parts:
        return
    if not rollout_of(workload).mutable:
        reason = "keeps its node affinity: the template of a Job that was started cannot be changed"
        yield Leftover(workload.id, reason)
    elif others := {name for part in parts for name in _appliers(manifest, part)} - {FIELD_MANAGER}:
        yield Leftover(workload.id, f"keeps its node affinity: {', '.join(sorted(others))} applies it too")
    else:
        # Not by giving the fields back, as server-side apply does it: parents that are only ours would go with all that
        # is in them and has no owner, such as what webhooks add, or the labels in a Job's template.
        mark = (*workload.template_path, "metadata", "annotations", AFFINITY_HASH)
        cut = [operation for path in (*parts, mark) for operation in _removal(manifest, path)]
        yield Change(workload.id, Trace.AFFINITY, _path(kind, manifest), PatchType.JSON, cut)


def _own_parts(manifest: Manifest, workload: Workload) -> list[FieldPath]:
    """Where in the template node affinity of ours lies: marked by the hash, or applied by our field manager."""
    parent = (*workload.template_path, "spec", "affinity", "nodeAffinity")
    own = own_affinity(workload)
    marked = to_json(own) if own is not None else {}
    paths = [(*parent, part) for part in _at(manifest, *parent) or ()]
    return [path for path in paths if path[-1] in marked or FIELD_MANAGER in _appliers(manifest, path)]


def _appliers(manifest: Manifest, path: FieldPath) -> set[str]:
    """Who owns a field by server-side apply; whoever only wrote it once does not insist on it."""
    fields = [f"f:{name}" for name in path]
    return {
        entry["manager"]
        for entry in _at(manifest, "metadata", "managedFields") or ()
        if entry["operation"] == "Apply" and _at(entry, "fieldsV1", *fields) is not None
    }


def _removal(manifest: Manifest, path: FieldPath) -> list[dict[str, Any]]:
    """Remove a field, unless it has changed meanwhile, and with it the parents that have no other field."""
    if _at(manifest, *path) is None:
        return []
    while len(_at(manifest, *path[:-1])) == 1 and not _was_written_empty(manifest, path[:-1]):
        path = path[:-1]
    pointer = "".join("/" + name.replace("~", "~0").replace("/", "~1") for name in path)
    return [{"op": "test", "path": pointer, "value": _at(manifest, *path)}, {"op": "remove", "path": pointer}]


def _was_written_empty(manifest: Manifest, path: FieldPath) -> bool:
    """Whether somebody wrote a field with nothing in it, such as `affinity: {}`, and would put it back."""
    fields = [f"f:{name}" for name in path]
    entries = _at(manifest, "metadata", "managedFields") or ()
    return any(_at(entry, "fieldsV1", *fields) == {} for entry in entries)


def _conditions(kind: str, manifest: Manifest) -> Iterator[Change]:
    types = [each["type"] for each in _at(manifest, "status", "conditions") or () if each["type"].startswith(PREFIX)]
    if types:
        # Merged by type on every kind, a Job's too, where they are one atomic list to server-side apply.
        body = {"status": {"conditions": [{"$patch": "delete", "type": each} for each in types]}}
        path = f"{_path(kind, manifest)}/status"
        yield Change(_key(kind, manifest), Trace.CONDITIONS, path, PatchType.STRATEGIC, body)


def _own_status(kind: str, manifest: Manifest) -> Iterator[Change]:
    # Defaults come back at once.
    if _at(manifest, "status", "observedGeneration") not in {None, UNSEEN["observedGeneration"]}:
        path = f"{_path(kind, manifest)}/status"
        yield Change(_key(kind, manifest), Trace.STATUS, path, PatchType.MERGE, {"status": None})


def _at(value: Any, *path: str) -> Any:
    """What lies at a path in JSON, or None."""
    for name in path:
        value = (value or {}).get(name)
    return value


def _key(kind: str, manifest: Manifest) -> Key:
    metadata = manifest["metadata"]
    scope = f"{metadata['namespace']}/" if "namespace" in metadata else ""
    return Key(kind, scope + metadata["name"])


def _path(kind: str, manifest: Manifest) -> str:
    metadata = manifest["metadata"]
    return RESOURCES[kind].object_path(metadata.get("namespace"), metadata["name"])
