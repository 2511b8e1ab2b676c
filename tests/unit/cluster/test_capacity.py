"""Capacity: what is free for new volumes, what is spoken for, and for how long."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import product
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit import builders
from tests.unit.builders import DRIVER, HOSTNAME, ZONE, capacity, claim, cluster_of, csi_node, need, node, pod
from tests.unit.worlds import index_key

from mooring.cluster import capacity as module
from mooring.cluster.capacity import SETTLING_SECONDS, Capacity
from mooring.cluster.index import Cluster
from mooring.cluster.records import CSIStorageCapacity, Node, PersistentVolumeClaim, Pod
from mooring.cluster.topology import Topology

_GI = 1024**3
_NODES = [node(name, zone=zone) for name, zone in (("n1", "a"), ("n2", "a"), ("n3", "b"))]
_FAST = builders.storage_class("fast", binding="WaitForFirstConsumer")
_ON_N1 = capacity("on-n1", "fast", "10Gi", labels={HOSTNAME: "n1"})


def room_at(capacities: Capacity, name: str, storage_class: str, *, besides: Sequence[str] = ()) -> int | None:
    """How many bytes a node has free for a class; None where nobody says."""
    rooms = capacities.rooms(storage_class, besides=besides)
    return None if rooms is None else rooms.get(name, 0)


def has_room(
    capacities: Capacity, name: str, wanted: Mapping[str, Sequence[int]], *, besides: Sequence[str] = ()
) -> bool:
    """Whether a node has room for new volumes, all together."""
    return name not in capacities.without_room(wanted, besides=besides)


def slots_at(capacities: Capacity, name: str, driver: str, *, besides: Sequence[str] = ()) -> int | None:
    """How many more volumes a node can attach; None for as many as these tests could ask for."""
    counts = range(10)
    return next(
        (count for count in counts if name in capacities.without_slots(driver, count + 1, besides=besides)), None
    )


def _room(*objects: Any) -> dict[str, int | None]:
    cluster = cluster_of(_NODES, _FAST, *objects)
    return {name: room_at(cluster.capacity, name, "fast") for name in ("n1", "n2", "n3")}


@pytest.mark.parametrize(
    ("pools", "room"),
    [
        ([], (None, None, None)),
        ([capacity("other", "slow", "5", labels={HOSTNAME: "n1"})], (None, None, None)),
        ([capacity("one", "fast", "5", labels={HOSTNAME: "n1"})], (5, 0, 0)),
        ([capacity("zone", "fast", "5", labels={ZONE: "a"})], (5, 5, 0)),
        ([capacity("both", "fast", "5", labels={ZONE: "a", HOSTNAME: "n2"})], (0, 5, 0)),
        ([capacity("not-b", "fast", "5", expressions=[need(ZONE, "NotIn", "b")])], (5, 5, 0)),
        ([capacity("either", "fast", "5", expressions=[need(HOSTNAME, "In", "n1", "n3")])], (5, 0, 5)),
        ([capacity("few", "fast", "5", labels={ZONE: "a"}, expressions=[need(HOSTNAME, "In", "n1", "n3")])], (5, 0, 0)),
        ([capacity("all", "fast", "5")], (5, 5, 5)),
        ([capacity("none", "fast", "5", everywhere=False)], (0, 0, 0)),
        ([capacity("all", "fast", "5"), capacity("zone", "fast", "9", labels={ZONE: "a"})], (9, 9, 5)),
        ([capacity("unsaid", "fast")], (0, 0, 0)),
        ([capacity("one-volume", "fast", largest="3")], (3, 3, 3)),
        ([capacity("in-gibibytes", "fast", "1.5Gi")], (3 * _GI // 2,) * 3),
    ],
    ids=lambda value: "+".join(pool.name for pool in value) if isinstance(value, list) else "",
)
def test_room_is_that_of_the_roomiest_pool(pools: Sequence[CSIStorageCapacity], room: Sequence[int | None]) -> None:
    """A pool serves the nodes that its selector selects, one without a selector none; no pool at all says nothing."""
    assert tuple(_room(pools).values()) == room


@pytest.mark.parametrize(
    ("wanted", "fits"),
    [
        ({}, True),
        ({"fast": []}, True),
        ({"fast": [10 * _GI]}, True),
        ({"fast": [10 * _GI + 1]}, False),
        ({"fast": [6 * _GI, 4 * _GI]}, True),
        ({"fast": [6 * _GI, 6 * _GI]}, False),
        ({"fast": [6 * _GI], "slow": [4 * _GI]}, True),
        ({"fast": [6 * _GI], "slow": [5 * _GI]}, False),
        ({"fast": [6 * _GI], "unheard-of": [99 * _GI]}, True),
        ({"pieces": [2 * _GI, 2 * _GI, 2 * _GI]}, True),
        ({"pieces": [3 * _GI]}, False),
        ({"elsewhere": [1]}, False),
        ({"elsewhere": [0]}, True),
    ],
)
def test_all_claims_of_a_class_must_fit_together(wanted: Mapping[str, Sequence[int]], *, fits: bool) -> None:
    """Each may be as large as one volume may be, together as large as what is free; of other classes nobody says."""
    cluster = cluster_of(
        _NODES,
        _ON_N1,
        capacity("slow", "slow", "4Gi"),
        capacity("pieces", "pieces", "8Gi", largest="2Gi"),
        capacity("elsewhere", "elsewhere", "8Gi", labels={HOSTNAME: "n3"}),
    )

    assert has_room(cluster.capacity, "n1", wanted) is fits
    assert ("n1" not in cluster.capacity.without_room(wanted)) is fits


def test_pools_are_not_added_up() -> None:
    """Two volumes of 6 do not fit into pools of 10 and 5 as far as can be said: nobody knows which takes which."""
    pools = [capacity("ten", "fast", "10"), capacity("five", "fast", "5", labels={HOSTNAME: "n1"})]
    cluster = cluster_of(_NODES, pools)

    assert has_room(cluster.capacity, "n1", {"fast": [5, 5]})
    assert not has_room(cluster.capacity, "n1", {"fast": [6, 6]})


def test_a_class_may_be_gone_before_its_claims() -> None:
    """What a claim says of its class is enough."""
    sent = claim("c", storage_class="deleted", size="4Gi", selected="n1")

    capacities = cluster_of(_NODES, capacity("all", "deleted", "10Gi"), sent).capacity

    assert room_at(capacities, "n1", "deleted") == 6 * _GI


@pytest.mark.parametrize(
    ("objects", "left"),
    [
        ([claim("c", storage_class="fast", size="4Gi")], 10),
        ([claim("c", storage_class="fast", size="4Gi", selected="n1")], 6),
        ([claim("c", storage_class="fast", size="4Gi", selected="n2")], 10),
        ([claim("c", storage_class="slow", size="4Gi", selected="n1")], 10),
        ([claim("c", "pv", storage_class="fast", size="4Gi", selected="n1")], 10),
        ([claim("c", storage_class="fast", size="4Gi", selected="n1", phase="Lost", bound_to="pv")], 10),
        ([claim("c", storage_class="fast", selected="n1")], 10),
        ([claim("c", storage_class="fast", size="99Gi", selected="n1")], 0),
        ([claim("c", storage_class="fast", size="4Gi"), pod("web", "c", nominated="n1")], 6),
        ([claim("c", storage_class="fast", size="4Gi"), pod("web", "c", nominated="n2")], 10),
        ([claim("c", storage_class="fast", size="4Gi"), pod("web", "c", on="n1", phase="Failed")], 10),
        ([claim("c", storage_class="fast", size="4Gi", selected="n2"), pod("web", "c", nominated="n1")], 10),
        ([claim("c", storage_class="fast", size="4Gi"), pod("a", "c", on="n1"), pod("b", "c", on="n1")], 6),
        ([claim("c", size="4Gi", selected="n1"), builders.storage_class("fast", default=True)], 6),
    ],
)
def test_claims_without_a_volume_count_where_they_are_sent(objects: Sequence[Any], left: int) -> None:
    """By their annotation, else by a pod's node; once, of their own class and size, and never below nothing."""
    assert _room(_ON_N1, objects)["n1"] == left * _GI


def test_rooms_follow_the_nodes_that_come_and_go() -> None:
    """A node finds its pools when it comes or is labelled anew, with what was spoken for there; gone, it has none."""
    zones = [capacity("in-a", "fast", "10Gi", labels={ZONE: "a"}), capacity("in-b", "fast", "20Gi", labels={ZONE: "b"})]
    sent = [claim("c", storage_class="fast", size="4Gi", selected="n1")]
    cluster = cluster_of(_FAST, zones, capacity("all", "fast", "5Gi"), sent)
    room = partial(room_at, cluster.capacity)
    assert (room("n1", "fast"), room("n2", "fast")) == (0, 0)

    cluster.put("Node", node("n1", zone="a"))
    cluster.put("Node", node("n2", zone="a"))
    assert (room("n1", "fast"), room("n2", "fast")) == (6 * _GI, 6 * _GI)

    cluster.put("Node", node("n1", zone="b"))
    assert (room("n1", "fast"), room("n2", "fast")) == (16 * _GI, 10 * _GI)

    cluster.remove("Node", "n1")
    cluster.put("Node", node("n3", zone="b"))
    assert (room("n1", "fast"), room("n3", "fast")) == (0, 20 * _GI)


def test_a_report_replaces_the_one_before() -> None:
    """What is free, how large a volume may be, of which class and for whom: all may be another."""
    cluster = cluster_of(_NODES, _ON_N1, claim("c", storage_class="fast", size="4Gi", selected="n1"))
    capacities = cluster.capacity

    cluster.put("CSIStorageCapacity", capacity("on-n1", "fast", "9Gi", largest="2Gi", labels={HOSTNAME: "n1"}))
    assert room_at(capacities, "n1", "fast") == 5 * _GI
    assert [has_room(capacities, "n1", {"fast": [size * _GI]}) for size in (2, 3)] == [True, False]
    assert "n1" in capacities.without_room({"fast": [3 * _GI]})

    cluster.put("CSIStorageCapacity", capacity("on-n1", "slow", "9Gi", labels={HOSTNAME: "n2"}))
    assert [room_at(capacities, name, "fast") for name in ("n1", "n2")] == [None, None]
    assert [room_at(capacities, name, "slow") for name in ("n1", "n2")] == [0, 9 * _GI]


def test_a_class_may_become_known_later() -> None:
    """What a claim without a class will be is said by the default class, whenever that comes, and goes."""
    cluster = cluster_of(_NODES, _ON_N1, claim("c", size="4Gi", selected="n1"))
    assert room_at(cluster.capacity, "n1", "fast") == 10 * _GI

    cluster.put("StorageClass", builders.storage_class("fast", default=True))
    assert room_at(cluster.capacity, "n1", "fast") == 6 * _GI

    cluster.remove("StorageClass", "fast")
    assert room_at(cluster.capacity, "n1", "fast") == 10 * _GI


def test_a_pods_own_claims_do_not_stand_in_its_way() -> None:
    """Where a pod is to be placed again, what is kept for it is its own; what is kept elsewhere is no help."""
    claims = [
        claim("a", storage_class="fast", size="4Gi", selected="n1"),
        claim("b", storage_class="fast", size="4Gi", selected="n2"),
        claim("c", storage_class="slow", size="4Gi", selected="n1"),
    ]
    capacities = cluster_of(_NODES, _FAST, _ON_N1, claims).capacity

    assert room_at(capacities, "n1", "fast", besides=["shop/a", "shop/a", "shop/b", "shop/c", "shop/d"]) == 10 * _GI
    assert not has_room(capacities, "n1", {"fast": [7 * _GI]})
    assert not has_room(capacities, "n1", {"fast": [7 * _GI]}, besides=["shop/b"])
    assert has_room(capacities, "n1", {"fast": [7 * _GI]}, besides=["shop/a"])
    assert capacities.without_room({"fast": [7 * _GI]}, besides=["shop/a"]) == {"n2", "n3"}
    assert capacities.rooms("fast", besides=["shop/a"]) == {"n1": 10 * _GI}
    assert capacities.rooms("fast", besides=["shop/b"]) == {"n1": 6 * _GI}


def test_a_promise_holds_until_the_api_server_says_more() -> None:
    """Room is kept from the choice of a node until the pod has one, or is gone, or the promise is withdrawn."""
    wanted = claim("c", storage_class="fast", size="4Gi")
    cluster = cluster_of(_NODES, _FAST, _ON_N1, wanted, pod("web", "c"))
    room = partial(room_at, cluster.capacity)

    cluster.capacity.promise("shop/c", "n1")
    cluster.put("Pod", pod("web", "c", labels={"app": "web"}))
    assert room("n1", "fast") == 6 * _GI

    cluster.put("Pod", pod("web", "c", nominated="n2"))
    assert room("n1", "fast") == 10 * _GI

    cluster.capacity.promise("shop/c", "n1")
    cluster.capacity.withdraw("shop/c")
    cluster.capacity.withdraw("shop/c")
    assert room("n1", "fast") == 10 * _GI

    cluster.capacity.promise("shop/c", "n1")
    cluster.remove("Pod", "shop/web")
    assert room("n1", "fast") == 10 * _GI

    cluster.capacity.promise("shop/c", "n1")
    cluster.remove("PersistentVolumeClaim", "shop/c")
    cluster.put("PersistentVolumeClaim", wanted)
    assert room("n1", "fast") == 10 * _GI


def test_a_promise_may_come_before_the_claim() -> None:
    """A claim that the index does not have yet counts from when it does."""
    cluster = cluster_of(_NODES, _FAST, _ON_N1)
    cluster.capacity.promise("shop/c", "n1")
    assert room_at(cluster.capacity, "n1", "fast") == 10 * _GI

    cluster.put("PersistentVolumeClaim", claim("c", storage_class="fast", size="4Gi"))
    assert room_at(cluster.capacity, "n1", "fast") == 6 * _GI


class _Settling:
    """A node with a pool of its own, to which claims are sent; time passes as the test says."""

    def __init__(self) -> None:
        self.time = 1000.0
        topology = Topology()
        for each in _NODES:
            topology.put(each.name, each.labels)
        self.capacity = Capacity(topology, now=lambda: self.time)
        self._last: CSIStorageCapacity | None = None
        self.report("10Gi")

    def report(self, free: str) -> None:
        """Take in another report of the node's pool."""
        new = capacity("on-n1", "fast", free, labels={HOSTNAME: "n1"})
        self.capacity.report(self._last, new)
        self._last = new

    def send(self, name: str, size: str = "4Gi") -> None:
        """Send a claim to the node, or tell of it again."""
        self.capacity.put(claim(name, storage_class="fast", size=size, selected="n1"), _FAST, None)

    def make(self, name: str, size: str = "4Gi") -> None:
        """Give a claim its volume, or tell of it again."""
        self.capacity.put(claim(name, f"pv-{name}", storage_class="fast", size=size, selected="n1"), _FAST, None)

    @property
    def room(self) -> int | None:
        """Gibibytes that are free on the node."""
        room = room_at(self.capacity, "n1", "fast")
        return None if room is None else room // _GI


def test_a_report_that_comes_before_the_volume_is_known_has_it() -> None:
    """That it has fallen by the size of a claim says that the volume was made; it counts once all the time."""
    node = _Settling()
    node.send("a")
    assert node.room == 6
    node.report("6Gi")
    assert node.room == 6
    node.send("a")
    assert node.room == 6
    node.make("a")
    assert node.room == 6
    node.report("8Gi")
    assert node.room == 8
    node.send("a")  # another claim of that name
    assert node.room == 4


def test_a_report_that_comes_after_the_volume_has_it() -> None:
    """It counts until then, and whatever the report says it counts no longer."""
    node = _Settling()
    node.send("a")
    node.make("a")
    assert node.room == 6
    node.capacity.report(None, capacity("elsewhere", "fast", "1Gi", labels={HOSTNAME: "n2"}))
    assert node.room == 6
    node.report("7Gi")
    assert node.room == 7
    node.send("a")  # another claim of that name
    assert node.room == 3


def test_a_claim_of_which_no_report_comes_counts_for_some_seconds() -> None:
    """A thin pool has as much free as before; hearing of the claim again starts nothing anew."""
    node = _Settling()
    node.send("a")
    node.make("a")
    node.time += SETTLING_SECONDS - 1
    node.make("a")
    assert node.room == 6
    node.time += 1
    assert node.room == 10
    node.make("a")
    node.report("6Gi")
    assert node.room == 6


def test_a_report_has_only_what_it_has_fallen_by() -> None:
    """Claims that were sent first are taken to be made first, those with volumes before all; the rest still count."""
    node = _Settling()
    node.send("large", "5Gi")
    node.send("a", "2Gi")
    node.send("b", "2Gi")
    assert node.room == 1
    node.report("9Gi")  # somebody else's
    assert node.room == 0
    node.report("6Gi")  # a's, rounded up by the driver
    node.make("b", "2Gi")
    assert node.room == 0
    node.report("11Gi")  # something was deleted
    assert node.room == 6
    node.send("c", "2Gi")
    node.make("c", "2Gi")
    node.report("6Gi")  # c's, though as much is missing as would be with the large one's
    assert node.room == 1


def test_what_is_in_a_report_counts_anew_elsewhere() -> None:
    """A claim that is sent to another node after all is not taken to be made there, nor one that is made anew."""
    node = _Settling()
    other = capacity("on-n2", "fast", "10Gi", labels={HOSTNAME: "n2"})
    node.capacity.report(None, other)
    node.send("a")
    node.report("6Gi")
    node.capacity.put(claim("a", storage_class="fast", size="4Gi", selected="n2"), _FAST, None)
    assert (node.room, room_at(node.capacity, "n2", "fast")) == (6, 6 * _GI)
    node.send("a")
    node.make("a")
    node.send("a")
    node.time += SETTLING_SECONDS
    assert (node.room, room_at(node.capacity, "n2", "fast")) == (2, 10 * _GI)


def test_what_settles_goes_with_its_claim() -> None:
    """A claim that is deleted right after it was made counts no longer, nor one that is taken to be in a report."""
    node = _Settling()
    node.send("a")
    node.make("a")
    node.capacity.remove("shop/a")
    assert node.room == 10
    node.send("a")
    node.report("6Gi")
    node.capacity.remove("shop/a")
    node.send("a")
    assert node.room == 2


def _attached(*objects: Any) -> Capacity:
    return cluster_of(_NODES, _FAST, [csi_node("n1", DRIVER, limit=3), csi_node("n2", DRIVER)], *objects).capacity


@pytest.mark.parametrize(
    ("objects", "free"),
    [
        ([], 3),
        ([builders.data("a"), builders.data("b"), pod("web", "a", "b", on="n1")], 1),
        ([builders.data("a"), pod("web", "a", on="n1"), pod("api", "a", on="n1")], 2),
        ([builders.data("a"), pod("web", "a", "a", on="n1")], 2),
        ([builders.data("a"), pod("web", "a", on="n2")], 3),
        ([builders.data("a"), pod("web", "a", nominated="n1")], 2),
        ([builders.data("a"), pod("web", "a", on="n1", phase="Succeeded")], 3),
        ([builders.data("a", driver="other.io"), pod("web", "a", on="n1")], 3),
        ([builders.data("a", driver=""), pod("web", "a", on="n1")], 3),
        ([claim("a", storage_class="fast"), pod("web", "a", on="n1")], 2),
        ([claim("a", "pv-of-nobody", storage_class="fast"), pod("web", "a", on="n1")], 2),
        ([pod("web", "missing", on="n1")], 3),
        ([[builders.data(name) for name in "abcd"], pod("web", *"abcd", on="n1")], 0),
    ],
)
def test_each_volume_takes_one_slot_where_its_pods_are(objects: Sequence[Any], free: int) -> None:
    """Distinct volumes of the driver count, however many pods mount them, and those that are still to be made."""
    capacities = _attached(objects)

    assert slots_at(capacities, "n1", DRIVER) == free
    assert [capacities.without_slots(DRIVER, count) for count in range(1, free + 1)] == [set()] * free
    assert capacities.without_slots(DRIVER, free + 1) == {"n1"}


def test_the_class_names_the_driver_until_the_volume_does() -> None:
    """A volume's claim may be known before the volume and its class are, and the class may be out of date."""
    mounted = claim("a", "pv-a", storage_class="fast")
    cluster = cluster_of(_NODES, csi_node("n1", DRIVER, limit=3), mounted, pod("web", "a", on="n1"))
    assert slots_at(cluster.capacity, "n1", DRIVER) == 3

    cluster.put("StorageClass", _FAST)
    assert slots_at(cluster.capacity, "n1", DRIVER) == 2

    cluster.put("PersistentVolume", builders.volume("pv-a", driver="other.io"))
    assert slots_at(cluster.capacity, "n1", DRIVER) == 3


def test_without_a_limit_there_are_slots_without_end() -> None:
    """A node, or a driver, that states no limit has none; one of nothing is a limit."""
    capacities = _attached(csi_node("n3", DRIVER, limit=0), csi_node("not-yet-a-node", DRIVER, limit=0))

    assert slots_at(capacities, "n2", DRIVER) is None
    assert slots_at(capacities, "n1", "other.io") is None
    assert slots_at(capacities, "ghost", DRIVER) is None
    assert slots_at(capacities, "n3", DRIVER) == 0
    assert capacities.without_slots(DRIVER, 4) == {"n1", "n3"}
    assert capacities.without_slots("other.io", 1) == set()


def test_a_pods_own_volumes_take_no_slot_from_it() -> None:
    """What a pod holds, or is promised, on a node counts for others only; a promise takes a slot like a pod."""
    others = builders.data("c", driver="other.io")
    capacities = _attached(builders.data("a"), builders.data("b"), others, pod("web", "a", "c", on="n1"))
    capacities.promise("shop/b", "n1")

    assert slots_at(capacities, "n1", DRIVER) == 1
    assert slots_at(capacities, "n1", DRIVER, besides=["shop/b", "shop/b", "shop/unknown"]) == 2
    assert capacities.without_slots(DRIVER, 2, besides=["shop/c"]) == {"n1"}
    assert capacities.without_slots(DRIVER, 2, besides=["shop/b"]) == set()


_CLASSES = ("fast", "slow")
#: Few of each, so that what is drawn has to do with each other.
_NODE_NAMES = ("n1", "n2")
_CLAIMS = ("c1", "c2")
_CLASS = st.sampled_from(["fast", "fast", "slow"])
_PLACES = st.sampled_from(["", *_NODE_NAMES])
_LABELS = st.sampled_from([{}, {ZONE: "x"}, {ZONE: "y"}, {ZONE: "x", HOSTNAME: "n1"}])
_EXPRESSIONS = st.sampled_from([[], [], [need(ZONE, "In", "x", "y")], [need(ZONE, "NotIn", "x")]])
_OBJECTS: st.SearchStrategy[Any] = st.one_of(
    st.builds(builders.bare_node, st.sampled_from(_NODE_NAMES), _LABELS),
    st.builds(
        lambda name, storage_class, free, largest, labels, expressions: capacity(
            name, storage_class, free, largest=largest, labels=labels, expressions=expressions
        ),
        st.sampled_from(["p1", "p2"]),
        _CLASS,
        st.sampled_from(["5", "9", None]),
        st.sampled_from([None, None, "3"]),
        _LABELS,
        _EXPRESSIONS,
    ),
    st.builds(
        lambda name, bound_to, storage_class, size, selected: claim(
            name, bound_to, storage_class=storage_class, size=size, selected=selected
        ),
        st.sampled_from(_CLAIMS),
        st.sampled_from(["", "", "v1"]),
        _CLASS | st.none(),
        st.sampled_from(["1", "2", "4"]),
        _PLACES,
    ),
    st.builds(
        lambda name, claims, on, nominated, phase: pod(name, *claims, on=on, nominated=nominated, phase=phase),
        st.sampled_from(["p1", "p2"]),
        st.lists(st.sampled_from(_CLAIMS), min_size=1, max_size=2),
        _PLACES,
        _PLACES,
        st.sampled_from(["Running", "Running", "Succeeded"]),
    ),
    st.builds(
        lambda name, driver, default: builders.storage_class(name, driver, default=default),
        _CLASS,
        st.sampled_from(["d1", "d2"]),
        st.booleans(),
    ),
    st.builds(lambda driver: builders.volume("v1", driver=driver), st.sampled_from(["d1", "d2", ""])),
    st.builds(
        lambda name, drivers, limit: csi_node(name, *drivers, limit=limit),
        st.sampled_from(_NODE_NAMES),
        st.sampled_from([["d1"], ["d1", "d2"]]),
        st.sampled_from([None, 1, 2]),
    ),
)
_PROMISES = st.tuples(st.sampled_from(["promise", "withdraw"]), st.tuples(st.sampled_from(_CLAIMS), _PLACES))
_CHANGES = st.tuples(st.sampled_from(["put", "put", "put", "put", "remove"]), _OBJECTS)
_STEPS = st.lists(_CHANGES | _CHANGES | _PROMISES, min_size=5, max_size=50)


@patch.object(module, "SETTLING_SECONDS", 0.0)
@settings(deadline=None, max_examples=400)
@given(steps=_STEPS)
def test_what_is_left_follows_from_what_is_there(steps: Sequence[tuple[str, Any]]) -> None:
    """Whatever came, changed, was promised and went, in any order: counted anew from all objects, it is the same.

    But for what fresh reports may have: they come after they have gone here.
    """
    cluster = Cluster()
    for verb, what in steps:
        _take(verb, what, cluster)
    for name in _CLAIMS:
        cluster.capacity.withdraw(f"shop/{name}")

    left = cluster.capacity
    for storage_class in _CLASSES:
        room = {name: _naive_room(cluster, name, storage_class) for name in _NODE_NAMES}
        assert {name: room_at(left, name, storage_class) for name in _NODE_NAMES} == room
        assert left.rooms(storage_class) == _all_rooms(room)
    for driver in ("d1", "d2"):
        slots = {name: _naive_slots(cluster, name, driver) for name in cluster.nodes}
        assert {name: slots_at(left, name, driver) for name in cluster.nodes} == slots
    for wanted in ({"fast": [1]}, {"fast": [2, 3]}, {"fast": [1], "slow": [4]}):
        assert left.without_room(wanted) == {name for name in cluster.nodes if not _naive_fits(cluster, name, wanted)}


def _take(verb: str, what: Any, cluster: Cluster) -> None:
    if verb == "promise":
        cluster.capacity.promise(f"shop/{what[0]}", what[1])
    elif verb == "withdraw":
        cluster.capacity.withdraw(f"shop/{what[0]}")
    else:
        if verb == "remove" or isinstance(what, CSIStorageCapacity):
            cluster.remove(*index_key(what))
        if verb == "put":
            cluster.put(builders.kind_of(what), what)


@patch.object(module, "SETTLING_SECONDS", 0.0)
@settings(deadline=None, max_examples=200)
@given(steps=_STEPS)
def test_reports_are_never_believed_twice(steps: Sequence[tuple[str, Any]]) -> None:
    """However reports change, no room is more than is reported, nor less than if they had no volume of any claim."""
    cluster = Cluster()
    for verb, what in steps:
        if verb == "put":
            cluster.put(builders.kind_of(what), what)
        else:
            _take(verb, what, cluster)
    for name in _CLAIMS:
        cluster.capacity.withdraw(f"shop/{name}")

    rooms = [(_naive_room(cluster, *each), room_at(cluster.capacity, *each)) for each in product(_NODE_NAMES, _CLASSES)]
    for name in _CLAIMS:
        cluster.remove("PersistentVolumeClaim", f"shop/{name}")
    reported = [_naive_room(cluster, *each) for each in product(_NODE_NAMES, _CLASSES)]
    assert [room_at(cluster.capacity, *each) for each in product(_NODE_NAMES, _CLASSES)] == reported
    for (least, room), most in zip(rooms, reported, strict=True):
        assert (least is None) == (room is None) == (most is None)
        assert (least or 0) <= (room or 0) <= (most or 0)


@settings(deadline=None)
@given(objects=st.lists(_OBJECTS, max_size=20), promised=st.sampled_from(_CLAIMS))
def test_nothing_is_left_behind(objects: Sequence[Any], promised: str) -> None:
    """Once everything is gone, nothing is remembered of it."""
    cluster = cluster_of(objects)
    cluster.capacity.promise(f"shop/{promised}", "n1")
    for kind, key in {index_key(obj): None for obj in objects}:
        cluster.remove(kind, key)
    cluster.capacity.withdraw(f"shop/{promised}")

    assert [name for name, value in _stores(cluster.capacity) if value] == []


def _naive_room(cluster: Cluster, name: str, storage_class: str) -> int | None:
    if not _pools_of(cluster, storage_class):
        return None
    return max((free for free, _ in _naive_pools(cluster, name, storage_class)), default=0)


def _naive_fits(cluster: Cluster, name: str, wanted: Mapping[str, Sequence[int]]) -> bool:
    return all(
        not _pools_of(cluster, storage_class)
        or any(
            sum(sizes) <= free and max(sizes) <= largest for free, largest in _naive_pools(cluster, name, storage_class)
        )
        for storage_class, sizes in wanted.items()
    )


def _naive_pools(cluster: Cluster, name: str, storage_class: str) -> list[tuple[int, int]]:
    """How much is free in each pool of a class that serves a node, and how large a volume may be there."""
    found = cluster.nodes.get(name)
    serving = [pool for pool in _pools_of(cluster, storage_class) if found is not None and _serves(pool, found)]
    return [(max(0, pool.free_bytes - _naive_claimed(cluster, pool)), pool.largest_volume) for pool in serving]


def _pools_of(cluster: Cluster, storage_class: str) -> list[CSIStorageCapacity]:
    pools: list[CSIStorageCapacity] = list(cluster.all("CSIStorageCapacity").values())
    return [pool for pool in pools if pool.storage_class_name == storage_class]


def _all_rooms(room: Mapping[str, int | None]) -> Mapping[str, int] | None:
    """Room by node as `rooms` gives it: nothing at all where nobody says, and only nodes that have some."""
    return None if None in room.values() else {name: free for name, free in room.items() if free}


def _naive_claimed(cluster: Cluster, pool: CSIStorageCapacity) -> int:
    """What is spoken for in a pool: the sizes of claims of its class that are sent to a node that it serves."""
    total = 0
    for each in cluster.all("PersistentVolumeClaim").values():
        place = each.selected_node or min((pod.place for pod in _users(cluster, each)), default="")
        storage_class = cluster.class_of(each)
        name = storage_class.name if storage_class else each.spec.storage_class_name
        if not each.spec.volume_name and name == pool.storage_class_name and place in cluster.nodes:
            total += each.spec.requested_bytes if _serves(pool, cluster.nodes[place]) else 0
    return total


def _naive_slots(cluster: Cluster, name: str, driver: str) -> int | None:
    found = cluster.all("CSINode").get(name)
    drivers = {each.name: each for each in (found.spec.drivers or () if found else ())}
    if driver not in drivers or drivers[driver].allocatable is None:
        return None
    used = 0
    for each in cluster.all("PersistentVolumeClaim").values():
        volume, storage_class = cluster.volume(each.spec.volume_name), cluster.class_of(each)
        own_driver = volume.driver if volume else storage_class.provisioner if storage_class else ""
        used += own_driver == driver and any(pod.place == name for pod in _users(cluster, each))
    count = drivers[driver].allocatable.count
    assert isinstance(count, int)
    return max(0, count - used)


def _users(cluster: Cluster, wanted: PersistentVolumeClaim) -> list[Pod]:
    return [pod for pod in cluster.pods.values() if wanted.name in pod.claims and pod.place and not pod.finished]


def _serves(pool: CSIStorageCapacity, found: Node) -> bool:
    return pool.node_topology is not None and pool.node_topology.selects(found.labels)


def _stores(obj: Any) -> Iterator[tuple[str, Any]]:
    """What an object of the capacity keeps, and those that it is made of, by name."""
    for name, value in vars(obj).items():
        if type(value).__module__ in {"mooring.cluster.pools", "mooring.cluster.slots"}:
            yield from _stores(value)
        elif isinstance(value, dict):
            yield name, value
