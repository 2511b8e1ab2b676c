"""What expressions read of an object: enough for each of them, and little else."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mooring.locate.expressions import Expression, Failure, Scope
from mooring.locate.projection import Projection

_OBJECT: Mapping[str, Any] = {
    "kind": "Replica",
    "metadata": {"name": "r", "labels": {"a": "b"}, "managedFields": [{"manager": "m"}]},
    "spec": {"volume": "v", "node": "n", "disks": {"d1": {"size": 1}}},
    "status": {"state": "Ready", "conditions": [{"type": "Lost", "status": "False"}]},
}


@pytest.mark.parametrize(
    ("texts", "read"),
    [
        (["object.spec.node"], {"spec": {"node": "n"}}),
        (["object.spec.node", "object.spec.volume == object.kind"], {"kind": "Replica", "spec": {"node", "volume"}}),
        (["object.spec.disks.d1.size"], {"spec": {"disks"}}),
        (["object.metadata.labels['a']"], {"metadata": {"labels"}}),
        (["object.status.conditions.exists(c, c.type == 'Lost')"], {"status": {"conditions"}}),
        (["!has(object.metadata.deletionTimestamp)"], {"metadata": ()}),
        (["has(object.status) && has(object.status.state)"], {"status": {"state"}}),
        (["has(object.status)"], {"status": ()}),
        (["has( object.kind )"], {"kind": "Replica"}),
        (["has(object.gone) && has(object.gone.state)", "true"], {}),
        # Whatever is not surely a plain path keeps all that it may read.
        (["object.spec == object.status"], {"spec": _OBJECT["spec"], "status": _OBJECT["status"]}),
        (["object.spec.size() > 1"], {"spec": _OBJECT["spec"]}),
        (["object.spec.exists (k, k == 'a')"], {"spec": _OBJECT["spec"]}),
        (["object.spec['node']"], {"spec": _OBJECT["spec"]}),
        (["object['spec'].node"], _OBJECT),
        (["object == object"], _OBJECT),
        (["object .spec.node"], _OBJECT),
        (["['a'].exists(object, object == 'a')"], _OBJECT),
    ],
)
def test_only_what_is_read_is_kept(texts: list[str], read: Mapping[str, Any]) -> None:
    """Two steps deep, which leaves out managedFields and most of a status."""
    expected = {
        field: {part: _OBJECT[field][part] for part in parts} if isinstance(parts, set | tuple) else parts
        for field, parts in read.items()
    }

    assert Projection("object", texts).of(_OBJECT) == expected


_STEPS = st.sampled_from(["metadata", "spec", "status", "node", "volume", "state", "gone"])
_PATHS = st.lists(_STEPS, min_size=1, max_size=3).map(lambda steps: ".".join(["object", *steps]))
_TESTS = st.one_of(
    _PATHS.map(lambda path: f"has({path})"),
    _PATHS.map(lambda path: f"{path} == 'n'"),
    _PATHS.map(lambda path: f"{path}.size() == 1"),
    _PATHS.map(lambda path: f"'node' in {path}"),
    st.tuples(_PATHS, _STEPS).map(lambda pair: f"{pair[0]}['{pair[1]}'] == 'v'"),
    st.just("size(object) == 3"),
)
_MAPS = st.dictionaries(_STEPS, st.one_of(st.sampled_from(["n", "v"]), st.dictionaries(_STEPS, st.just("n"))))


@settings(deadline=None)
@given(
    tests=st.lists(_TESTS, min_size=1, max_size=3),
    glue=st.sampled_from([" && ", " || "]),
    obj=st.dictionaries(_STEPS, st.one_of(_MAPS, st.just("n"))),
)
def test_an_expression_gives_the_same_on_the_part_as_on_the_whole(
    tests: list[str], glue: str, obj: dict[str, Any]
) -> None:
    """Including its failures."""
    expression = Expression(glue.join(tests), field="f")
    whole = Scope("object", [expression, Expression("object == object", field="g")])

    on_part, on_whole = expression.boolean(Scope("object", [expression]).open(obj)), expression.boolean(whole.open(obj))

    assert isinstance(on_part, Failure) is isinstance(on_whole, Failure)
    assert isinstance(on_part, Failure) or on_part == on_whole
