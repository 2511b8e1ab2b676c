"""The index: its lookups after any history, and what it tells its listeners."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit import builders
from tests.unit.builders import DRIVER, HOSTNAME, RACK, REGION, ZONE, cluster_of, csi_node, node
from tests.unit.worlds import index_key

from mooring.api.annotations import NodeStorageState
from mooring.cluster.index import TOPOLOGY, Change, Cluster
from mooring.cluster.records import Key
from mooring.cluster.topology import Level

_NAMES = ("n1", "n2", "n3")
_CLAIMS = ("c1", "c2")
_KEYS = ("topology.csi/a", "topology.csi/b")
_LABELS = st.dictionaries(st.sampled_from([HOSTNAME, RACK, ZONE, REGION]), st.sampled_from(["x", "y"]))


def _labelled_node(name: str, labels: Mapping[str, str], states: Mapping[str, str]) -> Any:
    found = builders.bare_node(name, labels)
    found.metadata.annotations = {f"storage-state.mooring.dev/{key}": value for key, value in states.items()} or None
    return found


_OBJECTS: st.SearchStrategy[Any] = st.one_of(
    st.builds(
        _labelled_node,
        st.sampled_from(_NAMES),
        _LABELS,
        st.dictionaries(st.sampled_from(["d1", "d2"]), st.sampled_from(["Offline", "StorageDown", "nonsense"])),
    ),
    st.builds(
        lambda name, drivers, keys: csi_node(name, *drivers, keys=keys),
        st.sampled_from(_NAMES),
        st.lists(st.sampled_from(["d1", "d2"]), unique=True),
        st.lists(st.sampled_from(_KEYS), unique=True),
    ),
    st.builds(builders.claim, st.sampled_from(_CLAIMS), st.sampled_from(["", "v1", "v2"])),
    st.builds(
        lambda name, claims, on, nominated, cpu, phase, made_by: builders.pod(
            name, *claims, on=on, nominated=nominated, requests={"cpu": cpu}, phase=phase, made_by=made_by
        ),
        st.sampled_from(["p1", "p2", "p3"]),
        st.lists(st.sampled_from(_CLAIMS), max_size=3),
        st.sampled_from(["", *_NAMES]),
        st.sampled_from(["", *_NAMES]),
        st.sampled_from(["100m", "0.7", "3"]),
        st.sampled_from(["Running", "Succeeded"]),
        st.sampled_from(["", "web", "db"]),
    ),
    st.builds(
        lambda name, claims: builders.deployment(name, *claims),
        st.sampled_from(["web", "db"]),
        st.lists(st.sampled_from(_CLAIMS), max_size=2),
    ),
    st.builds(
        lambda name, namespace, priority: builders.policy(name, namespace=namespace, priority=priority),
        st.sampled_from(["a", "b", "c"]),
        st.sampled_from(["shop", "bank"]),
        st.integers(0, 1),
    ),
    st.builds(
        lambda name, priority: builders.cluster_policy(name, priority=priority),
        st.sampled_from(["a", "b"]),
        st.integers(0, 1),
    ),
)
#: An object to put, or to remove where it is there under its key.
_STEPS = st.lists(st.tuples(st.sampled_from(["put", "put", "remove"]), _OBJECTS), max_size=30)


@settings(deadline=None, max_examples=200)
@given(steps=_STEPS)
def test_lookups_are_those_of_an_index_made_from_scratch(steps: Sequence[tuple[str, Any]]) -> None:
    """Whatever came, changed and went, every lookup is as if only what is left had ever been there."""
    churned = Cluster()
    left: dict[tuple[str, str], Any] = {}
    for verb, obj in steps:
        kind, key = index_key(obj)
        if verb == "put":
            churned.put(kind, obj)
            left[kind, key] = obj
        else:
            churned.remove(kind, key)
            left.pop((kind, key), None)

    assert _lookups(churned) == _lookups(cluster_of(*left.values()))
    assert all(churned.all(kind)[key] is obj or churned.all(kind)[key] == obj for (kind, key), obj in left.items())


@settings(deadline=None, max_examples=100)
@given(before=st.lists(_OBJECTS), after=st.lists(_OBJECTS))
def test_a_complete_list_replaces_everything(before: Sequence[Any], after: Sequence[Any]) -> None:
    """After a re-list only what is in it is there, in the lookups too."""
    relisted = cluster_of(*before)
    for kind in {builders.kind_of(obj) for obj in [*before, *after]}:
        list(relisted.replace(kind, [obj for obj in after if builders.kind_of(obj) == kind]))

    assert _lookups(relisted) == _lookups(cluster_of(*after))


def _lookups(cluster: Cluster) -> dict[str, Any]:
    """Everything that can be asked of an index."""
    topology = cluster.topology
    nodes = [*_NAMES, "ghost"]
    places = {(level, topology.place(name, level)) for name in nodes for level in Level}
    return {
        "nodes": (set(topology.nodes), set(cluster.nodes)),
        "labels": {name: topology.labels(name) for name in nodes},
        "with_label": {
            (key, value): set(topology.with_label(key, value))
            for key in (HOSTNAME, RACK, ZONE, REGION)
            for value in ("x", "y", "z")
        },
        "values": {key: set(topology.values(key)) for key in (HOSTNAME, RACK, ZONE, REGION)},
        "within": {(level, place): set(topology.within(level, place)) for level, place in places if place},
        "mates": {
            (name, level): [set(mates) for mates in topology.mates([name], level)] for name in nodes for level in Level
        },
        "pods_of_claim": {name: set(cluster.relations.pods_of_claim(f"shop/{name}")) for name in _CLAIMS},
        "pods_of_workload": {
            name: set(cluster.relations.pods_of_workload(Key("Deployment", f"shop/{name}"))) for name in ("web", "db")
        },
        "workloads_of_claim": {name: set(cluster.relations.workloads_of_claim(f"shop/{name}")) for name in _CLAIMS},
        "claims_of_volume": {name: set(cluster.relations.claims_of_volume(name)) for name in ("", "v1", "v2")},
        "usage": {name: cluster.usage.of(name) for name in nodes},
        "drivers": {driver: set(cluster.storage.nodes_with(driver)) for driver in ("d1", "d2")},
        "without_driver": {driver: set(cluster.nodes_without_driver(driver)) for driver in ("d1", "d2")},
        "topology_keys": {
            (driver, key): cluster.storage.is_topology_key(driver, key) for driver in ("d1", "d2") for key in _KEYS
        },
        "states": {driver: dict(cluster.storage.states(driver)) for driver in ("d1", "d2")},
        "policies": {name: [found.key for found in cluster.policies(name)] for name in ("shop", "bank", "other")},
    }


def test_policies_are_sorted_by_scope_priority_and_name() -> None:
    """A namespace's own come first; then a higher priority, then the name."""
    cluster = cluster_of(
        builders.cluster_policy("high", priority=9),
        builders.policy("b"),
        builders.policy("a"),
        builders.policy("z", priority=1),
        builders.policy("elsewhere", namespace="bank"),
        builders.cluster_policy("low"),
    )

    assert [found.name for found in cluster.policies("shop")] == ["z", "a", "b", "high", "low"]
    assert [found.name for found in cluster.policies("bank")] == ["elsewhere", "high", "low"]


def test_listeners_hear_of_what_changed_and_only_of_that() -> None:
    """Each change once, after the lookups know it; the same again is no change."""
    cluster = Cluster()
    heard: list[tuple[Change, int]] = []
    cluster.listen(lambda change: heard.append((change, len(cluster.relations.pods_of_claim("shop/c1")))))
    first, second = builders.pod("p1", "c1"), builders.pod("p1", "c1", on="n1")

    cluster.put("Pod", first)
    cluster.put("Pod", builders.pod("p1", "c1"))
    cluster.put("Pod", second)
    cluster.remove("Pod", "shop/p1")
    cluster.remove("Pod", "shop/p1")

    assert heard == [
        (Change("Pod", "shop/p1", None, first), 1),
        (Change("Pod", "shop/p1", first, second), 1),
        (Change("Pod", "shop/p1", second, None), 0),
    ]


def test_what_others_say_of_an_object_is_told_as_a_change_without_one() -> None:
    """The lookups stay as they are, and what is not there is not told."""
    pod = builders.pod("p1", "c1")
    cluster = cluster_of(pod)
    heard: list[Change] = []
    cluster.listen(heard.append)
    before = _lookups(cluster)
    cluster.touch("Pod", "shop/p1")
    cluster.touch("Pod", "shop/p2")

    assert heard == [Change("Pod", "shop/p1", pod, pod)]
    assert (_lookups(cluster), cluster.topology_version) == (before, 0)


def test_a_change_of_the_topology_can_be_told_by_others() -> None:
    """Whatever was computed from it is stale, and listeners hear of it with the new version in place."""
    cluster = Cluster()
    heard: list[tuple[Change, int]] = []
    cluster.listen(lambda change: heard.append((change, cluster.topology_version)))
    cluster.touch_topology()

    assert heard == [(Change(TOPOLOGY, "", None, None), 1)]


def test_the_topology_version_rises_with_what_locations_depend_on() -> None:
    """Labels, registrations and storage states do; a pod, a condition and what is already known do not."""
    cluster = cluster_of(node("n1"), csi_node("n1", DRIVER))
    versions = [cluster.topology_version]
    for kind, obj in (
        ("Node", node("n1", zone="a")),
        ("Node", node("n1", zone="a", states={DRIVER: "Offline"})),
        ("CSINode", csi_node("n1")),
    ):
        cluster.put(kind, obj)
        versions.append(cluster.topology_version)
    assert sorted(set(versions)) == versions

    cluster.put("Node", node("n1", zone="a", states={DRIVER: "Offline"}, ready="False"))
    cluster.put("Pod", builders.pod("p1", "c1", on="n1"))
    assert cluster.topology_version == versions[-1]

    cluster.remove("Node", "n1")
    assert cluster.topology_version > versions[-1]


def test_objects_are_found_by_what_names_them() -> None:
    """Each kind by its own key; what is not there is None or empty."""
    cluster = cluster_of(
        builders.data("c1"), builders.namespace(), builders.storage_class("fast", DRIVER), builders.soft("p")
    )

    assert cluster.claim("shop/c1") is not None
    assert cluster.volume("pv-c1") is not None
    assert cluster.namespace("shop") is not None
    assert cluster.storage_class("fast") is not None
    assert cluster.policy("VolumePlacementPolicy/shop/p") is not None
    missing = (cluster.claim("c1"), cluster.volume("c1"), cluster.namespace("bank"), cluster.storage_class("slow"))
    assert missing == (None, None, None, None)
    assert (cluster.policy("VolumePlacementPolicy/bank/p"), cluster.policy("Nonsense/p")) == (None, None)


@pytest.mark.parametrize(
    ("named", "bound_to", "found"),
    [
        ("fast", "", "fast"),
        ("fast", "v", "fast"),
        ("gone", "", None),
        # Neither class nor volume: the default one. The empty name is no class, and says so.
        (None, "", "default"),
        ("", "", None),
        (None, "v", None),
    ],
)
def test_a_claim_has_a_class(named: str | None, bound_to: str, found: str | None) -> None:
    """The one that it names, or the one that it will be given."""
    classes = [builders.storage_class("fast"), builders.storage_class("default", default=True)]
    cluster = cluster_of(classes, builders.storage_class("other", default=True))

    storage_class = cluster.class_of(builders.claim("c1", bound_to, storage_class=named))

    assert (storage_class.name if storage_class else None) == found


def test_without_a_default_class_there_is_none() -> None:
    """A claim without a class waits for a volume that somebody makes."""
    assert cluster_of(builders.storage_class("fast")).class_of(builders.claim("c1")) is None


def test_what_is_said_of_storage_goes_with_its_node() -> None:
    """A node that comes back without a word about its storage is Online."""
    cluster = cluster_of(node("n1", states={DRIVER: "Offline"}))
    assert cluster.storage.states(DRIVER) == {"n1": NodeStorageState.OFFLINE}

    cluster.put("Node", node("n1"))
    assert cluster.storage.states(DRIVER) == {}
