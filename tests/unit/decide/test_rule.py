"""Which one rule holds for a pod, and why."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from tests.unit import builders
from tests.unit.builders import (
    DISABLE,
    HOSTNAME,
    PREFER_LOCAL,
    ZONE,
    claim,
    cluster_of,
    cluster_policy,
    namespace,
    pod,
    policy,
    storage_class,
    strict,
    volume,
)

from mooring.api.policy import UpdateMode
from mooring.cluster.records import Pod
from mooring.decide.rule import Origin, Resolution, resolve
from mooring.decide.subject import subject_of_pod

_STORKS_PREFER_LOCAL = "stork.libopenstorage.org/preferLocalNodeOnly"
_STORKS_DISABLE = "stork.libopenstorage.org/disableHyperconvergence"
_IGNORE = "mooring.dev/ignore"
_OWN = "VolumePlacementPolicy/shop/"
_WIDE = "ClusterVolumePlacementPolicy/"


def _resolve(subject: Pod, *objects: Any) -> Resolution:
    return resolve(subject_of_pod(subject), cluster_of(claim("c1"), *objects))


@pytest.mark.parametrize(
    ("policies", "winner", "why", "overridden"),
    [
        ([policy("a")], f"{_OWN}a", "the only policy that selects the pod", []),
        (
            [cluster_policy("a", priority=99), policy("z", priority=-5)],
            f"{_OWN}z",
            f"a policy of the namespace outranks {_WIDE}a",
            [f"{_WIDE}a"],
        ),
        (
            [policy("a"), policy("z", priority=1)],
            f"{_OWN}z",
            f"its priority 1 is above the 0 of {_OWN}a",
            [f"{_OWN}a"],
        ),
        ([policy("b"), policy("a")], f"{_OWN}a", f"its name sorts before that of {_OWN}b", [f"{_OWN}b"]),
        ([policy("elsewhere", namespace="bank"), cluster_policy("w")], f"{_WIDE}w", "the only policy that", []),
        (
            [cluster_policy("w1", priority=1), cluster_policy("w2", priority=2), cluster_policy("w3", priority=3)],
            f"{_WIDE}w3",
            "its priority 3 is above the 2",
            [f"{_WIDE}w2", f"{_WIDE}w1"],
        ),
    ],
)
def test_the_strongest_policy_wins(policies: Sequence[Any], winner: str, why: str, overridden: Sequence[str]) -> None:
    """Namespaced over cluster, then priority, then name; the losers are named, the strongest first."""
    resolution = _resolve(pod("web", "c1"), policies)

    assert resolution.rule is not None
    assert (resolution.rule.name, resolution.rule.origin) == (winner, Origin.POLICY)
    assert resolution.rule.why.startswith(why)
    assert [found.key for found in resolution.overridden] == overridden
    assert (resolution.why_none, resolution.opted_out, resolution.problems) == ("", False, ())


def test_the_winners_whole_spec_holds() -> None:
    """Nothing is merged: what the winner leaves out has its default, whatever the loser says."""
    loser = policy("z", topologyKey=ZONE, whenUnsatisfiable="DoNotSchedule", updateMode="Reconcile", schedulerName="s")
    winner = policy("a", volumeSelector={"drivers": ["d"]}, updateMode="Audit", priority=1)
    rule = _resolve(pod("web", "c1"), claim("c1", "v"), volume("v", driver="d"), loser, winner).rule

    assert rule is not None
    assert (rule.policy, rule.strict, rule.topology_key, rule.scored) == (winner, False, HOSTNAME, True)
    assert (rule.volumes.drivers, rule.update_mode, rule.acts) == (("d",), UpdateMode.AUDIT, False)
    assert rule.scheduler_name == ""


@pytest.mark.parametrize(
    ("spec", "selected"),
    [
        ({}, True),
        ({"podSelector": {"matchLabels": {"tier": "db"}}}, True),
        ({"podSelector": {"matchLabels": {"tier": "web"}}}, False),
        ({"podSelector": {"matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}]}}, False),
        ({"volumeSelector": {"storageClassNames": ["fast"]}}, True),
        ({"volumeSelector": {"storageClassNames": ["slow"]}}, False),
        ({"volumeSelector": {"drivers": ["csi.bound"]}}, True),
        ({"volumeSelector": {"drivers": ["csi.waiting"]}}, True),
        ({"volumeSelector": {"drivers": ["csi.other"]}}, False),
        ({"volumeSelector": {"matchLabels": {"keep": "near"}}}, True),
        ({"volumeSelector": {"matchLabels": {"keep": "far"}}}, False),
        ({"volumeSelector": {"drivers": ["csi.bound"], "matchLabels": {"keep": "near"}}}, False),
    ],
)
def test_a_policy_selects_by_pod_and_claim(spec: Mapping[str, Any], *, selected: bool) -> None:
    """A pod's labels and at least one of its claims; an unbound claim has the driver of its class."""
    objects = [
        [claim("c1", "v", storage_class="slow-but-bound"), volume("v", driver="csi.bound")],
        [claim("c2", storage_class="fast", labels={"keep": "near"}), storage_class("fast", "csi.waiting")],
    ]
    resolution = _resolve(pod("db", "c1", "c2", labels={"tier": "db"}), objects, policy("p", **spec))

    assert (resolution.rule is not None) is selected


@pytest.mark.parametrize(
    ("selector", "selected"), [({}, True), ({"drivers": ["d"]}, False), ({"storageClassNames": ["fast"]}, False)]
)
def test_a_claim_that_does_not_exist_counts_where_all_claims_do(selector: Mapping[str, Any], *, selected: bool) -> None:
    """It cannot be judged by its class or driver."""
    found = _resolve(pod("web", "missing"), policy("p", volumeSelector=selector))

    assert (found.rule is not None) is selected


@pytest.mark.parametrize(
    ("objects", "selected"),
    [
        ([], False),
        ([namespace()], False),
        ([namespace(labels={"team": "red"})], False),
        ([namespace(labels={"team": "blue"})], True),
    ],
)
def test_a_cluster_policy_selects_namespaces_by_label(objects: Sequence[Any], *, selected: bool) -> None:
    """A namespace that is not known has no labels."""
    policy_of_blue = cluster_policy("w", namespaceSelector={"matchLabels": {"team": "blue"}})

    assert (_resolve(pod("web", "c1"), policy_of_blue, *objects).rule is not None) is selected


_STRICT_ZONE = strict("p", topologyKey=ZONE)


@pytest.mark.parametrize(
    ("annotations", "policies", "rule", "overridden"),
    [
        # preferLocalNodeOnly: true is strict and local, whatever the policy says.
        ({PREFER_LOCAL: "true"}, [], (Origin.ANNOTATION, True, HOSTNAME, True), []),
        ({_STORKS_PREFER_LOCAL: "true"}, [], (Origin.ANNOTATION, True, HOSTNAME, True), []),
        ({_STORKS_PREFER_LOCAL: "T"}, [_STRICT_ZONE], (Origin.ANNOTATION, True, HOSTNAME, True), ["p"]),
        ({PREFER_LOCAL: "1"}, [policy("a", placement="Anywhere")], (Origin.ANNOTATION, True, HOSTNAME, True), ["a"]),
        # false says nothing.
        ({PREFER_LOCAL: "false"}, [], None, []),
        ({PREFER_LOCAL: "false"}, [_STRICT_ZONE], (Origin.POLICY, True, ZONE, True), []),
        ({PREFER_LOCAL: "false", _STORKS_PREFER_LOCAL: "true"}, [], None, []),
        # disableHyperconvergence: true switches the rule off.
        ({DISABLE: "true"}, [_STRICT_ZONE], None, ["p"]),
        ({_STORKS_DISABLE: "true"}, [_STRICT_ZONE], None, ["p"]),
        ({DISABLE: "false"}, [_STRICT_ZONE], (Origin.POLICY, True, ZONE, True), []),
        # Both: the strict filter stays and the scores go.
        ({PREFER_LOCAL: "true", DISABLE: "true"}, [], (Origin.ANNOTATION, True, HOSTNAME, False), []),
        ({_STORKS_PREFER_LOCAL: "true", _STORKS_DISABLE: "true"}, [], (Origin.ANNOTATION, True, HOSTNAME, False), []),
        # A policy that ignores annotations.
        ({PREFER_LOCAL: "true"}, [policy("p", podAnnotations="Ignore")], (Origin.POLICY, False, HOSTNAME, True), []),
        ({DISABLE: "true"}, [policy("p", podAnnotations="Ignore")], (Origin.POLICY, False, HOSTNAME, True), []),
        # Only the best policy's word on annotations counts.
        (
            {PREFER_LOCAL: "true"},
            [policy("p"), cluster_policy("w", podAnnotations="Ignore")],
            (Origin.ANNOTATION, True, HOSTNAME, True),
            ["p", "w"],
        ),
    ],
)
def test_annotations_outrank_policies(
    annotations: Mapping[str, str], policies: Sequence[Any], rule: tuple[Any, ...] | None, overridden: Sequence[str]
) -> None:
    """Both spellings, as STORK means them, unless the best policy ignores them."""
    resolution = _resolve(pod("web", "c1", annotations=annotations), policies)
    found = resolution.rule

    assert (found and (found.origin, found.strict, found.topology_key, found.scored)) == rule
    assert [lost.name for lost in resolution.overridden] == overridden


def test_an_annotated_pod_counts_all_its_claims_and_acts() -> None:
    """PreferLocalNodeOnly is about every volume, though the policy beneath is narrower and only audits."""
    narrow = policy("p", volumeSelector={"drivers": ["d"]}, updateMode="Audit")
    objects = [claim("c1", "v"), volume("v", driver="d")]
    rule = _resolve(pod("web", "c1", annotations={PREFER_LOCAL: "true"}), narrow, objects).rule

    assert rule is not None
    assert (rule.volumes.drivers, rule.acts, rule.policy) == ((), True, narrow)
    assert rule.name == "annotation preferLocalNodeOnly"


@pytest.mark.parametrize("annotations", [{PREFER_LOCAL: "true"}, {_STORKS_DISABLE: "true"}])
def test_ignored_annotations_are_reported(annotations: Mapping[str, str]) -> None:
    """Who wrote them should know that they do nothing."""
    resolution = _resolve(pod("web", "c1", annotations=annotations), policy("p", podAnnotations="Ignore"))

    assert resolution.problems == (f"{next(iter(annotations))}: ignored because {_OWN}p says podAnnotations: Ignore",)


@pytest.mark.parametrize(
    ("annotations", "policies", "origin"),
    [
        ({PREFER_LOCAL: "yes"}, [], None),
        ({_STORKS_PREFER_LOCAL: "yes"}, [strict("p")], Origin.POLICY),
        ({DISABLE: "TrUe"}, [strict("p")], Origin.POLICY),
        ({PREFER_LOCAL: "true", DISABLE: "off"}, [], Origin.ANNOTATION),
    ],
)
def test_a_value_that_is_no_boolean_is_reported_and_takes_the_default(
    annotations: Mapping[str, str], policies: Sequence[Any], origin: Origin | None
) -> None:
    """The rest is decided as if the annotation were not there."""
    resolution = _resolve(pod("web", "c1", annotations=annotations), policies)

    assert (resolution.rule and resolution.rule.origin) == origin
    assert len(resolution.problems) == 1
    assert "is not a boolean" in resolution.problems[0]


@pytest.mark.parametrize(
    ("labels", "of_namespace", "why_none"),
    [
        ({_IGNORE: "true"}, {}, "the pod's label mooring.dev/ignore"),
        ({}, {_IGNORE: "true"}, "the namespace's label mooring.dev/ignore"),
        ({_IGNORE: "false"}, {_IGNORE: "true"}, "the namespace's label mooring.dev/ignore"),
    ],
)
def test_an_opt_out_always_holds(labels: Mapping[str, str], of_namespace: Mapping[str, str], why_none: str) -> None:
    """Over policies that ignore annotations, over annotations, and over the scheduler's name."""
    subject = pod("web", "c1", labels=labels, annotations={PREFER_LOCAL: "true"}, scheduler="stork")
    resolution = _resolve(subject, namespace(labels=of_namespace), strict("p", podAnnotations="Ignore"))

    assert (resolution.rule, resolution.why_none, resolution.opted_out) == (None, why_none, True)
    assert [lost.name for lost in resolution.overridden] == ["p"]


def test_an_opt_out_that_is_no_boolean_is_reported() -> None:
    """`mooring.dev/ignore: yes` is not an opt-out, and whoever wrote it is told."""
    subject = pod("web", "c1", labels={_IGNORE: "yes"}, annotations={DISABLE: "no way"})
    resolution = _resolve(subject, namespace(labels={_IGNORE: "on"}), strict("p"))

    assert resolution.rule is not None
    assert [problem.partition(": ")[0] for problem in resolution.problems] == [
        _IGNORE,
        f"namespace label {_IGNORE}",
        DISABLE,
    ]


def test_anywhere_is_no_opinion() -> None:
    """The policy has won with its opt-out; it is not overridden, those beneath it are."""
    resolution = _resolve(pod("web", "c1", scheduler="stork"), policy("p", placement="Anywhere"), cluster_policy("w"))

    assert (resolution.rule, resolution.opted_out) == (None, False)
    assert resolution.why_none == f"{_OWN}p says placement: Anywhere"
    assert [lost.name for lost in resolution.overridden] == ["w"]


@pytest.mark.parametrize(
    ("scheduler", "rule"),
    [
        ("mooring", "schedulerName mooring"),
        ("stork", "schedulerName stork"),
        ("", None),
        ("default-scheduler", None),
        ("volcano", None),
    ],
)
def test_a_scheduler_of_ours_is_an_opt_in(scheduler: str, rule: str | None) -> None:
    """The soft local rule, as STORK gives it, where there is neither policy nor annotation."""
    resolution = _resolve(pod("web", "c1", scheduler=scheduler))
    found = resolution.rule

    assert (found and found.name) == rule
    if found:
        assert (found.origin, found.strict, found.topology_key) == (Origin.SCHEDULER, False, HOSTNAME)
    else:
        assert resolution.why_none == "no policy selects the pod, and it has no annotation"


def test_a_policy_outranks_the_scheduler() -> None:
    """The opt-in is for pods that no policy selects."""
    rule = _resolve(pod("web", "c1", scheduler="stork"), strict("p")).rule

    assert rule is not None
    assert rule.origin is Origin.POLICY


def test_a_pod_without_a_claim_has_no_rule() -> None:
    """There is nothing to be near to, whatever it asks for."""
    resolution = _resolve(builders.pod("web", annotations={PREFER_LOCAL: "true"}, scheduler="stork"), strict("p"))

    assert (resolution.rule, resolution.why_none) == (None, "the pod has no claim")
