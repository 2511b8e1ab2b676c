"""Kubernetes' own kinds: unknown fields, wrong types, and kinds that are not there."""

from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
from tests.unit.lint.support import VERSION, found, manifests

from mooring.lint.kinds import Kinds, versions

_KINDS = Kinds(VERSION)
_POD = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": {"containers": [{"name": "a"}]}}


def test_every_mistake_is_found_at_its_line(tmp_path: Path) -> None:
    """kubernetes-validate stops at the first."""
    text = """
        apiVersion: apps/v1
        kind: Deployment
        metadata:
          name: d
          labels: {sha: 12e03}
        spec:
          replica: 3
          replicas: "3"
          strategy: {rollingUpdate: {maxSurge: [1]}}
          template:
            spec:
              containers:
              - image: a
                resources: {requests: {cpu: [1]}}
        """

    assert found(tmp_path, text) == [
        "m.yaml:5: error: metadata.labels.sha: must be a string, not 12000.0; put it in quotes",
        "m.yaml:6: error: spec.selector: is required",
        "m.yaml:7: error: spec.replica: there is no such field; did you mean replicas?",
        'm.yaml:8: error: spec.replicas: must be an integer, not "3"',
        "m.yaml:9: error: spec.strategy.rollingUpdate.maxSurge: must be a string or an integer, not a list",
        "m.yaml:13: error: spec.template.spec.containers[0].name: is required",
        (
            "m.yaml:14: error: spec.template.spec.containers[0].resources.requests.cpu: "
            "must be a string or a number, not a list"
        ),
    ]


@pytest.mark.parametrize(
    ("version", "kind", "message"),
    [
        ("v1", "Deployment", f"apiVersion: Kubernetes {VERSION} serves Deployment as apps/v1, not as v1"),
        ("apps/v1", "deployment", f"kind: Kubernetes {VERSION} has no apps/v1 deployment; did you mean Deployment?"),
        ("apps/v7", "Boat", f"kind: Kubernetes {VERSION} has no apps/v7 Boat"),
    ],
)
def test_a_kind_that_kubernetes_groups_do_not_have_is_an_error(version: str, kind: str, message: str) -> None:
    """Nobody else may add kinds to those groups."""
    (manifest,) = manifests(f"apiVersion: {version}\nkind: {kind}\nmetadata: {{name: a}}")

    assert [str(each).split(": ", 2)[2] for each in _KINDS.check(manifest)] == [message]


@pytest.mark.parametrize("version", ["apps.example.com/v1", "longhorn.io/v1beta2", "gateway.networking.k8s.io/v1"])
def test_kinds_of_others_are_passed_over(tmp_path: Path, version: str) -> None:
    """Also where they have the name of one of Kubernetes', and whatever is in them."""
    text = f"apiVersion: {version}\nkind: Deployment\nspec: 5\nmetadata: {{annotations: {{mooring.dev/x: y}}}}"

    assert found(tmp_path, text) == []


def test_fields_that_are_null_are_left_out(tmp_path: Path) -> None:
    """As the API server takes them, and as charts write them."""
    text = """
        apiVersion: v1
        kind: Pod
        metadata: {name: a, labels: , creationTimestamp: null}
        spec:
          nodeSelector:
          containers: [{name: a, resources: {requests: {cpu: }}}]
        """

    assert found(tmp_path, text) == []


def test_the_version_decides(tmp_path: Path) -> None:
    """A field of a later Kubernetes is unknown to an earlier one."""
    text = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: a}], schedulingGates: []}"

    assert found(tmp_path, text, version="1.27") == []
    (line,) = found(tmp_path, text, version="1.25")
    assert line.startswith("m.yaml:4: error: spec.schedulingGates: there is no such field")


def test_versions_are_listed_once_in_their_order() -> None:
    """The newest is the last."""
    assert versions()[0] == "1.25"
    assert versions() == sorted(set(versions()), key=lambda version: tuple(map(int, version.split("."))))


@pytest.mark.parametrize(
    "manifest",
    [
        _POD,
        {**_POD, "spec": {}},
        {**_POD, "spec": {"containers": [{"name": "a", "port": 1}]}},
        {**_POD, "spec": {"containers": "a"}},
        {**_POD, "metadata": {"name": "a", "labels": {"a": 1}}},
        {**_POD, "metadata": {"name": "a", "creationTimestamp": "2026-01-01T00:00:00Z"}},
        {**_POD, "spek": {}},
        {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview", "status": {"userInfo": {"x": 1}}},
        {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "a"}, "provisioner": "x"},
        {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "a"}},
        {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "spec": {"minAvailable": "50%"}},
        {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "spec": {"minAvailable": {}}},
    ],
)
def test_the_verdict_is_that_of_kubernetes_validate(manifest: dict[str, Any]) -> None:
    """Lint takes its schemas and says more, but never anything else."""
    (parsed,) = manifests(str(manifest))
    try:
        kubernetes_validate.validate(manifest, VERSION, strict=True)
        valid = True
    except kubernetes_validate.ValidationError:
        valid = False

    assert (not list(_KINDS.check(parsed))) == valid
