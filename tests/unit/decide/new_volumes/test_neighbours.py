"""The volumes of other claims: which a rule means, and where they are."""

from collections.abc import Sequence
from typing import Any, Final

import pytest
from tests.unit import builders
from tests.unit.builders import HOSTNAME, NAMESPACE, ZONE, claim, in_zones, need, term, volume
from tests.unit.decide.new_volumes.support import made, new, world

from mooring.api.annotations import GATE
from mooring.cluster.records import Expression
from mooring.decide.new_volumes.neighbours import matching, meets, place, stateful_set_pod
from mooring.decide.subject import subject_of_pod
from mooring.locate.locator import Locator

_POD: Final = builders.pod("web", "own")


@pytest.mark.parametrize(
    ("expressions", "names"),
    [
        ([Expression("app", "In", ("db",))], "d1 d2"),
        ([Expression("app", "In", ("db", "web"))], "d1 d2 w"),
        ([Expression("app", "In", ("db",)), Expression("tier", "Exists")], "d2"),
        ([Expression("tier", "Exists"), Expression("app", "In", ("db",))], "d2"),
        ([Expression("app", "NotIn", ("db",))], "bare p w"),
        ([Expression("app", "DoesNotExist")], "bare p"),
        ([Expression("size", "Gt", ("4",))], "w"),
        ([Expression("size", "Lt", ("4",))], ""),
        ([Expression("px/statefulset-pod", "In", ("db-0",))], "p"),
        ([Expression("mooring.dev/statefulset-pod", "Exists")], "p"),
        ([Expression("mooring.dev/statefulset-pod", "DoesNotExist")], "bare d1 d2 w"),
        ([Expression("app", "In", ("none",))], ""),
    ],
)
def test_claims_are_found_by_label(expressions: Sequence[Expression], names: str) -> None:
    """In the pod's namespace, and not its own."""
    foreign = claim("foreign", labels={"app": "db"})
    foreign.metadata.namespace = "elsewhere"
    cluster = world(
        new("own", labels={"app": "db", "tier": "x", "size": "5"}),
        new("d1", labels={"app": "db"}),
        new("d2", labels={"app": "db", "tier": "x"}),
        new("w", labels={"app": "web", "size": "5"}),
        new("bare"),
        new("p"),
        builders.pod("db-0", "p", of_set="db"),
        foreign,
    )

    found = matching(expressions, subject_of_pod(_POD), cluster)
    assert " ".join(sorted(each.name for each in found)) == names


def test_the_pod_of_a_stateful_set_is_found() -> None:
    """Of whatever else mounts the claim, and of nothing."""
    pods = [builders.pod("a", "c"), builders.pod("b", "c", made_by="web"), builders.pod("db-0", "c", of_set="db")]

    assert stateful_set_pod(new("c"), world(new("c"), pods)) == "db-0"
    assert stateful_set_pod(new("c"), world(new("c"), pods[:2])) == ""


def test_a_claim_meets_what_its_labels_and_its_pod_do() -> None:
    """The pod's name stands for a label that the claim need not have."""
    by_pod = [Expression("mooring.dev/statefulset-pod", "In", ("db-0",))]

    assert meets(new("c"), by_pod, "db-0")
    assert not meets(new("c"), by_pod, "db-1")
    assert not meets(new("c"), by_pod, "")
    assert not meets(new("c", labels={"app": "db"}), [], "")


def _bound_to(*names: str, **fields: Any) -> Any:
    terms = [term(need(HOSTNAME, "In", *names))]
    affinity = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}
    return builders.pod("db", "c", affinity={"nodeAffinity": affinity}, **fields)


@pytest.mark.parametrize(
    ("objects", "nodes"),
    [
        (made("c", "n1", "n2"), {"n1", "n2"}),
        ([claim("c", "pv-c"), volume("pv-c", in_zones("a"))], {"n1", "n2"}),
        ([claim("c", "pv-c"), volume("pv-c")], set()),
        ([claim("c", "pv-c", selected="n4"), volume("pv-c")], {"n4"}),
        ([claim("c", "pv-c", selected="n4"), volume("pv-c", replicas="n1")], {"n1"}),
        ([new("c")], set()),
        ([new("c", selected="n4")], {"n4"}),
        ([claim("c", "pv-gone"), builders.pod("db", "c", on="n4")], {"n4"}),
        ([new("c"), builders.pod("db", "c", on="n4")], {"n4"}),
        ([new("c"), builders.pod("db", "c", nominated="n4")], {"n4"}),
        ([new("c"), builders.pod("db", "c", on="n4", phase="Failed")], set()),
        ([new("c"), builders.pod("db", "c")], set()),
        ([new("c"), _bound_to("n1", "n2")], {"n1", "n2"}),
        ([new("c"), _bound_to("n2", "n3")], set()),
        ([new("c"), _bound_to("n1", gates=[GATE])], set()),
        ([new("c"), _bound_to("gone")], set()),
        ([new("c"), _bound_to("n1", nominated="n3")], {"n3"}),
        ([new("c", selected="n4"), _bound_to("n1")], {"n4"}),
    ],
)
def test_the_place_of_a_volume(objects: Sequence[Any], nodes: set[str]) -> None:
    """Where it is, else where it was asked for, else where its pod is, is to be, or is bound to be."""
    cluster = world(objects)
    found = cluster.claim(f"{NAMESPACE}/c")

    assert found is not None
    assert place(found, ZONE, cluster, Locator(cluster)) == nodes


def test_a_promise_is_a_place() -> None:
    """Until the API server tells of the nomination, which other pods cannot wait for."""
    pod = builders.pod("db", "c", gates=[GATE])
    cluster = world(new("c"), pod)
    cluster.promise(pod, "n5")

    assert place(new("c"), ZONE, cluster, Locator(cluster)) == {"n5"}
    cluster.withdraw(pod)
    assert place(new("c"), ZONE, cluster, Locator(cluster)) == set()
