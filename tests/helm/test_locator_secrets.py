"""Which Secrets of storage systems Mooring may read: those that are named, and no others."""

from tests.helm.rendered import one
from tests.programs import Helm

NAME = "mooring-locator-secrets"


def test_named_secrets_may_be_read(helm: Helm) -> None:
    """The operator's ServiceAccount may get the Secrets of this list by name, and do nothing else with them."""
    manifests = helm.template(locators={"secrets": ["px-token", "px-ca"]})

    assert one(manifests, "Role", NAME)["rules"] == [
        {"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["px-token", "px-ca"], "verbs": ["get"]}
    ]
    binding = one(manifests, "RoleBinding", NAME)
    assert binding["roleRef"]["name"] == NAME
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "mooring", "namespace": "mooring-system"}]


def test_no_secret_named_gives_no_right(helm: Helm) -> None:
    """A rule without names would be a right on every Secret: there is no role at all."""
    assert not [each for each in helm.template() if each["metadata"]["name"] == NAME]
