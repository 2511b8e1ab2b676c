"""The volumes of a locator that asks an OpenStorage API, which Portworx serves: no resource says where they are."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit

from mooring.api.conditions import LocatorReason
from mooring.api.locator import Locator
from mooring.cluster.connection import ApiServer
from mooring.cluster.index import Change, Cluster
from mooring.cluster.pace import Pace
from mooring.cluster.records import PersistentVolume
from mooring.cluster.reflector import Sink
from mooring.cluster.standing import Standing
from mooring.follow.credentials import Credentials
from mooring.follow.openstorage_api import OpenStorageApi, Told
from mooring.follow.poller import Poller
from mooring.follow.rest import Access, RestApi, RestError
from mooring.follow.source import Report
from mooring.locate.records import Replica

_KIND: Final = "PersistentVolume"


class OpenStorage:
    """The source of one locator's replicas: see `follow.source.Source`, which it is."""

    def __init__(
        self,
        api: ApiServer,
        cluster: Cluster,
        locator: Locator,
        *,
        replicas: Sink,
        nodes: Sink | None,
        volume_key: Callable[[PersistentVolume], str],
        namespace: str,
    ) -> None:
        """Take whom to ask about what.

        Args:
            api: the API server, which has the Secrets.
            cluster: the index, whose PersistentVolumes of the locator's driver are asked about.
            locator: its spec has `openStorage`.
            replicas: takes the replicas.
            nodes: takes the nodes; None where the locator has a resource of its own for them.
            volume_key: what the storage system calls a PersistentVolume; empty for nothing.
            namespace: Mooring's own, where the Secrets are.
        """
        spec = locator.spec.open_storage
        assert spec is not None  # noqa: S101 - as said above
        self.name: Final = f"OpenStorage {urlsplit(spec.endpoint).netloc}"
        self.heard: float | None = None
        self._spec: Final = spec
        self._driver: Final = locator.spec.driver
        self._cluster: Final = cluster
        self._replicas: Final = replicas
        self._nodes: Final = nodes
        self._volume_key: Final = volume_key
        self._credentials: Final = Credentials(
            api, namespace=namespace, token=spec.token_secret, authority=spec.ca_secret
        )
        self._rest: Final = RestApi(spec.endpoint)
        self._sdk: Final = OpenStorageApi(self._rest, name=self.name)
        self._pace: Final = Pace()
        self._held: Final[dict[str, tuple[Replica, ...]]] = {}
        self._new: dict[str, str] = {}
        self._access: Access | None = None
        self._poller: Poller | None = None

    async def run(self, report: Report) -> None:
        """Ask until cancelled; while there is no answer, what was said last stays as it is."""
        failed_since = ""

        def on_failure(error: RestError) -> None:
            nonlocal failed_since
            failed_since = failed_since or f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
            report(self._standing(error.reason, f"{self._spec.endpoint}, since {failed_since}: {error}"))

        async def ask_about_all() -> None:
            nonlocal failed_since
            report(await self._ask_about_all())
            failed_since = ""

        async def ask_about_new() -> None:
            if self._access is None:
                await ask_about_all()
            else:
                new, self._new = self._new, {}
                await self._ask_about(new, self._access)

        report(self._standing(LocatorReason.READING, f"{self._spec.endpoint} has not answered yet"))
        self._poller = Poller(
            interval=self._spec.interval_seconds,
            everything=ask_about_all,
            news=ask_about_new,
            on_failure=on_failure,
        )
        stop_listening = self._cluster.listen(self._changed)
        try:
            async with self._rest:
                await self._poller.run()
        finally:
            stop_listening()
            self._poller = None

    def _changed(self, change: Change) -> None:
        if self._poller is None or change.kind != _KIND:
            return
        key = self._key(change.new)
        if key and key != self._key(change.old):
            self._new[key] = _namespace(change.new)
            self._poller.tell()

    def _standing(self, reason: LocatorReason, message: str) -> Standing:
        return Standing(reason=reason, message=message, resource=self.name)

    def _key(self, volume: PersistentVolume | None) -> str:
        """What the storage system calls a volume; empty for none, and for those of others."""
        return self._volume_key(volume) if volume is not None and volume.driver == self._driver else ""

    async def _ask_about_all(self) -> Standing:
        self._new.clear()
        wanted: dict[str, str] = {}
        for volume in list(self._cluster.all(_KIND).values()):
            if key := self._key(volume):
                wanted[key] = _namespace(volume)
            await self._pace.breathe()
        if wanted or self._cluster.storage.nodes_with(self._driver):
            await self._ask(wanted)
            message = f"{self._spec.endpoint} is asked every {self._spec.interval}"
            standing = self._standing(LocatorReason.FOLLOWING, message)
        else:
            # The locator may well be there where the storage system is not, as the shipped one is.
            self._access = self.heard = None
            message = f"no node and no volume of {self._driver}: {self._spec.endpoint} is not asked"
            standing = self._standing(LocatorReason.RESOURCE_ABSENT, message)
        for key in self._held.keys() - wanted.keys():
            self._take(Told(key, ()))
        return standing

    async def _ask(self, wanted: dict[str, str]) -> None:
        self._access = await self._credentials.read()
        # The nodes before all else: whether Mooring is let in shows there, not by one volume that it may not see.
        nodes = await self._sdk.nodes(self._access)
        if self._nodes is not None:
            for _ in self._nodes.replace("StorageNode", nodes):
                await self._pace.breathe()
        await self._ask_about(wanted, self._access)

    async def _ask_about(self, wanted: dict[str, str], access: Access) -> None:
        async for told in self._sdk.volumes(wanted, access):
            self._take(told)
        self.heard = time.monotonic()

    def _take(self, told: Told) -> None:
        """Take in where a volume is now, in place of where it was."""
        before = self._held.pop(told.key, ())
        now = before if before == told.replicas else told.replicas
        for gone in {replica.key for replica in before} - {replica.key for replica in now}:
            self._replicas.remove("Replica", gone)
        for replica in now:  # the same ones too: the sink forgets them while the locator is passed over
            self._replicas.put("Replica", replica)
        if now:
            self._held[told.key] = now


def _namespace(volume: PersistentVolume) -> str:
    """The namespace of a volume's claim; empty where it has none."""
    return volume.spec.claim_ref.namespace if volume.spec.claim_ref is not None else ""
