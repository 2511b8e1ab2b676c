"""Which scheduler a pod gets: the policy's, Mooring's where it draws the pod to nodes, never one over the user's."""

from typing import Any

import pytest
from tests.unit import builders
from tests.unit.builders import (
    DISABLE,
    PREFER_LOCAL,
    cluster_of,
    data,
    decision_on,
    in_zones,
    node,
    on_hosts,
    pod,
    policy,
    soft,
    strict,
)

from mooring.cluster.records import Pod
from mooring.decide.decision import Decision
from mooring.decide.rule import Origin
from mooring.decide.scheduler import choose_scheduler
from mooring.locate.locator import Locator

_LOCATED = data("c", on_hosts("n1"))


def _chosen(subject: Pod, *objects: Any, alive: bool = True, adopt: bool = True) -> Decision:
    cluster = cluster_of(node("n1", zone="a"), node("n2", zone="a"), *objects)
    return choose_scheduler(decision_on(subject, cluster), cluster, Locator(cluster), alive=alive, adopt=adopt)


def _name(subject: Pod, *objects: Any, **how: bool) -> str:
    return _chosen(subject, *objects, **how).subject.scheduler_name


@pytest.mark.parametrize("given", ["", "default-scheduler"])
@pytest.mark.parametrize(
    "objects",
    [(), (soft(),), (strict(),), (soft(topologyKey=builders.ZONE),), (builders.cluster_policy("wide"),)],
    ids=["no policy", "soft", "strict", "zone", "cluster policy"],
)
def test_pods_with_data_on_nodes_get_moorings(given: str, objects: tuple[Any, ...]) -> None:
    """Without a policy too: that scheduler's pods get the soft local rule."""
    subject = pod("web", "c", scheduler=given)

    assert _name(subject, _LOCATED, *objects) == "mooring"
    assert _name(subject, _LOCATED, *objects, alive=False) == "default-scheduler"
    assert _name(subject, _LOCATED, *objects, adopt=False) == "default-scheduler"


def test_the_decision_is_about_the_pod_as_it_will_be() -> None:
    """Without a policy the rule comes from the scheduler that is set, so that what follows from it follows."""
    decision = _chosen(pod("web", "c"), _LOCATED)

    assert decision.rule is not None
    assert (decision.rule.origin, decision.rule.strict) == (Origin.SCHEDULER, False)


@pytest.mark.parametrize("alive", [True, False])
@pytest.mark.parametrize(
    ("subject", "objects"),
    [
        (pod("web", "c", labels={"mooring.dev/ignore": "true"}), _LOCATED),
        (pod("web", "c"), (*_LOCATED, builders.namespace(labels={"mooring.dev/ignore": "true"}))),
        (pod("web", "c", annotations={DISABLE: "true"}), _LOCATED),
        (pod("web", "c"), (*_LOCATED, policy("p", placement="Anywhere"))),
        (pod("web", "c"), (*_LOCATED, policy("p", updateMode="Audit"))),
        (pod("web", "c"), (*_LOCATED, policy("p", updateMode="Audit", schedulerName="volcano"))),
        (pod("web", "c"), (*_LOCATED, policy("p", placement="Anywhere", schedulerName="volcano"))),
        (pod("web"), ()),
        (pod("web", "c"), ()),
        (pod("web", "c"), builders.claim("c")),
        (pod("web", "c"), data("c")),
        (pod("web", "c"), data("c", in_zones("a"))),
        (pod("web", "c"), (*data("c", in_zones("a")), strict(topologyKey=builders.ZONE))),
    ],
    ids=[
        "pod ignored",
        "namespace ignored",
        "hyperconvergence disabled",
        "anywhere",
        "audit",
        "audit with a scheduler",
        "anywhere with a scheduler",
        "no claim",
        "claim missing",
        "unbound",
        "place unknown",
        "area",
        "area under a policy",
    ],
)
def test_nothing_is_set(subject: Pod, objects: Any, *, alive: bool) -> None:
    """Where a pod is opted out, only reported on, or not drawn to nodes, it keeps its scheduler."""
    assert _name(subject, objects, alive=alive) == "default-scheduler"


@pytest.mark.parametrize("given", ["stork", "volcano", "mooring"])
@pytest.mark.parametrize("objects", [(), (policy("p", schedulerName="yunikorn"),)], ids=["no policy", "policy"])
def test_a_chosen_scheduler_stays(given: str, objects: tuple[Any, ...]) -> None:
    """A name that is not default-scheduler is the user's choice."""
    assert _name(pod("web", "c", scheduler=given), _LOCATED, *objects) == given


@pytest.mark.parametrize("alive", [True, False])
@pytest.mark.parametrize("adopt", [True, False])
@pytest.mark.parametrize("objects", [(), _LOCATED], ids=["claim missing", "located"])
def test_a_policys_scheduler_is_set(objects: tuple[Any, ...], *, adopt: bool, alive: bool) -> None:
    """Wherever the data lies, and whether or not Mooring's own scheduler is there."""
    named = policy("p", schedulerName="volcano")

    assert _name(pod("web", "c"), *objects, named, alive=alive, adopt=adopt) == "volcano"


def test_a_policy_that_does_not_hold_names_none() -> None:
    """A policy for volumes of another driver says nothing about this pod."""
    other = policy("p", volumeSelector={"drivers": ["other"]}, schedulerName="volcano")

    assert _name(pod("web", "c"), _LOCATED, other, adopt=False) == "default-scheduler"


def test_a_policy_can_name_the_default_scheduler() -> None:
    """By this pods of a policy keep it."""
    assert _name(pod("web", "c"), _LOCATED, policy("p", schedulerName="default-scheduler")) == "default-scheduler"


@pytest.mark.parametrize("adopt", [True, False])
def test_moorings_scheduler_must_live_when_a_policy_names_it(*, adopt: bool) -> None:
    """Otherwise the pod would wait for nobody."""
    named = policy("p", schedulerName="mooring")

    assert _name(pod("web", "c"), _LOCATED, named, adopt=adopt) == "mooring"
    assert _name(pod("web", "c"), _LOCATED, named, adopt=adopt, alive=False) == "default-scheduler"


def test_the_policy_beneath_an_annotation_names_none() -> None:
    """One rule holds: here the annotation's, and it knows no scheduler."""
    strict_pod = pod("web", "c", annotations={PREFER_LOCAL: "true"})

    assert _name(strict_pod, _LOCATED, policy("p", schedulerName="volcano"), adopt=False) == "default-scheduler"
    assert _name(strict_pod, _LOCATED, policy("p", schedulerName="volcano")) == "mooring"
