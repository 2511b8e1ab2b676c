"""Being a ServiceAccount: with its token, as a pod is, and with no more rights than the chart gives it."""

from pathlib import Path

import yaml
from tests.e2e.support import eventually

from mooring.sandbox.launcher import Sandbox


def service_account_kubeconfig(sandbox: Sandbox, *, namespace: str, name: str, lease: str, file: Path) -> Path:
    """Write a kubeconfig with a fresh token of a ServiceAccount, and give its path once the account has its rights.

    That is when it may list pods, and get this Lease in its namespace: the chart grants them by roles of two kinds.
    """
    user = f"system:serviceaccount:{namespace}:{name}"
    rights = (("list", "pods"), ("get", f"leases.coordination.k8s.io/{lease}"))
    eventually(lambda: all(may(sandbox, user, *right, namespace) for right in rights))
    config = yaml.safe_load(sandbox.kubeconfig("admin").read_text(encoding="utf-8"))
    token = sandbox.kubectl("create", "token", name, "--namespace", namespace).strip()
    for entry in config["users"]:
        entry["user"] = {"token": token}
    file.write_text(yaml.safe_dump(config), encoding="utf-8")
    file.chmod(0o600)
    return file


def may(sandbox: Sandbox, user: str, verb: str, resource: str, namespace: str) -> bool:
    """Ask the API server's own authorizer whether a user may do something in a namespace.

    It hears of new roles and bindings some time after they are there.
    """
    asked = ("auth", "can-i", verb, resource, "-n", namespace, f"--as={user}")
    return sandbox.kubectl(*asked, check=False).strip() == "yes"
