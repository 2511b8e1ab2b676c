"""Selectors that select nothing: warned of where there is something to select, and only there."""

from pathlib import Path

import pytest
from tests.unit.lint.support import found

_DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {{name: d, namespace: {namespace}}}
spec: {{selector: {{}}, template: {{metadata: {{labels: {{{labels}}}}}, spec: {{containers: [{{name: a}}]}}}}}}
---
"""
_SHOP = _DEPLOYMENT.format(namespace="shop", labels="app: mysql, tier: database")
_NAMESPACES = """
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {team: blue}}
---
apiVersion: v1
kind: Namespace
metadata: {name: bank, labels: {team: red}}
---
"""
_STORAGE = """
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: fast-local}
provisioner: topolvm.io
---
apiVersion: storage.k8s.io/v1
kind: CSIDriver
metadata: {name: csi.example}
spec: {}
---
"""


def _policy(spec: str, *, namespace: str = "shop") -> str:
    return (
        f"apiVersion: mooring.dev/v1alpha1\nkind: VolumePlacementPolicy\n"
        f"metadata: {{name: p, namespace: {namespace}}}\nspec: {{{spec}}}\n"
    )


def _cluster_policy(spec: str) -> str:
    return (
        f"apiVersion: mooring.dev/v1alpha1\nkind: ClusterVolumePlacementPolicy\n"
        f"metadata: {{name: p}}\nspec: {{{spec}}}\n"
    )


def _warnings(folder: Path, text: str) -> list[str]:
    lines = found(folder, text)
    assert all(" warning: spec." in line for line in lines)
    return [line.split("warning: spec.", 1)[1] for line in lines]


@pytest.mark.parametrize(
    ("text", "warnings"),
    [
        (_SHOP + _policy("podSelector: {matchLabels: {tier: database}}"), []),
        (_SHOP + _policy("podSelector: {}"), []),
        (
            _SHOP + _policy("podSelector: {matchLabels: {tier: web}}"),
            ["podSelector: matches no pod template of namespace shop in these files"],
        ),
        (_policy("podSelector: {matchLabels: {tier: web}}"), []),
        (_SHOP + _policy("podSelector: {matchLabels: {tier: web}}", namespace="bank"), []),
        (
            _SHOP + _cluster_policy("namespaceSelector: {}, podSelector: {matchLabels: {tier: web}}"),
            ["podSelector: matches no pod template of the selected namespaces in these files"],
        ),
        (
            _SHOP
            + _cluster_policy("namespaceSelector: {matchLabels: {team: blue}}, podSelector: {matchLabels: {a: b}}"),
            [],
        ),
        (
            "apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: shop, labels: {tier: web}}\n"
            "spec: {containers: [{name: a}]}\n---\n" + _policy("podSelector: {matchLabels: {tier: web}}"),
            [],
        ),
        (
            "apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: a, namespace: shop}\nspec:\n  schedule: '@daily'\n"
            "  jobTemplate: {spec: {template: {metadata: {labels: {tier: web}}, spec: {containers: [{name: a}]}}}}\n"
            "---\n" + _policy("podSelector: {matchLabels: {tier: web}}"),
            [],
        ),
        (_SHOP.replace("Deployment", "DaemonSet") + _policy("podSelector: {matchLabels: {tier: web}}"), []),
    ],
)
def test_a_pod_selector_that_matches_no_template(tmp_path: Path, text: str, warnings: list[str]) -> None:
    """Only where its namespace has workloads in these files; DaemonSets are never placed, so they do not count."""
    assert _warnings(tmp_path, text) == warnings


@pytest.mark.parametrize(
    ("selector", "field", "label"),
    [
        ("matchLabels: {pod-template-hash: abc}", "matchLabels.pod-template-hash", "pod-template-hash"),
        (
            "matchExpressions: [{key: tier, operator: Exists}, {key: job-name, operator: Exists}]",
            "matchExpressions[1].key",
            "job-name",
        ),
        (
            "matchLabels: {statefulset.kubernetes.io/pod-name: db-0}",
            "matchLabels[statefulset.kubernetes.io/pod-name]",
            "statefulset.kubernetes.io/pod-name",
        ),
    ],
)
def test_a_label_that_only_live_pods_have(tmp_path: Path, selector: str, field: str, label: str) -> None:
    """It selects pods, so nothing is done to the workload; that it matches no template goes without saying."""
    assert _warnings(tmp_path, _SHOP + _policy(f"podSelector: {{{selector}}}")) == [
        f"podSelector.{field}: only live pods have the label {label}: it selects pods, but no workload"
    ]


@pytest.mark.parametrize(
    ("text", "warnings"),
    [
        (_NAMESPACES + _cluster_policy("namespaceSelector: {matchLabels: {team: red}}, podSelector: {}"), []),
        (
            _NAMESPACES
            + _cluster_policy("namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: bank}}, podSelector: {}"),
            [],
        ),
        (
            _NAMESPACES + _cluster_policy("namespaceSelector: {matchLabels: {team: green}}, podSelector: {}"),
            ["namespaceSelector: matches none of the namespaces in these files"],
        ),
        (_cluster_policy("namespaceSelector: {matchLabels: {team: green}}, podSelector: {}"), []),
        (
            _NAMESPACES
            + _SHOP
            + _cluster_policy("namespaceSelector: {matchLabels: {team: red}}, podSelector: {matchLabels: {a: b}}"),
            [],
        ),
        (
            _NAMESPACES
            + _SHOP
            + _cluster_policy("namespaceSelector: {matchLabels: {team: blue}}, podSelector: {matchLabels: {a: b}}"),
            ["podSelector: matches no pod template of the selected namespaces in these files"],
        ),
    ],
)
def test_a_namespace_selector_that_matches_no_namespace(tmp_path: Path, text: str, warnings: list[str]) -> None:
    """Only where Namespaces are given; a namespace's name counts as its label."""
    assert _warnings(tmp_path, text) == warnings


@pytest.mark.parametrize(
    ("text", "warnings"),
    [
        (_STORAGE + _policy("podSelector: {}, volumeSelector: {storageClassNames: [fast-local]}"), []),
        (
            _STORAGE + _policy("podSelector: {}, volumeSelector: {storageClassNames: [fast-local, fast-locale]}"),
            [
                (
                    "volumeSelector.storageClassNames[1]: there is no StorageClass fast-locale in these files; "
                    "did you mean fast-local?"
                )
            ],
        ),
        (_policy("podSelector: {}, volumeSelector: {storageClassNames: [fast], drivers: [x.io]}"), []),
        (_STORAGE + _policy("podSelector: {}, volumeSelector: {drivers: [topolvm.io, csi.example]}"), []),
        (
            _STORAGE + _policy("podSelector: {}, volumeSelector: {drivers: [ebs.csi.aws.com]}"),
            ["volumeSelector.drivers[0]: there is no driver ebs.csi.aws.com in these files"],
        ),
    ],
)
def test_a_volume_selector_that_names_what_is_not_there(tmp_path: Path, text: str, warnings: list[str]) -> None:
    """Only where StorageClasses are given; a driver is known by them or by its CSIDriver."""
    assert _warnings(tmp_path, text) == warnings
