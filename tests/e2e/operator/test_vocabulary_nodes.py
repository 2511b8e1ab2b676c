"""STORK's words on nodes, row by row, under the stock scheduler and under its own."""

from typing import Any

import pytest
from tests.e2e.operator.vocabulary import SCHEDULERS, STORK, asking, await_given_up, bound_to, opted_in, scores, wishing
from tests.e2e.stage import Stage
from tests.e2e.support import eventually

from mooring.sandbox.nodes import DRIVER, make_csi_node

_STATE = f"storage-state.mooring.dev/{DRIVER}"
_RACK = {"px/rack": "r1"}


def annotate(stage: Stage, node: str, **annotations: str | None) -> None:
    """Say something on a node, or take it back."""
    stage.patch(f"/api/v1/nodes/{node}", {"metadata": {"annotations": annotations}})


@SCHEDULERS
def test_unschedulable(stage: Stage, scheduler: str) -> None:
    """In either spelling a node gets no pods with volumes, whatever lies there, until the annotation goes."""
    fields = opted_in(stage, scheduler)
    nodes, where = stage.own_nodes(3)
    fields |= where
    stage.volume("data", *nodes)
    words = dict(zip(nodes, ("operator.libopenstorage.org/unschedulable", "mooring.dev/unschedulable"), strict=False))
    for node, word in words.items():
        annotate(stage, node, **{word: "true"})
    stage.await_known("data", nodes[2:])

    for node in words:
        wishing(stage, f"web-{node}", node, "data", **fields)
        stage.pod(f"without-{node}", **bound_to(node, **fields))
        if scheduler == STORK:
            stage.pod(f"refused-{node}", "data", **bound_to(node, **fields))

    for node, word in words.items():
        assert stage.node_of(f"web-{node}") == nodes[2]
        assert stage.node_of(f"without-{node}") == node
        if scheduler == STORK:
            said = "the node takes no pods with volumes (annotation mooring.dev/unschedulable or "
            await_given_up(stage, f"refused-{node}", said)
        annotate(stage, node, **{word: None})
    stage.await_known("data", nodes)
    for node in words:
        wishing(stage, f"again-{node}", node, "data", **fields)
        assert stage.node_of(f"again-{node}") == node
        if scheduler == STORK:
            assert stage.node_of(f"refused-{node}") == node


@SCHEDULERS
@pytest.mark.parametrize("state", ["StorageDown", "Degraded", "Offline"])
def test_storage_states(stage: Stage, scheduler: str, state: str) -> None:
    """With a replica elsewhere such a node is not chosen; only StorageDown lets pods run there at all."""
    fields = opted_in(stage, scheduler)
    nodes, where = stage.own_nodes(3, labels=_RACK)
    fields |= where
    stage.volume("data", *nodes[:2])
    annotate(stage, nodes[0], **{_STATE: state})
    stage.await_known("data", [nodes[1]])

    wishing(stage, "web", nodes[0], "data", **fields)
    if scheduler == STORK:
        stage.pod("bound", "data", **bound_to(nodes[0], **fields))

    assert stage.node_of("web") == nodes[1]
    if state == "StorageDown":
        # Its own replica does not count, and its neighbour's counts half: 2.5 of 10, rounded up.
        eventually(lambda: scores(stage, asking(stage, "data"), nodes) == [3, 10, 5])
    if scheduler == STORK and state == "StorageDown":
        assert stage.node_of("bound") == nodes[0]
    elif scheduler == STORK:
        await_given_up(stage, "bound", f"the storage of {DRIVER} on the node is {state}")


@SCHEDULERS
def test_several_drivers(stage: Stage, scheduler: str) -> None:
    """A pod with volumes of two drivers runs where both are, and not where only one of them has its data."""
    fields = opted_in(stage, scheduler)
    (both, *single), where = stage.own_nodes(3)
    fields |= where
    other = f"{stage.namespace}.csi.example.com"
    for node, drivers in zip((both, *single), ([DRIVER, other], [DRIVER], [other]), strict=True):
        stage.patch(f"/apis/storage.k8s.io/v1/csinodes/{node}", {"spec": make_csi_node(node, drivers)["spec"]})
    stage.volumes({"left-here": [both], "left-there": single[:1]})
    stage.volumes({"right-here": [both], "right-there": single[1:]}, driver=other)
    pairs = {single[0]: ("left-there", "right-here"), single[1]: ("left-here", "right-there")}
    missing = {single[0]: other, single[1]: DRIVER}
    for claims in pairs.values():
        body = {"Pod": asking(stage, *claims), "NodeNames": [both, *single]}
        eventually(lambda body=body: stage.operator.ask("filter", body)["NodeNames"] == [both])  # type: ignore[misc]

    for node, claims in pairs.items():
        wishing(stage, f"web-{node}", node, *claims, **fields)
        if scheduler == STORK:
            stage.pod(f"refused-{node}", *claims, **bound_to(node, **fields))

    for node, driver in missing.items():
        assert stage.node_of(f"web-{node}") == both
        if scheduler == STORK:
            await_given_up(stage, f"refused-{node}", f"the driver {driver} is not registered on the node")


_LABELS = {
    "px/rack": 5,
    "linstor/rack": 5,
    "failure-domain.beta.kubernetes.io/zone": 3,
    "failure-domain.beta.kubernetes.io/region": 1,
}


@SCHEDULERS
@pytest.mark.parametrize("label", _LABELS)
def test_labels_of_places(stage: Stage, scheduler: str, label: str) -> None:
    """Where the node with the data has no room, its mates are near too, one as much as its label says."""
    fields = opted_in(stage, scheduler)
    nodes, where = stage.own_nodes(3, cpu="1")
    for node, place in zip(nodes, ("here", "here", "there"), strict=True):
        stage.patch(f"/api/v1/nodes/{node}", {"metadata": {"labels": {label: place}}})
    stage.volume("data", nodes[0])
    eventually(lambda: scores(stage, asking(stage, "data"), nodes) == [10, _LABELS[label], 0])
    # By the scheduler of those that come next: no other knows at once that the node is full.
    filler: dict[str, Any] = {"cpu": "1", **bound_to(nodes[0], **where, **fields)}
    stage.pod("filler", **filler)
    stage.node_of("filler")

    stage.pod("web", "data", **where, **fields)
    # Were it not for the data, the second one would go where more is free.
    stage.node_of("web")
    stage.pod("next", "data", **where, **fields)

    assert stage.nodes_of(["web", "next"]) == {"web": nodes[1], "next": nodes[1]}
