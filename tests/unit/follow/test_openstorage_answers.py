"""What OpenStorage's gateway writes, as it was seen to write it, and what becomes of it."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring.api.annotations import NodeStorageState
from mooring.follow.openstorage_answers import read_nodes, read_volume, replicas, split_volumes

VOLUME = (
    '{"volume":{"id":"ec66782b","source":{},"locator":{"name":"pvc-1","volume_labels":{"pvc":"data"}},'
    '"ctime":"2026-11-22T09:06:34.640528494Z","spec":{"size":"1000000000","ha_level":"2",'
    '"replica_set":{"nodes":["id-1","id-2"]}},"format":"FS_TYPE_XFS","status":"VOLUME_STATUS_UP",'
    '"state":"VOLUME_STATE_AVAILABLE","replica_sets":[{"nodes":["id-1","id-2"]}],'
    '"runtime_state":[{"runtime_state":{"ReplicaSetCreateMid":"id-1,id-2","ReplicaSetCurrMid":"id-1"}}]},'
    '"name":"pvc-1","labels":{"pvc":"data"}}'
)
NODES = (
    '{"nodes":[{"id":"id-1","cpu":12.5,"mem_total":"8000000000","status":"STATUS_OK","scheduler_node_name":"w1"},'
    '{"id":"id-2","status":"STATUS_STORAGE_DOWN","scheduler_node_name":"w2"},{"id":"id-3","scheduler_node_name":"w3"},'
    '{"id":"id-4","status":99,"hostname":"W4.example.com"}]}'
)


def _usable(*sets: list[str], **runtime: str) -> dict[str, bool | None]:
    states = [{"runtime_state": runtime}] if runtime else []
    volume = {"id": "v", "replica_sets": [{"nodes": nodes} for nodes in sets], "runtime_state": states}
    found = replicas(read_volume(json.dumps({"volume": volume}).encode()), "v")
    return {replica.node: replica.usable for replica in found}


def _states(*nodes: dict[str, Any]) -> list[NodeStorageState | None]:
    return [node.state for node in read_nodes(json.dumps({"nodes": nodes}).encode())]


def test_a_volume_s_replicas_are_where_its_sets_say() -> None:
    """Each node of a set has a whole copy, under the key by which PersistentVolumes name the volume."""
    volume = read_volume(VOLUME.encode())

    found = replicas(volume, "ec66782b")

    assert volume.names == {"ec66782b", "pvc-1"}
    assert [(each.key, each.volume, each.node, each.whole) for each in found] == [
        ("ec66782b/id-1", "ec66782b", "id-1", True),
        ("ec66782b/id-2", "ec66782b", "id-2", True),
    ]
    assert [each.usable for each in found] == [True, False]
    assert {each.source for each in found} == {"OpenStorage volume ec66782b (runtime_state)"}


def test_many_volumes_are_split_before_they_are_read() -> None:
    """What gives all volumes gives each of them as it is given alone."""
    first, second = split_volumes(f'{{"volumes":[{VOLUME},{VOLUME}]}}'.encode())

    assert read_volume(first) == read_volume(second) == read_volume(VOLUME.encode())


def test_what_is_left_out_is_empty() -> None:
    """The gateway leaves out whatever is empty: all volumes where there are none, the replicas of one."""
    volume = read_volume(b'{"volume":{}}')

    assert split_volumes(b"{}") == []
    assert replicas(volume, "v") == ()
    assert volume.names == frozenset()


def test_a_storage_system_without_nodes_is_none() -> None:
    """It may be starting, or be something else that answers with an empty object: that takes no volume's place away."""
    with pytest.raises(ValueError, match="no nodes"):
        read_nodes(b"{}")


def test_nodes_have_ids_names_and_states() -> None:
    """STATUS_NONE is left out on the wire; a status that nobody knows says nothing; a host's name is in lower case."""
    assert [(node.id, node.node, node.state) for node in read_nodes(NODES.encode())] == [
        ("id-1", "w1", NodeStorageState.ONLINE),
        ("id-2", "w2", NodeStorageState.STORAGE_DOWN),
        ("id-3", "w3", NodeStorageState.ONLINE),
        ("id-4", "w4.example.com", None),
    ]


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("STATUS_POOLMAINTENANCE", NodeStorageState.STORAGE_DOWN),
        ("STATUS_STORAGE_REBALANCE", NodeStorageState.DEGRADED),
        ("STATUS_MAINTENANCE", NodeStorageState.OFFLINE),
        ("STATUS_NOT_IN_QUORUM", NodeStorageState.OFFLINE),
        ("STATUS_OF_THE_FUTURE", None),
    ],
)
def test_states_are_as_stork_reads_them(status: str, state: NodeStorageState | None) -> None:
    """STORK's table, but that what is not in it does not make a node Offline."""
    assert _states({"id": "a", "scheduler_node_name": "w1", "status": status}) == [state]


def test_a_node_s_former_self_says_nothing_of_it() -> None:
    """A node that joined again under a new id is Online, whatever its old id, which stays behind, is said to be."""
    old = {"id": "old", "scheduler_node_name": "w1", "status": "STATUS_OFFLINE"}
    new = {"id": "new", "scheduler_node_name": "w1", "status": "STATUS_OK"}

    assert _states(old, new) == [None, NodeStorageState.ONLINE]
    assert _states(old) == [NodeStorageState.OFFLINE]


def test_replicas_out_of_the_current_set_are_not_usable() -> None:
    """Portworx says where replicas were made and which of them are current; the others wait to be resynchronized."""
    made = "a,b,c"

    assert _usable(["a", "b", "c"], ReplicaSetCreateMid=made, ReplicaSetCurrMid="a,c") == {
        "a": True,
        "b": False,
        "c": True,
    }
    assert _usable(["a", "b", "c"], ReplicaSetCreateMid=made, ReplicaSetCurrMid=made) == dict.fromkeys("abc", True)


@pytest.mark.parametrize(
    "runtime", [{}, {"ReplicaSetCreateMid": "a,b"}, {"ReplicaSetCreateMid": "a,b", "ReplicaSetCurrMid": ""}]
)
def test_no_word_of_the_current_set_leaves_replicas_usable(runtime: dict[str, str]) -> None:
    """A volume of which the API tells nothing of the kind is not a volume without replicas."""
    assert _usable(["a", "b"], **runtime) == {"a": True, "b": True}


def test_a_striped_volume_is_where_all_parts_are() -> None:
    """A node with all parts has the data; where none has all, any part is as near as can be."""
    assert _usable(["a", "b"], ["b", "c"]) == {"b": True}
    assert _usable(["a"], ["b"]) == {"a": True, "b": True}


@pytest.mark.parametrize(
    "answer", ["", "<html>", "[]", "{}", '{"volumes": {}}', '{"volume": {"replica_sets": [{"nodes": [1]}]}}']
)
def test_anything_else_is_an_error(answer: str) -> None:
    """An answer that is not OpenStorage's is refused, not taken for a volume without replicas."""
    with pytest.raises(ValueError, match=r"."):
        read_volume(split_volumes(answer.encode())[0] if "volumes" in answer else answer.encode())


@given(st.lists(st.lists(st.sampled_from("abcd"), min_size=1, max_size=3), max_size=3))
def test_replicas_are_in_sets(sets: list[list[str]]) -> None:
    """Whatever the sets, each replica is on a node of one of them, and a volume with sets has a replica."""
    found = _usable(*sets)

    assert found.keys() <= {node for nodes in sets for node in nodes}
    assert bool(found) is bool(sets)
