"""Selectors of policies that select nothing among the manifests that lie beside them."""

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from mooring.api.policy import Policy
from mooring.api.selectors import LabelSelector
from mooring.cluster.records import WORKLOADS
from mooring.lint.documents import Manifest
from mooring.lint.findings import FieldPath, Finding, Severity, did_you_mean
from mooring.lint.own_kinds import valid_policies
from mooring.lint.workloads import TEMPLATES

_NAMESPACE_NAME: Final = "kubernetes.io/metadata.name"

LIVE_LABELS: Final = frozenset(
    {
        "apps.kubernetes.io/pod-index",
        "batch.kubernetes.io/controller-uid",
        "batch.kubernetes.io/job-completion-index",
        "batch.kubernetes.io/job-name",
        "controller-revision-hash",
        "controller-uid",
        "job-name",
        "pod-template-generation",
        "pod-template-hash",
        "statefulset.kubernetes.io/pod-name",
    }
)
"""Labels that controllers give to pods and that no template has."""


class _Template(NamedTuple):
    """A pod, or the pods that a workload makes."""

    namespace: str
    labels: dict[str, str]


class Surroundings:
    """What policies can select, as far as the manifests say."""

    def __init__(self, manifests: Sequence[Manifest]) -> None:
        kinds: dict[str, list[Manifest]] = {}
        for manifest in manifests:
            kinds.setdefault(manifest.value["kind"], []).append(manifest)
        self.templates: Final = [_template(each) for kind in ("Pod", *WORKLOADS) for each in kinds.get(kind, [])]
        self.namespaces: Final = {
            str(each.at("metadata", "name")): _labels(each, ()) for each in kinds.get("Namespace", [])
        }
        classes = kinds.get("StorageClass", [])
        self.classes: Final = {str(each.at("metadata", "name")) for each in classes}
        self.drivers: Final = {str(each.at("provisioner")) for each in classes} | {
            str(each.at("metadata", "name")) for each in kinds.get("CSIDriver", [])
        }

    def selected_namespaces(self, policy: Policy) -> set[str]:
        """The namespaces of templates and of Namespace manifests that a policy holds for, as far as is known."""
        if policy.namespace is not None:
            return {policy.namespace}
        assert policy.namespace_selector is not None  # noqa: S101 - a cluster policy has one
        names = self.namespaces.keys() | {template.namespace for template in self.templates}
        return {
            name
            for name in names
            if policy.namespace_selector.matches({**self.namespaces.get(name, {}), _NAMESPACE_NAME: name})
        }


def check_selectors(manifests: Sequence[Manifest]) -> Iterator[Finding]:
    """Warn of selectors that select nothing, where there is something to select; invalid policies are passed over."""
    surroundings = Surroundings(manifests)
    for manifest, policy in valid_policies(manifests):
        for path, message in _idle(policy, surroundings):
            yield manifest.finding(("spec", *path), message, Severity.WARNING)


def _idle(policy: Policy, surroundings: Surroundings) -> Iterator[tuple[FieldPath, str]]:
    yield from _idle_pod_selector(policy, surroundings)
    selector = policy.namespace_selector
    if selector is not None and surroundings.namespaces and not surroundings.selected_namespaces(policy):
        yield ("namespaceSelector",), "matches none of the namespaces in these files"
    volumes = policy.spec.volume_selector
    yield from _unknown("storageClassNames", volumes.storage_class_names, surroundings.classes, "StorageClass")
    yield from _unknown("drivers", volumes.drivers, surroundings.drivers, "driver")


def _idle_pod_selector(policy: Policy, surroundings: Surroundings) -> Iterator[tuple[FieldPath, str]]:
    selector = policy.spec.pod_selector
    if live := list(_live_labels(selector)):
        for path, label in live:
            yield ("podSelector", *path), f"only live pods have the label {label}: it selects pods, but no workload"
        return
    namespaces = surroundings.selected_namespaces(policy)
    near = [template for template in surroundings.templates if template.namespace in namespaces]
    if near and not any(selector.matches(template.labels) for template in near):
        where = f"namespace {policy.namespace}" if policy.namespace else "the selected namespaces"
        yield ("podSelector",), f"matches no pod template of {where} in these files"


def _live_labels(selector: LabelSelector) -> Iterator[tuple[FieldPath, str]]:
    for label in LIVE_LABELS & selector.match_labels.keys():
        yield ("matchLabels", label), label
    for position, expression in enumerate(selector.match_expressions):
        if expression.key in LIVE_LABELS:
            yield ("matchExpressions", position, "key"), expression.key


def _unknown(field: str, names: Sequence[str], known: set[str], what: str) -> Iterator[tuple[FieldPath, str]]:
    for position, name in enumerate(names):
        if known and name not in known:
            close = did_you_mean(name, known)
            yield ("volumeSelector", field, position), f"there is no {what} {name} in these files{close}"


def _template(manifest: Manifest) -> _Template:
    namespace = manifest.at("metadata", "namespace")
    labels = _labels(manifest, TEMPLATES.get(manifest.value["kind"], ()))
    return _Template(namespace if isinstance(namespace, str) else "default", labels)


def _labels(manifest: Manifest, path: FieldPath) -> dict[str, Any]:
    return dict(manifest.mapping_at(*path, "metadata", "labels"))
