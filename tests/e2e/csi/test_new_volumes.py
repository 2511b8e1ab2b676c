"""`newVolumes`: where volumes are made that do not exist yet, by the real csi-provisioner.

Each test holds in several ways of leading pods (see `scene`). Nodes 1 and 2 are in zone-1, 3 and 4 in zone-2, 5 and 6
in zone-3.
"""

from collections import Counter
from typing import Any

import pytest
from tests.e2e.csi.disks import add_disks
from tests.e2e.csi.scene import Scene
from tests.e2e.csi.storage import copy_of
from tests.e2e.manifests import ZONE, Manifest, on_nodes
from tests.e2e.operator.gates import History, is_held
from tests.e2e.stage import stays
from tests.e2e.support import eventually

in_every_way = pytest.mark.parametrize("scene", ["stock", "mooring", "extender"], indirect=True)


def rule(key: str, *values: str, **words: Any) -> Manifest:
    """Give a rule about a label with one of these values."""
    return {"matchExpressions": [{"key": key, "operator": "In", "values": list(values)}], **words}


def preferred(weight: int, key: str, *values: str, **words: Any) -> Manifest:
    """Give a rule that is a preference."""
    return rule(key, *values, enforcement="Preferred", weight=weight, **words)


# Nodes.


def test_volumes_are_made_on_nodes_with_a_label(scene: Scene) -> None:
    """A required rule outweighs what the pod would rather have."""
    scene.storage.claim("data", scene.storage.storage_class())
    scene.new_volumes(nodeAffinity=[rule(ZONE, "zone-2")])

    scene.pod("web", "data", wish="node-6")

    assert scene.zones(["data"]) == ["zone-2"]
    assert scene.stage.node_of("web") == scene.storage.place("data")


def test_no_volume_is_made_until_there_is_a_node_for_it(scene: Scene) -> None:
    """The pod waits while no node has the label that is required; it runs as soon as one gets it."""
    seat = f"{scene.stage.namespace}/seat"
    scene.storage.claim("data", scene.storage.storage_class())
    scene.new_volumes(nodeAffinity=[rule(seat, "first")])
    scene.pod("web", "data")
    stays(lambda: not scene.storage.selected_node("data"), seconds=2)

    scene.stage.patch("/api/v1/nodes/node-3", {"metadata": {"labels": {seat: "first"}}})
    # The scheduler may ask the extender before Mooring has heard of that. It asks again when anything else happens.
    eventually(lambda: scene.allowed("data", among=["node-3"]))
    scene.stage.patch("/api/v1/nodes/node-3", {"metadata": {"labels": {f"{seat}-taken": ""}}})

    assert scene.stage.node_of("web") == scene.storage.place("data") == "node-3"


def test_the_heavier_preference_for_nodes_counts_more(scene: Scene) -> None:
    """And where the preferred node has no room the other one counts."""
    chosen = scene.storage.storage_class(capacity="4Gi")
    for claim in ("one", "two"):
        scene.storage.claim(claim, chosen, size="3Gi")
    scene.new_volumes(nodeAffinity=[preferred(20, ZONE, "zone-1"), preferred(80, "kubernetes.io/hostname", "node-5")])

    scene.pod("first", "one", wish="node-4")
    assert scene.storage.place("one") == "node-5"
    scene.pod("second", "two")
    assert scene.zones(["two"]) == ["zone-1"]


@pytest.mark.parametrize(("enforcement", "node"), [("Preferred", "node-3"), ("Required", "node-5")])
def test_a_pod_with_data_has_new_volumes_made_there(scene: Scene, enforcement: str, node: str) -> None:
    """Of the nodes with its data on one that is preferred for new volumes, and elsewhere only if that is required."""
    scene.stage.volume("old", "node-1", "node-3")
    scene.storage.claim("new", scene.storage.storage_class(sizes={"node-6": "0"}))
    zone = "zone-2" if enforcement == "Preferred" else "zone-3"
    scene.new_volumes(nodeAffinity=[rule(ZONE, zone, enforcement=enforcement)])

    scene.pod("web", "old", "new")

    assert scene.storage.place("new") == scene.stage.node_of("web") == node


# Templates.


def test_a_claims_label_chooses_the_nodes(scene: Scene) -> None:
    """`${pvc.labels.KEY}` in a rule is what the claim says there."""
    chosen = scene.storage.storage_class()
    for place in ("1", "3"):
        scene.storage.claim(f"data-{place}", chosen, labels={"place": place})
    scene.new_volumes(nodeAffinity=[rule(ZONE, "zone-${pvc.labels.place}")])

    for place in ("1", "3"):
        scene.pod(f"web-{place}", f"data-{place}", wish="node-4")

    assert scene.zones(["data-1", "data-3"]) == ["zone-1", "zone-3"]


def test_a_claims_namespace_chooses_its_neighbours(scene: Scene) -> None:
    """`${pvc.namespace}` in a rule is the claim's own."""
    chosen = scene.storage.storage_class()
    scene.put("theirs", "node-2", chosen, labels={"owner": "others"})
    scene.put("ours", "node-5", chosen, labels={"owner": scene.stage.namespace})
    scene.storage.claim("data", chosen)
    scene.new_volumes(volumeAffinity=[rule("owner", "${pvc.namespace}")])

    scene.pod("web", "data", wish="node-2")

    assert scene.storage.place("data") == "node-5"


def test_each_pod_of_a_stateful_set_has_its_node(scene: Scene) -> None:
    """`${pvc.statefulset-pod}` in a rule is the name of the pod that mounts the claim."""
    seat = f"{scene.stage.namespace}/seat"
    for node, pod in {"node-6": "web-0", "node-1": "web-1"}.items():
        scene.stage.patch(f"/api/v1/nodes/{node}", {"metadata": {"labels": {seat: pod}}})
    scene.new_volumes(nodeAffinity=[rule(seat, "${pvc.statefulset-pod}")])

    claims = scene.stateful_set("web", scene.storage.storage_class(), replicas=2)

    assert scene.storage.places(claims) == ["node-6", "node-1"]


# Other volumes.


@pytest.mark.parametrize(("topology", "zone"), [("kubernetes.io/hostname", ""), (ZONE, "zone-2")])
def test_a_volume_is_made_near_another(scene: Scene, topology: str, zone: str) -> None:
    """On the node of the volume that the rule means, or in its zone if that is how near is near."""
    chosen = scene.storage.storage_class()
    scene.put("db", "node-4", chosen, labels={"app": "db"})
    scene.storage.claim("log", chosen)
    scene.new_volumes(volumeAffinity=[rule("app", "db", topologyKey=topology)])

    scene.pod("web", "log", wish="node-6")

    if zone:
        assert scene.zones(["log"]) == [zone]
    else:
        assert scene.storage.place("log") == "node-4"


@in_every_way
def test_the_first_of_a_group_may_be_anywhere(scene: Scene) -> None:
    """A claim that its own rule means has nothing to be near to; the others go to it."""
    chosen = scene.storage.storage_class()
    names = [f"db-{number}" for number in range(4)]
    for name in names:
        scene.storage.claim(name, chosen, labels={"app": "db"})
    scene.new_volumes(volumeAffinity=[rule("app", "db")])

    scene.pods({name: [name] for name in names})

    assert len(set(scene.storage.places(names))) == 1


@in_every_way
def test_volumes_keep_apart(scene: Scene) -> None:
    """One in each zone; the fourth waits, and is made where another one went away."""
    chosen = scene.storage.storage_class()
    names = [f"db-{number}" for number in range(4)]
    for name in names:
        scene.storage.claim(name, chosen, labels={"app": "db"})
    scene.new_volumes(volumeAntiAffinity=[rule("app", "db", topologyKey=ZONE)])

    scene.pods({name: [name] for name in names}, wish="node-1")

    made = eventually(lambda: _three(name for name in names if scene.storage.volume_name(name)))
    zones = scene.zones(made)
    assert sorted(zones) == ["zone-1", "zone-2", "zone-3"]
    (waiting,) = set(names) - set(made)
    stays(lambda: not scene.storage.selected_node(waiting), seconds=2)
    scene.remove(made[0], made[0])
    assert scene.zones([waiting]) == zones[:1]


def test_the_heavier_preference_for_volumes_counts_more(scene: Scene) -> None:
    """Near one rather than the other, and least of all on the node of a third."""
    chosen = scene.storage.storage_class()
    for app, node in {"db": "node-1", "log": "node-3", "cache": "node-4"}.items():
        scene.put(app, node, chosen, labels={"app": app})
    near = [preferred(10, "app", "db", topologyKey=ZONE), preferred(90, "app", "log", topologyKey=ZONE)]
    scene.storage.claim("data", chosen)
    scene.new_volumes(volumeAffinity=near, volumeAntiAffinity=[preferred(50, "app", "log")])

    scene.pod("web", "data", wish="node-6")

    assert scene.storage.place("data") == "node-4"


# Spreading.


@pytest.mark.parametrize(
    ("scene", "management"),
    [
        ("stock", "OrderedReady"),
        ("stock", "Parallel"),
        ("mooring", "OrderedReady"),
        ("mooring", "Parallel"),
        ("extender", "OrderedReady"),
    ],
    indirect=["scene"],
)
def test_the_volumes_of_a_stateful_set_are_spread(scene: Scene, management: str) -> None:
    """Six over three zones: two in each, whether the pods are made one by one or all at once."""
    scene.new_volumes(spread={"topologyKey": ZONE})
    spec = {"podManagementPolicy": management}
    fields = {"spec": spec, "affinity": on_nodes("node-1")}

    claims = scene.stateful_set("web", scene.storage.storage_class(), replicas=6, **fields)

    assert Counter(scene.zones(claims)) == {"zone-1": 2, "zone-2": 2, "zone-3": 2}


def test_volumes_are_spread_over_zones_with_room(scene: Scene) -> None:
    """A zone whose disks are full is none that has to be filled."""
    chosen = scene.storage.storage_class(sizes={"node-5": "0", "node-6": "0"})
    scene.new_volumes(spread={"topologyKey": ZONE})

    claims = scene.stateful_set("web", chosen, replicas=4, affinity=on_nodes("node-1"))

    assert Counter(scene.zones(claims)) == {"zone-1": 2, "zone-2": 2}


@pytest.mark.parametrize("when", ["DoNotSchedule", "ScheduleAnyway"])
def test_what_cannot_be_spread_waits_or_not(scene: Scene, when: str) -> None:
    """Two zones, and pods fit in one only: the second waits, or its volume is made beside the first all the same."""
    pool = {"pool": scene.stage.namespace}
    wide, where = scene.stage.own_nodes(1, labels={ZONE: "wide", **pool})
    narrow, _ = scene.stage.own_nodes(1, labels={ZONE: "narrow", **pool}, cpu="1m")
    add_disks(scene.stage.client, [*wide, *narrow])
    scene.new_volumes(spread={"topologyKey": ZONE, "whenUnsatisfiable": when})
    fields = where | {"nodeSelector": pool}

    claims = scene.stateful_set("web", scene.storage.storage_class(), replicas=2, **fields)

    if when == "ScheduleAnyway":
        assert scene.zones(claims) == ["wide", "wide"]
    else:
        assert scene.zones(claims[:1]) == ["wide"]
        eventually(lambda: scene.stage.client.get(scene.stage.path("pods", "web-1")))
        stays(lambda: not scene.storage.selected_node(claims[1]), seconds=3)


# Room.


def test_all_volumes_of_a_pod_fit_on_its_node(scene: Scene) -> None:
    """Each alone would fit anywhere, both only on one node, which the scheduler by itself does not look for."""
    chosen = scene.storage.storage_class(capacity="4Gi", sizes={"node-4": "6Gi"})
    for claim in ("one", "two"):
        scene.storage.claim(claim, chosen, size="3Gi")
    scene.new_volumes()

    scene.pod("web", "one", "two", wish="node-1")

    assert scene.storage.places(["one", "two"]) == ["node-4", "node-4"]
    assert scene.stage.node_of("web") == "node-4"


@in_every_way
def test_pods_share_the_room(scene: Scene) -> None:
    """Six with two volumes each, and room for one pod on each node: what is promised to one no other gets."""
    chosen = scene.storage.storage_class(capacity="10Gi")
    names = [f"web-{number}" for number in range(6)]
    claims = {name: (f"{name}-a", f"{name}-b") for name in names}
    for pair in claims.values():
        for claim in pair:
            scene.storage.claim(claim, chosen, size="3Gi")
    scene.new_volumes()

    scene.pods(claims, wish="node-1")

    assert sorted(scene.stage.nodes_of(names).values()) == [f"node-{number}" for number in range(1, 7)]


@pytest.mark.parametrize(
    ("order", "sizes"),
    [("MostFree", {"node-2": "100Gi", "node-5": "90Gi"}), ("LeastFree", {"node-3": "20Gi", "node-4": "40Gi"})],
)
def test_disks_are_filled_in_the_order_that_is_asked_for(scene: Scene, order: str, sizes: dict[str, str]) -> None:
    """The emptiest first, or the fullest that still has room; what the first volume takes counts for the second."""
    chosen = scene.storage.storage_class(capacity="50Gi", sizes={"node-6": "1Gi", **sizes})
    names = ["one", "two"]
    for name in names:
        scene.storage.claim(name, chosen, size="12Gi")
    scene.new_volumes(capacity=order)

    scene.pods({name: [name] for name in names})

    assert sorted(scene.storage.places(names)) == sorted(sizes)


def test_attach_limits_are_counted(scene: Scene) -> None:
    """The disk with more room is on a node that can attach one volume only: it is not even tried for two."""
    (few,), where = scene.stage.own_nodes(1, labels={"pool": scene.stage.namespace})
    (many,), _ = scene.stage.own_nodes(1, labels={"pool": scene.stage.namespace})
    add_disks(scene.stage.client, [few], attach_limit=1)
    add_disks(scene.stage.client, [many], attach_limit=2)
    chosen = scene.storage.storage_class(capacity="10Gi", sizes={few: "50Gi"})
    for claim in ("one", "two", "three"):
        scene.storage.claim(claim, chosen)
    scene.new_volumes()
    eventually(lambda: scene.allowed("one", among=[few, many]) == [few, many])
    eventually(lambda: scene.allowed("one", "two", among=[few, many]) == [many])
    history = History(scene.stage)
    pool = where | {"nodeSelector": {"pool": scene.stage.namespace}}

    scene.pod("two", "one", "two", **pool)
    assert scene.stage.node_of("two") == many
    scene.pod("one", "three", **pool)
    assert scene.stage.node_of("one") == few

    if scene.is_admitted:
        held = {pod: [each for each in versions if is_held(each)] for pod, versions in history.versions().items()}
        led = {pod: versions[-1]["status"].get("nominatedNodeName") for pod, versions in held.items()}
        assert led == {"two": many, "one": few}


# Copies.


@pytest.mark.parametrize("kind", ["claim", "snapshot"])
def test_a_copy_is_made_where_its_source_is(scene: Scene, kind: str) -> None:
    """The driver copies nothing between nodes, so that nowhere else would there ever be a volume."""
    chosen = scene.storage.storage_class()
    scene.put("data", "node-4", chosen)
    source = copy_of("data") if kind == "claim" else scene.storage.snapshot("saved", "data")
    scene.storage.claim("copy", chosen, source=source)
    scene.new_volumes()

    scene.pod("web", "copy", wish="node-1")

    assert scene.storage.place("copy") == "node-4"
    assert scene.stage.node_of("web") == "node-4"


def _three(names: Any) -> list[str]:
    found = list(names)
    return found if len(found) == 3 else []
