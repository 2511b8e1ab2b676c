"""What is made of what a watch tells."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from math import isnan

import pytest
from tests.bench.apiserver import WriteError
from tests.bench.lives import Life, Pod, decode, follow


def followed(names: Sequence[str], *sights: tuple[float, Pod]) -> dict[str, Life]:
    """Follow the pods of these names."""
    lives = {name: Life() for name in names}

    async def told() -> AsyncIterator[tuple[float, Pod]]:
        for sight in sights:
            yield sight

    asyncio.run(follow(told(), lives))
    return lives


def seen(name: str, *, node: str = "", gates: Sequence[str] = ()) -> Pod:
    """Give a pod from a line of a watch, in which there are fields that nobody asked for."""
    spec = {"schedulingGates": [{"name": gate} for gate in gates], "priority": 0} | ({"nodeName": node} if node else {})
    metadata = {"name": name, "uid": "1", "resourceVersion": "7"}
    line = {"type": "MODIFIED", "object": {"kind": "Pod", "metadata": metadata, "spec": spec}}
    return decode(json.dumps(line).encode() + b"\n")


def test_the_first_sight_counts() -> None:
    """Later news of a pod that is on its node, or has no gate any more, change nothing."""
    ours = "mooring.dev/placement"
    lives = followed(
        ["a", "b"],
        (1.0, seen("a", gates=[ours])),
        (2.0, seen("b")),
        (3.0, seen("a")),
        (4.0, seen("a")),
        (5.0, seen("a", node="node-1")),
        (6.0, seen("a", node="node-1")),
        (7.0, seen("b", node="node-2")),
    )

    assert (lives["a"].gated, lives["a"].released, lives["a"].node, lives["a"].bound) == (True, 3.0, "node-1", 5.0)
    assert (lives["b"].gated, lives["b"].node, lives["b"].bound) == (False, "node-2", 7.0)
    assert isnan(lives["b"].released)


def test_somebody_elses_gate_is_none() -> None:
    """Only Mooring's gate is measured."""
    life = followed(["a"], (1.0, seen("a", gates=["example.com/quota"])), (2.0, seen("a", node="node-1")))["a"]

    assert not life.gated
    assert isnan(life.released)


def test_a_pod_that_never_comes_to_a_node_has_no_end() -> None:
    """What was seen of the others stays."""
    lives = followed(["a", "b"], (1.0, seen("a", node="node-1")), (2.0, seen("b")))

    assert lives["a"].bound == 1.0
    assert isnan(lives["b"].bound)


def test_a_watch_that_fails_is_no_result() -> None:
    """The API server says so in an event of its own kind."""
    line = {"type": "ERROR", "object": {"kind": "Status", "metadata": {}, "message": "too old resource version"}}

    with pytest.raises(WriteError, match="too old resource version"):
        decode(json.dumps(line).encode())
