"""Letting pods through that admission gated: nominated, or with the affinity they waited for, and always in the end.

Every replica lets through what it gated itself, so that a pod is held for milliseconds, whoever leads. What nobody
takes care of (a replica that is gone, a gate written by hand) the leader does, and if there is none, anybody. That two
do it at a time does no harm: a gate that is gone stays gone.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Final

import aiohttp
import structlog

from mooring.api.annotations import GATE, GATED_BY
from mooring.cluster.connection import ApiError
from mooring.cluster.index import Change, Cluster
from mooring.cluster.records import Key, Pod
from mooring.decide.decision import decide
from mooring.decide.gate import Release, release
from mooring.decide.subject import subject_of_pod
from mooring.locate.locator import Locator
from mooring.reconcile.nominator import Nominator
from mooring.reconcile.queue import WorkQueue
from mooring.reconcile.writer import Event, Writer

#: Enough for a burst of pods: each waits for two answers of the API server.
_WORKERS: Final = 16
#: How long a pod is left to the replica that gated it before the leader lets it through, in seconds.
SWEEP_SECONDS: Final = 2.0
#: How long before any other replica does, because there may be no leader at the moment.
ORPHAN_SECONDS: Final = 10.0
#: A pod that could not be let through is tried again at least this often, in seconds: somebody waits for it.
_LONGEST_DELAY: Final = 2.0
#: A pod whose new volumes no node will do for is looked at again after this time, in seconds.
_LOOK_AGAIN_SECONDS: Final = 1.0
#: Changes of policies and the like within this time become one look at all gated pods, in seconds.
_SETTLE_SECONDS: Final = 0.2
_RULE_KINDS: Final = frozenset(
    {"Namespace", "StorageClass", "VolumePlacementPolicy", "ClusterVolumePlacementPolicy"},
)
_UNPROCESSABLE: Final = 422
_EVERYTHING: Final = Key("Sweep", "")

_log = structlog.get_logger(__name__)
#: Told how a pod was let through, in one word, and after how many seconds since it was first seen.
Observer = Callable[[str, float], None]


class Gatekeeper:
    """Watches over gated pods, on every replica.

    Attributes:
        has_ended: whether it lets nobody through any more. Before it runs it will: it finds what was gated until then.
    """

    def __init__(
        self,
        cluster: Cluster,
        locator: Locator,
        writer: Writer,
        *,
        identity: str,
        by_hostname: bool = False,
        observe: Observer = lambda _outcome, _seconds: None,
    ) -> None:
        self._cluster: Final = cluster
        self._locator: Final = locator
        self._writer: Final = writer
        self._nominator: Final = Nominator(cluster, writer)
        self._identity: Final = identity
        self._by_hostname: Final = by_hostname
        self._observe: Final = observe
        self._queue: Final = WorkQueue(longest_delay=_LONGEST_DELAY)
        self._seen: Final[dict[str, float]] = {}
        self._due: Final[dict[str, float]] = {}
        self._done: Final[set[str]] = set()
        self._leads = False
        self.has_ended = False

    async def run(self) -> None:
        """Work until cancelled. The index must be complete."""
        self._cluster.listen(self._changed)
        for pod in self._cluster.pods.values():
            self._take(pod)
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(_WORKERS):
                    group.create_task(self._work())
        finally:
            self.has_ended = True

    @contextlib.contextmanager
    def leading(self) -> Iterator[None]:
        """Look after everybody's pods while inside."""
        self._leads = True
        self._queue.add(_EVERYTHING)
        try:
            yield
        finally:
            self._leads = False

    def _changed(self, change: Change) -> None:
        if change.kind == "Pod":
            self._pod_changed(change)
        elif not self._seen:
            return  # nothing is gated, which is how it mostly is
        elif change.kind == "PersistentVolumeClaim":
            self._claim_changed(change.key)
        elif change.kind == "PersistentVolume":
            for claim in self._cluster.relations.claims_of_volume(change.key):
                self._claim_changed(claim)
        elif change.kind in _RULE_KINDS:
            self._queue.add_after(_EVERYTHING, _SETTLE_SECONDS)

    def _pod_changed(self, change: Change) -> None:
        if change.new is not None and GATE in change.new.gates:
            self._take(change.new)
        elif self._seen.pop(change.key, None) is not None:
            self._due.pop(change.key, None)
            self._done.discard((change.new or change.old).metadata.uid)

    def _take(self, pod: Pod) -> None:
        if GATE in pod.gates:
            self._seen.setdefault(pod.key, time.monotonic())
            self._queue.add(Key("Pod", pod.key))

    def _claim_changed(self, claim: str) -> None:
        for pod in self._cluster.relations.pods_of_claim(claim) & self._seen.keys():
            self._queue.add(Key("Pod", pod))

    async def _work(self) -> None:
        async for key in self._queue:
            try:
                again_after = await self._turn(key)
            except (ApiError, aiohttp.ClientError, TimeoutError, OSError) as error:
                _log.warning("a gated pod cannot be let through yet", pod=key.name, error=str(error) or repr(error))
                self._queue.failed(key)
            except Exception:  # noqa: BLE001 - one pod's trouble must not hold the others
                _log.exception("a gated pod cannot be let through yet", pod=key.name)
                self._queue.failed(key)
            else:
                self._queue.done(key, again_after=again_after)

    async def _turn(self, key: Key) -> float | None:
        """Let a pod through if it is time; returns in how many seconds to look again, if time alone may change that."""
        if key == _EVERYTHING:
            for name in self._seen:
                self._queue.add(Key("Pod", name))
            return None
        pod = self._cluster.pods.get(key.name)
        if pod is None or GATE not in pod.gates or pod.metadata.uid in self._done:
            return None
        decision = decide(subject_of_pod(pod), self._cluster, self._locator)
        found = release(pod, decision, self._cluster, by_hostname=self._by_hostname)
        if found is None:
            self._due.pop(pod.key, None)
            # Volumes of other pods may make room for its own; nothing tells which.
            return _LOOK_AGAIN_SECONDS if decision.demands.all else None
        wait = self._left_to_others(pod, contended=decision.demands.are_contended)
        if wait > 0:
            return wait
        try:
            await self._let_through(pod, found)
        except ApiError as error:
            if not error.is_missing and not error.is_conflict:
                raise
            # The pod is gone, or another one of its name is there, which comes by itself.
        return None

    def _left_to_others(self, pod: Pod, *, contended: bool) -> float:
        """How many more seconds a pod that may pass is left to whoever should let it through.

        Pods whose new volumes compete for places are placed by one replica, the leader, which sees what it decided.
        """
        if self._leads if contended else pod.annotations.get(GATED_BY) == self._identity:
            return 0.0
        patience = SWEEP_SECONDS if self._leads else ORPHAN_SECONDS
        return self._due.setdefault(pod.key, time.monotonic()) + patience - time.monotonic()

    async def _let_through(self, pod: Pod, found: Release) -> None:
        since = self._seen.get(pod.key, time.monotonic())
        nominated = found.node if found.node and await self._nominator.nominate(pod, found.node) else ""
        placed = found.required is not None
        try:
            await self._writer.let_through(pod, found.required)
        except ApiError as error:
            if error.status != _UNPROCESSABLE or not placed:
                raise
            # Rather away from its data than held for ever; the extender may still keep the rule.
            _log.warning("a pod does not take the affinity of its rule", pod=pod.key, error=str(error))
            await self._writer.let_through(pod, None)
            message = f"the pod does not take the node affinity of its rule: {error}"
            await self._writer.record_event("Pod", pod, Event("PlacementFailed", message, warning=True), once=True)
            placed = False
        if pod.key in self._seen:
            # Until the watch says so too, which may have been faster.
            self._done.add(pod.metadata.uid)
        seconds = time.monotonic() - since
        outcome = "nominated" if nominated else "placed" if placed else "free"
        self._observe(outcome, seconds)
        _log.debug("let through", pod=pod.key, outcome=outcome, node=nominated, milliseconds=round(seconds * 1e3, 1))
