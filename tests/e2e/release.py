"""The chart in a sandbox, and the operator as a process outside of it: with its ServiceAccount, and nothing more."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml
from tests.e2e.accounts import may, service_account_kubeconfig
from tests.e2e.support import await_kinds, eventually
from tests.programs import Helm

from mooring.sandbox.launcher import Sandbox
from mooring.sandbox.processes import free_ports

NAMESPACE: Final = "mooring-system"


class Release:
    """A release of the chart whose webhook is a process on this machine.

    Attributes:
        kubeconfig: the ServiceAccount's.
        user: what the audit log calls it.
    """

    def __init__(
        self,
        sandbox: Sandbox,
        helm: Helm,
        directory: Path,
        *,
        name: str = "mooring",
        namespace: str = NAMESPACE,
        admission: Mapping[str, str],
        **values: Any,
    ) -> None:
        """Render and apply it; only pods of namespaces with the labels `admission` come to the webhook."""
        self.name = name
        self.namespace = namespace
        self.user = f"system:serviceaccount:{namespace}:{name}"
        self._port = free_ports(["webhook"], taken=sandbox.layout.ports.values())["webhook"]
        webhook: dict[str, Any] = {
            "url": f"https://127.0.0.1:{self._port}/mutate",
            "namespaceSelector": {"matchLabels": dict(admission)},
            # The API server would create pods past it whenever a machine pauses for longer than the chart's 2 s.
            "timeoutSeconds": 20,
        }
        manifests = helm.template(release=name, namespace=namespace, **{"webhook": webhook, **values})
        self.manifests = [each for each in manifests if "helm.sh/hook" not in each["metadata"].get("annotations", {})]
        self._sandbox = sandbox
        sandbox.kubectl("create", "namespace", namespace, check=False)
        sandbox.kubectl("apply", "--server-side", "-f", "-", stdin=yaml.safe_dump_all(self.manifests))
        await_kinds(sandbox)
        rights = (("list", "pods"), ("get", f"leases.coordination.k8s.io/{name}"))
        eventually(lambda: all(may(sandbox, self.user, *right, namespace) for right in rights))
        self.kubeconfig = service_account_kubeconfig(
            sandbox, namespace=namespace, name=name, file=directory / f"{name}.kubeconfig"
        )

    @property
    def arguments(self) -> tuple[str, ...]:
        """The arguments of `mooring run` for the process behind the webhook."""
        return (
            f"--kubeconfig={self.kubeconfig}",
            f"--namespace={self.namespace}",
            f"--name={self.name}",
            f"--webhook-port={self._port}",
        )

    def delete(self) -> None:
        """Take away what the chart made."""
        manifests = yaml.safe_dump_all(self.manifests)
        self._sandbox.kubectl("delete", "--ignore-not-found", "-f", "-", stdin=manifests, timeout=240)
