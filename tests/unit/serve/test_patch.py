"""Patches of pods: one field changes and nothing beside it, however much of the pod is there."""

import copy
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.jsonpatch import patched

from mooring.cluster.records import NodeAffinity, Pod, to_json
from mooring.serve.patch import add_gate, set_annotations, set_node_affinity, set_scheduler

_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
_SOME = {"nodeSelectorTerms": [{"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n1"]}]}]}
_OTHER = {"nodeSelectorTerms": [{}, {"matchExpressions": [{"key": "disk", "operator": "Exists"}]}]}
_WISHES = [{"weight": 3, "preference": {"matchExpressions": [{"key": "gpu", "operator": "DoesNotExist"}]}}]
_POD_AFFINITY = {_REQUIRED: [{"topologyKey": "zone", "labelSelector": {"matchLabels": {"app": "web"}}}]}

_NODE_AFFINITIES = st.fixed_dictionaries(
    {}, optional={_REQUIRED: st.sampled_from([_SOME, _OTHER]), _PREFERRED: st.just(_WISHES)}
)
_AFFINITIES = st.none() | st.fixed_dictionaries(
    {}, optional={"nodeAffinity": _NODE_AFFINITIES, "podAffinity": st.just(_POD_AFFINITY)}
)
_ANNOTATIONS = st.none() | st.dictionaries(
    st.sampled_from(["a~b/c~1d", "mooring.dev/affinity-hash", "note"]), st.sampled_from(["", "x", "y"])
)


def _manifest(*, affinity: Any = None, annotations: Any = None) -> dict[str, Any]:
    pod: dict[str, Any] = {"metadata": {"name": "web", "labels": {"app": "web"}}, "spec": {"containers": []}}
    if affinity is not None:
        pod["spec"]["affinity"] = affinity
    if annotations is not None:
        pod["metadata"]["annotations"] = annotations
    return pod


def _record(manifest: dict[str, Any]) -> Pod:
    return msgspec.convert(manifest, Pod)


@given(affinity=_AFFINITIES, wanted=_NODE_AFFINITIES)
def test_node_affinity_becomes_what_is_wanted(affinity: Any, wanted: dict[str, Any]) -> None:
    """Missing parents are made, and the affinity to pods stays."""
    before = _manifest(affinity=copy.deepcopy(affinity))

    after = patched(before, set_node_affinity(_record(before), msgspec.convert(wanted, NodeAffinity)))

    assert after["spec"].get("affinity", {}).get("nodeAffinity", {}) == wanted
    assert after["spec"].get("affinity", {}).get("podAffinity") == (affinity or {}).get("podAffinity")
    assert after["metadata"] == before["metadata"]
    assert set_node_affinity(_record(after), msgspec.convert(wanted, NodeAffinity)) == []


@given(
    annotations=_ANNOTATIONS,
    wanted=st.dictionaries(
        st.sampled_from(["a~b/c~1d", "mooring.dev/affinity-hash", "mooring.dev/gated-by"]), st.none() | st.just("x")
    ),
)
def test_annotations_are_set_or_go(annotations: Any, wanted: dict[str, str | None]) -> None:
    """Several at once, also where there were none; others stay, and a key may hold what a path means otherwise."""
    before = _manifest(annotations=annotations)
    others = {name: text for name, text in (annotations or {}).items() if name not in wanted}

    after = patched(before, set_annotations(_record(before), wanted))

    expected = others | {key: value for key, value in wanted.items() if value is not None}
    assert after["metadata"].get("annotations", {}) == expected
    assert after["spec"] == before["spec"]
    assert set_annotations(_record(after), wanted) == []


def test_annotations_that_are_null_are_none() -> None:
    """A client may write the field so."""
    before = _manifest()
    before["metadata"]["annotations"] = None

    after = patched(before, set_annotations(_record(before), {"a": "x", "b": "y", "c": None}))

    assert after["metadata"]["annotations"] == {"a": "x", "b": "y"}
    assert set_annotations(_record(before), {"c": None}) == []


@pytest.mark.parametrize("gates", [None, [], ["other"], ["other", "another"], ["ours"], ["other", "ours"]])
def test_a_gate_is_put_beside_others(gates: list[str] | None) -> None:
    """At the end, and once."""
    before = _manifest()
    if gates is not None:
        before["spec"]["schedulingGates"] = [{"name": name} for name in gates]

    after = patched(before, add_gate(_record(before), "ours"))

    found = [gate["name"] for gate in after["spec"]["schedulingGates"]]
    assert found == ((gates or []) if "ours" in (gates or []) else [*(gates or []), "ours"])
    assert add_gate(_record(after), "ours") == []


@pytest.mark.parametrize("given", [None, "default-scheduler", "stork"])
def test_the_scheduler_is_set(given: str | None) -> None:
    """Whether or not the pod has one; none is the default scheduler."""
    before = _manifest()
    if given is not None:
        before["spec"]["schedulerName"] = given

    assert patched(before, set_scheduler(_record(before), "mooring"))["spec"]["schedulerName"] == "mooring"
    assert set_scheduler(_record(before), given or "default-scheduler") == []


def test_nothing_of_a_term_is_lost() -> None:
    """Terms are replaced whole, so that each field of theirs must survive the way through our records."""
    expressions = [
        {"key": "a", "operator": "In", "values": ["x", "y"]},
        {"key": "b", "operator": "Gt", "values": ["3"]},
        {"key": "c", "operator": "Exists"},
    ]
    affinity = {_REQUIRED: {"nodeSelectorTerms": [{"matchExpressions": expressions}, {}]}, _PREFERRED: _WISHES}

    assert json.loads(json.dumps(to_json(msgspec.convert(affinity, NodeAffinity)))) == affinity
