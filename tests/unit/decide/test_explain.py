"""Explanations: what the command line prints, to the letter."""

import json
from collections.abc import Sequence
from textwrap import dedent
from typing import Any

import pytest
from tests.unit.builders import (
    DISABLE,
    DRIVER,
    HOSTNAME,
    PREFER_LOCAL,
    ZONE,
    capacity,
    claim,
    cluster_of,
    cluster_policy,
    csi_node,
    data,
    decision_on,
    deployment,
    in_zones,
    node,
    on_hosts,
    pod,
    policy,
    soft,
    storage_class,
    strict,
    volume,
)
from tests.unit.worlds import SHARED

from mooring.api.annotations import NodeStorageState
from mooring.decide.decision import decide
from mooring.decide.explain import explain, render
from mooring.decide.subject import subject_of_template
from mooring.locate.locator import Locator

_NODES = [
    node("a1", region="r", zone="a", rack="x"),
    node("a2", region="r", zone="a", rack="x"),
    node("a3", region="r", zone="a", rack="y"),
    node("b1", region="r", zone="b"),
    node("far", region="q"),
]


def _explain(subject: Any, *objects: Any) -> dict[str, Any]:
    cluster = cluster_of(_NODES, *objects)
    return explain(decision_on(subject, cluster), cluster)


def test_an_explanation_says_everything() -> None:
    """Subject, rule, losers, volumes, every node, and what was measured; all of it JSON."""
    objects = [data("c1", on_hosts("a1")), strict("p"), cluster_policy("w"), csi_node("a1", DRIVER)]
    explanation = _explain(pod("web", "c1", on="a2", annotations={DISABLE: "perhaps"}), objects)

    assert json.loads(json.dumps(explanation)) == explanation
    nodes = explanation.pop("nodes")
    assert explanation == {
        "subject": {"kind": "Pod", "namespace": "shop", "name": "web"},
        "rule": {
            "name": "VolumePlacementPolicy/shop/p",
            "origin": "policy",
            "why": "a policy of the namespace outranks ClusterVolumePlacementPolicy/w",
            "strict": True,
            "placement": "Local",
            "topologyKey": HOSTNAME,
            "updateMode": "Initial",
        },
        "noRule": "",
        "overridden": ["ClusterVolumePlacementPolicy/w"],
        "problems": [f"{DISABLE}: 'perhaps' is not a boolean (true or false) and is passed over"],
        "volumes": [
            {
                "claim": "c1",
                "volume": "pv-c1",
                "driver": DRIVER,
                "state": "Located",
                "nodes": ["a1"],
                "precision": "host",
                "usable": ["a1"],
                "source": f"spec.nodeAffinity of PersistentVolume pv-c1 ({HOSTNAME})",
                "remote": False,
                "required": True,
                "scored": True,
                "awaited": "",
                "detail": "",
            }
        ],
        "newVolumes": [],
        "storage": [],
        "obstacle": None,
        "locality": {"node": "a2", "reason": "NotLocal", "message": "the data of c1 lies on a1, not near a2"},
    }
    assert nodes[:2] == [
        {"name": "a1", "eligible": True, "score": 100, "tier": "node", "near": True, "refusals": []},
        {
            "name": "a2",
            "eligible": False,
            "score": 50,
            "tier": "rack",
            "near": False,
            "refusals": [
                "not near the data of c1, which lies on a1",
                f"the driver {DRIVER} is not registered on the node",
            ],
        },
    ]


@pytest.mark.parametrize(
    ("objects", "tiers"),
    [
        ([data("c1", on_hosts("a1")), claim("c2")], ["node", "rack", "zone", "region", "remote"]),
        ([data("c1", in_zones("a")), claim("c2")], ["zone", "zone", "zone", "region", "remote"]),
        # The mean of a node's and a remote one's score is a rack mate's: a score does not tell the tier.
        (
            [data("c1", on_hosts("a1")), data("c2", on_hosts("far"))],
            ["mixed", "mixed", "mixed", "mixed", "mixed"],
        ),
        ([data("c1", on_hosts("a1")), data("c2", on_hosts("a2"))], ["mixed", "mixed", "zone", "region", "remote"]),
        # Half of a rack mate's score is a zone mate's, and it is a rack mate all the same.
        (
            [data("c1", on_hosts("a1")), node("a2", region="r", zone="a", rack="x", states={DRIVER: "StorageDown"})],
            ["node", "rack", "zone", "region", "remote"],
        ),
        # Unknown is not remote.
        ([data("c1"), claim("c2")], ["unknown"] * 5),
    ],
)
def test_tiers_are_named(objects: Sequence[Any], tiers: Sequence[str]) -> None:
    """How near each node is, where that can be said in a word."""
    explanation = _explain(pod("web", "c1", "c2"), soft(), objects)

    assert [entry["tier"] for entry in explanation["nodes"]] == tiers


@pytest.mark.parametrize(
    ("policies", "annotations", "overridden"),
    [
        ([policy("a"), policy("b")], {}, ["b"]),
        ([policy("a"), policy("b")], {PREFER_LOCAL: "true"}, ["a", "b"]),
        ([policy("a"), policy("b")], {DISABLE: "true"}, ["a", "b"]),
        ([policy("a", placement="Anywhere"), policy("b")], {}, ["b"]),
    ],
)
def test_overridden_policies_are_those_that_lost(
    policies: Sequence[Any], annotations: dict[str, str], overridden: Sequence[str]
) -> None:
    """To another policy, or all of them to an annotation."""
    explanation = _explain(pod("web", "c1", annotations=annotations), data("c1", on_hosts("a1")), policies)

    assert explanation["overridden"] == [f"VolumePlacementPolicy/shop/{name}" for name in overridden]


def test_a_template_is_not_measured() -> None:
    """A workload's template runs nowhere."""
    cluster = cluster_of(_NODES, data("c1", on_hosts("a1")), soft())
    decision = decide(subject_of_template(deployment("web", "c1")), cluster, Locator(cluster))
    explanation = explain(decision, cluster)

    assert "locality" not in explanation
    assert explanation["subject"]["kind"] == "Deployment"


@pytest.mark.parametrize(
    ("subject", "objects", "text"),
    [
        (
            pod("web", "c1", "c2", on="a2"),
            [data("c1", on_hosts("a1")), claim("c2"), soft("p"), cluster_policy("w"), csi_node("a1", DRIVER)],
            """
            Pod shop/web
            Rule:      VolumePlacementPolicy/shop/p (soft, kubernetes.io/hostname, Initial)
                       a policy of the namespace outranks ClusterVolumePlacementPolicy/w
            Overrides: ClusterVolumePlacementPolicy/w
            Volume:    c1: Located on a1 (says spec.nodeAffinity of PersistentVolume pv-c1 (kubernetes.io/hostname))
            Volume:    c2: VolumeUnbound; the claim is not bound; to be waited for
            Score   100: a1 (node)
            Refused:   a2, a3, b1, far: the driver csi.example is not registered on the node
            Measured:  NotLocal: the data of c1 lies on a1, not near a2
            """,
        ),
        (
            pod("web", "c1", scheduler="stork"),
            [data("c1", in_zones("a"))],
            """
            Pod shop/web
            Rule:      schedulerName stork (soft, kubernetes.io/hostname, Initial)
            Volume:    c1: LocationCoarse somewhere in the zone of a1, a2, a3 \
(says spec.nodeAffinity of PersistentVolume pv-c1 (topology.kubernetes.io/zone))
            Score    25: a1, a2, a3 (zone)
            Score    10: b1 (region)
            Score     0: far (remote)
            Measured:  NotScheduled: the pod is not scheduled
            """,
        ),
        (
            pod("web", "c1", "c2", annotations={PREFER_LOCAL: "true"}),
            [data("c1", on_hosts("a1")), data("c2", on_hosts("b1"))],
            """
            Pod shop/web
            Rule:      annotation preferLocalNodeOnly (strict, kubernetes.io/hostname, Initial)
            Volume:    c1: Located on a1 (says spec.nodeAffinity of PersistentVolume pv-c1 (kubernetes.io/hostname))
            Volume:    c2: Located on b1 (says spec.nodeAffinity of PersistentVolume pv-c2 (kubernetes.io/hostname))
            Obstacle:  DisjointVolumes: the volumes have no node in common: c1 on a1; c2 on b1
            Refused:   a1, a2, a3, b1, far: the volumes have no node in common: c1 on a1; c2 on b1
            Measured:  NotScheduled: the pod is not scheduled
            """,
        ),
        (
            pod("web", "c1", "c2", "c3", "c4"),
            [
                data("c1", replicas="a1"),
                claim("c2", "pv-c2", annotations={"mooring.dev/preferRemoteNodeOnly": "true"}),
                volume("pv-c2", replicas="a2", labels=SHARED),
                claim("c3", "pv-c3", annotations={"mooring.dev/restore-in-progress": "true"}),
                volume("pv-c3", replicas="a1"),
                claim("c4", annotations={"mooring.dev/skipSchedulerScoring": "true"}),
                soft("p", placement="Remote"),
            ],
            """
            Pod shop/web
            Rule:      VolumePlacementPolicy/shop/p (soft, Remote, kubernetes.io/hostname, Initial)
                       the only policy that selects the pod
            Volume:    c1: Located on a1 (says annotation mooring.dev/replica-nodes of PersistentVolume pv-c1), \
to be used from elsewhere
            Volume:    c2: Located on a2 (says annotation mooring.dev/replica-nodes of PersistentVolume pv-c2), \
to be used from elsewhere only
            Volume:    c3: Located on a1 (says annotation mooring.dev/replica-nodes of PersistentVolume pv-c3), \
to be used from elsewhere; a restore of it is in progress; to be waited for
            Volume:    c4: NotSelected; it draws the pod nowhere (skipSchedulerScoring)
            Refused:   a1, a2, a3, b1, far: a restore of c3 is in progress
            Measured:  NotScheduled: the pod is not scheduled
            """,
        ),
        (
            pod("web", "c1", annotations={DISABLE: "maybe"}),
            [data("c1", on_hosts("a1"))],
            """
            Pod shop/web
            Rule:      none (no policy selects the pod, and it has no annotation)
            Warning:   mooring.dev/disableHyperconvergence: 'maybe' is not a boolean (true or false) and is passed over
            """,
        ),
    ],
)
def test_an_explanation_reads_as_text(subject: Any, objects: Sequence[Any], text: str) -> None:
    """The rule and why, each volume, the nodes by score, refusals by reason, and the fact."""
    assert render(_explain(subject, objects)) == dedent(text).strip()


def test_long_lists_of_nodes_are_shortened() -> None:
    """A large cluster stays readable."""
    many = [node(f"n{number}", region="q") for number in range(1, 10)]
    text = render(_explain(pod("web", "c1"), many, data("c1", on_hosts("a1")), soft()))

    assert "Score     0: far, n1, n2, n3, n4, n5, n6, n7 and 2 more (remote)" in text


def test_who_says_how_storage_is_on_a_node_is_named() -> None:
    """The annotation, or whoever reports it; many nodes take one line."""
    objects = cluster_of(
        [node(name, states={DRIVER: "Offline"}) for name in ("n1", "n2", "n3")], node("n4"), data("c1"), soft("p")
    )
    objects.storage.report(
        "VolumeLocator disks: status.phase of hosts.disks.example n4", DRIVER, "n4", NodeStorageState.STORAGE_DOWN
    )
    objects.storage.report(
        "VolumeLocator disks: status.phase of hosts.disks.example gone", DRIVER, "gone", NodeStorageState.STORAGE_DOWN
    )
    explanation = explain(decision_on(pod("web", "c1"), objects), objects)

    annotation = f"annotation storage-state.mooring.dev/{DRIVER} of Node"
    assert [(each["node"], each["source"]) for each in explanation["storage"]] == [
        ("n1", f"{annotation} n1"),
        ("n2", f"{annotation} n2"),
        ("n3", f"{annotation} n3"),
        ("n4", "VolumeLocator disks: status.phase of hosts.disks.example n4"),
    ]
    assert [line for line in render(explanation).splitlines() if line.startswith("Storage:")] == [
        f"Storage:   n1, n2, n3: Offline for {DRIVER} (says {annotation} n1 and 2 more)",
        f"Storage:   n4: StorageDown for {DRIVER} (says VolumeLocator disks: status.phase of hosts.disks.example n4)",
    ]


def test_what_new_volumes_ask_for_is_said() -> None:
    """Each thing with the nodes that it leaves, or leaves out; and rules that cannot be read as warnings."""
    far = {"matchExpressions": [{"key": HOSTNAME, "operator": "In", "values": ["far"]}]}
    tape = {"matchExpressions": [{"key": "disk", "operator": "In", "values": ["${pvc.labels.disk}"]}]}
    database = {"matchExpressions": [{"key": "app", "operator": "In", "values": ["db"]}]}
    rules = {
        "nodeAffinity": [{**far, "enforcement": "Preferred", "weight": 7}, tape],
        "volumeAffinity": [{**database, "topologyKey": ZONE}],
        "volumeAntiAffinity": [database, {**database, "enforcement": "Preferred", "topologyKey": "room"}],
    }
    other = claim("c2", "pv-c2", labels={"app": "db"}), volume("pv-c2", on_hosts("a1"))
    late = storage_class("late", binding="WaitForFirstConsumer")
    new = claim("c1", storage_class="late", size="1Gi")
    pool = capacity("one", "late", "2Gi", labels={ZONE: "a"})
    explanation = _explain(pod("web", "c1"), soft(newVolumes=rules), other, new, late, pool)

    assert json.loads(json.dumps(explanation)) == explanation
    assert explanation["newVolumes"][1] == {
        "rule": "volumeAffinity[0]",
        "required": True,
        "weight": 1,
        "except": False,
        "nodes": ["a1", "a2", "a3"],
        "message": "not near the volumes that newVolumes.volumeAffinity[0] asks for: those are on a1",
    }
    lines = render(explanation).splitlines()
    unreadable = "${pvc.labels.disk}: the claim has no label disk"
    assert [line for line in lines if line.startswith(("Warning", "New"))] == [
        f"Warning:   newVolumes.nodeAffinity[1] holds nothing for the claim c1: {unreadable}",
        "New:       nodeAffinity[0] prefers (weight 7) one of far",
        "New:       volumeAffinity[0] requires one of a1, a2, a3",
        "New:       volumeAntiAffinity[0] requires none of a1",
        "New:       volumeAntiAffinity[1] prefers (weight 1) any node",
        "New:       capacity requires none of b1, far",
    ]
    assert [each["name"] for each in explanation["nodes"] if each["eligible"]] == ["a2", "a3"]


def test_what_no_node_meets_is_said() -> None:
    """In words that do not look like a list of nodes."""
    near = {"matchExpressions": [{"key": "app", "operator": "Exists"}]}
    late = storage_class("late", binding="WaitForFirstConsumer")
    explanation = _explain(
        pod("web", "c1"), soft(newVolumes={"volumeAffinity": [near]}), claim("c1", storage_class="late"), late
    )

    assert "New:       volumeAffinity[0] requires a node that is not there" in render(explanation).splitlines()
