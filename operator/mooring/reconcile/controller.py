"""From changes in the index to turns of the reconcilers: which object must be looked at when another one changes."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from math import inf
from typing import Final

import aiohttp
import structlog

from mooring.api.locator import KIND as LOCATOR_KIND
from mooring.cluster.connection import ApiError
from mooring.cluster.index import Change, Cluster
from mooring.cluster.pace import Pace
from mooring.cluster.records import WORKLOADS, Key, Pod
from mooring.cluster.standing import Standing
from mooring.locate.locator import Locator
from mooring.reconcile.ledger import Ledger
from mooring.reconcile.locators import LocatorReconciler
from mooring.reconcile.mover import Mover, Probe
from mooring.reconcile.pods import PodReconciler
from mooring.reconcile.policies import PolicyReconciler
from mooring.reconcile.queue import WorkQueue
from mooring.reconcile.waiters import Waiters
from mooring.reconcile.workloads import WorkloadReconciler
from mooring.reconcile.writer import Writer

_WORKERS: Final = 8
#: A new pod changes several times until it runs; what is said of it is said once in this time, in seconds.
POD_DELAY: Final = 0.5
#: Changes of one policy's counts within this time become one write of its status, in seconds.
POLICY_DELAY: Final = 1.0
#: Changes of how it stands with one locator within this time become one write of its status, in seconds.
LOCATOR_DELAY: Final = 0.5
#: Changes of nodes, policies and namespaces within this time become one look at everything they concern, in seconds.
SWEEP_DELAY: Final = 0.2
#: A StatefulSet's controller drops our conditions with each write of its status, of which scaling takes many: they are
#: put back at most once in this time, in seconds.
STATEFUL_SET_DELAY: Final = 1.0
_POLICY_KINDS: Final = frozenset({"VolumePlacementPolicy", "ClusterVolumePlacementPolicy"})

_log = structlog.get_logger(__name__)
_Turn = Callable[[Key], Awaitable[float | None]]


class Controller:
    """Runs the reconcilers, one turn for each object that a change may concern."""

    def __init__(
        self,
        cluster: Cluster,
        locator: Locator,
        writer: Writer,
        ledger: Ledger,
        probe: Probe,
        *,
        by_hostname: bool = False,
        nominates: bool = True,
        calm_for: Callable[[], float] = lambda: inf,
        standing: Callable[[str], Standing],
    ) -> None:
        """Take what the reconcilers need.

        Args:
            cluster: the index.
            locator: where volumes' data lies.
            writer: writes.
            ledger: who counts where.
            probe: knows whether admission answers pods.
            by_hostname: whether affinity names nodes by their hostname label instead of their name.
            nominates: whether soft rules are kept by nominations.
            calm_for: for how many seconds the API server has been there without a break.
            standing: how it stands with a VolumeLocator.
        """
        self._cluster: Final = cluster
        self._queue: Final = WorkQueue()
        self._waiters: Final = Waiters()
        self._pods: Final = PodReconciler(cluster, locator, writer, ledger, self._waiters, nominates=nominates)
        mover = Mover(cluster, writer, probe, nominates=nominates, calm_for=calm_for)
        workloads = WorkloadReconciler(cluster, locator, writer, ledger, mover, by_hostname=by_hostname)
        policies = PolicyReconciler(cluster, writer, ledger)
        locators = LocatorReconciler(cluster, locator.systems, writer, standing)
        self._turns: Final[dict[str, _Turn]] = {
            "Pod": self._pods.reconcile,
            "Policy": policies.reconcile,
            "Locator": locators.reconcile,
            "Sweep": self._sweep,
            **dict.fromkeys(WORKLOADS, workloads.reconcile),
        }
        ledger.listen(self.policy_changed)
        self._topology_version = -1
        self._pace: Final = Pace()

    async def run(self) -> None:
        """Work until cancelled. The index must be complete: an object that is merely not read yet is not gone."""
        unlisten = self._cluster.listen(self._changed)
        self._queue.add(_sweep_of(None))
        self._all_policies_changed()
        for name in self._cluster.all(LOCATOR_KIND):
            self.locator_changed(name)
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(_WORKERS):
                    group.create_task(self._work())
        finally:
            unlisten()

    def policy_changed(self, key: str) -> None:
        """Ask for a policy's turn, soon: many changes of its counts become one write."""
        self._queue.add_after(Key("Policy", key), POLICY_DELAY)

    def locator_changed(self, name: str) -> None:
        """Ask for a locator's turn, soon: its resource and the objects in it may come in any order."""
        self._queue.add_after(Key("Locator", name), LOCATOR_DELAY)

    def _all_policies_changed(self) -> None:
        for kind in _POLICY_KINDS:
            for key in self._cluster.all(kind):
                self.policy_changed(key)

    async def _work(self) -> None:
        async for key in self._queue:
            try:
                again_after = await self._turns[key.kind](key)
            except (ApiError, aiohttp.ClientError, TimeoutError, OSError) as error:
                if isinstance(error, ApiError) and error.is_missing:
                    self._queue.done(key)
                    continue
                log = _log.debug if isinstance(error, ApiError) and error.is_conflict else _log.warning
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
        elif change.kind in WORKLOADS:
            is_new = change.old is None or change.old.metadata.generation != side.metadata.generation
            self._workload_changed(Key(change.kind, change.key), at_once=is_new)
        elif change.kind == "PersistentVolumeClaim":
            self._claims_changed([change.key])
        elif change.kind == "PersistentVolume":
            self._claims_changed(self._cluster.relations.claims_of_volume(change.key))
        elif change.kind == "Namespace":
            if change.old is None or change.new is None or change.old.labels != change.new.labels:
                self._queue.add_after(_sweep_of(change.key), SWEEP_DELAY)
        elif change.kind in _POLICY_KINDS:
            self._policy_spec_changed(change, namespace=side.namespace)
        else:
            self._node_changed(change)

    def _node_changed(self, change: Change) -> None:
        """A node, its drivers, a storage class, or what storage systems say of nodes changed."""
        if change.kind == "Node":
            self._room_changed(change.key)
        if change.kind == "StorageClass":
            self._queue.add_after(_sweep_of(None), SWEEP_DELAY)
        if self._cluster.topology_version != self._topology_version:
            self._topology_version = self._cluster.topology_version
            self._queue.add_after(_sweep_of(None), SWEEP_DELAY)
            self._all_policies_changed()

    def _pod_changed(self, change: Change) -> None:
        if change.old is not None and (change.new is None or change.new.finished):
            self._room_changed(change.old.spec.node_name)
        sides: list[Pod] = [side for side in (change.old, change.new) if side is not None]
        if any(pod.claims for pod in sides):
            if change.new is not None and change.new.status.nominated_node_name:
                # At once: a failed attempt clears it before the pod's turn comes.
                self._pods.note_nomination(change.new)
            self._queue.add_after(Key("Pod", change.key), POD_DELAY)
            self._owners_changed(sides)

    def _room_changed(self, node: str) -> None:
        """Look again at the pods that wait for room on a node."""
        for pod in self._waiters.at(node):
            self._queue.add(Key("Pod", pod))

    def _claims_changed(self, claims: Iterable[str]) -> None:
        for claim in claims:
            pods = self._cluster.relations.pods_of_claim(claim)
            for pod in pods:
                self._queue.add(Key("Pod", pod))
            self._owners_changed(self._cluster.pods[pod] for pod in pods)
            for workload in self._cluster.relations.workloads_of_claim(claim):
                self._workload_changed(workload)

    def _owners_changed(self, pods: Iterable[Pod]) -> None:
        for workload in {pod.workload for pod in pods}:
            if workload is not None and workload.kind in WORKLOADS:
                self._workload_changed(workload)

    def _workload_changed(self, workload: Key, *, at_once: bool = False) -> None:
        if workload.kind == "StatefulSet" and not at_once:
            self._queue.add_after(workload, STATEFUL_SET_DELAY)
        else:
            self._queue.add(workload)

    def _policy_spec_changed(self, change: Change, *, namespace: str | None) -> None:
        old, new = change.old, change.new
        if old is not None and new is not None and old.spec == new.spec and old.uid == new.uid:
            if old.generation != new.generation:
                self.policy_changed(change.key)
            return
        self._queue.add_after(_sweep_of(namespace), SWEEP_DELAY)
        if new is not None:
            self.policy_changed(change.key)

    async def _sweep(self, key: Key) -> None:
        """Look again at all pods and workloads with a claim, of one namespace or (empty) of all."""
        for kind in ("Pod", *WORKLOADS):
            objects = self._cluster.all(kind)
            for name in list(objects):
                found = objects.get(name)
                if found is not None and found.claims and key.name in {"", found.metadata.namespace}:
                    self._queue.add(Key(kind, name))
                await self._pace.breathe()


def _sweep_of(namespace: str | None) -> Key:
    return Key("Sweep", namespace or "")
