"""The extender's wire form: what kube-scheduler sends is understood, anything else is named."""

import json
from typing import Any

import msgspec
import pytest

from mooring.serve.names import NameList
from mooring.serve.wire import (
    MalformedRequestError,
    decode_preemption,
    decode_request,
    encode_filter,
    encode_preemption,
)

_POD = {"metadata": {"name": "web", "namespace": "shop", "uid": "u-1"}, "spec": {}}


def body(**fields: Any) -> bytes:
    """Give a body with the pod and these fields."""
    return json.dumps({"Pod": _POD, **fields}).encode()


def node(name: str, **fields: Any) -> dict[str, Any]:
    """Give a node with its name first, as Go writes it."""
    return {"metadata": {"name": name, "labels": {}}, **fields}


def test_names() -> None:
    """The short form gives the names in order, and no objects."""
    request = decode_request(body(Nodes=None, NodeNames=["b", "a"]))

    assert request.pod.key == "shop/web"
    assert request.names.to_list() == ["b", "a"]
    assert request.objects is None


@pytest.mark.parametrize(
    "first",
    [node("n1"), {"kind": "Node", "metadata": {"labels": {"metadata": "x"}, "name": "n1"}}],
    ids=["go", "other"],
)
def test_objects(first: dict[str, Any]) -> None:
    """The long form gives the names, wherever in the object they stand."""
    request = decode_request(body(Nodes={"items": [first, node("n2")]}, NodeNames=None))

    assert request.names.to_list() == ["n1", "n2"]
    assert request.objects is not None
    assert json.loads(bytes(request.objects["n1"])) == first


@pytest.mark.parametrize("nodes", [{}, {"items": None}, {"items": []}])
def test_no_nodes_at_all(nodes: dict[str, Any]) -> None:
    """An empty list is a list."""
    assert decode_request(body(Nodes=nodes)).names.to_list() == []


@pytest.mark.parametrize(
    ("sent", "complaint"),
    [
        (b"nonsense", "malformed"),
        (b'{"NodeNames":[]}', "Pod is missing"),
        (body(), "neither NodeNames nor Nodes"),
        (body(NodeNames={}), "NodeNames: "),
        (body(NodeNames=["a b,c"]), "NodeNames: not every entry is a node name"),
        (body(Nodes={"items": [{"metadata": {}}]}), "Nodes.items: .*name"),
        (body(Nodes={"items": [node('n"1')]}), "Nodes.items: not a node name"),
        (body(Nodes={"items": [node("")]}), "Nodes.items: not a node name"),
        (body(Nodes={"items": [node("n\u00e4")]}), "Nodes.items: not a node name"),
    ],
)
def test_malformed(sent: bytes, complaint: str) -> None:
    """The message says which part is wrong."""
    with pytest.raises(MalformedRequestError, match=complaint):
        decode_request(sent)


def test_filter_escapes_reasons() -> None:
    """A reason may hold anything."""
    request = decode_request(body(NodeNames=["a", "b", "c"]))
    refused = [('it "said"\n\u00e4', NameList.of(["b", "c"]))]

    answer = json.loads(encode_filter(request, NameList.of(["a"]), refused))

    assert answer == {
        "Nodes": None,
        "NodeNames": ["a"],
        "FailedNodes": {},
        "FailedAndUnresolvableNodes": {"b": 'it "said"\n\u00e4', "c": 'it "said"\n\u00e4'},
        "Error": "",
    }


def test_nothing_kept_is_an_empty_list() -> None:
    """No node left is `[]` in both forms, not null: null would mean all."""
    names = decode_request(body(NodeNames=["a"]))
    objects = decode_request(body(Nodes={"items": [node("a")]}))

    assert json.loads(encode_filter(names, NameList.of([]), []))["NodeNames"] == []
    assert json.loads(encode_filter(objects, NameList.of([]), []))["Nodes"]["items"] == []


def test_preemption_with_whole_pods() -> None:
    """Victims that come as pods are answered as identifiers."""
    victims = {"n1": {"Pods": [{"metadata": {"uid": "v-1"}}], "NumPDBViolations": 2}, "n2": {"Pods": None}}

    asked = decode_preemption(body(NodeNameToVictims=victims))

    assert json.loads(encode_preemption(asked.victims)) == {
        "NodeNameToMetaVictims": {
            "n1": {"Pods": [{"UID": "v-1"}], "NumPDBViolations": 2},
            "n2": {"Pods": [], "NumPDBViolations": 0},
        }
    }


def test_preemption_with_identifiers() -> None:
    """Victims that come as identifiers are answered as they came."""
    victims = {"n1": {"Pods": [{"UID": "v-1"}], "NumPDBViolations": 0}}

    asked = decode_preemption(body(NodeNameToMetaVictims=victims))

    assert {node: json.loads(bytes(raw)) for node, raw in asked.victims.items()} == victims
    assert isinstance(asked.victims["n1"], msgspec.Raw)


def test_preemption_without_a_pod() -> None:
    """Preemption needs a pod too."""
    with pytest.raises(MalformedRequestError, match="Pod is missing"):
        decode_preemption(b"{}")
