"""`newVolumes` of policies, next to StorageClasses that do not wait for a pod."""

from pathlib import Path

import pytest
from tests.unit.lint.support import found

_CLASS = """\
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {{name: {name}}}
provisioner: {name}.example.com
{mode}
---
"""
_AT_ONCE = _CLASS.format(name="fast", mode="volumeBindingMode: Immediate")
_BY_DEFAULT = _CLASS.format(name="plain", mode="")
_WAITING = _CLASS.format(name="local", mode="volumeBindingMode: WaitForFirstConsumer")


def _policy(selector: str = "", *, new_volumes: str = "newVolumes: {capacity: LeastFree}") -> str:
    return (
        "apiVersion: mooring.dev/v1alpha1\nkind: VolumePlacementPolicy\nmetadata: {name: p, namespace: shop}\n"
        f"spec: {{podSelector: {{}}, {selector}{new_volumes}}}\n"
    )


def _classes(folder: Path, text: str) -> list[str]:
    """The StorageClasses of which lint warns."""
    lines = found(folder, text)
    assert all(" warning: spec.newVolumes: is moot for claims of StorageClass " in line for line in lines)
    return [line.split("StorageClass ")[1].partition(":")[0] for line in lines]


@pytest.mark.parametrize(
    ("text", "classes"),
    [
        (_AT_ONCE + _BY_DEFAULT + _WAITING + _policy(), ["fast", "plain"]),
        (_WAITING + _policy(), []),
        (_AT_ONCE + _policy(new_volumes=""), []),
        (_AT_ONCE + _WAITING + _policy("volumeSelector: {storageClassNames: [local]}, "), []),
        (_AT_ONCE + _WAITING + _policy("volumeSelector: {storageClassNames: [fast, local]}, "), ["fast"]),
        (_AT_ONCE + _WAITING + _policy("volumeSelector: {drivers: [local.example.com]}, "), []),
        (_AT_ONCE + _WAITING + _policy("volumeSelector: {drivers: [fast.example.com]}, "), ["fast"]),
        (_AT_ONCE + _policy("volumeSelector: {matchLabels: {app: db}}, "), ["fast"]),
        (_policy(), []),
    ],
)
def test_classes_that_bind_at_once_are_warned_of(tmp_path: Path, text: str, classes: list[str]) -> None:
    """Those that the policy's volumeSelector can choose; a class that says nothing binds at once."""
    assert _classes(tmp_path, text) == classes


def test_the_warning_says_what_would_help(tmp_path: Path) -> None:
    """The field, the class, and the mode that waits for a pod."""
    (line,) = found(tmp_path, _AT_ONCE + _policy())

    assert line == (
        "m.yaml:10: warning: spec.newVolumes: is moot for claims of StorageClass fast: its volumeBindingMode is "
        "Immediate, which makes volumes before there is a pod; WaitForFirstConsumer waits for one"
    )
