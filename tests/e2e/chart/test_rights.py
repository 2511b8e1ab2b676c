"""What the chart lets its accounts and a cluster's users do, asked of the API server's own authorizer."""

from tests.e2e.accounts import may
from tests.e2e.chart.conftest import NAMESPACE, RELEASE, Install
from tests.e2e.support import eventually

from mooring.sandbox.launcher import Sandbox

OPERATOR = f"system:serviceaccount:{NAMESPACE}:{RELEASE}"


def test_operator_may_touch_its_own_only(cluster: Sandbox, install: Install) -> None:
    """Rights on single objects hold for those of this release, in its namespace."""
    install(webhook={"enabled": False}, replicas=0)

    lease = f"leases.coordination.k8s.io/{RELEASE}"
    allowed = [
        ("list", "pods", ""),
        ("patch", f"mutatingwebhookconfigurations/{RELEASE}", ""),
        ("get", f"secrets/{RELEASE}-webhook", NAMESPACE),
        ("get", lease, NAMESPACE),
        ("get", f"{lease}-scheduler", NAMESPACE),
        ("create", "pods", NAMESPACE),
    ]
    refused = [
        ("patch", "mutatingwebhookconfigurations/another", ""),
        ("get", "secrets/another", NAMESPACE),
        ("list", "secrets", NAMESPACE),
        ("get", f"secrets/{RELEASE}-webhook", "default"),
        ("get", lease, "default"),
        ("update", f"{lease}-scheduler", NAMESPACE),
        ("create", "pods", "default"),
    ]
    eventually(lambda: [asked for asked in allowed if not may(cluster, OPERATOR, *asked)] == [])
    assert [asked for asked in refused if may(cluster, OPERATOR, *asked)] == []


def test_users_have_policies_in_their_rights(cluster: Sandbox, install: Install) -> None:
    """Whoever may edit a namespace may write its policies; whoever may view it may read them."""
    install(webhook={"enabled": False}, replicas=0)
    for role in ("view", "edit"):
        cluster.kubectl("create", "rolebinding", role, f"--clusterrole={role}", f"--user={role}er", "-n", NAMESPACE)

    # The controller manager gathers the rules some time after they are there.
    eventually(lambda: may(cluster, "editer", "create", "vpp.mooring.dev", NAMESPACE))
    eventually(lambda: may(cluster, "viewer", "list", "vpp.mooring.dev", NAMESPACE))
    assert not may(cluster, "viewer", "create", "vpp.mooring.dev", NAMESPACE)
    assert not may(cluster, "editer", "create", "vpp.mooring.dev", "default")
    assert not may(cluster, "editer", "create", "cvpp.mooring.dev", NAMESPACE)
