"""Removed APIs: named with their successors, from the version on that does not serve them."""

from itertools import pairwise
from pathlib import Path

import pytest
from tests.unit.lint.support import found

from mooring.lint.kinds import Kinds, versions
from mooring.lint.removed import REMOVED

_SHIPPED = {version: Kinds(version) for version in versions()}


@pytest.mark.parametrize(
    ("version", "kind", "message"),
    [
        ("apps/v1beta1", "Deployment", "is not served since Kubernetes 1.16; use apps/v1"),
        ("extensions/v1beta1", "DaemonSet", "is not served since Kubernetes 1.16; use apps/v1"),
        ("extensions/v1beta1", "Ingress", "is not served since Kubernetes 1.22; use networking.k8s.io/v1"),
        ("batch/v1beta1", "CronJob", "is not served since Kubernetes 1.25; use batch/v1"),
        ("policy/v1beta1", "PodDisruptionBudget", "is not served since Kubernetes 1.25; use policy/v1"),
        ("policy/v1beta1", "PodSecurityPolicy", "is not served since Kubernetes 1.25; it has no successor"),
        ("storage.k8s.io/v1beta1", "CSINode", "is not served since Kubernetes 1.22; use storage.k8s.io/v1"),
        ("storage.k8s.io/v1beta1", "StorageClass", "is not served since Kubernetes 1.22; use storage.k8s.io/v1"),
    ],
)
def test_a_removed_api_is_named_with_its_successor(tmp_path: Path, version: str, kind: str, message: str) -> None:
    """The one finding about it, at its apiVersion."""
    text = f"kind: {kind}\napiVersion: {version}\nmetadata: {{name: a}}\n"

    assert found(tmp_path, text) == [f"m.yaml:2: error: apiVersion: {version} {kind} {message}"]


def test_before_its_removal_it_is_a_warning(tmp_path: Path) -> None:
    """There is time, but not for ever."""
    text = "apiVersion: autoscaling/v2beta2\nkind: HorizontalPodAutoscaler\nmetadata: {name: a}\n"
    line = (
        "m.yaml:1: {}: apiVersion: autoscaling/v2beta2 HorizontalPodAutoscaler is not served since Kubernetes 1.26; "
        "use autoscaling/v2"
    )

    assert found(tmp_path, text, version="1.25") == [line.format("warning")]
    assert found(tmp_path, text, version="1.26") == [line.format("error")]


@pytest.mark.parametrize(("version", "next_version"), list(pairwise(versions())))
def test_the_table_agrees_with_the_schemas(version: str, next_version: str) -> None:
    """What the table says is gone has no schema, and what goes with the next version has one until then."""
    for served, removal in REMOVED.items():
        if removal.is_gone(version):
            assert served not in _SHIPPED[version]._names
        elif removal.is_gone(next_version):
            assert served in _SHIPPED[version]._names


def test_every_successor_is_served_today() -> None:
    """Following the advice must not end in the next finding."""
    newest = _SHIPPED[versions()[-1]]

    for (_, kind), removal in REMOVED.items():
        assert removal.successor is None or (removal.successor, kind) in newest._names
