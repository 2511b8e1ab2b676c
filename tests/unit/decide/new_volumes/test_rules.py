"""The rules of `newVolumes`: which nodes each of them allows, and what they say where they cannot be read."""

from collections.abc import Sequence
from typing import Any, Final

import pytest
from tests.unit import builders
from tests.unit.builders import HOSTNAME, ZONE, claim, volume
from tests.unit.decide.new_volumes.support import decided, eligible, made, new, rule

from mooring.cluster.records import Expression

_APP: Final = {"app": "db"}
_DB: Final = rule("app", "In", "db")
_DB_ZONE: Final = {**_DB, "topologyKey": ZONE}
_POD: Final = builders.pod("web", "c")
_BESIDE: Final = builders.pod("db", "d", on="n3")


@pytest.mark.parametrize(
    ("rules", "nodes"),
    [
        ([], "anywhere"),
        ([rule("disk", "In", "ssd")], "n1 n3 n5"),
        ([rule("disk", "NotIn", "ssd")], "n2 n4 n6"),
        ([rule("disk", "Exists")], "anywhere"),
        ([rule("gpu", "Exists")], ""),
        ([rule("gpu", "DoesNotExist")], "anywhere"),
        ([rule("disk", "In", "ssd"), rule(ZONE, "In", "a", "b")], "n1 n3"),
        ([rule("disk", "In", "${pvc.labels.medium}")], "n2 n4 n6"),
        ([rule("disk", "In", "${pvc.labels.medium}", "ssd")], "anywhere"),
        ([rule("disk", "In", "ssd", enforcement="Preferred")], "anywhere"),
        ([rule(HOSTNAME, "Gt", "5")], ""),
    ],
)
def test_nodes_are_chosen_by_their_labels(rules: Sequence[Any], nodes: str) -> None:
    """Required rules are ANDed; templates stand for what the claim says."""
    assert eligible(decided(_POD, new("c", labels={"medium": "hdd"}), nodeAffinity=rules)) == nodes


@pytest.mark.parametrize(
    ("near", "objects", "nodes"),
    [
        (_DB, [made("d", "n3", labels=_APP)], "n3"),
        (_DB_ZONE, [made("d", "n3", labels=_APP)], "n3 n4"),
        (_DB_ZONE, [made("d", "n3", labels=_APP), made("e", "n1", labels=_APP)], "n1 n2 n3 n4"),
        (_DB_ZONE, [made("d", "n3", labels={"app": "web"})], ""),
        (_DB_ZONE, [new("d", labels=_APP)], ""),
        (_DB_ZONE, [new("d", labels=_APP, selected="n3")], "n3 n4"),
        (_DB_ZONE, [new("d", labels=_APP), _BESIDE], "n3 n4"),
        (_DB_ZONE, [new("d", labels=_APP), builders.pod("db", "d", nominated="n3")], "n3 n4"),
        (_DB_ZONE, [claim("d", "pv-d", labels=_APP), volume("pv-d")], ""),
        (_DB_ZONE, [claim("d", "pv-gone", labels=_APP)], ""),
        ({**_DB_ZONE, "topologyKey": "room"}, [made("d", "n3", labels=_APP)], ""),
        (rule("app", "NotIn", "db", topologyKey=ZONE), [made("d", "n3"), made("e", "n1", labels=_APP)], "n3 n4"),
        ({**_DB, "enforcement": "Preferred"}, [made("d", "n3", labels=_APP)], "anywhere"),
    ],
    ids=[
        "on its node",
        "in its zone",
        "several",
        "other claims",
        "of no place yet",
        "sent to a node",
        "whose pod runs",
        "whose pod is nominated",
        "unknown place",
        "volume not known",
        "a label that no node has",
        "every claim but some",
        "only a wish",
    ],
)
def test_volumes_are_made_near_others(near: Any, objects: Sequence[Any], nodes: str) -> None:
    """Near all volumes that a rule names, wherever one of them is or is going to be; with none of them nowhere."""
    assert eligible(decided(_POD, new("c"), objects, volumeAffinity=[near])) == nodes


@pytest.mark.parametrize(
    ("objects", "nodes"),
    [
        ([], "anywhere"),
        ([new("d", labels=_APP)], "anywhere"),
        ([made("d", "n3", labels=_APP)], "n3 n4"),
    ],
)
def test_the_first_of_its_kind_may_be_anywhere(objects: Sequence[Any], nodes: str) -> None:
    """The next ones follow it, so that it is bound to where it is put."""
    decision = decided(_POD, new("c", labels=_APP), objects, volumeAffinity=[_DB_ZONE])

    assert eligible(decision) == nodes
    assert decision.demands.are_exclusive is (nodes == "anywhere")


def test_the_first_of_its_kind_has_a_place() -> None:
    """On a node without the label nobody could follow it."""
    bare = builders.bare_node("bare", {HOSTNAME: "bare"})
    decision = decided(_POD, new("c", labels=_APP), bare, volumeAffinity=[_DB_ZONE])

    assert builders.eligible(decision, ["n1", "bare"]) == ["n1"]


def test_the_first_of_its_kind_is_free_where_it_is_a_wish() -> None:
    """Nothing depends on where it goes."""
    near = {**_DB_ZONE, "enforcement": "Preferred"}

    assert decided(_POD, new("c", labels=_APP), volumeAffinity=[near]).demands.all == ()


@pytest.mark.parametrize(
    ("away", "objects", "nodes"),
    [
        (_DB, [made("d", "n3", labels=_APP)], "n1 n2 n4 n5 n6"),
        (_DB_ZONE, [made("d", "n3", labels=_APP)], "n1 n2 n5 n6"),
        (_DB_ZONE, [made("d", "n3", "n5", labels=_APP)], "n1 n2"),
        (_DB_ZONE, [made("d", "n3", labels=_APP), new("e", labels=_APP, selected="n1")], "n5 n6"),
        (_DB_ZONE, [made("d", "n3")], "anywhere"),
        (_DB_ZONE, [new("d", labels=_APP)], "anywhere"),
        ({**_DB_ZONE, "topologyKey": "room"}, [made("d", "n3", labels=_APP)], "anywhere"),
        ({**_DB, "enforcement": "Preferred"}, [made("d", "n3", labels=_APP)], "anywhere"),
    ],
)
@pytest.mark.parametrize("labels", [{}, _APP], ids=["other", "one of them"])
def test_volumes_are_made_away_from_others(away: Any, objects: Sequence[Any], nodes: str, labels: Any) -> None:
    """Whether the new volume is of those itself or not."""
    assert eligible(decided(_POD, new("c", labels=labels), objects, volumeAntiAffinity=[away])) == nodes


@pytest.mark.parametrize(
    ("labels", "enforcement", "exclusive"),
    [({}, "Required", False), (_APP, "Required", True), (_APP, "Preferred", False)],
)
def test_volumes_that_must_part_are_told_apart_as_they_come(labels: Any, enforcement: str, *, exclusive: bool) -> None:
    """Where a rule is about the new volume as well, the pod is bound to its place even while it is the only one."""
    away = {**_DB_ZONE, "enforcement": enforcement}
    demands = decided(_POD, new("c", labels=labels), volumeAntiAffinity=[away]).demands

    assert demands.are_exclusive is exclusive


@pytest.mark.parametrize("field", ["volumeAffinity", "volumeAntiAffinity"])
def test_the_volumes_of_one_pod_go_together(field: str) -> None:
    """A rule that is about both of them keeps neither away from the other, nor makes it wait for it."""
    pod = builders.pod("web", "c", "d")
    objects = [new("c", labels=_APP), new("d", labels=_APP)]

    assert eligible(decided(pod, objects, **{field: [_DB]})) == "anywhere"


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("${pvc.labels.tier}", "${pvc.labels.tier}: the claim has no label tier"),
        ("${pvc.statefulset-pod}", "${pvc.statefulset-pod}: the claim is not a StatefulSet's"),
        ("${pvc.labels.long}-${pvc.labels.long}", f"no label has the value '{'x' * 40}-{'x' * 40}'"),
        ("-${pvc.namespace}", "no label has the value '-shop'"),
    ],
)
@pytest.mark.parametrize("field", ["nodeAffinity", "volumeAffinity", "volumeAntiAffinity"])
def test_a_rule_that_cannot_be_read_holds_nothing(field: str, value: str, problem: str) -> None:
    """It says so, and the others hold. The API server would refuse a pod with such a value in its affinity."""
    rules = {field: [rule("app", "In", value)], "nodeAffinity": [rule("disk", "In", "ssd")]}
    if field == "nodeAffinity":
        rules[field].insert(0, rule("app", "In", value))
    decision = decided(_POD, new("c", labels={"long": "x" * 40}), made("d", "n3"), **rules)

    assert eligible(decision) == "n1 n3 n5"
    assert decision.problems == (f"newVolumes.{field}[0] holds nothing for the claim c: {problem}",)


@pytest.mark.parametrize(
    "near",
    [
        rule("team", "In", "${pvc.namespace}-1"),
        rule("mooring.dev/statefulset-pod", "In", "${pvc.statefulset-pod}"),
        rule("px/statefulset-pod", "In", "${pvc.statefulset-pod}"),
    ],
)
def test_templates_say_what_the_claim_is(near: Any) -> None:
    """Its namespace, and the pod of the StatefulSet that mounts it; volumes of a pod of that name are beside it."""
    beside = [made("log-db-1", "n3", labels={"team": "shop-1"}), builders.pod("db-1", "log-db-1", of_set="db")]
    other = [made("log-db-2", "n5", labels={"team": "shop-2"}), builders.pod("db-2", "log-db-2", of_set="db")]
    pod = builders.pod("db-1", "data-db-1")

    assert eligible(decided(pod, new("data-db-1"), beside, other, volumeAffinity=[near])) == "n3"


@pytest.mark.parametrize(
    ("field", "expressions"),
    [
        ("volumeAffinity", (Expression(ZONE, "In", ("b",)),)),
        ("volumeAntiAffinity", (Expression(ZONE, "NotIn", ("b",)),)),
    ],
)
def test_rules_are_said_by_labels(field: str, expressions: Sequence[Expression]) -> None:
    """So that they can be written on a pod."""
    (demand,) = decided(_POD, new("c"), made("d", "n3", "n4", labels=_APP), **{field: [_DB_ZONE]}).demands.all

    assert demand.expressions == expressions


def test_where_no_node_is_near_that_is_said_too() -> None:
    """As two requirements that contradict one another: an empty list of values is not allowed."""
    (demand,) = decided(_POD, new("c"), volumeAffinity=[_DB_ZONE]).demands.all

    assert demand.expressions == (Expression(ZONE, "Exists"), Expression(ZONE, "DoesNotExist"))
    assert demand.message == "not near the volumes that newVolumes.volumeAffinity[0] asks for: there is none yet"
