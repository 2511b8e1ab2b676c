"""Remembered locations: kept while nothing changes, and never kept too long."""

from collections.abc import Callable

import pytest
from tests.unit.builders import DRIVER, cluster_of, csi_node, in_zones, need, node, on_hosts, term, volume

from mooring.cluster.index import Cluster
from mooring.locate.locator import Locator

_KEY = "topology.example/node"


def test_an_answer_is_remembered_while_nothing_changes() -> None:
    """The same volume in the same topology is not looked at twice, whatever pods come and go."""
    cluster = cluster_of(node("n1"))
    locator = Locator(cluster)
    found = volume("v", on_hosts("n1"))
    first = locator.locate(found)
    cluster.put("Node", node("n1", ready="False"))

    assert locator.locate(found) is first


@pytest.mark.parametrize(
    ("change", "nodes"),
    [
        (lambda cluster: cluster.put("Node", node("n2", zone="a", labels={_KEY: "one"})), {"n1", "n2"}),
        (lambda cluster: cluster.put("Node", node("n1", zone="b")), set()),
        (lambda cluster: cluster.remove("Node", "n1"), set()),
        (lambda cluster: cluster.remove("CSINode", "n1"), set()),
    ],
)
def test_a_change_of_the_topology_asks_again(change: Callable[[Cluster], None], nodes: set[str]) -> None:
    """Nodes, labels and registrations all move the data in our eyes."""
    cluster = cluster_of(node("n1", zone="a", labels={_KEY: "one"}), csi_node("n1", DRIVER, keys=[_KEY]))
    locator = Locator(cluster)
    found = volume("v", term(need(_KEY, "In", "one")))
    assert locator.locate(found).nodes == {"n1"}

    change(cluster)
    assert locator.locate(found).nodes == nodes


def test_another_volume_of_the_same_name_is_looked_at_afresh() -> None:
    """A volume that changed, or was deleted and made again, is another record."""
    locator = Locator(cluster_of(node("n1", zone="a"), node("n2", zone="b")))
    assert locator.locate(volume("v", in_zones("a"))).nodes == {"n1"}
    assert locator.locate(volume("v", in_zones("b"))).nodes == {"n2"}


@pytest.mark.parametrize("happens", ["touched", "gone"])
def test_a_volume_of_which_others_say_something_new_is_looked_at_afresh(happens: str) -> None:
    """What is gone takes no memory, and what was touched is asked for again, though its record is the same."""
    found = volume("v", on_hosts("n1"))
    cluster = cluster_of(node("n1"), found)
    locator = Locator(cluster)
    first = locator.locate(found)
    if happens == "gone":
        cluster.remove("PersistentVolume", "v")
    else:
        cluster.touch("PersistentVolume", "v")

    again = locator.locate(found)
    assert again == first
    assert again is not first
