"""What a replica does only while it leads. A term hands nothing on to the next one, which may be another replica's."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import kopf

from mooring.cli.runtime import first_end
from mooring.cli.settings import Settings
from mooring.cluster.connection import ApiServer
from mooring.cluster.index import Cluster
from mooring.cluster.standing import Standing
from mooring.locate.locator import Locator
from mooring.reconcile.certificates import CertificateKeeper
from mooring.reconcile.controller import Controller
from mooring.reconcile.gatekeeper import Gatekeeper
from mooring.reconcile.ledger import Ledger
from mooring.reconcile.lifecycle import Lifecycle
from mooring.reconcile.probe import AdmissionProbe
from mooring.reconcile.writer import Writer


class Term:
    """The leader's work between getting the Lease and losing it."""

    def __init__(
        self,
        settings: Settings,
        api: ApiServer,
        cluster: Cluster,
        locator: Locator,
        gatekeeper: Gatekeeper,
        *,
        calm_for: Callable[[], float],
        standing: Callable[[str], Standing],
    ) -> None:
        """Prepare it; `calm_for` and `standing` are what `Controller` asks for."""
        namespace, name = settings.namespace, settings.name
        self._gatekeeper: Final = gatekeeper
        self._ledger: Final = Ledger()
        self._controller: Final = Controller(
            cluster,
            locator,
            Writer(api),
            self._ledger,
            AdmissionProbe(api, namespace=namespace),
            by_hostname=settings.hostname_affinity,
            nominates=settings.nominates,
            calm_for=calm_for,
            standing=standing,
        )
        self._lifecycle: Final = Lifecycle(
            login=_kopf_login(api),
            on_policy=self._controller.policy_changed,
            on_locator=self._controller.locator_changed,
        )
        keeps_certificates = settings.webhook is not None and settings.webhook.files is None
        self._keepers: Final = [CertificateKeeper(api, namespace=namespace, name=name)] if keeps_certificates else []

    async def run(self) -> None:
        """Keep the cluster near its data until cancelled; nothing more is written from that moment on."""
        self._lifecycle.start()
        try:
            with self._gatekeeper.leading():
                await first_end(self._controller.run(), *(keeper.run() for keeper in self._keepers))
        finally:
            await self._lifecycle.stop()

    def locator_changed(self, name: str) -> None:
        """Ask for a locator's turn."""
        self._controller.locator_changed(name)

    def localities(self) -> Mapping[str, int]:
        """All pods under a rule, by how they stand to their data."""
        return self._ledger.localities()


def _kopf_login(api: ApiServer) -> Callable[..., kopf.ConnectionInfo]:
    def login(**_: Any) -> kopf.ConnectionInfo:
        return kopf.ConnectionInfo(**api.credentials)

    return login
