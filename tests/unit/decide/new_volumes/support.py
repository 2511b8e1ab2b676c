"""Six nodes in three zones, and the short ways to say what `newVolumes` is asked about."""

from collections.abc import Mapping
from typing import Any, Final

from tests.unit import builders
from tests.unit.builders import claim, cluster_of, decision_on, node, on_hosts, soft, storage_class

from mooring.cluster.index import Cluster
from mooring.cluster.records import PersistentVolumeClaim, Pod
from mooring.decide.decision import Decision

NODES: Final = [
    node(name, zone=zone, labels={"disk": disk})
    for name, zone, disk in [
        ("n1", "a", "ssd"),
        ("n2", "a", "hdd"),
        ("n3", "b", "ssd"),
        ("n4", "b", "hdd"),
        ("n5", "c", "ssd"),
        ("n6", "c", "hdd"),
    ]
]
NAMES: Final = tuple(each.name for each in NODES)
#: A class whose claims wait for their pod's node.
LATE: Final = storage_class("late", binding="WaitForFirstConsumer")


def new(name: str, **fields: Any) -> PersistentVolumeClaim:
    """A claim whose volume is made where its pod is."""
    return claim(name, storage_class="late", **fields)


def made(name: str, *nodes: str, labels: Mapping[str, str] | None = None) -> list[Any]:
    """A claim and its volume, which lies on these nodes."""
    return [claim(name, f"pv-{name}", labels=labels), builders.volume(f"pv-{name}", on_hosts(*nodes))]


def world(*objects: Any, **new_volumes: Any) -> Cluster:
    """The nodes and these objects, under a soft policy that says this of new volumes."""
    return cluster_of(NODES, LATE, soft(newVolumes=new_volumes), *objects)


def decided(pod: Pod, *objects: Any, **new_volumes: Any) -> Decision:
    """What is decided about a pod there."""
    return decision_on(pod, world(*objects, **new_volumes))


def eligible(decision: Decision) -> str:
    """The nodes where a pod may run, by their numbers, such as `n1 n3`; it may everywhere on `anywhere`."""
    found = builders.eligible(decision, NAMES)
    return "anywhere" if len(found) == len(NAMES) else " ".join(found)


def rule(key: str, operator: str, *values: str, **fields: Any) -> dict[str, Any]:
    """A rule with one expression; further fields as they are in YAML."""
    return {"matchExpressions": [{"key": key, "operator": operator, "values": list(values)}], **fields}
