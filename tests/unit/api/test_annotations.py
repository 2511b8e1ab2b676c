"""Annotations: both spellings, Go's booleans, and problems that are reported."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring.api import annotations
from mooring.api.annotations import BooleanAnnotation, BooleanReading, NodeStorageState

_OURS = "mooring.dev/preferLocalNodeOnly"
_STORKS = "stork.libopenstorage.org/preferLocalNodeOnly"


@pytest.mark.parametrize("key", [_OURS, _STORKS])
@pytest.mark.parametrize("text", ["1", "t", "T", "TRUE", "true", "True"])
def test_what_go_takes_for_true_is_true(key: str, text: str) -> None:
    """Both spellings take the true values of strconv.ParseBool."""
    assert annotations.PREFER_LOCAL_NODE_ONLY.read({key: text}) == BooleanReading(value=True)


@pytest.mark.parametrize("key", [_OURS, _STORKS])
@pytest.mark.parametrize("text", ["0", "f", "F", "FALSE", "false", "False"])
def test_what_go_takes_for_false_is_false(key: str, text: str) -> None:
    """Both spellings take the false values of strconv.ParseBool."""
    assert annotations.PREFER_LOCAL_NODE_ONLY.read({key: text}) == BooleanReading(value=False)


@given(text=st.text().filter(lambda text: text not in annotations._TRUE | annotations._FALSE))
def test_anything_else_is_reported_and_takes_the_default(text: str) -> None:
    """A value that is no boolean changes nothing, and is named in a sentence."""
    reading = annotations.PREFER_LOCAL_NODE_ONLY.read({_STORKS: text})

    assert reading.value is False
    assert len(reading.problems) == 1
    assert reading.problems[0].startswith(f"{_STORKS}: {text!r} is not a boolean")


def test_our_spelling_wins_over_storks() -> None:
    """Where both are given, the mooring.dev/ twin decides."""
    assert annotations.PREFER_LOCAL_NODE_ONLY.read({_OURS: "false", _STORKS: "true"}).value is False
    assert annotations.PREFER_LOCAL_NODE_ONLY.read({_OURS: "true", _STORKS: "false"}).value is True


def test_a_twin_that_is_no_boolean_counts_as_absent() -> None:
    """The other spelling still holds, and the mistake is reported."""
    reading = annotations.PREFER_LOCAL_NODE_ONLY.read({_OURS: "yes", _STORKS: "true"})

    assert reading.value is True
    assert len(reading.problems) == 1


def test_two_mistakes_are_both_reported() -> None:
    """Every value that is no boolean gets its sentence."""
    assert len(annotations.PREFER_LOCAL_NODE_ONLY.read({_OURS: "yes", _STORKS: "no"}).problems) == 2


def test_the_nearest_object_decides() -> None:
    """The first that says yes or no; what others say that is no boolean is told with their names."""
    sources = [("Near ", {_OURS: "maybe"}), ("Far ", {_STORKS: "true"}), ("Farther ", {_OURS: "nonsense"})]

    reading = annotations.PREFER_LOCAL_NODE_ONLY.read_nearest(sources)

    assert reading.value is True
    assert reading.problems == (f"Near {_OURS}: 'maybe' is not a boolean (true or false) and is passed over",)
    assert annotations.PREFER_LOCAL_NODE_ONLY.read_nearest([]) == BooleanReading(value=False)


def test_absence_is_the_default() -> None:
    """Without the annotation the default holds and nothing is reported."""
    assert BooleanAnnotation(spellings=("a",), default=True).read({}) == BooleanReading(value=True)
    assert annotations.IGNORE.read({"other": "true"}) == BooleanReading(value=False)


def test_the_vocabulary_is_storks_with_twins() -> None:
    """The keys are spelled as STORK's users have them in their manifests."""
    assert annotations.DISABLE_HYPERCONVERGENCE.spellings == (
        "mooring.dev/disableHyperconvergence",
        "stork.libopenstorage.org/disableHyperconvergence",
    )
    assert annotations.DISABLE_ADMISSION.spellings == (
        "mooring.dev/disable-admission-controller",
        "stork.libopenstorage.org/disable-admission-controller",
    )
    assert annotations.PREFER_REMOTE_NODE.spellings == (
        "mooring.dev/preferRemoteNode",
        "stork.libopenstorage.org/preferRemoteNode",
    )
    assert annotations.PREFER_REMOTE_NODE_ONLY.spellings == (
        "mooring.dev/preferRemoteNodeOnly",
        "stork.libopenstorage.org/preferRemoteNodeOnly",
    )
    assert annotations.SKIP_SCHEDULER_SCORING.spellings == (
        "mooring.dev/skipSchedulerScoring",
        "stork.libopenstorage.org/skipSchedulerScoring",
    )
    assert annotations.RESTORE_IN_PROGRESS.spellings == (
        "mooring.dev/restore-in-progress",
        "stork.libopenstorage.org/restore-in-progress",
    )
    assert annotations.UNSCHEDULABLE.spellings == (
        "mooring.dev/unschedulable",
        "operator.libopenstorage.org/unschedulable",
    )
    assert (annotations.SHAREDV4, annotations.SHAREDV4_SERVICE) == ("sharedv4", "sharedv4_svc_type")
    assert annotations.IGNORE.spellings == ("mooring.dev/ignore",)
    assert {"mooring", "stork"} == annotations.OPT_IN_SCHEDULERS


@pytest.mark.parametrize(
    ("text", "nodes"),
    [("n1", ("n1",)), ("n1,n2", ("n1", "n2")), (" n2 ,, n1,", ("n2", "n1")), ("", ()), (" , ", ())],
)
def test_replica_nodes_are_split_and_trimmed(text: str, nodes: tuple[str, ...]) -> None:
    """Blanks and empty entries, as people write them, are harmless."""
    assert annotations.parse_replica_nodes(text) == nodes


@pytest.mark.parametrize("state", list(NodeStorageState))
def test_a_storage_state_is_read(state: NodeStorageState) -> None:
    """Each state is read by its name."""
    reading = annotations.parse_storage_state(str(state))

    assert (reading.state, reading.problem) == (state, None)


@pytest.mark.parametrize("text", ["", "online", "Broken"])
def test_an_unknown_storage_state_is_reported(text: str) -> None:
    """A word that is no state changes nothing, and the states there are get named."""
    reading = annotations.parse_storage_state(text)

    assert reading.state is None
    assert reading.problem == f"{text!r} is not a storage state (Online, StorageDown, Degraded, Offline)"
