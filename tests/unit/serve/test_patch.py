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
from mooring.serve.patch import set_annotation, set_node_affinity, set_scheduler

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
    key=st.sampled_from(["a~b/c~1d", "mooring.dev/affinity-hash"]),
    value=st.none() | st.just("x"),
)
def test_an_annotation_is_set_or_goes(annotations: Any, key: str, value: str | None) -> None:
    """Others stay, and a key may hold what a path means otherwise."""
    before = _manifest(annotations=annotations)
    others = {name: text for name, text in (annotations or {}).items() if name != key}

    after = patched(before, set_annotation(_record(before), key, value))

    assert after["metadata"].get("annotations", {}) == others | ({} if value is None else {key: value})
    assert after["spec"] == before["spec"]
    assert set_annotation(_record(after), key, value) == []


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
