"""Selectors mean what they mean in Kubernetes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring.api.selectors import LabelExpression, LabelSelector, Operator, VolumeSelector

_KEYS = st.sampled_from(["tier", "app", "example.com/team"])
_VALUES = st.sampled_from(["", "a", "b", "c"])
_LABELS = st.dictionaries(_KEYS, _VALUES)


@given(labels=_LABELS)
def test_the_empty_selector_selects_everything(labels: dict[str, str]) -> None:
    """`{}` is every object, also one without labels."""
    assert LabelSelector().matches(labels)


@given(labels=_LABELS, wanted=_LABELS)
def test_match_labels_are_a_subset(labels: dict[str, str], wanted: dict[str, str]) -> None:
    """An object is selected when it has all the wanted labels, whatever else it has."""
    assert LabelSelector(match_labels=wanted).matches(labels) == (wanted.items() <= labels.items())


@given(labels=_LABELS, key=_KEYS, values=st.lists(_VALUES, min_size=1, max_size=4).map(tuple))
def test_in_and_not_in_are_opposites(labels: dict[str, str], key: str, values: tuple[str, ...]) -> None:
    """NotIn selects exactly what In does not, so also objects without the label."""
    within = LabelExpression(key=key, operator=Operator.IN, values=values)
    outside = LabelExpression(key=key, operator=Operator.NOT_IN, values=values)

    assert within.matches(labels) == (key in labels and labels[key] in values)
    assert outside.matches(labels) != within.matches(labels)


@given(labels=_LABELS, key=_KEYS)
def test_exists_asks_for_the_key_only(labels: dict[str, str], key: str) -> None:
    """Exists and DoesNotExist do not look at the value, which may be empty."""
    assert LabelExpression(key=key, operator=Operator.EXISTS).matches(labels) == (key in labels)
    assert LabelExpression(key=key, operator=Operator.DOES_NOT_EXIST).matches(labels) == (key not in labels)


@given(labels=_LABELS, wanted=_LABELS, keys=st.lists(_KEYS, max_size=4).map(tuple))
def test_labels_and_expressions_must_all_hold(
    labels: dict[str, str], wanted: dict[str, str], keys: tuple[str, ...]
) -> None:
    """Everything in a selector is ANDed."""
    expressions = tuple(LabelExpression(key=key, operator=Operator.EXISTS) for key in keys)
    selector = LabelSelector(match_labels=wanted, match_expressions=expressions)

    assert selector.matches(labels) == (wanted.items() <= labels.items() and set(keys) <= labels.keys())


@pytest.mark.parametrize(
    ("selector", "storage_class", "driver", "labels", "selected"),
    [
        (VolumeSelector(), None, None, {}, True),
        (VolumeSelector(storage_class_names=("fast",)), "fast", None, {}, True),
        (VolumeSelector(storage_class_names=("fast", "slow")), "slow", "x.io", {}, True),
        (VolumeSelector(storage_class_names=("fast",)), "slow", "x.io", {}, False),
        (VolumeSelector(storage_class_names=("fast",)), None, "x.io", {}, False),
        (VolumeSelector(drivers=("x.io",)), "fast", "x.io", {}, True),
        (VolumeSelector(drivers=("x.io",)), "fast", None, {}, False),
        (VolumeSelector(match_labels={"a": "b"}), None, None, {"a": "b", "c": "d"}, True),
        (VolumeSelector(match_labels={"a": "b"}), None, None, {"a": "c"}, False),
        (VolumeSelector(storage_class_names=("fast",), drivers=("x.io",)), "fast", "y.io", {}, False),
        (VolumeSelector(drivers=("x.io",), match_labels={"a": "b"}), None, "x.io", {}, False),
    ],
)
def test_a_volume_selector_ands_what_is_given(
    selector: VolumeSelector, storage_class: str | None, driver: str | None, labels: dict[str, str], selected: bool
) -> None:
    """Every criterion that is given must hold; one that is left out constrains nothing."""
    assert selector.matches(storage_class, driver, labels) is selected
