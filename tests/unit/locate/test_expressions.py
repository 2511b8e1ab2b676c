"""CEL expressions: what they may use, and what goes wrong as a sentence that names the field."""

import datetime as dt
import logging
from typing import Any

import pytest

from mooring.locate.expressions import Expression, Failure, InvalidExpressionError, Scope

_OBJECT = {
    "metadata": {"name": "pvc-1", "labels": {"directpv.min.io/node": "w1"}},
    "spec": {"node": "W1/x-y", "flags": 260, "active": True, "sizes": [1, 2], "ratio": 0.5, "none": None},
}


def _evaluated(text: str, wanted: type, obj: Any = None) -> Any:
    expression = Expression(text, field="spec.replicas.node")
    opened = Scope("object", [expression]).open(_OBJECT if obj is None else obj)
    return expression.string(opened) if wanted is str else expression.boolean(opened)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("object.spec.node", "W1/x-y"),
        ("object.metadata.labels['directpv.min.io/node']", "w1"),
        ("object.spec.node.lowerAscii()", "w1/x-y"),
        ("object.metadata.name.upperAscii()", "PVC-1"),
        ("object.spec.node.split('/')[0]", "W1"),
        ("object.spec.node.replace('x-', '')", "W1/y"),
        ("has(object.status) && has(object.status.node) ? object.status.node : ''", ""),
        ("object.spec.active", True),
        ("math.bitAnd(object.spec.flags, 4) == 0", False),
        ("object.spec.sizes.exists(size, size > 1)", True),
        ("!has(object.metadata.deletionTimestamp)", True),
        ("true", True),
    ],
)
def test_an_expression_gives_a_value(text: str, value: str | bool) -> None:
    """CEL's own functions, those of Kubernetes' strings, and one of cel-go's math."""
    assert _evaluated(text, type(value)) == value


@pytest.mark.parametrize(
    ("text", "wanted", "message"),
    [
        ("object.spec.flags", str, "gives an int, not a string"),
        ("object.spec.active", str, "gives a bool, not a string"),
        ("object.spec.none", str, "gives null, not a string"),
        ("object.spec.sizes", str, "gives a list, not a string"),
        ("object.spec", str, "gives a map, not a string"),
        ("object.spec.ratio", str, "gives a double, not a string"),
        ("timestamp('2026-01-01T00:00:00Z')", str, "gives a datetime, not a string"),
        ("object.spec.node", bool, "gives a string, not a bool"),
        ("object.spec.flags", bool, "gives an int, not a bool"),
        ("object.spec.missing", str, "no such field or key: missing"),
        ("object.status.node", str, "no such field or key: status"),
        ("object.metadata.labels['other']", str, "no such field or key: other"),
        ("has(object.status.node)", bool, "no such field or key: status"),
        ("object.spec.flags + 'a'", str, "No such overload: the operation is not defined for the given operand types"),
        ("nobody.spec", str, "Undefined variable or function: 'nobody'"),
        ("1 / 0 == 1", bool, "division by zero in CEL expression"),
        ("object.spec.sizes[7]", str, "index out of bounds: 7"),
    ],
)
def test_a_failure_is_a_sentence(text: str, wanted: type, message: str) -> None:
    """Whatever is wrong with one object is a value that names the field, not an exception."""
    failure = _evaluated(text, wanted)

    assert isinstance(failure, Failure)
    assert str(failure).startswith(f"spec.replicas.node: {message}")


def test_a_function_that_fails_is_not_logged_as_well(caplog: pytest.LogCaptureFixture) -> None:
    """The same failure on each of many objects belongs into the status, once, and not into the log."""
    with caplog.at_level(logging.DEBUG):
        failure = _evaluated("object.spec.flags.split('/')[0]", str)

    assert isinstance(failure, Failure)
    assert "split" in failure.message
    assert not caplog.records


def test_an_object_that_cel_cannot_hold_fails_every_expression() -> None:
    """YAML knows dates, which no API server sends."""
    failure = _evaluated("object.spec.since", str, {"spec": {"since": dt.date(2026, 8, 1)}})

    assert isinstance(failure, Failure)
    assert "date" in failure.message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("object.spec.", "does not compile: 1:13: Syntax error: no viable alternative at input '.'"),
        ("1 +", "does not compile: 1:4: Syntax error: mismatched input '<EOF>'"),
        ("true &&\n  !", "does not compile: 2:4: Syntax error: extraneous input '<EOF>'"),
        ("'a", "does not compile: 1:1: Syntax error: token recognition error at: ''a'"),
        ("object.spec.node.lower()", "does not compile: no such function: lower"),
        ("fetch(object.spec.node)", "does not compile: no such function: fetch"),
    ],
)
def test_what_does_not_compile_is_refused(text: str, message: str) -> None:
    """A mistake is found once, with the place, before any object is read."""
    with pytest.raises(InvalidExpressionError) as refusal:
        Expression(text, field="spec.replicas.usable")

    assert [(failure.field, failure.message) for failure in refusal.value.failures] == [
        ("spec.replicas.usable", message)
    ]
    assert str(refusal.value) == f"spec.replicas.usable: {message}"
