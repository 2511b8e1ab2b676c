"""Objects by namespace and label are those that a look at all of them finds."""

from collections.abc import Mapping, Sequence
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.builders import NAMESPACE, claim, cluster_of

from mooring.cluster.labelled import Labelled

_LABELS: Final = st.dictionaries(st.sampled_from(["app", "tier"]), st.sampled_from(["db", "web", ""]))
_OBJECTS: Final = st.lists(st.tuples(st.sampled_from(["a/1", "a/2", "b/1"]), st.none() | _LABELS), max_size=12)


def _put(index: Labelled, key: str, labels: Mapping[str, str]) -> None:
    index.put(key, key.partition("/")[0], labels)


@given(steps=_OBJECTS, values=st.sets(st.sampled_from(["db", "web", "", "none"])))
def test_what_is_indexed_is_what_is_there(
    steps: Sequence[tuple[str, Mapping[str, str] | None]], values: set[str]
) -> None:
    """Whatever came, changed and went before."""
    index, there = Labelled(), dict[str, Mapping[str, str]]()
    for key, labels in steps:
        if key in there:
            index.remove(key, key.partition("/")[0], there.pop(key))
        if labels is not None:
            _put(index, key, labels)
            there[key] = labels

    for namespace in "abc":
        of_namespace = {key: labels for key, labels in there.items() if key.startswith(f"{namespace}/")}
        assert index.within(namespace) == of_namespace.keys()
        assert index.with_label(namespace, "app", values) == {
            key for key, labels in of_namespace.items() if labels.get("app") in values
        }


def test_an_answer_does_not_change_later() -> None:
    """Whoever asks may put and remove while looking at what was found."""
    index = Labelled()
    _put(index, "a/1", {"app": "db"})
    found = index.with_label("a", "app", ["db"])
    _put(index, "a/2", {"app": "db"})

    assert found == {"a/1"}


@pytest.mark.parametrize("label", ["db", "web"])
def test_claims_are_found_as_they_change(label: str) -> None:
    """The cluster keeps its claims so."""
    cluster = cluster_of(claim("c", labels={"app": "db"}))
    cluster.put("PersistentVolumeClaim", claim("c", labels={"app": label, "tier": "x"}))

    assert cluster.claims.with_label(NAMESPACE, "app", [label]) == {f"{NAMESPACE}/c"}
    assert cluster.claims.with_label(NAMESPACE, "tier", ["x"]) == {f"{NAMESPACE}/c"}
    assert cluster.claims.with_label(NAMESPACE, "app", {"db", "web"} - {label}) == frozenset()
    cluster.remove("PersistentVolumeClaim", f"{NAMESPACE}/c")
    assert not cluster.claims.within(NAMESPACE)
    assert not cluster.claims.with_label(NAMESPACE, "app", [label])
