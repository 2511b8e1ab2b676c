"""APIs that Kubernetes no longer serves, with their successors (kubernetes.io: Deprecated API Migration Guide)."""

from collections.abc import Mapping
from typing import Final, NamedTuple


class Removal(NamedTuple):
    """The end of an API.

    Attributes:
        version: the first Kubernetes version that did not serve it.
        successor: the apiVersion to use in its place, or None where there is none.
    """

    version: str
    successor: str | None

    def is_gone(self, version: str) -> bool:
        """Whether that version of Kubernetes, such as `1.37`, does not serve it."""
        return _order(version) >= _order(self.version)

    def __str__(self) -> str:
        advice = f"use {self.successor}" if self.successor else "it has no successor"
        return f"is not served since Kubernetes {self.version}; {advice}"


def _order(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


_TABLE: Final = (
    ("1.16", "apps/v1beta1", "apps/v1", "Deployment StatefulSet ControllerRevision"),
    ("1.16", "apps/v1beta2", "apps/v1", "Deployment StatefulSet DaemonSet ReplicaSet ControllerRevision"),
    ("1.16", "extensions/v1beta1", "apps/v1", "Deployment DaemonSet ReplicaSet"),
    ("1.16", "extensions/v1beta1", "networking.k8s.io/v1", "NetworkPolicy"),
    ("1.16", "extensions/v1beta1", None, "PodSecurityPolicy"),
    ("1.21", "batch/v2alpha1", "batch/v1", "CronJob"),
    (
        "1.22",
        "admissionregistration.k8s.io/v1beta1",
        "admissionregistration.k8s.io/v1",
        "MutatingWebhookConfiguration ValidatingWebhookConfiguration",
    ),
    ("1.22", "apiextensions.k8s.io/v1beta1", "apiextensions.k8s.io/v1", "CustomResourceDefinition"),
    ("1.22", "apiregistration.k8s.io/v1beta1", "apiregistration.k8s.io/v1", "APIService"),
    ("1.22", "authentication.k8s.io/v1beta1", "authentication.k8s.io/v1", "TokenReview"),
    (
        "1.22",
        "authorization.k8s.io/v1beta1",
        "authorization.k8s.io/v1",
        "LocalSubjectAccessReview SelfSubjectAccessReview SelfSubjectRulesReview SubjectAccessReview",
    ),
    ("1.22", "certificates.k8s.io/v1beta1", "certificates.k8s.io/v1", "CertificateSigningRequest"),
    ("1.22", "coordination.k8s.io/v1beta1", "coordination.k8s.io/v1", "Lease"),
    ("1.22", "extensions/v1beta1", "networking.k8s.io/v1", "Ingress"),
    ("1.22", "networking.k8s.io/v1beta1", "networking.k8s.io/v1", "Ingress IngressClass"),
    (
        "1.22",
        "rbac.authorization.k8s.io/v1beta1",
        "rbac.authorization.k8s.io/v1",
        "ClusterRole ClusterRoleBinding Role RoleBinding",
    ),
    ("1.22", "scheduling.k8s.io/v1beta1", "scheduling.k8s.io/v1", "PriorityClass"),
    ("1.22", "storage.k8s.io/v1beta1", "storage.k8s.io/v1", "CSIDriver CSINode StorageClass VolumeAttachment"),
    ("1.25", "autoscaling/v2beta1", "autoscaling/v2", "HorizontalPodAutoscaler"),
    ("1.25", "batch/v1beta1", "batch/v1", "CronJob"),
    ("1.25", "discovery.k8s.io/v1beta1", "discovery.k8s.io/v1", "EndpointSlice"),
    ("1.25", "events.k8s.io/v1beta1", "events.k8s.io/v1", "Event"),
    ("1.25", "node.k8s.io/v1beta1", "node.k8s.io/v1", "RuntimeClass"),
    ("1.25", "policy/v1beta1", "policy/v1", "PodDisruptionBudget"),
    ("1.25", "policy/v1beta1", None, "PodSecurityPolicy"),
    ("1.26", "autoscaling/v2beta2", "autoscaling/v2", "HorizontalPodAutoscaler"),
    (
        "1.26",
        "flowcontrol.apiserver.k8s.io/v1beta1",
        "flowcontrol.apiserver.k8s.io/v1",
        "FlowSchema PriorityLevelConfiguration",
    ),
    ("1.27", "storage.k8s.io/v1beta1", "storage.k8s.io/v1", "CSIStorageCapacity"),
    (
        "1.29",
        "flowcontrol.apiserver.k8s.io/v1beta2",
        "flowcontrol.apiserver.k8s.io/v1",
        "FlowSchema PriorityLevelConfiguration",
    ),
    (
        "1.32",
        "flowcontrol.apiserver.k8s.io/v1beta3",
        "flowcontrol.apiserver.k8s.io/v1",
        "FlowSchema PriorityLevelConfiguration",
    ),
)

REMOVED: Final[Mapping[tuple[str, str], Removal]] = {
    (api_version, kind): Removal(version, successor)
    for version, api_version, successor, kinds in _TABLE
    for kind in kinds.split()
}
"""What is gone, by apiVersion and kind."""
