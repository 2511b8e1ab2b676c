"""The second kube-scheduler: configured as the one in the sandbox, which the end-to-end tests run."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.helm.rendered import container, names, one
from tests.programs import CHART, Helm, HelmError

from mooring.sandbox.components import scheduler_config
from mooring.sandbox.layout import PORTS, Layout

LAYOUT = Layout(directory=Path("/state"), ports=dict.fromkeys(PORTS, 1))


def config(helm: Helm, *, release: str = "mooring", **scheduler: Any) -> Any:
    """Give the rendered KubeSchedulerConfiguration."""
    manifests = helm.template(release=release, scheduler={"enabled": True, **scheduler})
    return yaml.safe_load(one(manifests, "ConfigMap", f"{release}-scheduler")["data"]["config.yaml"])


def test_configuration_is_the_sandbox_s(helm: Helm) -> None:
    """But for addresses, patience and the lease's place, the chart's scheduler is that of the end-to-end tests."""

    def shared(configuration: Any) -> Any:
        (extender,) = configuration["extenders"]
        assert extender["urlPrefix"].endswith("/scheduler")
        here = {"clientConnection", "leaderElection", "extenders"}
        # kube-scheduler takes 0 for what is not said.
        rest = {"percentageOfNodesToScore": 0} | {key: configuration[key] for key in configuration.keys() - here}
        return rest | {"extender": {key: extender[key] for key in extender.keys() - {"urlPrefix", "httpTimeout"}}}

    assert shared(config(helm)) == shared(scheduler_config(LAYOUT, "mooring-scheduler"))


def test_scheduler_chooses_how_many_nodes_it_scores(helm: Helm) -> None:
    """Unless somebody says otherwise: soft rules do not depend on it."""
    assert config(helm)["percentageOfNodesToScore"] == 0
    assert config(helm, percentageOfNodesToScore=100)["percentageOfNodesToScore"] == 100
    for percentage in (-1, 101):
        with pytest.raises(HelmError, match="/scheduler/percentageOfNodesToScore"):
            config(helm, percentageOfNodesToScore=percentage)


def test_configuration_names_the_release(helm: Helm) -> None:
    """The lease is the release's own, in its namespace, and the extender is its Service."""
    found = config(helm, release="near-data")

    assert found["leaderElection"] == {
        "leaderElect": True,
        "resourceName": "near-data-scheduler",
        "resourceNamespace": "mooring-system",
    }
    assert found["extenders"][0]["urlPrefix"] == "http://near-data.mooring-system.svc:8099/scheduler"


def test_profiles_are_the_values(helm: Helm) -> None:
    """Each name is served, and the cluster's own scheduler's name is refused."""
    assert config(helm, profiles=["near"])["profiles"] == [{"schedulerName": "near"}]
    with pytest.raises(HelmError, match="/scheduler/profiles/0"):
        config(helm, profiles=["default-scheduler"])


@pytest.mark.parametrize("version", ["v1.36.3", "v1.36.3-eks-4096722", "v1.36.3-gke.1030000", "v1.36.3+k3s1"])
def test_version_is_the_cluster_s(helm: Helm, version: str) -> None:
    """Whatever a distribution adds to its version, the image is that of the Kubernetes it is made of."""
    text = helm("template", "mooring", str(CHART), "--kube-version", version, values={"scheduler": {"enabled": True}})

    image = container(list(yaml.safe_load_all(text)), "Deployment", "mooring-scheduler")["image"]
    assert image == "registry.k8s.io/kube-scheduler:v1.36.3"


def test_tag_can_be_said(helm: Helm) -> None:
    """A tag of the user's wins over the cluster's version."""
    manifests = helm.template(scheduler={"enabled": True, "image": {"tag": "v1.36.1"}})

    assert container(manifests, "Deployment", "mooring-scheduler")["image"] == "registry.k8s.io/kube-scheduler:v1.36.1"


def test_change_of_the_configuration_restarts_it(helm: Helm) -> None:
    """The pods follow their ConfigMap, and stay as they are while it does."""

    def checksum(**scheduler: Any) -> str:
        manifests = helm.template(scheduler={"enabled": True, **scheduler})
        template = one(manifests, "Deployment", "mooring-scheduler")["spec"]["template"]
        return str(template["metadata"]["annotations"]["checksum/config"])

    assert checksum() == checksum(replicas=3)
    assert checksum() != checksum(profiles=["near"])


def test_nothing_of_it_is_there_by_default(helm: Helm) -> None:
    """A second scheduler is a decision, not a default."""
    manifests = helm.template()

    assert "mooring-scheduler" not in set().union(*(names(manifests, each["kind"]) for each in manifests))
