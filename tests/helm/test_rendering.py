"""What the chart renders, whatever the values: valid, well labelled, safe."""

import re
from typing import Any

import kubernetes_validate
import pytest
from tests.helm.rendered import EVERYTHING, VARIANTS, names, one, templates
from tests.programs import CHART, Helm, HelmError, Manifest

CLUSTER_SCOPED = {
    "ClusterRole",
    "ClusterRoleBinding",
    "CustomResourceDefinition",
    "MutatingWebhookConfiguration",
    "VolumeLocator",
}
UNKNOWN_TO_KUBERNETES = {"ServiceMonitor", "VolumeLocator"}


@pytest.fixture(scope="module", params=list(VARIANTS.values()), ids=list(VARIANTS))
def manifests(request: pytest.FixtureRequest, helm: Helm) -> list[Manifest]:
    """Give what the chart renders with the values of each variant."""
    return helm.template(**request.param)


def test_lint_finds_nothing(helm: Helm) -> None:
    """Helm's own checks pass, strictly."""
    assert "0 chart(s) failed" in helm("lint", "--strict", str(CHART))
    assert "0 chart(s) failed" in helm("lint", "--strict", str(CHART), values=EVERYTHING)


def test_manifests_are_valid(manifests: list[Manifest]) -> None:
    """Every object is one that Kubernetes knows, without a field it does not know."""
    for manifest in manifests:
        if manifest["kind"] not in UNKNOWN_TO_KUBERNETES:
            kubernetes_validate.validate(manifest, kubernetes_validate.latest_version(), strict=True)


def test_every_object_says_where_it_belongs(manifests: list[Manifest]) -> None:
    """Each has the recommended labels, and its namespace if it is in one."""
    for manifest in manifests:
        metadata = manifest["metadata"]
        wanted = {"name", "instance", "component", "part-of", "version", "managed-by"}
        assert {f"app.kubernetes.io/{label}" for label in wanted} < metadata["labels"].keys()
        assert ("namespace" in metadata) == (manifest["kind"] not in CLUSTER_SCOPED)


def test_every_pod_is_restricted(manifests: list[Manifest]) -> None:
    """No root, no writable root file system, no privileges, no forgotten limits, whichever pod it is."""
    for template in templates(manifests):
        spec = template["spec"]
        assert spec["securityContext"]["runAsNonRoot"]
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in spec["containers"]:
            assert container["resources"]["requests"].keys() == {"cpu", "memory"}
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }


def test_selectors_find_the_pods_of_their_own_component(manifests: list[Manifest]) -> None:
    """Whoever selects by labels (Deployments, budgets, Services) gets the pods of exactly one template."""
    selectors = [
        selector
        for manifest in manifests
        if manifest["kind"] in {"Deployment", "PodDisruptionBudget", "Service", "NetworkPolicy"}
        for selector in [_selector(manifest)]
    ]
    assert len(selectors) >= 2
    for selector in selectors:
        found = [each for each in templates(manifests) if selector.items() <= each["metadata"]["labels"].items()]
        assert len(found) == 1


def _selector(manifest: Manifest) -> dict[str, str]:
    spec = manifest["spec"]
    said = spec.get("selector") or spec["podSelector"]
    return dict(said.get("matchLabels", said))


def test_nothing_holds_certificates(manifests: list[Manifest]) -> None:
    """No rendering makes a certificate: the next one would make another, and undo what Mooring put there."""
    for secret in (each for each in manifests if each["kind"] == "Secret"):
        assert not {"data", "stringData"} & secret.keys()
    assert not re.search("caBundle|BEGIN CERTIFICATE", str(manifests))


def test_pods_carry_what_all_pods_were_given(helm: Helm) -> None:
    """Every pod of the release has the labels, annotations, tolerations and pull secrets, and keeps what selects it."""
    manifests = helm.template(**EVERYTHING)

    pods = list(templates(manifests))
    assert len(pods) == 3
    for pod in pods:
        assert pod["metadata"]["labels"]["team"] == "storage"
        assert pod["metadata"]["labels"]["app.kubernetes.io/part-of"] == "storage"
        assert pod["metadata"]["labels"]["app.kubernetes.io/name"] == "mooring"
        assert pod["metadata"]["annotations"]["example.com/note"] == "some text"
        assert pod["spec"]["tolerations"] == EVERYTHING["tolerations"]
        assert pod["spec"]["affinity"] == EVERYTHING["affinity"]
        assert pod["spec"]["imagePullSecrets"] == [{"name": "registry"}]
        assert pod["spec"]["priorityClassName"] == "system-cluster-critical"
        assert pod["spec"]["nodeSelector"] == {"kubernetes.io/os": "linux"}


def test_pod_templates_do_not_tell_the_chart_version(manifests: list[Manifest]) -> None:
    """An upgrade that changes the chart's version only restarts nothing."""
    assert all("helm.sh/chart" not in template["metadata"]["labels"] for template in templates(manifests))


def test_two_releases_do_not_collide(helm: Helm) -> None:
    """Two releases in two namespaces share nothing but the CRDs and the locators, which one of them must leave out."""

    def made(release: str, namespace: str) -> set[tuple[str, str, str]]:
        values: dict[str, Any] = {**EVERYTHING, "crds": {"enabled": False}, "locators": {"enabled": False}}
        return {
            (each["kind"], each["metadata"].get("namespace", ""), each["metadata"]["name"])
            for each in helm.template(release=release, namespace=namespace, **values)
        }

    assert made("mooring", "mooring-system").isdisjoint(made("another", "elsewhere"))


def test_release_and_namespace_can_have_any_name(helm: Helm) -> None:
    """Names follow the release's, and a namespace that looks like a number stays a string."""
    manifests = helm.template(release="near-data", namespace="123", scheduler={"enabled": True})

    assert {"near-data", "near-data-scheduler"} == names(manifests, "Deployment")
    assert names(manifests, "MutatingWebhookConfiguration") == {"near-data"}
    assert names(manifests, "Secret") == {"near-data-webhook"}
    everything = str(manifests)
    assert not re.search(r"mooring-system|'mooring-(scheduler|webhook|uninstall)'", everything)
    for manifest in manifests:
        if manifest["kind"] not in UNKNOWN_TO_KUBERNETES:
            kubernetes_validate.validate(manifest, kubernetes_validate.latest_version(), strict=True)


def test_name_of_the_release_can_be_overridden(helm: Helm) -> None:
    """A release whose name no Service can have gets another name, and is refused without."""
    manifests = helm.template(release="my.release", fullnameOverride="mine")

    assert one(manifests, "Service", "mine")["metadata"]["labels"]["app.kubernetes.io/instance"] == "my.release"
    with pytest.raises(HelmError, match=r'"my.release" cannot be the name of a Service: set fullnameOverride'):
        helm.template(release="my.release")


def test_crds_are_kept_unless_told_otherwise(helm: Helm) -> None:
    """Uninstalling takes no policy away by default, and the CRDs can be left out altogether."""

    def kept(**values: Any) -> list[bool]:
        crds = [each for each in helm.template(**values) if each["kind"] == "CustomResourceDefinition"]
        return [each["metadata"].get("annotations") == {"helm.sh/resource-policy": "keep"} for each in crds]

    assert kept() == [True] * 3
    assert kept(crds={"keep": False}) == [False] * 3
    assert kept(crds={"enabled": False}) == []


def test_older_clusters_are_refused(helm: Helm) -> None:
    """A cluster without matchConditions is too old, and helm says so."""
    with pytest.raises(HelmError, match=r"chart requires kubeVersion: >=1.30.0-0"):
        helm("template", "mooring", str(CHART), "--kube-version", "v1.29.9")
