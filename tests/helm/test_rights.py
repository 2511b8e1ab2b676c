"""Who may do what: the lists of `mooring.api.permissions`, and no more."""

from typing import Any

import pytest
from tests.helm.rendered import EVERYTHING, one
from tests.programs import Helm, Manifest

from mooring.api.permissions import NAMESPACED_RULES, RULES, UNINSTALL_NAMESPACED_RULES, UNINSTALL_RULES, PolicyRule


@pytest.fixture(scope="module")
def manifests(helm: Helm) -> list[Manifest]:
    """Give the chart with everything on."""
    return helm.template(**EVERYTHING)


@pytest.mark.parametrize(
    ("kind", "name", "rules"),
    [
        ("ClusterRole", "mooring", RULES),
        ("Role", "mooring", NAMESPACED_RULES),
        ("ClusterRole", "mooring-uninstall", UNINSTALL_RULES),
        ("Role", "mooring-uninstall", UNINSTALL_NAMESPACED_RULES),
    ],
)
def test_roles_are_the_lists(manifests: list[Manifest], kind: str, name: str, rules: list[PolicyRule]) -> None:
    """The chart grants what Python lists, word by word."""
    assert one(manifests, kind, name)["rules"] == rules


def test_named_objects_are_the_release_s(helm: Helm) -> None:
    """Rights on single objects go for the objects of this release, not for those of one called mooring."""
    manifests = helm.template(release="near-data")

    role = one(manifests, "Role", "near-data")["rules"]
    assert {name for rule in role for name in rule.get("resourceNames", [])} == {
        "near-data",
        "near-data-scheduler",
        "near-data-webhook",
    }
    (webhook,) = (rule for rule in one(manifests, "ClusterRole", "near-data")["rules"] if "resourceNames" in rule)
    assert webhook["resourceNames"] == ["near-data"]


def test_no_role_is_broader_than_it_says(manifests: list[Manifest]) -> None:
    """No wildcards, and Secrets only by name, in the release's namespace."""
    for role in (each for each in manifests if each["kind"] in {"ClusterRole", "Role"}):
        for rule in role.get("rules", []):
            assert "*" not in [*rule["apiGroups"], *rule["resources"], *rule["verbs"]]
            if "secrets" in rule["resources"]:
                assert role["kind"] == "Role"
                assert rule["resourceNames"] == ["mooring-webhook"]


def test_every_binding_joins_what_is_there(manifests: list[Manifest]) -> None:
    """Each binding gives a role of the release, or one of the cluster's own, to a ServiceAccount of the release."""
    accounts = {each["metadata"]["name"] for each in manifests if each["kind"] == "ServiceAccount"}
    roles = {(each["kind"], each["metadata"]["name"]) for each in manifests if each["kind"] in {"ClusterRole", "Role"}}
    of_the_cluster = {
        ("ClusterRole", "system:kube-scheduler"),
        ("ClusterRole", "system:volume-scheduler"),
        ("Role", "extension-apiserver-authentication-reader"),
    }
    bound = set()
    for binding in (each for each in manifests if each["kind"].endswith("Binding")):
        (subject,) = binding["subjects"]
        assert subject["name"] in accounts
        assert subject["namespace"] == "mooring-system"
        bound.add((binding["roleRef"]["kind"], binding["roleRef"]["name"]))
    gathered = {each for each in roles if each[1].startswith(("mooring-policies-", "mooring-locator-"))}
    assert len(gathered) > 3
    assert bound == roles - gathered | of_the_cluster


def test_tokens_are_mounted_where_they_are_used_only(manifests: list[Manifest]) -> None:
    """Whoever borrows a ServiceAccount of the release gets no token by it."""
    for account in (each for each in manifests if each["kind"] == "ServiceAccount"):
        assert account["automountServiceAccountToken"] is False


def test_policies_are_in_the_rights_of_users(manifests: list[Manifest]) -> None:
    """Viewers read all, editors write the policies of namespaces, and administrators what is of the cluster."""

    def granted(name: str) -> Any:
        role = one(manifests, "ClusterRole", f"mooring-policies-{name}")
        into = {
            label.rpartition("-")[2]
            for label in role["metadata"]["labels"]
            if label.startswith("rbac.authorization.k8s.io/aggregate-to-")
        }
        (rule,) = role["rules"]
        return into, set(rule["resources"]), "create" in rule["verbs"]

    of_namespaces, of_the_cluster = {"volumeplacementpolicies"}, {"clustervolumeplacementpolicies", "volumelocators"}
    assert granted("view") == ({"view", "edit", "admin"}, of_namespaces | of_the_cluster, False)
    assert granted("edit") == ({"edit", "admin"}, of_namespaces, True)
    assert granted("admin") == ({"admin"}, of_the_cluster, True)


def test_uninstalling_has_its_rights_before_it_begins(manifests: list[Manifest]) -> None:
    """The hook's account and roles come before its Job, go after it, and the Job ends before helm gives up."""

    def hook(manifest: Manifest) -> tuple[str, int]:
        annotations = manifest["metadata"]["annotations"]
        return annotations["helm.sh/hook"], int(annotations["helm.sh/hook-weight"])

    hooks = [
        each
        for each in manifests
        if "helm.sh/hook" in each["metadata"].get("annotations", {}) and each["kind"] != "VolumeLocator"
    ]
    job = one(hooks, "Job", "mooring-uninstall")
    rights = [each for each in hooks if each is not job]
    assert {each["kind"] for each in rights} == {
        "ServiceAccount",
        "ClusterRole",
        "ClusterRoleBinding",
        "Role",
        "RoleBinding",
    }
    assert {hook(each)[0] for each in hooks} == {"pre-delete"}
    assert max(hook(each)[1] for each in rights) < hook(job)[1]
    assert job["spec"]["activeDeadlineSeconds"] < 300
    assert job["spec"]["template"]["spec"]["serviceAccountName"] == "mooring-uninstall"
