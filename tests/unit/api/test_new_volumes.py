"""`newVolumes`: defaults, templates, and that the CRD's schema takes what the models take."""

from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from mooring.api.new_volumes import (
    Enforcement,
    FreeSpace,
    MatchOperator,
    NewVolumes,
    Spreading,
    UnresolvedTemplateError,
    resolve_value,
)
from mooring.api.policy import API_VERSION, parse_policy
from mooring.lint.own_kinds import problems

_VALUES: Final = st.sampled_from(["", "a", "4", "a b", "x" * 513, "${pvc.namespace}", "${pvc.labels.}", "${pvc.name}"])
_EXPRESSIONS: Final = st.fixed_dictionaries(
    {"key": st.sampled_from(["app", "px/statefulset-pod", "a b"]), "operator": st.sampled_from([*MatchOperator, "Is"])},
    optional={"values": st.lists(_VALUES, max_size=3)},
)
_RULES: Final = st.fixed_dictionaries(
    {"matchExpressions": st.lists(_EXPRESSIONS, max_size=2)},
    optional={
        "enforcement": st.sampled_from([*Enforcement, "required"]),
        "weight": st.sampled_from([0, 1, 100, 101, 1.5]),
        "topologyKey": st.sampled_from(["rack", "a b"]),
    },
)
_SPREADS: Final = st.fixed_dictionaries(
    {},
    optional={
        "topologyKey": st.just("rack"),
        "maxSkew": st.integers(0, 2),
        "whenUnsatisfiable": st.sampled_from([*Spreading, ""]),
    },
)
_SPECS: Final = st.fixed_dictionaries(
    {},
    optional={
        "nodeAffinity": st.lists(_RULES, max_size=2),
        "volumeAffinity": st.lists(_RULES, max_size=2),
        "volumeAntiAffinity": st.lists(_RULES, max_size=2),
        "spread": _SPREADS,
        "capacity": st.sampled_from([*FreeSpace, "Free"]),
    },
)


@settings(deadline=None, max_examples=300)
@given(spec=_SPECS)
def test_schema_and_models_agree(spec: dict[str, Any]) -> None:
    """What the models refuse breaks the CRD's schema or a rule of it, and nothing else does."""
    manifest = {
        "apiVersion": API_VERSION,
        "kind": "VolumePlacementPolicy",
        "metadata": {"name": "a"},
        "spec": {"podSelector": {}, "newVolumes": spec},
    }
    try:
        NewVolumes.model_validate(spec)
    except ValidationError:
        assert problems("VolumePlacementPolicy", manifest)
    else:
        assert problems("VolumePlacementPolicy", manifest) == []


def test_the_short_rule_gets_the_documented_defaults() -> None:
    """A rule is required, as with Portworx, and about nodes; a spread is strict, as with pods."""
    expressions = [{"key": "app", "operator": "In", "values": ["db"]}]
    policy = parse_policy(
        {
            "apiVersion": API_VERSION,
            "kind": "VolumePlacementPolicy",
            "metadata": {"name": "a"},
            "spec": {
                "podSelector": {},
                "newVolumes": {
                    "volumeAffinity": [{"matchExpressions": expressions}],
                    "spread": {"topologyKey": "rack"},
                },
            },
        }
    )
    found = policy.spec.new_volumes

    assert found is not None
    (rule,) = found.volume_affinity
    assert (rule.enforcement, rule.weight, rule.topology_key) == (Enforcement.REQUIRED, 1, "kubernetes.io/hostname")
    assert (rule.match_expressions[0].key, rule.match_expressions[0].values) == ("app", ("db",))
    assert found.spread is not None
    assert (found.spread.max_skew, found.spread.when_unsatisfiable) == (1, Spreading.DO_NOT_SCHEDULE)
    assert found.capacity is FreeSpace.MOST_FREE
    assert found.node_affinity == found.volume_anti_affinity == ()


_CLAIM: Final[dict[str, Any]] = {"namespace": "shop", "labels": {"app": "db", "example.com/tier": "a.b", "empty": ""}}


@pytest.mark.parametrize(
    ("value", "resolved"),
    [
        ("plain", "plain"),
        ("", ""),
        ("${pvc.namespace}", "shop"),
        ("${pvc.labels.app}-${pvc.namespace}", "db-shop"),
        ("${pvc.labels.example.com/tier}", "a.b"),
        ("${pvc.labels.empty}", ""),
        ("x${pvc.labels.empty}y", "xy"),
        ("${pvc.statefulset-pod}", "web-0"),
        ("a" * 63, "a" * 63),
    ],
)
def test_templates_are_filled_in(value: str, resolved: str) -> None:
    """Anywhere in a value, and as often as they occur."""
    assert resolve_value(value, stateful_set_pod="web-0", **_CLAIM) == resolved


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("${pvc.labels.gone}", "${pvc.labels.gone}: the claim has no label gone"),
        ("${pvc.statefulset-pod}", "${pvc.statefulset-pod}: the claim is not a StatefulSet's"),
        ("${pvc.namespace}-", "no label has the value 'shop-'"),
        ("${pvc.labels.empty}.x", "no label has the value '.x'"),
        ("a" * 64, f"no label has the value '{'a' * 64}'"),
    ],
)
def test_what_cannot_be_filled_in_says_why(value: str, problem: str) -> None:
    """The template, and what the claim lacks; or the value that no label can have."""
    with pytest.raises(UnresolvedTemplateError) as error:
        resolve_value(value, stateful_set_pod="", **_CLAIM)

    assert str(error.value) == problem
