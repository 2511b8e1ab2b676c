"""One replica of the operator: what each of them watches, serves and lets through, and what only the leader does."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping
from functools import partial
from math import inf
from typing import Any, Final

import structlog

from mooring.api.locator import KIND as LOCATOR_KIND
from mooring.cli.runtime import first_end, listening, settle_memory
from mooring.cli.settings import Settings
from mooring.cli.term import Term
from mooring.cluster.claims import claim_phase
from mooring.cluster.connection import ApiServer
from mooring.cluster.heartbeat import Heartbeat
from mooring.cluster.index import Cluster
from mooring.cluster.reflector import Reflector, unsynced
from mooring.cluster.resources import RESOURCES
from mooring.cluster.secrets import webhook_secret
from mooring.follow.follower import Follower
from mooring.follow.optional import optional_sources
from mooring.follow.source import run_for_ever
from mooring.locate.locator import Locator
from mooring.reconcile.gatekeeper import Gatekeeper
from mooring.reconcile.leadership import Leadership, LeadershipLostError
from mooring.reconcile.ledger import Ledger
from mooring.reconcile.writer import Writer
from mooring.serve.admission import Admission
from mooring.serve.extender import Extender
from mooring.serve.http import Readiness, create_app, create_webhook_app
from mooring.serve.metrics import Metrics
from mooring.serve.tls import ServingCertificate, from_files, from_secret

_SYNC_POLL_SECONDS: Final = 0.05
#: Pods are not gated while nothing has been heard of pods for so long, in seconds.
_BLIND_SECONDS: Final = 10.0

_log = structlog.get_logger(__name__)


class Replica:
    """One of the processes that answer; all of its parts."""

    def __init__(self, settings: Settings, api: ApiServer) -> None:
        self._settings: Final = settings
        self._api: Final = api
        self._cluster: Final = Cluster(rack_labels=settings.rack_labels, read_only=settings.read_only)
        self._locator: Final = Locator(self._cluster)
        self._metrics: Final = Metrics()
        self._reflectors: Final = [
            Reflector(api, resource, self._cluster, on_restart=self._count_restart)
            for resource in RESOURCES.values()
            if not resource.optional
        ]
        self._has_followed = False
        self._term: Term | None = None
        self._pods: Final = next(reflector for reflector in self._reflectors if reflector.kind == "Pod")
        self._metrics.watch(self._cluster, localities=self._localities)
        self._metrics.watch_sync_age(self._ages)
        self._metrics.watch_locators(self._replicas)
        namespace, name = settings.scheduler_lease
        self._scheduler: Final = Heartbeat(api, namespace=namespace, name=name)
        self._certificate: Final = self._make_certificate()
        self._leadership: Final = Leadership(
            api, namespace=settings.namespace, name=settings.name, identity=settings.identity
        )
        self._follower: Final = Follower(
            api,
            self._cluster,
            self._locator.systems,
            namespace=settings.namespace,
            on_change=self._locator_changed,
            on_restart=self._count_restart,
        )
        self._gatekeeper: Final = Gatekeeper(
            self._cluster,
            self._locator,
            Writer(api),
            identity=settings.identity,
            by_hostname=settings.hostname_affinity,
            observe=self._metrics.observe_gate,
        )

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Listen while inside."""
        settings = self._settings
        extender = Extender(
            self._cluster, self._locator, self._metrics, is_ready=self._is_synced, profile=settings.score_profile
        )
        async with contextlib.AsyncExitStack() as stack:
            if settings.webhook is not None and self._certificate is not None:
                app = create_webhook_app(self._make_admission())
                await stack.enter_async_context(
                    listening(app, settings.host, settings.webhook.port, self._certificate.context, what="webhook")
                )
            app = create_app(extender, self._metrics, readiness=self._readiness)
            await stack.enter_async_context(listening(app, settings.host, settings.port, settings.tls))
            yield

    def work(self) -> list[Coroutine[Any, Any, None]]:
        """What runs until the end."""
        certificate = [self._certificate.run()] if self._certificate is not None else []
        watching = [reflector.run() for reflector in self._reflectors]
        optional = optional_sources(self._api, self._cluster, on_restart=self._count_restart)
        watching += [run_for_ever(source, report=lambda _standing: None) for source in optional]
        return [*watching, self._follower.run(), self._scheduler.run(), *certificate, self._write()]

    async def retire(self) -> None:
        """Give up what others may take over. All work must have ended."""
        await self._leadership.release()

    async def _write(self) -> None:
        """Write, once the index is complete: what this replica answered for, and as the leader everything else."""
        started = time.monotonic()
        while not self._is_synced():
            await asyncio.sleep(_SYNC_POLL_SECONDS)
        settle_memory()
        _log.info("index complete", seconds=round(time.monotonic() - started, 2))
        await first_end(self._gatekeeper.run(), self._lead())

    async def _lead(self) -> None:
        """Lead whenever nobody else does; without the Lease this stays a replica that answers, and tries again."""
        while True:
            await self._leadership.acquire()
            self._term = Term(
                self._settings,
                self._api,
                self._cluster,
                self._locator,
                self._gatekeeper,
                calm_for=self._calm_for,
                standing=self._follower.standing,
            )
            try:
                await first_end(self._leadership.hold(), self._term.run())
            except LeadershipLostError as error:
                _log.warning("leadership lost", reason=str(error))
            finally:
                self._term = None

    def _make_certificate(self) -> ServingCertificate | None:
        settings = self._settings
        if settings.webhook is None:
            return None
        if settings.webhook.files is not None:
            certificate, key = settings.webhook.files
            return ServingCertificate(from_files(certificate=certificate, key=key))
        secret = webhook_secret(settings.name)
        return ServingCertificate(from_secret(self._api, namespace=settings.namespace, name=secret))

    def _make_admission(self) -> Admission:
        return Admission(
            self._cluster,
            self._locator,
            self._metrics,
            lookup=partial(claim_phase, self._api),
            namespace=self._settings.namespace,
            is_ready=self._is_synced,
            scheduler_alive=lambda: self._scheduler.alive,
            set_scheduler_name=self._settings.set_scheduler_name,
            by_hostname=self._settings.hostname_affinity,
            gating=self._settings.gating(is_manned=self._is_manned),
        )

    def _is_manned(self) -> bool:
        """Whether a pod that is gated now would be let through soon: a watch that broke is back within seconds."""
        return not self._gatekeeper.has_ended and self._pods.blind_for < _BLIND_SECONDS

    def _calm_for(self) -> float:
        interrupted = self._pods.interrupted
        return inf if interrupted is None else time.monotonic() - interrupted

    def _is_synced(self) -> bool:
        return not self._missing()

    def _missing(self) -> list[str]:
        """What is not complete yet; storage systems' own resources are not waited for for ever."""
        missing = unsynced(self._reflectors)
        if not missing and not self._has_followed:
            missing = [f"VolumeLocator {name}: being read" for name in self._follower.unread()]
            self._has_followed = not missing
        return missing

    def _readiness(self) -> Readiness:
        missing = self._missing()
        if missing:
            return Readiness(ready=False, detail="not read yet: " + "; ".join(missing))
        if self._certificate is not None and not self._certificate.is_ready:
            return Readiness(ready=False, detail="the webhook has no certificate yet")
        oldest = max(self._reflectors, key=lambda reflector: time.monotonic() - reflector.heard)
        count = sum(len(self._cluster.all(kind)) for kind in RESOURCES)
        age = time.monotonic() - oldest.heard
        return Readiness(ready=True, detail=f"{count} objects; {oldest.kind} last heard {age:.0f} s ago")

    def _locator_changed(self, name: str) -> None:
        if self._term is not None:
            self._term.locator_changed(name)

    def _localities(self) -> Mapping[str, int]:
        return self._term.localities() if self._term is not None else Ledger().localities()

    def _ages(self) -> Iterator[tuple[str, float]]:
        now = time.monotonic()
        yield from ((reflector.kind, now - reflector.heard) for reflector in self._reflectors)
        yield from self._follower.ages()

    def _replicas(self) -> Iterator[tuple[str, Mapping[str, int]]]:
        for name in self._cluster.all(LOCATOR_KIND):
            found = self._locator.systems.summary(name)
            unusable = found.total - found.usable - found.unknown
            yield name, {"usable": found.usable, "unusable": unusable, "unknown": found.unknown}

    def _count_restart(self, kind: str, why: str) -> None:
        self._metrics.watch_restarts.labels(kind, why).inc()
