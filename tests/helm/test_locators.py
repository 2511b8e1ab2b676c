"""What the chart knows of storage systems, and how the operator may read theirs."""

from pathlib import Path

import pytest
import yaml
from tests.helm.rendered import one
from tests.programs import CHART, Helm, Manifest

from mooring.api.permissions import AGGREGATION_LABEL

_SHIPPED = sorted(path.name for path in (CHART.parents[1] / "policies" / "locators").iterdir() if path.is_dir())
_KNOWN = ("--api-versions", "mooring.dev/v1alpha1/VolumeLocator")


def rendered(helm: Helm, *arguments: str) -> list[Manifest]:
    """Give what the chart makes of its default values."""
    text = helm("template", "near-data", str(CHART), "--kube-version", "v1.36.3", "--namespace", "storage", *arguments)
    return [each for each in yaml.safe_load_all(text) if each is not None]


def of_kind(manifests: list[Manifest], kind: str) -> dict[str, Manifest]:
    """Give all manifests of a kind by name."""
    return {each["metadata"]["name"]: each for each in manifests if each["kind"] == kind}


@pytest.mark.parametrize("arguments", [(), _KNOWN], ids=["new to the cluster", "known to it"])
def test_every_locator_is_shipped_with_its_rights(helm: Helm, arguments: tuple[str, ...]) -> None:
    """As they lie in policies/locators, and each role is gathered by that of the operator."""
    manifests = rendered(helm, *arguments)

    locators, roles = of_kind(manifests, "VolumeLocator"), of_kind(manifests, "ClusterRole")
    assert sorted(locators) == _SHIPPED
    for name, locator in locators.items():
        folder = CHART.parents[1] / "policies" / "locators" / name
        assert locator["spec"] == _read(folder / "locator.yaml")["spec"]
        role = roles[f"near-data-locator-{name}"]
        assert role["rules"] == _read(folder / "clusterrole.yaml")["rules"]
        assert role["metadata"]["labels"][AGGREGATION_LABEL] == "true"
    (selector,) = roles["near-data-locators"]["aggregationRule"]["clusterRoleSelectors"]
    assert selector == {"matchLabels": {AGGREGATION_LABEL: "true"}}


def test_locators_come_after_their_own_definition(helm: Helm) -> None:
    """Helm refuses objects of a kind that the same release brings, so they are a hook then, as if they were its own."""
    for locator in of_kind(rendered(helm), "VolumeLocator").values():
        annotations = locator["metadata"]["annotations"]
        assert annotations["helm.sh/hook"] == "post-install,post-upgrade"
        assert annotations["meta.helm.sh/release-name"] == "near-data"
        assert annotations["meta.helm.sh/release-namespace"] == "storage"
        assert locator["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "Helm"


def test_locators_are_part_of_the_release_where_they_are_known(helm: Helm) -> None:
    """An upgrade updates them in place: what was read with them stays known."""
    for locator in of_kind(rendered(helm, *_KNOWN), "VolumeLocator").values():
        assert "annotations" not in locator["metadata"]


def test_locators_can_be_left_out(helm: Helm) -> None:
    """The operator still gets the rights that others grant it by the label."""
    manifests = helm.template(locators={"enabled": False})

    assert of_kind(manifests, "VolumeLocator") == {}
    assert [name for name in of_kind(manifests, "ClusterRole") if "-locator" in name] == ["mooring-locators"]
    assert one(manifests, "ClusterRoleBinding", "mooring-locators")["roleRef"]["name"] == "mooring-locators"


def _read(path: Path) -> Manifest:
    return dict(yaml.safe_load(path.read_text(encoding="utf-8")))
