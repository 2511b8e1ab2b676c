"""Where new volumes can be made at all: allowed topologies, and drivers that are there and well."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import pytest
from tests.unit import builders
from tests.unit.builders import DRIVER, HOSTNAME, ZONE, csi_node, node, storage_class
from tests.unit.decide.new_volumes.support import NAMES, decided, eligible, new, rule

from mooring.api.annotations import GATE
from mooring.decide.gate import release

_POD: Final = builders.pod("web", "c")


def _allowing(*topologies: Mapping[str, Sequence[str]]) -> Any:
    return storage_class("late", binding="WaitForFirstConsumer", topologies=topologies)


@pytest.mark.parametrize(
    ("topologies", "nodes"),
    [
        ([], "anywhere"),
        ([{ZONE: ["a"]}], "n1 n2"),
        ([{ZONE: ["a", "b"]}], "n1 n2 n3 n4"),
        ([{ZONE: ["a"]}, {ZONE: ["c"]}], "n1 n2 n5 n6"),
        ([{ZONE: ["a"], HOSTNAME: ["n2", "n3"]}], "n2"),
        ([{ZONE: ["z"]}], ""),
        ([{}], ""),
    ],
)
def test_a_class_allows_some_places(topologies: Sequence[Any], nodes: str) -> None:
    """Terms are ORed, labels of one ANDed, and a term without any is no place (MatchTopologySelectorTerms)."""
    assert eligible(decided(_POD, _allowing(*topologies), new("c"))) == nodes


def test_a_driver_makes_volumes_where_it_is_registered() -> None:
    """Unless it is registered nowhere: such a one needs no entry."""
    registered = [csi_node(name, DRIVER) for name in ("n1", "n4")]

    assert eligible(decided(_POD, new("c"), registered)) == "n1 n4"
    assert eligible(decided(_POD, new("c"))) == "anywhere"


@pytest.mark.parametrize(
    ("state", "nodes"), [("Online", "n1 n2"), ("StorageDown", "n1 n2"), ("Degraded", "n2"), ("Offline", "n2")]
)
def test_a_driver_makes_volumes_where_it_is_well(state: str, nodes: str) -> None:
    """The states that refuse any pod refuse this one."""
    ailing = node("n1", zone="a", states={DRIVER: state})

    assert eligible(decided(_POD, _allowing({ZONE: ["a"]}), new("c"), ailing)) == nodes


def test_affinity_does_not_carry_it() -> None:
    """kube-scheduler and the driver know it themselves: such a pod needs no gate, and no names of nodes."""
    objects = [_allowing({ZONE: ["a"]}, {ZONE: ["b"]}), new("c"), csi_node("n1", DRIVER)]
    demands = decided(_POD, objects).demands

    assert len(demands.all) == 2
    assert not demands.are_weighed
    assert not demands.are_fleeting


def test_no_pod_is_bound_to_where_nothing_can_be_made() -> None:
    """A node is chosen among those that will do, or the pod waits for one."""
    objects = [_allowing({ZONE: ["c"]}), new("c", labels={"app": "db"}), csi_node("n6", DRIVER)]
    away = {"volumeAntiAffinity": [rule("app", "In", "db")]}
    pod = builders.pod("web", "c", gates=[GATE])

    def released(*more: Any) -> str | None:
        cluster = builders.cluster_of(
            [node(name, zone="c" if name in {"n5", "n6"} else "a") for name in NAMES],
            builders.soft(newVolumes=away),
            objects,
            *more,
        )
        found = release(pod, builders.decision_on(pod, cluster), cluster)
        return found.node if found is not None else None

    assert released() == "n6"
    assert released(node("n6", zone="c", cordoned=True)) is None
