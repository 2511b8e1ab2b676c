"""What VolumeLocators bring: where each volume's data lies, who says so, and what happens as facts come and go."""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.builders import cluster_of, in_zones, node, on_hosts, volume
from tests.unit.locate.storage import (
    NODES_PART,
    SERVING_PART,
    VOLUME,
    Storage,
    followed,
    host,
    locator,
    replica,
    server,
)

from mooring.api.annotations import NodeStorageState
from mooring.cluster.index import TOPOLOGY, Change, Cluster
from mooring.cluster.topology import Level
from mooring.locate.records import Said
from mooring.locate.systems import FailureSample, LocatorSummary, Part, State

_SAYS = "VolumeLocator disks: spec.node of copies.disks.example"
_LABEL = "disks.example/id"
_DOWN = "spec.replicas.usable: gives a string, not a bool"


def _cluster(*objects: Any) -> Cluster:
    """Three nodes: n1 and n2 in zone a, n3 in zone b; each with an id of its own in a label but n3, which has n2's."""
    nodes = [
        node(f"n{i}", zone=zone, labels={_LABEL: f"id-{id_}"})
        for i, zone, id_ in ((1, "a", 1), (2, "a", 2), (3, "b", 2))
    ]
    return cluster_of(nodes, *objects)


@pytest.mark.parametrize(
    ("records", "nodes", "offline", "problem"),
    [
        ([replica("r1", "n1"), replica("r2", "n3")], "n1 n3", "", ""),
        # What cannot be used is a place all the same, unless another replica there can.
        (
            [replica("r1", "n1"), replica("r2", "n3", usable=False)],
            "n1 n3",
            "n3",
            "not usable: copies.disks.example r2",
        ),
        (
            [replica("r1", "n1", usable=False), replica("r2", "n3", usable=False)],
            "n1 n3",
            "n1 n3",
            "not usable: copies.disks.example r1, r2",
        ),
        (
            [replica("r1", "n1"), replica("r2", "n1", usable=False)],
            "n1",
            "",
            "not usable: copies.disks.example r2",
        ),
        # What is no whole copy never counts, usable or not.
        ([replica("r1", "n1"), replica("r2", "n3", whole=False)], "n1", "", ""),
        ([replica("r1", "n1"), replica("r2", "n3", whole=False, usable=False)], "n1", "", ""),
        # What is unknown does not count, and says why.
        (
            [replica("r1", "n1"), replica("r2", "n3", usable=None, problem=_DOWN)],
            "n1",
            "",
            f"copies.disks.example r2: {_DOWN}",
        ),
        # Nor does what lies on no node, or on none that exists.
        ([replica("r1", "n1"), replica("r2", "ghost")], "n1", "", "no such node: ghost"),
        ([replica("r1", "n1"), replica("r2", "")], "n1", "", "no node is named by copies.disks.example r2"),
        ([replica("r1", "n1"), replica("r2", "n3", volume="w")], "n1", "", ""),
    ],
)
def test_a_volume_lies_where_its_whole_known_replicas_are(
    records: Sequence[Said], nodes: str, offline: str, problem: str
) -> None:
    """Only on nodes that exist; those whose replica cannot be used are told apart."""
    location = followed(_cluster(VOLUME), *records).where()

    assert location.nodes == set(nodes.split())
    assert location.offline == set(offline.split())
    assert (location.precision, location.confined, location.problem) == (Level.HOST, False, problem)


@pytest.mark.parametrize(
    ("records", "problem"),
    [
        ([replica("r1", "ghost"), replica("r2", "banshee", usable=False)], "no such node: banshee, ghost"),
        ([replica("r1", "")], "no node is named by copies.disks.example r1"),
        (
            [replica("r1", "n1", whole=False), replica("r2", "n2", whole=False)],
            "no whole copy of the data is known, only copies.disks.example r1, r2",
        ),
        (
            [replica("r1", "n1", usable=None, problem=_DOWN), replica("r2", "n2", whole=False)],
            f"copies.disks.example r1: {_DOWN}",
        ),
        (
            [replica(f"r{i}", "n1", usable=None, problem=f"p{i}") for i in range(5)],
            f"{'; '.join(f'copies.disks.example r{i}: p{i}' for i in range(3))}; 2 more are not known either",
        ),
    ],
)
def test_a_place_that_no_replica_tells_is_unknown(records: Sequence[Said], problem: str) -> None:
    """And constrains nothing; the locator, the objects and what is wrong with them are named."""
    location = followed(_cluster(VOLUME), *records).where()

    assert (location.known, location.nodes, location.offline) == (False, frozenset(), frozenset())
    assert (location.source, location.problem) == ("VolumeLocator disks", problem)


@pytest.mark.parametrize(
    ("terms", "nodes", "offline", "confined"),
    [
        ([], "n1 n3", "n3", False),
        ([in_zones("a")], "n1", "", False),
        ([in_zones("b")], "n3", "n3", True),
        ([on_hosts("n1")], "n1", "", True),
        ([on_hosts("n1", "n3")], "n1 n3", "n3", True),
        ([on_hosts("n1"), on_hosts("n3")], "n1 n3", "n3", True),
    ],
)
def test_the_volumes_own_node_affinity_narrows_it(
    terms: Sequence[Any], nodes: str, offline: str, *, confined: bool
) -> None:
    """A replica that the volume cannot be used from is none: Longhorn's strict-local comes out of this."""
    found = volume("v", *terms)
    location = followed(_cluster(found), replica("r1", "n1"), replica("r2", "n3", usable=False)).where(found)

    assert (location.nodes, location.offline) == (frozenset(nodes.split()), frozenset(offline.split()))
    assert (location.precision, location.confined) == (Level.HOST, confined)
    narrowed = ", within spec.nodeAffinity of PersistentVolume v" if len(location.nodes) == 1 else ""
    assert location.source == f"{_SAYS} r1, r2{narrowed}"


def test_a_node_affinity_that_excludes_every_replica_leaves_the_place_unknown() -> None:
    """With the reason, and what else is odd."""
    found = volume("v", in_zones("b"))
    location = followed(_cluster(found), replica("r1", "n1"), replica("r2", "ghost")).where(found)

    assert (location.known, location.source) == (False, f"{_SAYS} r1")
    assert location.problem == "the volume's own node affinity excludes every replica node; no such node: ghost"


def test_the_annotation_outranks_every_locator() -> None:
    """Whoever writes it knows better."""
    found = volume("v", replicas="n2")
    location = followed(_cluster(found), replica("r1", "n1")).where(found)

    assert location.nodes == {"n2"}
    assert location.source == "annotation mooring.dev/replica-nodes of PersistentVolume v"


def test_a_locator_without_a_word_of_the_volume_leaves_it_to_the_next_source() -> None:
    """It is followed, so that nothing is nothing: the volume may be of another kind."""
    found = volume("v", on_hosts("n1"))
    location = followed(_cluster(found), replica("r1", "n2", volume="w")).where(found)

    assert location.nodes == {"n1"}
    assert location.source == "spec.nodeAffinity of PersistentVolume v (kubernetes.io/hostname)"


def test_volumes_of_other_drivers_are_none_of_its_business() -> None:
    """Even where their handles are the same."""
    found = volume("v", driver="csi.other")

    assert not followed(_cluster(found), replica("r1", "n1")).where(found).known


# Who says so.


@pytest.mark.parametrize(
    ("replicas", "keys", "source"),
    [
        ({}, ["ns/r1"], f"{_SAYS} ns/r1"),
        ({}, ["b", "a", "c"], f"{_SAYS} a, b, c"),
        ({}, ["b", "a", "c", "e", "d"], f"{_SAYS} a, b, c and 2 more"),
        (
            {"node": "object.metadata.labels['disks.example/node']"},
            ["r1"],
            "VolumeLocator disks: metadata.labels['disks.example/node'] of copies.disks.example r1",
        ),
        ({"resource": {"resource": "pods"}}, ["r1"], "VolumeLocator disks: spec.node of pods r1"),
    ],
)
def test_the_source_names_locator_field_and_objects(replicas: Any, keys: Sequence[str], source: str) -> None:
    """So that a person can look the fact up with kubectl; at most three objects are named."""
    records = [replica(key, "n1") for key in keys]

    assert followed(_cluster(VOLUME), *records, locator_=locator(replicas=replicas)).where().source == source


def test_a_source_of_its_own_kind_speaks_for_itself() -> None:
    """A REST API has no resource and no field."""
    said = "OpenStorage volume 123 (replica_sets)"
    storage = followed(_cluster(VOLUME), replica("a", "7", source=said), replica("b", "n2", usable=None, source=said))
    storage.says(host("7", "n1", id="7", source="OpenStorage node 7 (scheduler_node_name)"))
    location = storage.where()

    assert location.source == f"VolumeLocator disks: {said}, OpenStorage node 7 (scheduler_node_name)"
    assert location.problem == f"{said}: it is not known whether it can be used"


# What nodes are called.


@pytest.mark.parametrize(
    ("said", "hosts", "nodes", "source"),
    [
        ("7", [host("ns/n1", "n1", id="7")], "n1", f"{_SAYS} r1, spec.id of hosts.disks.example ns/n1"),
        # An id without an entry may be the name itself.
        ("n2", [host("ns/n1", "n1", id="7")], "n2", f"{_SAYS} r1"),
        # Where both names are the same there is nothing to look up.
        ("n1", [host("ns/n1", "n1", id="n1")], "n1", f"{_SAYS} r1"),
        # An entry is believed before that.
        ("n2", [host("ns/n1", "n1", id="n2")], "n1", f"{_SAYS} r1, spec.id of hosts.disks.example ns/n1"),
        # Two entries of one id: either may be meant.
        ("7", [host("a", "n1", id="7"), host("b", "n2", id="7"), host("c", "gone", id="7")], "n1 n2", None),
    ],
)
def test_ids_become_names(said: str, hosts: Sequence[Said], nodes: str, source: str | None) -> None:
    """By the entries of the locator's nodes."""
    location = followed(_cluster(VOLUME), replica("r1", said), *hosts, locator_=locator(nodes=NODES_PART)).where()

    assert location.nodes == set(nodes.split())
    assert source in {None, location.source}


@pytest.mark.parametrize(
    ("said", "hosts", "problem"),
    [
        ("7", [], "no such node: 7"),
        ("7", [host("a", "ghost", id="7")], "no such node: 7"),
        ("n1", [host("a", "ghost", id="n1")], "no such node: n1"),
        ("7", [host("a", "", id="7", problem="spec.nodes.node: no such field or key: name")], "no such node: 7"),
    ],
)
def test_an_id_that_leads_nowhere_leaves_the_place_unknown(said: str, hosts: Sequence[Said], problem: str) -> None:
    """The entry may come later."""
    location = followed(_cluster(VOLUME), replica("r1", said), *hosts, locator_=locator(nodes=NODES_PART)).where()

    assert (location.known, location.problem) == (False, problem)


@pytest.mark.parametrize(
    ("said", "nodes"),
    [("id-1", "n1"), ("id-2", "n2 n3"), ("n1", "n1"), ("id-3", "")],
    ids=["one", "two", "name", "none"],
)
def test_a_label_names_nodes(said: str, nodes: str) -> None:
    """Every node whose label has the value; where none has, the storage system may have taken the node's name."""
    labelled = locator(replicas={"nodeLabel": _LABEL})
    location = followed(_cluster(VOLUME), replica("r1", said), locator_=labelled).where()

    assert location.nodes == set(nodes.split())
    assert location.source == (f"{_SAYS} r1, the node label {_LABEL}" if nodes else "VolumeLocator disks")


# Shared volumes.


@pytest.mark.parametrize(
    ("records", "nodes", "source", "problem"),
    [
        (
            [replica("r1", "n1"), server("ns/share", "n3")],
            "n3",
            "VolumeLocator disks: spec.nodeName of pods ns/share",
            "",
        ),
        ([server("share", "n3")], "n3", "VolumeLocator disks: spec.nodeName of pods share", ""),
        ([replica("r1", "n1", usable=False), server("share", "n1")], "n1", None, ""),
        # Nobody serves it, or nobody knows: the replicas tell.
        ([replica("r1", "n1"), server("share", "n3", usable=False)], "n1", f"{_SAYS} r1", ""),
        ([replica("r1", "n1"), server("share", "ghost")], "n1", f"{_SAYS} r1", "no such node: ghost"),
        (
            [replica("r1", "n1"), server("share", "", usable=None, problem="spec.serving.node: gives null")],
            "n1",
            f"{_SAYS} r1",
            "pods share: spec.serving.node: gives null",
        ),
        ([replica("r1", "n1"), server("share", "n3", volume="w")], "n1", f"{_SAYS} r1", ""),
    ],
)
def test_a_shared_volume_lies_where_it_is_served(
    records: Sequence[Said], nodes: str, source: str | None, problem: str
) -> None:
    """On that node alone, wherever its replicas are."""
    location = followed(_cluster(VOLUME), *records, locator_=locator(serving=SERVING_PART)).where()

    assert (location.nodes, location.offline, location.problem) == (frozenset(nodes.split()), frozenset(), problem)
    assert source in {None, location.source}


def test_a_server_that_serves_no_more_says_nothing() -> None:
    """Without replicas the next source is asked."""
    location = followed(_cluster(VOLUME), server("share", "n3", usable=False)).where()

    assert (location.known, location.source) == (False, "")


# Several locators of one driver.


def test_of_several_locators_the_first_that_knows_answers() -> None:
    """By name, whichever came first; one without a word of the volume is passed over."""
    storage = Storage(_cluster(VOLUME), locator("b"), locator("c"), locator("a"))
    for name in "abc":
        storage.is_(State.FOLLOWING, of=name)
    storage.says(replica("r", "n3"), of="c")
    assert storage.where().nodes == {"n3"}

    storage.says(replica("r", "n2"), of="b")
    assert storage.where().nodes == {"n2"}

    storage.cluster.remove("VolumeLocator", "b")
    assert storage.where().nodes == {"n3"}


def test_a_locator_that_was_not_read_yet_matters_only_while_no_other_knows() -> None:
    """It may be the one that does."""
    found = volume("v", on_hosts("n1"))
    storage = Storage(_cluster(found), locator("a"), locator("b"))
    storage.is_(State.FOLLOWING, of="b")
    assert storage.where(found).problem == "VolumeLocator a has not been read yet"

    storage.says(replica("r", "n1"), of="b")
    assert storage.where(found).source.startswith("VolumeLocator b: ")


# How a storage system can be read.


def test_a_place_is_unknown_until_everything_has_been_read() -> None:
    """Half a list is no answer, and the coarser word of the node affinity would be wrong soon."""
    found = volume("v", in_zones("a"))
    storage = Storage(_cluster(found), locator())
    for state in (State.READING, State.UNREACHABLE, State.READING):
        storage.is_(state)
        storage.says(replica("r1", "n1"))
        location = storage.where(found)
        assert (location.known, location.source) == (False, "VolumeLocator disks")
        assert location.problem == "VolumeLocator disks has not been read yet"

    storage.is_(State.FOLLOWING)
    assert storage.where(found).nodes == {"n1"}


def test_what_was_read_holds_while_the_storage_system_is_out_of_reach() -> None:
    """With its age, until it is followed again."""
    storage = followed(_cluster(VOLUME), replica("r1", "n1"), replica("r2", "ghost"))
    storage.is_(State.UNREACHABLE)
    lost = storage.where()
    assert lost.nodes == {"n1"}
    age = r"VolumeLocator disks has been out of reach since \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
    assert re.fullmatch(f"no such node: ghost; {age}", lost.problem)

    storage.is_(State.READING)
    assert storage.where() == lost

    storage.is_(State.FOLLOWING)
    assert storage.where().problem == "no such node: ghost"


def test_a_locator_whose_resource_is_absent_is_passed_over() -> None:
    """Its driver is not there, or keeps its data elsewhere; what it said is gone, and has to be read anew."""
    found = volume("v", on_hosts("n1", "n2"))
    with_nodes = locator(nodes=NODES_PART)
    storage = followed(
        _cluster(found),
        replica("r1", "n1"),
        host("n2", "n2", id="n2", state=NodeStorageState.OFFLINE),
        locator_=with_nodes,
    )
    storage.is_(State.ABSENT)
    assert storage.where(found).nodes == {"n1", "n2"}
    assert storage.systems.summary("disks") == LocatorSummary()
    assert not storage.cluster.storage.states(found.driver)

    storage.is_(State.READING)
    assert storage.where(found).problem == "VolumeLocator disks has not been read yet"

    storage.says(replica("r2", "n2"))
    storage.is_(State.FOLLOWING)
    assert storage.where(found).nodes == {"n2"}


def test_a_locator_that_does_not_compile_leaves_places_unknown() -> None:
    """It is not passed over in silence; there is nothing to read with."""
    storage = Storage(_cluster(VOLUME), locator(replicas={"usable": "1 +"}))
    storage.is_(State.FOLLOWING)
    location = storage.where()

    why = "spec.replicas.usable: does not compile: 1:4: Syntax error: mismatched input '<EOF>'"
    assert (location.known, location.problem) == (False, f"VolumeLocator disks cannot be used: {why}")
    assert storage.systems.reader("disks") is None
    assert storage.systems.summary("disks").invalid == why


def test_a_volume_that_has_no_key_is_at_no_known_place() -> None:
    """Its replicas, if there are any, cannot be told from others."""
    storage = followed(_cluster(VOLUME), replica("r1", "n1"), locator_=locator(volume="volume.metadata.labels['id']"))

    problem = "spec.volume: no such field or key: labels"
    assert storage.where().problem == f"VolumeLocator disks: {problem}"
    summary = storage.systems.summary("disks")
    assert summary.failures == (FailureSample("v", "spec.volume", "no such field or key: labels"),)

    storage.cluster.put("PersistentVolume", volume("v", labels={"id": "v"}))
    storage.cluster.put("PersistentVolume", volume("w", driver="csi.other"))
    assert storage.systems.summary("disks").failures_total == 0


# What happens.


def test_a_locator_may_change_and_go() -> None:
    """What was read by another spec is forgotten, what still comes by it leads nowhere; a status changes nothing."""
    storage = followed(_cluster(VOLUME), replica("r1", "n1"))
    old = storage.systems.sink("disks", Part.REPLICAS)
    storage.cluster.put("VolumeLocator", locator(replicas={"usable": "object.spec.up"}))
    old.put("", replica("r9", "n2"))
    storage.is_(State.FOLLOWING)
    assert storage.systems.summary("disks") == LocatorSummary()
    assert not storage.where().known

    storage.says(replica("r2", "n3"))
    assert storage.where().nodes == {"n3"}
    storage.cluster.put("VolumeLocator", replace(locator(replicas={"usable": "object.spec.up"}), generation=7))
    assert storage.where().nodes == {"n3"}

    storage.cluster.remove("VolumeLocator", "disks")
    assert (storage.where().known, storage.where().source) == (False, "")
    assert (storage.systems.reader("disks"), storage.systems.summary("disks")) == (None, LocatorSummary())
    storage.is_(State.FOLLOWING)
    with pytest.raises(KeyError):
        storage.systems.sink("disks", Part.REPLICAS)


def test_a_locator_may_change_its_driver() -> None:
    """It leaves the volumes of the one and takes on those of the other."""
    other = volume("v", driver="csi.other")
    storage = followed(_cluster(VOLUME), replica("r1", "n1"))
    storage.cluster.put("VolumeLocator", locator(driver="csi.other"))
    storage.is_(State.FOLLOWING)
    storage.says(replica("r1", "n2"))

    assert not storage.where().known
    assert storage.where(other).nodes == {"n2"}


def test_a_change_of_a_replica_touches_its_volumes_alone() -> None:
    """Those it belonged to and those it belongs to now; whatever was remembered of them is looked at afresh."""
    volumes = [volume("pv-v"), volume("pv-w"), volume("pv-x")]
    storage = followed(_cluster(volumes), locator_=locator(volume="volume.metadata.name"))
    heard: list[Change] = []
    storage.cluster.listen(heard.append)
    version = storage.cluster.topology_version
    storage.says(replica("r1", "n1", volume="pv-v"), replica("r2", "n1", volume="nobody's"))
    storage.says(replica("r1", "n1", volume="pv-v"))
    storage.says(replica("r1", "n1", volume="pv-w"), server("s", "n2", volume="pv-x"))
    storage.forgets(replica("r1", "n1"))

    names = ["pv-v", "pv-v", "pv-w", "pv-x", "pv-w"]
    assert [(change.kind, change.key) for change in heard] == [("PersistentVolume", name) for name in names]
    assert all(change.old is change.new is not None for change in heard)
    assert storage.cluster.topology_version == version


def test_a_change_of_a_node_or_of_how_a_locator_stands_is_one_of_the_topology() -> None:
    """It may concern any volume of the driver; nothing is told for each of them, and nothing before it can matter."""
    storage = Storage(_cluster(VOLUME), locator(nodes=NODES_PART))
    heard: list[Change] = []
    storage.cluster.listen(heard.append)
    versions = [storage.cluster.topology_version]
    storage.says(host("a", "n1", id="7"), replica("r1", "7"))
    assert (heard, storage.cluster.topology_version) == ([], versions[0])

    storage.is_(State.FOLLOWING)
    storage.is_(State.FOLLOWING)
    versions.append(storage.cluster.topology_version)
    storage.says(host("a", "n2", id="7"))
    storage.says(host("a", "n2", id="7"))
    versions.append(storage.cluster.topology_version)
    storage.forgets(host("a", "n2"))
    versions.append(storage.cluster.topology_version)

    assert heard == [Change(TOPOLOGY, "", None, None)] * 3
    assert [version - versions[0] for version in versions] == [0, 1, 2, 3]


def test_ids_labels_and_nodes_may_come_after_the_replicas() -> None:
    """What was looked at too early is looked at again."""
    labelled = locator(nodes=NODES_PART, replicas={"nodeLabel": "rack-id"})
    storage = followed(_cluster(VOLUME), replica("r1", "7"), locator_=labelled)
    assert not storage.where().known

    storage.cluster.put("Node", node("n9", labels={"rack-id": "7"}))
    assert storage.where().nodes == {"n9"}

    storage.says(host("a", "n1", id="7"))
    assert storage.where().nodes == {"n1"}

    storage.forgets(host("a", "n1"))
    storage.cluster.remove("Node", "n9")
    assert not storage.where().known


def test_states_of_storage_are_reported_for_the_driver() -> None:
    """Under the name of the node in Kubernetes; the worst of several entries holds, and the annotation above all."""
    storage = followed(_cluster(VOLUME), locator_=locator(nodes=NODES_PART))
    storage.says(
        host("a", "n1", state=NodeStorageState.STORAGE_DOWN),
        host("b", "n1", state=NodeStorageState.DEGRADED),
        host("c", "n2", state=NodeStorageState.ONLINE),
        host("d", "n3", state=NodeStorageState.OFFLINE),
    )
    states = storage.cluster.storage.states
    assert states(VOLUME.driver) == {"n1": NodeStorageState.DEGRADED, "n3": NodeStorageState.OFFLINE}

    storage.cluster.put("Node", node("n3", states={VOLUME.driver: "Online"}))
    storage.forgets(host("b", "n1"))
    assert states(VOLUME.driver) == {"n1": NodeStorageState.STORAGE_DOWN}

    storage.cluster.put("Node", node("n3"))
    storage.cluster.remove("VolumeLocator", "disks")
    assert states(VOLUME.driver) == {}


def test_a_summary_counts_and_shows_samples() -> None:
    """What is neither usable nor unknown cannot be used; five failures are shown, in order."""
    storage = followed(_cluster(), locator_=locator(nodes=NODES_PART, serving=SERVING_PART))
    storage.says(
        replica("a", "n1"),
        replica("b", "n1", usable=False),
        replica("c", "n1", whole=False),
        replica("d", "n1", volume="w"),
        replica("e", "n1", volume=""),
        *(replica(f"f{i}", "n1", usable=None, problem=_DOWN) for i in range(5, -1, -1)),
        host("a-host", "n1", problem="spec.nodes.state: 'x' is not a storage state"),
        server("z-share", "n1", usable=None, problem="spec.serving.node: gives null, not a string"),
    )
    summary = storage.systems.summary("disks")

    assert (summary.total, summary.usable, summary.unknown, summary.volumes) == (11, 3, 6, 2)
    assert summary.failures_total == 8
    assert summary.failures == (
        FailureSample("a-host", "spec.nodes.state", "'x' is not a storage state"),
        *(FailureSample(f"f{i}", "spec.replicas.usable", "gives a string, not a bool") for i in range(4)),
    )

    storage.says(*(replica(f"f{i}", "n1") for i in range(6)))
    storage.forgets(replica("a", "n1"), host("a-host", "n1"))
    summary = storage.systems.summary("disks")
    assert (summary.total, summary.usable, summary.unknown) == (10, 8, 0)
    assert [sample.object for sample in summary.failures] == ["z-share"]


# Whatever the order.

_NAMES = st.sampled_from(["n1", "n2", "n3", "ghost"])
_SAID = st.sampled_from(["n1", "n2", "n3", "ghost", "7", "8", ""])
_VOLUMES = st.sampled_from(["v", "w"])
_USABLE = st.sampled_from([True, False, None])
_RECORDS: st.SearchStrategy[Said] = st.one_of(
    st.builds(
        lambda key, node, volume, usable, whole: replica(key, node, volume=volume, usable=usable, whole=whole),
        st.sampled_from(["r1", "r2", "r3", "r4"]),
        _SAID,
        _VOLUMES,
        _USABLE,
        st.booleans(),
    ),
    st.builds(
        lambda key, node, id_, state: host(key, node, id=id_, state=state),
        st.sampled_from(["h1", "h2", "h3"]),
        _NAMES,
        st.sampled_from(["7", "8", "n1"]),
        st.sampled_from([None, *NodeStorageState]),
    ),
    st.builds(
        lambda key, node, volume, usable: server(key, node, volume=volume, usable=usable),
        st.sampled_from(["s1", "s2"]),
        _SAID,
        _VOLUMES,
        _USABLE,
    ),
)
_OBJECTS: st.SearchStrategy[Any] = st.one_of(
    st.builds(
        lambda name, label: node(name, labels={_LABEL: label}),
        st.sampled_from(["n1", "n2", "n3"]),
        st.sampled_from(["7", "8", "9"]),
    ),
    st.builds(
        lambda name, terms: volume(name, *terms),
        _VOLUMES,
        st.sampled_from([[], [on_hosts("n1", "n2")], [on_hosts("n3")]]),
    ),
)
_LOCATORS = [
    locator(nodes=NODES_PART, serving=SERVING_PART, replicas={"nodeLabel": _LABEL}),
    locator("again", volume="volume.metadata.name"),
]


def _last(facts: Sequence[Any]) -> list[Any]:
    """What is left of facts of which later ones take the place of earlier ones."""
    return list({_identity(fact): fact for fact in facts}.values())


def _identity(fact: Any) -> tuple[type, str]:
    return type(fact), fact.key


def _tell(storage: Storage, fact: Any) -> None:
    if isinstance(fact, Said):
        storage.says(fact)
    else:
        storage.cluster.put(type(fact).__name__, fact)


def _answers(storage: Storage) -> dict[str, Any]:
    volumes = storage.cluster.all("PersistentVolume").values()
    return {
        "places": {found.name: storage.where(found) for found in volumes},
        "states": dict(storage.cluster.storage.states(VOLUME.driver)),
        "summaries": [storage.systems.summary(each.name) for each in _LOCATORS],
    }


@settings(deadline=None, max_examples=200)
@given(
    before=st.lists(st.one_of(_RECORDS, _OBJECTS), max_size=12),
    after=st.lists(st.one_of(_RECORDS, _OBJECTS), max_size=12),
    data=st.data(),
)
def test_the_order_in_which_facts_come_does_not_matter(
    before: list[Any], after: list[Any], data: st.DataObject
) -> None:
    """Locators, volumes, nodes and all that storage systems say may come, change and be asked about at any time."""
    facts = before + after
    expected = Storage(Cluster(), *_LOCATORS)
    for fact in _last(facts):
        _tell(expected, fact)
    for each in _LOCATORS:
        expected.is_(State.FOLLOWING, of=each.name)

    storage = Storage(Cluster())
    objects = [fact for fact in facts if not isinstance(fact, Said)]
    early = data.draw(st.integers(0, len(objects)))
    for fact in objects[:early]:
        _tell(storage, fact)
    for each in data.draw(st.permutations(_LOCATORS)):
        storage.cluster.put("VolumeLocator", each)
    late = [fact for fact in facts if isinstance(fact, Said)] + objects[early:]
    # Facts about one thing keep their order; those about different things may come in any.
    moment = data.draw(st.integers(0, len(late)))
    for position, fact in enumerate(_shuffled(late, data)):
        if position == moment:
            _follow(storage)
        _answers(storage)
        _tell(storage, fact)
    _follow(storage)

    assert _answers(storage) == _answers(expected)


def _follow(storage: Storage) -> None:
    for each in _LOCATORS:
        storage.is_(State.FOLLOWING, of=each.name)


def _shuffled(facts: Sequence[Any], data: st.DataObject) -> list[Any]:
    """The facts in another order, in which those of one identity stay as they were."""
    identities = data.draw(st.permutations([_identity(fact) for fact in facts]))
    queues: dict[Any, list[Any]] = {}
    for fact in facts:
        queues.setdefault(_identity(fact), []).append(fact)
    return [queues[identity].pop(0) for identity in identities]


@settings(deadline=None)
@given(records=st.lists(_RECORDS), objects=st.lists(_OBJECTS), data=st.data())
def test_what_is_taken_out_leaves_nothing_behind(records: list[Said], objects: list[Any], data: st.DataObject) -> None:
    """No group, no count, no state of storage, and no answer."""
    storage = Storage(Cluster(), *_LOCATORS)
    _follow(storage)
    for fact in [*records, *objects]:
        _tell(storage, fact)
    _answers(storage)
    for fact in data.draw(st.permutations(_last([*records, *objects]))):
        if isinstance(fact, Said):
            storage.forgets(fact)
        else:
            storage.cluster.remove(type(fact).__name__, fact.key)

    assert _answers(storage) == {"places": {}, "states": {}, "summaries": [LocatorSummary()] * 2}
    assert not storage.locator._remembered
    assert not storage.cluster.storage._reported
    for store in storage.systems._stores.values():
        groups = (store._replicas, store._servers, store._volumes, store._nodes._by_id)
        assert [len(group) for group in groups] == [0] * 4
        assert not store._failed
