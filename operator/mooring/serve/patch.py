"""JSON patches (RFC 6902) of a pod: each changes one field and nothing beside it, however much of the pod is there.

`add` replaces a member that is there already, but needs its parent; so each operation starts at the first member that
the pod lacks.
"""

from collections.abc import Mapping
from typing import Any

from mooring.cluster.records import NodeAffinity, Pod, to_json
from mooring.decide.subject import DEFAULT_SCHEDULER

#: One operation of a JSON patch.
Operation = dict[str, Any]


def set_scheduler(pod: Pod, name: str) -> list[Operation]:
    """Set the scheduler; nothing to do is no operation."""
    return [] if name == (pod.spec.scheduler_name or DEFAULT_SCHEDULER) else [_add("/spec/schedulerName", name)]


def add_gate(pod: Pod, name: str) -> list[Operation]:
    """Put a scheduling gate beside those of others; nothing to do is no operation."""
    if name in pod.gates:
        return []
    gate = {"name": name}
    gates = pod.spec.scheduling_gates
    return [_add("/spec/schedulingGates/-", gate) if gates else _add("/spec/schedulingGates", [gate])]


def set_node_affinity(pod: Pod, wanted: NodeAffinity) -> list[Operation]:
    """Make the pod's node affinity what is wanted; nothing to do is no operation."""
    before, after = to_json(pod.spec.node_affinity), to_json(wanted)
    if before == after:
        return []
    affinity = pod.spec.affinity
    if affinity is None:
        return [_add("/spec/affinity", {"nodeAffinity": after})]
    if affinity.node_affinity is None:
        return [_add("/spec/affinity/nodeAffinity", after)]
    return [
        _add(path, after[field]) if field in after else _remove(path)
        for field in before | after
        if before.get(field) != after.get(field) and (path := f"/spec/affinity/nodeAffinity/{field}")
    ]


def set_annotations(pod: Pod, wanted: Mapping[str, str | None]) -> list[Operation]:
    """Set annotations, or with None take them away; nothing to do is no operation."""
    changed = {key: value for key, value in wanted.items() if pod.annotations.get(key) != value}
    if changed and pod.metadata.annotations is None:
        return [_add("/metadata/annotations", changed)]
    paths = {key: f"/metadata/annotations/{key.replace('~', '~0').replace('/', '~1')}" for key in changed}
    return [_remove(paths[key]) if value is None else _add(paths[key], value) for key, value in changed.items()]


def _add(path: str, value: Any) -> Operation:
    return {"op": "add", "path": path, "value": value}


def _remove(path: str) -> Operation:
    return {"op": "remove", "path": path}
