"""A locator's facts in words for people."""

import pytest
from tests.unit.locate.storage import NODES_PART, host, locator, replica

from mooring.locate.wording import Wording, fields_of, listed


@pytest.mark.parametrize(
    ("expression", "fields"),
    [
        ("object.spec.nodeID", "spec.nodeID"),
        (" object.spec.node_name.lowerAscii() ", "spec.node_name"),
        ("object.spec.path.split ('/')[0]", "spec.path"),
        ("object.metadata.labels['directpv.min.io/node']", "metadata.labels['directpv.min.io/node']"),
        ('object.metadata.labels["a"] + object.kind', 'metadata.labels["a"], kind'),
        ('has(object.status) && has(object.status.id) ? object.status.id : ""', "status.id"),
        (
            "object.spec.failedAt == '' && !has(object.metadata.deletionTimestamp)",
            "spec.failedAt, metadata.deletionTimestamp",
        ),
        ("object.status.conditions.exists(c, c.type == 'Lost')", "status.conditions"),
        ("has(object.status) && has(object.statusText)", "status, statusText"),
        ("'n1'", ""),
    ],
)
def test_the_fields_of_an_expression_are_named(expression: str, fields: str) -> None:
    """What a person looks up with kubectl, without CEL."""
    assert fields_of(expression) == fields


def test_who_says_it_is_named() -> None:
    """The locator, the fields, and the objects with their resource."""
    spec = locator(replicas={"usable": "object.spec.up"}, nodes={**NODES_PART, "state": "object.status.phase"}).spec
    wording = Wording("disks", spec)
    records = [replica("ns/b", "n1"), replica("ns/a", "n2")]

    assert wording.place(records) == "spec.node of copies.disks.example ns/a, ns/b"
    assert wording.unusable(records) == "copies.disks.example ns/a, ns/b (spec.up)"
    assert wording.place([host("n1", "n1")]) == "spec.id of hosts.disks.example n1"
    assert wording.state(host("n1", "n1")) == "VolumeLocator disks: status.phase of hosts.disks.example n1"


def test_what_is_no_object_of_a_resource_names_itself() -> None:
    """One REST answer may speak of several replicas, and is named once."""
    wording = Wording("disks", locator(replicas={"usable": "object.spec.up"}).spec)
    records = [replica(key, "n1", source="OpenStorage volume 7 (replica_sets)") for key in ("a", "b")]

    assert wording.place(records) == "OpenStorage volume 7 (replica_sets)"
    assert wording.unusable(records) == "OpenStorage volume 7 (replica_sets)"
    assert wording.state(host("n1", "n1", source="OpenStorage node 1 (status)")) == (
        "VolumeLocator disks: OpenStorage node 1 (status)"
    )


def test_a_resource_of_the_core_group_has_no_group() -> None:
    """As kubectl names it; and a constant has no field."""
    wording = Wording("disks", locator(replicas={"resource": {"resource": "pods"}, "node": "'n1'"}).spec)

    assert wording.place([replica("ns/a", "n1")]) == "pods ns/a"


def test_long_lists_are_cut() -> None:
    """Three are enough to look at."""
    assert listed(["c", "a", "b"]) == "a, b, c"
    assert listed("edcba") == "a, b, c and 2 more"
