"""From changes in the index to turns of the reconcilers: which object must be looked at when another one changes."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

import aiohttp
import structlog

from mooring.cluster.connection import ApiError
from mooring.cluster.index import Change, Cluster
from mooring.cluster.pace import Pace
from mooring.locate.locator import Locator
from mooring.reconcile.deployments import DeploymentReconciler
from mooring.reconcile.ledger import Ledger
from mooring.reconcile.pods import PodReconciler
from mooring.reconcile.policies import PolicyReconciler
from mooring.reconcile.queue import Key, WorkQueue
from mooring.reconcile.writer import Writer, is_gone

_WORKERS: Final = 8
#: Changes of one policy's counts within this time become one write of its status, in seconds.
POLICY_DELAY: Final = 1.0
#: Changes of nodes, policies and namespaces within this time become one look at everything they concern, in seconds.
SWEEP_DELAY: Final = 0.2
_CONFLICT: Final = 409
_POLICY_KINDS: Final = frozenset({"VolumePlacementPolicy", "ClusterVolumePlacementPolicy"})

_log = structlog.get_logger(__name__)
_Turn = Callable[[str], Awaitable[float | None]]


class Controller:
    """Runs the reconcilers, one turn for each object that a change may concern."""

    def __init__(self, cluster: Cluster, locator: Locator, writer: Writer, ledger: Ledger) -> None:
        self._cluster: Final = cluster
        self._locator: Final = locator
        self._queue: Final = WorkQueue()
        pods = PodReconciler(cluster, locator, writer, ledger)
        deployments = DeploymentReconciler(cluster, locator, writer, ledger)
        policies = PolicyReconciler(cluster, writer, ledger)
        self._turns: Final[dict[str, _Turn]] = {
            "Pod": pods.reconcile,
            "Deployment": deployments.reconcile,
            "Policy": policies.reconcile,
            "Sweep": self._sweep,
        }
        ledger.listen(self.policy_changed)
        self._topology_version = -1
        self._pace: Final = Pace()

    async def run(self) -> None:
        """Work until cancelled. The index must be complete: an object that is merely not read yet is not gone."""
        self._cluster.listen(self._changed)
        self._queue.add(_sweep_of(None))
        for kind in _POLICY_KINDS:
            for key in self._cluster.all(kind):
                self.policy_changed(key)
        async with asyncio.TaskGroup() as group:
            for _ in range(_WORKERS):
                group.create_task(self._work())

    def policy_changed(self, key: str) -> None:
        """Ask for a policy's turn, soon: many changes of its counts become one write."""
        self._queue.add_after(Key("Policy", key), POLICY_DELAY)

    async def _work(self) -> None:
        async for key in self._queue:
            try:
                again_after = await self._turns[key.kind](key.name)
            except (ApiError, aiohttp.ClientError, TimeoutError, OSError) as error:
                if isinstance(error, ApiError) and is_gone(error):
                    self._queue.done(key)
                    continue
                log = _log.debug if isinstance(error, ApiError) and error.status == _CONFLICT else _log.warning
                log("turn failed", kind=key.kind, key=key.name, error=str(error) or type(error).__name__)
                self._queue.failed(key)
            except Exception:  # noqa: BLE001 - one object's trouble must not end the work on all others
                _log.exception("turn failed", kind=key.kind, key=key.name)
                self._queue.failed(key)
            else:
                self._queue.done(key, again_after=again_after)
            await self._pace.breathe()

    def _changed(self, change: Change) -> None:
        side = change.new if change.new is not None else change.old
        if change.kind == "Pod":
            self._pod_changed(change)
        elif change.kind == "Deployment":
            self._add("Deployment", [change.key])
        elif change.kind == "PersistentVolumeClaim":
            self._claims_changed([change.key])
        elif change.kind == "PersistentVolume":
            if change.new is None:
                self._locator.forget(change.key)
            self._claims_changed(self._cluster.claims_of_volume(change.key))
        elif change.kind == "Namespace":
            if change.old is None or change.new is None or change.old.labels != change.new.labels:
                self._queue.add_after(_sweep_of(change.key), SWEEP_DELAY)
        elif change.kind in _POLICY_KINDS:
            self._policy_spec_changed(change, namespace=side.namespace)
        elif self._cluster.topology_version != self._topology_version:
            self._topology_version = self._cluster.topology_version
            self._queue.add_after(_sweep_of(None), SWEEP_DELAY)

    def _pod_changed(self, change: Change) -> None:
        deployments = {pod.deployment for pod in (change.old, change.new) if pod is not None} - {""}
        if any(pod is not None and pod.claims for pod in (change.old, change.new)):
            self._add("Pod", [change.key])
            self._add("Deployment", deployments)

    def _claims_changed(self, claims: Iterable[str]) -> None:
        for claim in claims:
            pods = self._cluster.pods_of_claim(claim)
            self._add("Pod", pods)
            owners = {self._cluster.pods[pod].deployment for pod in pods} - {""}
            self._add("Deployment", owners | self._cluster.deployments_of_claim(claim))

    def _policy_spec_changed(self, change: Change, *, namespace: str | None) -> None:
        old, new = change.old, change.new
        if old is not None and new is not None and old.spec == new.spec and old.uid == new.uid:
            if old.generation != new.generation:
                self.policy_changed(change.key)
            return
        self._queue.add_after(_sweep_of(namespace), SWEEP_DELAY)
        if new is not None:
            self.policy_changed(change.key)

    async def _sweep(self, namespace: str) -> None:
        """Look again at all pods and Deployments with a claim, of one namespace or (empty) of all."""
        for kind, objects in (("Pod", self._cluster.pods), ("Deployment", self._cluster.deployments)):
            for key in list(objects):
                found = objects.get(key)
                if found is not None and found.claims and namespace in {"", found.metadata.namespace}:
                    self._queue.add(Key(kind, key))
                await self._pace.breathe()

    def _add(self, kind: str, names: Iterable[str]) -> None:
        for name in names:
            self._queue.add(Key(kind, name))


def _sweep_of(namespace: str | None) -> Key:
    return Key("Sweep", namespace or "")
