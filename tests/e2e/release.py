"""The chart in a sandbox, and the operator as a process outside of it: with its ServiceAccount, and nothing more."""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml
from tests.e2e.accounts import service_account_kubeconfig
from tests.e2e.process import MooringProcess
from tests.e2e.support import await_kinds, eventually
from tests.programs import Helm

from mooring.sandbox.launcher import Sandbox
from mooring.sandbox.processes import free_ports

NAMESPACE: Final = "mooring-system"
ADMISSION: Final = "test-admission"
"""Label of namespaces whose pods come to the webhook, where a release is made so."""
WEBHOOK_CONFIGURATIONS: Final = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"


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
        self.kubeconfig = service_account_kubeconfig(
            sandbox, namespace=namespace, name=name, lease=name, file=directory / f"{name}.kubeconfig"
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

    @contextlib.contextmanager
    def operator(self, log: Path) -> Iterator[MooringProcess]:
        """Run the operator while inside; in the end it must have been healthy, and have asked for nothing forbidden."""
        since = self._sandbox.audit_offset()
        # Pods that a test leaves to the stock scheduler stay with it.
        arguments = (*self.arguments, "--port", str(self._sandbox.extender_port), "--no-set-scheduler-name")
        with MooringProcess(log, *arguments) as process:
            process.await_ready()
            eventually(self._is_trusted)
            yield process
            assert process.exit_code is None, f"the operator ended with {process.exit_code}:\n{process.tail()}"
            assert process.complaints() == []
        events = self._sandbox.audit(user=self.user, since=since)
        assert [f"{event['verb']} {event['requestURI']}" for event in events if _is_forbidden(event)] == []

    def delete(self) -> None:
        """Take away what the chart made."""
        manifests = yaml.safe_dump_all(self.manifests)
        self._sandbox.kubectl("delete", "--ignore-not-found", "-f", "-", stdin=manifests, timeout=240)

    def _is_trusted(self) -> bool:
        """Say whether the API server has the certificate to trust the operator by, which serves it a bit earlier."""
        with self._sandbox.client() as client:
            webhooks = client.get(f"{WEBHOOK_CONFIGURATIONS}/{self.name}")["webhooks"]
        return all(webhook["clientConfig"].get("caBundle") for webhook in webhooks)


def _is_forbidden(event: dict[str, Any]) -> bool:
    # A namespace that goes away refuses new objects with a 403 too; that is no lack of rights.
    return bool(event.get("annotations", {}).get("authorization.k8s.io/decision") == "forbid")
