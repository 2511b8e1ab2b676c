"""`mooring run --score-profile stork`: STORK's numbers over real HTTP, for each case of its prioritize."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import yaml
from tests.e2e import manifests
from tests.e2e.process import MooringProcess

from mooring.sandbox.nodes import make_csi_node, make_node, make_nodes

#: Two racks in zone-1 and one in zone-2, of two nodes each; one node that is nowhere, and a rack mate with no driver.
_NODES = [*(f"node-{number}" for number in range(1, 7)), "nowhere", "driverless"]
_SERVED = {"sharedv4": "true", "sharedv4_svc_type": "ClusterIP"}
#: Drivers of which no CSINode speaks, so that only the nodes' annotations do.
_DOWN, _OFFLINE = "down.example.com", "offline.example.com"


def data(name: str, *nodes: str, labels: Mapping[str, str] | None = None, **fields: Any) -> list[manifests.Manifest]:
    """Give a bound claim whose data lies on these nodes, and its volume."""
    volume = manifests.volume(f"pv-{name}", name, "shop", nodes=nodes, **fields)
    volume["metadata"]["labels"] = dict(labels or {})
    claim = manifests.claim(name, volume_name=f"pv-{name}") | {"status": {"phase": "Bound"}}
    claim["metadata"]["namespace"] = "shop"
    return [volume, claim]


def cluster() -> list[manifests.Manifest]:
    """Give the nodes and volumes."""
    nodes = make_nodes(nodes=6, zones=2, racks=3)
    by_name = {each["metadata"]["name"]: each for each in nodes if each["kind"] == "Node"}
    for name in ("node-1", "node-2"):
        by_name[name]["metadata"]["annotations"][f"storage-state.mooring.dev/{_DOWN}"] = "StorageDown"
    by_name["node-5"]["metadata"]["annotations"][f"storage-state.mooring.dev/{_OFFLINE}"] = "Offline"
    beside = by_name["node-2"]["metadata"]["labels"] | {manifests.HOSTNAME: "driverless"}
    return [
        *nodes,
        make_node("nowhere", {manifests.HOSTNAME: "nowhere"}),
        make_csi_node("nowhere", [each["name"] for each in nodes[1]["spec"]["drivers"]]),
        make_node("driverless", beside),
        make_csi_node("driverless", []),
        *data("data", "node-2"),
        *data("more", "node-1"),
        *data("unknown"),
        *data("served", "node-1", labels=_SERVED),
        *data("down", "node-2", "node-5", driver=_DOWN),
        *data("offline", "node-2", "node-5", driver=_OFFLINE),
    ]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MooringProcess]:
    """Run the process on a free port; in the end it must have been healthy."""
    folder = tmp_path_factory.mktemp("stork")
    snapshot = folder / "cluster.yaml"
    snapshot.write_text(yaml.safe_dump_all(cluster()))
    options = ("--snapshot", str(snapshot), "--port", "0", "--score-profile", "stork")
    with MooringProcess(folder / "log", *options) as process:
        process.await_ready()
        yield process
        assert process.complaints() == []


def scores(process: MooringProcess, *claims: str, **fields: Any) -> list[int]:
    """Ask for the scores of all nodes, in order."""
    pod = manifests.pod("web", *claims, **{"schedulerName": "stork", **fields})
    pod["metadata"]["namespace"] = "shop"
    answer = process.ask("prioritize", {"Pod": pod, "NodeNames": _NODES})
    assert [each["Host"] for each in answer] == _NODES
    return [each["Score"] for each in answer]


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        # Replica 100, rack 50, zone 25, region 10; 5 where nothing matches, and 0 without the driver.
        (["data"], [50, 100, 25, 25, 10, 10, 5, 0]),
        # The plain sum.
        (["data", "more"], [150, 150, 50, 50, 20, 20, 5, 0]),
        (["data", "unknown"], [50, 100, 25, 25, 10, 10, 5, 0]),
        (["unknown"], [5, 5, 5, 5, 5, 5, 5, 0]),
        # A volume to stay away from: its replica 5, all others 100 more.
        (["served"], [5, 100, 100, 100, 100, 100, 100, 0]),
        (["served", "data"], [5, 200, 125, 125, 110, 110, 100, 0]),
        (["served", "more"], [5, 150, 125, 125, 110, 110, 100, 0]),
        # A node whose storage is down gets half, and for a replica of its own no more than its rack mates do.
        (["down"], [25, 25, 25, 25, 100, 50, 5, 50]),
        # What is offline lends no place to its neighbours.
        (["offline"], [50, 100, 25, 25, 0, 10, 5, 50]),
    ],
    ids=lambda value: "+".join(value) if isinstance(value[0], str) else "",
)
def test_numbers(served: MooringProcess, claims: list[str], expected: list[int]) -> None:
    """The score of every node is STORK's."""
    assert scores(served, *claims) == expected


@pytest.mark.parametrize(
    "fields",
    [
        {"annotations": {"stork.libopenstorage.org/disableHyperconvergence": "true"}},
        {"annotations": manifests.STRICT | {"stork.libopenstorage.org/disableHyperconvergence": "true"}},
        {"schedulerName": "default-scheduler"},
    ],
    ids=["disabled", "both", "no-rule"],
)
def test_nothing_to_say(served: MooringProcess, fields: dict[str, Any]) -> None:
    """All nodes score 5, whatever they have."""
    assert scores(served, "data", **fields) == [5] * len(_NODES)


def test_pods_without_claims(served: MooringProcess) -> None:
    """They have nothing to be near to."""
    assert scores(served) == [5] * len(_NODES)
