"""Admission: a decision rendered as changes to a pod that is about to be created.

It works on bytes, so that it can be tested and measured without a socket. It never refuses a pod: one that it cannot
decide about is created as it is. Nothing here waits, unless a claim is not bound as far as the index knows.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Final

import msgspec
import structlog

from mooring.api.annotations import (
    AFFINITY_HASH,
    DISABLE_ADMISSION,
    GATE,
    GATED_BY,
    KUBE_SCHEDULERS,
    PROBE_LABEL,
    PROBED,
)
from mooring.cluster.index import Cluster
from mooring.cluster.records import Pod
from mooring.decide.affinity import pod_affinity
from mooring.decide.decision import Decision, decide
from mooring.decide.gate import needs_gate
from mooring.decide.scheduler import choose_scheduler
from mooring.decide.subject import subject_of_pod
from mooring.decide.volumes import VolumeState
from mooring.locate.locator import Locator
from mooring.serve.arrivals import Arrivals, Lookup
from mooring.serve.metrics import Metrics
from mooring.serve.outcome import outcome_of
from mooring.serve.patch import Operation, add_gate, set_annotations, set_node_affinity, set_scheduler
from mooring.serve.review import ReviewRequest, decode_review, encode_review

_COMPLAINT_SECONDS: Final = 60.0

_log = structlog.get_logger(__name__)


class Gating(msgspec.Struct, frozen=True, kw_only=True):
    """How pods are gated.

    Attributes:
        identity: the name of this replica, which lets through what it gated.
        schedulers: those that honour gates and nominations.
        is_manned: whether somebody is there to let pods through.
    """

    identity: str
    schedulers: AbstractSet[str] = KUBE_SCHEDULERS
    is_manned: Callable[[], bool] = lambda: True


class _Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What to answer, and what it came to in one word."""

    outcome: str
    patch: Sequence[Operation] = ()
    audit: Mapping[str, str] = msgspec.field(default_factory=dict)
    warnings: Sequence[str] = ()


class Admission:
    """The webhook that the API server calls. One instance serves all calls."""

    def __init__(
        self,
        cluster: Cluster,
        locator: Locator,
        metrics: Metrics,
        *,
        lookup: Lookup | None = None,
        namespace: str = "",
        is_ready: Callable[[], bool] = lambda: True,
        scheduler_alive: Callable[[], bool] = lambda: True,
        set_scheduler_name: bool = True,
        by_hostname: bool = False,
        gating: Gating | None = None,
    ) -> None:
        """Take what a review needs.

        Args:
            cluster: the index.
            locator: where volumes' data lies.
            metrics: where reviews are counted.
            lookup: asks the API server about claims that are not bound in the index; None where there is no API server.
            namespace: the release's, in which probes are answered.
            is_ready: whether the index is complete.
            scheduler_alive: whether Mooring's scheduler runs.
            set_scheduler_name: whether pods get Mooring's scheduler where no policy names one.
            by_hostname: whether affinity names nodes by their hostname label instead of their name.
            gating: how pods are gated until they are nominated or placed; None for soft rules to add preferences.
        """
        self._cluster: Final = cluster
        self._locator: Final = locator
        self._metrics: Final = metrics
        self._arrivals: Final = Arrivals(cluster, lookup) if lookup else None
        self._namespace: Final = namespace
        self._is_ready: Final = is_ready
        self._scheduler_alive: Final = scheduler_alive
        self._set_scheduler_name: Final = set_scheduler_name
        self._by_hostname: Final = by_hostname
        self._gating: Final = gating
        self._silent_until = 0.0

    async def review(self, body: bytes) -> bytes:
        """Answer one AdmissionReview: allowed, with the changes that the decision makes.

        Raises:
            wire.MalformedRequestError: the body is no AdmissionReview.
        """
        started = time.perf_counter()
        request = decode_review(body)
        verdict = await self._judge(request)
        seconds = time.perf_counter() - started
        self._metrics.observe_review(verdict.outcome, seconds)
        _log.debug("reviewed", uid=request.uid, milliseconds=round(seconds * 1e3, 3), **verdict.audit)
        return encode_review(request.uid, patch=verdict.patch, audit=verdict.audit, warnings=verdict.warnings)

    async def _judge(self, request: ReviewRequest) -> _Verdict:
        if not request.creates_pod:
            return _Verdict(outcome="not-a-pod")
        if not self._is_ready():
            self._complain()
            return _verdict(outcome_of(None))
        try:
            pod = request.pod()
        except ValueError as error:
            _log.warning("a pod cannot be read and is admitted as it is", uid=request.uid, reason=str(error))
            return _verdict(outcome_of(None))
        try:
            return await self._judge_pod(pod)
        except Exception:  # noqa: BLE001 - whatever it is, nobody should be kept from creating a pod because of it
            _log.exception("no decision; the pod is admitted as it is", pod=pod.key)
            return _verdict(outcome_of(None))

    async def _judge_pod(self, pod: Pod) -> _Verdict:
        if pod.metadata.namespace == self._namespace and pod.labels.get(PROBE_LABEL) == "true":
            return _verdict("probe", patch=set_annotations(pod, {PROBED: "true"}))
        disabled = DISABLE_ADMISSION.read(pod.annotations)
        if disabled.value:
            return _verdict("disabled", problems=disabled.problems)
        if self._arrivals is not None:
            await self._arrivals.wait(pod)
        decision = self._decide(pod)
        scheduler = set_scheduler(pod, decision.subject.scheduler_name)
        gated = self._gates(decision)
        return _verdict(
            outcome_of(decision),
            patch=[*scheduler, *self._placed(pod, decision, gated=gated)],
            problems=disabled.problems + decision.problems,
            policy=decision.rule.name if decision.rule else "",
            schedulerName=decision.subject.scheduler_name if scheduler else "",
            unboundClaims=_unbound(decision),
            gate=GATE if gated else "",
        )

    def _decide(self, pod: Pod) -> Decision:
        decision = decide(subject_of_pod(pod), self._cluster, self._locator)
        alive = self._scheduler_alive()
        return choose_scheduler(decision, self._cluster, self._locator, alive=alive, adopt=self._set_scheduler_name)

    def _gates(self, decision: Decision) -> bool:
        """Whether a pod that cannot be placed yet is held back; not if nobody is there to let it through."""
        gating = self._gating
        if gating is None or decision.subject.scheduler_name not in gating.schedulers or not gating.is_manned():
            return False
        return needs_gate(decision)

    def _placed(self, pod: Pod, decision: Decision, *, gated: bool) -> list[Operation]:
        if self._cluster.read_only:
            return []
        wanted = pod_affinity(
            decision,
            self._cluster.topology,
            pod.spec.node_affinity,
            mark=pod.annotations.get(AFFINITY_HASH),
            by_hostname=self._by_hostname,
            prefer=any(view.remote or (view.draws and not gated) for view in decision.volumes)
            or (bool(decision.demands.preferred) and not gated),
            later=gated and (bool(decision.awaited) or decision.demands.are_weighed),
        )
        annotations = {AFFINITY_HASH: wanted.mark}
        gate = []
        if gated and self._gating is not None:
            gate = add_gate(pod, GATE)
            annotations[GATED_BY] = self._gating.identity
        return [*set_node_affinity(pod, wanted.affinity), *set_annotations(pod, annotations), *gate]

    def _complain(self) -> None:
        """Say once in a while that pods are not looked at: there may be thousands of them."""
        now = time.monotonic()
        if now >= self._silent_until:
            self._silent_until = now + _COMPLAINT_SECONDS
            _log.warning("pods are admitted as they are: the cluster has not been read yet")


def _verdict(outcome: str, *, patch: Sequence[Operation] = (), problems: Sequence[str] = (), **audit: str) -> _Verdict:
    """Give a verdict that the audit log tells of; what is empty is left out there."""
    told = {"placement": outcome, **{key: value for key, value in audit.items() if value}}
    return _Verdict(outcome=outcome, patch=patch, audit=told, warnings=[f"mooring: {each}" for each in problems])


def _unbound(decision: Decision) -> str:
    views = (view for view in decision.volumes if view.state is VolumeState.UNBOUND)
    return ", ".join(f"{view.claim}: {view.detail}" for view in views)
