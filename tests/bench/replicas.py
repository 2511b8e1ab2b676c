"""Replicas of a storage system in the benchmark's cluster, three for each volume, as Longhorn has them.

As a program it moves them at a steady rate until its standard input ends.
"""

import itertools
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import uvloop
import yaml
from tests.bench import world
from tests.bench.apiserver import CLAIMS, VOLUMES, Write, create, patch, send_all
from tests.bench.churn import write_until_told
from tests.bench.world import NAMESPACE, Manifest

from mooring.sandbox.launcher import Sandbox, attach
from mooring.sandbox.progress import Progress

LOCATOR: Final = "longhorn"
EACH: Final = 3
"""Replicas of a volume."""
CLAIMED: Final = 50
"""So many volumes have a claim, and are left alone by the steady changes."""
REPLICAS: Final = f"/apis/longhorn.io/v1beta2/namespaces/{NAMESPACE}/replicas"

_LOCATORS: Final = "/apis/mooring.dev/v1alpha1/volumelocators"
_SHIPPED: Final = Path(__file__).parents[2] / "policies" / "locators" / "longhorn" / "locator.yaml"
_RBAC: Final = "/apis/rbac.authorization.k8s.io/v1"


def prepare(sandbox: Sandbox, *, volumes: int, nodes: int, progress: Progress) -> None:
    """Make Longhorn's resource, the right to read it, volumes with their replicas, and claims for some of them."""
    send_all(sandbox, [_settings()], total=1, what="Longhorn's resource", tell=progress)
    sandbox.kubectl("wait", "--for=condition=Established", "crd", "replicas.longhorn.io", "--timeout=30s")
    writes = [*_volumes(volumes, nodes=nodes), *_replicas(volumes, nodes=nodes)]
    send_all(sandbox, writes, total=len(writes), what="volumes and replicas", tell=progress)


def locate(sandbox: Sandbox) -> None:
    """Create the locator, with the shipped expressions for replicas."""
    with sandbox.client() as client:
        client.create(_LOCATORS, _locator())


def move(replica: int, node: str) -> Write:
    """Put a replica onto a node."""
    return patch(f"{REPLICAS}/{_name(replica)}", {"spec": {"nodeID": node}})


def _settings() -> list[Write]:
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "replicas.longhorn.io"},
        "spec": {
            "group": "longhorn.io",
            "scope": "Namespaced",
            "names": {"plural": "replicas", "singular": "replica", "kind": "Replica"},
            "versions": [{"name": "v1beta2", "served": True, "storage": True, "schema": schema}],
        },
    }
    # No controller manager gathers roles here: the right is bound to the user itself.
    rule = {"apiGroups": ["longhorn.io"], "resources": ["replicas"], "verbs": ["list", "watch"]}
    group = "rbac.authorization.k8s.io"
    binding = {
        "metadata": {"name": "bench-longhorn"},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "bench-longhorn"},
        "subjects": [{"apiGroup": group, "kind": "User", "name": "mooring"}],
    }
    return [
        create("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition),
        create(f"{_RBAC}/clusterroles", {"metadata": {"name": "bench-longhorn"}, "rules": [rule]}),
        create(f"{_RBAC}/clusterrolebindings", binding),
    ]


def _locator() -> Manifest:
    manifest: Manifest = yaml.safe_load(_SHIPPED.read_text(encoding="utf-8"))
    spec = {"driver": world.DRIVER, "replicas": manifest["spec"]["replicas"]}
    return manifest | {"metadata": {"name": LOCATOR}, "spec": spec}


def _volumes(count: int, *, nodes: int) -> Iterator[list[Write]]:
    for number in range(count):
        volume = world.volume(number, nodes=nodes)
        del volume["metadata"]["annotations"][world.REPLICAS]
        writes = [create(VOLUMES, volume)]
        if number < CLAIMED:
            claim = world.claim(number)
            name = claim["metadata"]["name"]
            writes += [
                patch(f"{VOLUMES}/{volume['metadata']['name']}/status", {"status": volume["status"]}),
                create(CLAIMS, claim),
                patch(f"{CLAIMS}/{name}/status", {"status": claim["status"]}),
            ]
        yield writes


def _replicas(volumes: int, *, nodes: int) -> Iterator[list[Write]]:
    for number in range(volumes):
        for each, node in enumerate(world.replica_nodes(number, nodes=nodes)):
            yield [create(REPLICAS, _replica(number, EACH * number + each, node))]


def _name(replica: int) -> str:
    return f"{world.volume_name(replica // EACH)}-r-{replica:08x}"


def _replica(volume: int, number: int, node: str) -> Manifest:
    """A replica with about as many fields as Longhorn's have."""
    handle = world.volume_handle(volume)
    disk = f"/var/lib/longhorn/replicas/{handle}"
    spec: dict[str, Any] = {
        "active": True,
        "backingImage": "",
        "dataDirectoryName": f"{handle}-{number:08x}",
        "dataEngine": "v1",
        "desireState": "running",
        "diskID": f"{number:032x}",
        "diskPath": disk,
        "engineName": f"{handle}-e-0",
        "evictionRequested": False,
        "failedAt": "",
        "hardNodeAffinity": "",
        "healthyAt": "2026-08-01T10:00:00Z",
        "image": "longhornio/longhorn-engine:v1.12.0",
        "lastFailedAt": "",
        "lastHealthyAt": "2026-08-01T10:00:00Z",
        "logRequested": False,
        "nodeID": node,
        "rebuildRetryCount": 0,
        "revisionCounterDisabled": True,
        "salvageRequested": False,
        "snapshotMaxCount": 250,
        "snapshotMaxSize": "0",
        "unmapMarkDiskChainRemovedEnabled": False,
        "volumeName": handle,
        "volumeSize": "10737418240",
    }
    status = {
        "conditions": [
            {"type": kind, "status": "False", "lastProbeTime": "", "lastTransitionTime": "2026-08-01T10:00:00Z"}
            for kind in ("InstanceCreation", "RebuildFailed", "WaitForBackingImage")
        ],
        "currentImage": "longhornio/longhorn-engine:v1.12.0",
        "currentState": "running",
        "instanceManagerName": f"instance-manager-{number % 97:032x}",
        "ip": "10.42.0.7",
        "logFetched": False,
        "ownerID": node,
        "port": 10000,
        "salvageExecuted": False,
        "started": True,
        "storageIP": "10.42.0.7",
    }
    labels = {"longhornnode": node, "longhornvolume": handle, "longhorndiskuuid": f"{number:032x}"}
    return {
        "apiVersion": "longhorn.io/v1beta2",
        "kind": "Replica",
        "metadata": {"name": _name(number), "labels": labels, "finalizers": ["longhorn.io"]},
        "spec": spec,
        "status": status,
    }


def _moves(*, nodes: int, volumes: int) -> Iterator[Write]:
    """Move one replica after the other, for ever; those of claimed volumes stay."""
    first, count = EACH * CLAIMED, EACH * (volumes - CLAIMED)
    for turn in itertools.count():
        yield move(first + turn % count, world.node_name((turn * 31 + turn // count) % nodes))


def main() -> None:
    """Move the replicas of a sandbox: its name, its nodes, its volumes, and moves a second."""
    name, nodes, volumes, rate = sys.argv[1:]
    moves = _moves(nodes=int(nodes), volumes=int(volumes))
    print(uvloop.run(write_until_told(attach(name), moves, int(rate))))  # noqa: T201 - how its starter learns the rate


if __name__ == "__main__":
    main()
