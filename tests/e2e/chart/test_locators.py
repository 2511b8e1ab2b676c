"""The locators of a release, and the rights that come with them, on a real cluster."""

import json
from typing import Any

import pytest
from tests.e2e.chart.conftest import InCluster, Install
from tests.e2e.chart.test_rights import OPERATOR
from tests.e2e.support import eventually
from tests.programs import CHART

from mooring.sandbox.launcher import Sandbox

_QUIET: dict[str, Any] = {"webhook": {"enabled": False}, "replicas": 0, "uninstall": {"enabled": False}}


def locators(cluster: Sandbox) -> dict[str, str]:
    """Give the uid of each locator by its name."""
    found = json.loads(cluster.kubectl("get", "volumelocators", "-o", "json"))["items"]
    return {each["metadata"]["name"]: each["metadata"]["uid"] for each in found}


@pytest.mark.parametrize("server_side", ["true", "false"], ids=["server-side", "client-side"])
def test_locators_live_with_the_release(
    cluster: Sandbox, install: Install, in_cluster: InCluster, server_side: str
) -> None:
    """They come with the first installation, are the same ones after upgrades, and go when they are left out."""
    how = ("--wait", "--timeout=180s", f"--server-side={server_side}")
    install(f"--server-side={server_side}", **_QUIET)
    first = locators(cluster)
    assert {"longhorn", "linstor", "topolvm"} < first.keys()

    for _ in range(2):
        in_cluster("upgrade", str(CHART), *how, values=_QUIET)
        assert locators(cluster) == first

    in_cluster("upgrade", str(CHART), *how, values=_QUIET | {"locators": {"enabled": False}})
    assert locators(cluster) == {}


def test_locators_of_a_release_before_are_taken_over(cluster: Sandbox, install: Install, in_cluster: InCluster) -> None:
    """A release that was never upgraded leaves them beside the CRDs; the next one has them for its own."""
    install(**_QUIET)
    in_cluster("uninstall")
    left = locators(cluster)
    assert left

    install(**_QUIET)
    assert locators(cluster) == left

    in_cluster("uninstall")
    assert locators(cluster) == {}


def reads(cluster: Sandbox, group: str, resource: str, verb: str = "list") -> bool:
    """Ask the API server's authorizer about a resource that the cluster need not serve, which kubectl cannot."""
    asked = {"group": group, "resource": resource, "verb": verb}
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {"user": OPERATOR, "resourceAttributes": asked},
    }
    with cluster.client() as client:
        made = client.create("/apis/authorization.k8s.io/v1/subjectaccessreviews", review)
    return bool(made["status"]["allowed"])


def test_operator_may_read_what_locators_name(cluster: Sandbox, install: Install) -> None:
    """What the shipped roles allow, and what anybody's role with the label does, but no more than that."""
    install(**_QUIET)
    eventually(lambda: reads(cluster, "longhorn.io", "replicas", "watch"))
    assert not reads(cluster, "longhorn.io", "replicas", "patch")
    assert not reads(cluster, "storage.example.com", "discs")

    manifest = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": "discs", "labels": {"mooring.dev/aggregate-to-operator": "true"}},
        "rules": [{"apiGroups": ["storage.example.com"], "resources": ["discs"], "verbs": ["list", "watch"]}],
    }
    cluster.kubectl("apply", "-f", "-", stdin=json.dumps(manifest))

    eventually(lambda: reads(cluster, "storage.example.com", "discs"))
    cluster.kubectl("delete", "clusterrole", "discs")
    eventually(lambda: not reads(cluster, "storage.example.com", "discs"))
