"""What it costs to know which nodes have room for new volumes, beside looking at everything for each pod."""

import time
from collections.abc import Callable, Iterable
from statistics import median
from typing import Any, Final

import msgspec
from tests.bench.world import HOSTNAME, STORAGE_CLASS, Manifest, node, node_name

from mooring.cluster.index import Cluster
from mooring.cluster.records import CSIStorageCapacity
from mooring.cluster.resources import from_manifest

_GI: Final = 1024**3
#: A pod asks for two volumes that fit together on two nodes of three; each of them would fit on all.
_WANTED: Final = {STORAGE_CLASS: [20 * _GI, 30 * _GI]}
_FREE: Final = (40, 50, 60)


class RoomRow(msgspec.Struct, frozen=True, kw_only=True):
    """One size of a cluster where each node has a pool of its own."""

    nodes: int
    kept_us: float
    """For each node and pool that comes."""
    asked_ms: float
    """For all nodes without room, from what was kept; the median."""
    looked_ms: float
    """For the same as kube-scheduler finds it: every pool, for every node. Once, for it takes its time."""


def measure(*, nodes: int, calls: int) -> RoomRow:
    """Measure one size."""
    cluster = Cluster()
    objects = [("Node", node(number)) for number in range(nodes)]
    objects += [("CSIStorageCapacity", _pool(number)) for number in range(nodes)]
    records = [(kind, from_manifest(kind, manifest)) for kind, manifest in objects]
    kept = _timed(lambda: _put_all(cluster, records))
    asked = [_timed(lambda: cluster.capacity.without_room(_WANTED)) for _ in range(calls)]
    looked = _timed(lambda: _without_room(cluster))
    return RoomRow(
        nodes=nodes,
        kept_us=kept / len(records) * 1e6,
        asked_ms=median(asked) * 1e3,
        looked_ms=looked * 1e3,
    )


def _without_room(cluster: Cluster) -> set[str]:
    pools: list[CSIStorageCapacity] = list(cluster.all("CSIStorageCapacity").values())
    wanted = sum(_WANTED[STORAGE_CLASS])
    return {
        name
        for name, each in cluster.nodes.items()
        if not any(
            pool.storage_class_name == STORAGE_CLASS
            and pool.free_bytes >= wanted
            and pool.node_topology is not None
            and pool.node_topology.selects(each.labels)
            for pool in pools
        )
    }


def _pool(number: int) -> Manifest:
    return {
        "metadata": {"name": f"csisc-{number}", "namespace": "storage"},
        "storageClassName": STORAGE_CLASS,
        "nodeTopology": {"matchLabels": {HOSTNAME: node_name(number)}},
        "capacity": f"{_FREE[number % len(_FREE)]}Gi",
    }


def _put_all(cluster: Cluster, records: Iterable[tuple[str, Any]]) -> None:
    for kind, record in records:
        cluster.put(kind, record)


def _timed(work: Callable[[], Any]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
