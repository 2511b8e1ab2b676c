"""The state of storage on nodes: who is believed when several speak of one."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mooring.api.annotations import STORAGE_STATE_PREFIX, NodeStorageState
from mooring.cluster.storage import Storage

_ONLINE, _DOWN, _DEGRADED, _OFFLINE = NodeStorageState


def _annotations(state: str) -> dict[str, str]:
    return {f"{STORAGE_STATE_PREFIX}d": state} if state else {}


@pytest.mark.parametrize(
    ("annotation", "reports", "state"),
    [
        ("", [], None),
        ("", [_DEGRADED], _DEGRADED),
        ("", [_DOWN, _OFFLINE, _ONLINE], _OFFLINE),
        ("", [_ONLINE, None], None),
        ("Offline", [_ONLINE], _OFFLINE),
        ("StorageDown", [_OFFLINE, _DEGRADED], _DOWN),
        # An annotation can also take a node back in that its storage system has given up.
        ("Online", [_OFFLINE], None),
        # One that says nothing outranks nobody.
        ("nonsense", [_OFFLINE], _OFFLINE),
    ],
)
def test_the_annotation_outranks_reports_and_the_worst_report_the_others(
    annotation: str, reports: list[NodeStorageState | None], state: NodeStorageState | None
) -> None:
    """Online needs no entry: it is what is taken for granted."""
    storage = Storage()
    for reporter, reported in enumerate(reports):
        storage.report(str(reporter), "d", "n1", reported)
    storage.annotate("n1", _annotations(annotation))

    assert storage.states("d") == ({} if state is None else {"n1": state})
    assert storage.states("other") == {}


def test_what_was_said_may_be_taken_back() -> None:
    """By a report of nothing, by an annotation that is gone, and one by one."""
    storage = Storage()
    storage.report("a", "d", "n1", _OFFLINE)
    storage.report("b", "d", "n1", _DOWN)
    storage.report("a", "d", "n2", _DEGRADED)
    storage.report("a", "d", "n1", None)
    assert storage.states("d") == {"n1": _DOWN, "n2": _DEGRADED}

    storage.annotate("n1", _annotations("Offline"))
    storage.annotate("n1", {})
    assert storage.states("d") == {"n1": _DOWN, "n2": _DEGRADED}

    storage.report("b", "d", "n1", None)
    storage.report("a", "d", "n2", None)
    assert storage.states("d") == {}


_WORDS = st.one_of(
    st.tuples(st.just("annotation"), st.sampled_from(["", "Online", "Offline", "StorageDown", "nonsense"])),
    st.tuples(st.sampled_from(["a", "b"]), st.sampled_from([None, *NodeStorageState])),
)


@settings(deadline=None)
@given(words=st.lists(_WORDS))
def test_only_the_last_word_of_each_counts(words: list[tuple[str, str | None]]) -> None:
    """Whatever was said before, and in whichever order they speak."""
    storage, expected = Storage(), Storage()
    for words_of, each in ((words, storage), (sorted(dict(words).items()), expected)):
        for speaker, word in words_of:
            if speaker == "annotation":
                each.annotate("n1", _annotations(word or ""))
            else:
                each.report(speaker, "d", "n1", None if word is None else NodeStorageState(word))

    assert storage.states("d") == expected.states("d")
