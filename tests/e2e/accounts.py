"""Being a ServiceAccount: with its token, as a pod is, and with no more rights than the chart gives it."""

from pathlib import Path

import yaml

from mooring.sandbox.launcher import Sandbox


def service_account_kubeconfig(sandbox: Sandbox, *, namespace: str, name: str, file: Path) -> Path:
    """Write a kubeconfig with a fresh token of a ServiceAccount, and give its path."""
    config = yaml.safe_load(sandbox.kubeconfig("admin").read_text(encoding="utf-8"))
    token = sandbox.kubectl("create", "token", name, "--namespace", namespace).strip()
    for user in config["users"]:
        user["user"] = {"token": token}
    file.write_text(yaml.safe_dump(config), encoding="utf-8")
    file.chmod(0o600)
    return file
