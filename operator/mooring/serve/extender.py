"""The scheduler extender: a decision rendered as filter, prioritize and preempt.

It works on bytes, so that it can be tested and measured without a socket. Nothing here waits or does I/O.
"""

import time
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from mooring.api.annotations import PREFER_LOCAL_NODE_ONLY
from mooring.cluster.index import Cluster
from mooring.cluster.records import Pod
from mooring.decide.decision import Decision, decide
from mooring.decide.filter import NodeTest
from mooring.decide.rule import resolve
from mooring.decide.stork import NO_OPINION, stork_scores
from mooring.decide.subject import subject_of_pod
from mooring.decide.tiers import NO_SCORES
from mooring.locate.locator import Locator
from mooring.serve import wire
from mooring.serve.metrics import Metrics
from mooring.serve.names import NameList
from mooring.serve.outcome import outcome_of
from mooring.serve.priorities import ScoreProfile, encode_priorities, encode_stork

_log = structlog.get_logger(__name__)

_NOT_READY: Final = NodeTest(nodes=frozenset(), message="Mooring has not read the cluster yet")
_FAILED: Final = NodeTest(nodes=frozenset(), message="Mooring could not decide; its log says why")


class Extender:
    """The verbs that kube-scheduler calls. One instance serves all calls."""

    def __init__(
        self,
        cluster: Cluster,
        locator: Locator,
        metrics: Metrics,
        *,
        is_ready: Callable[[], bool] = lambda: True,
        profile: ScoreProfile = ScoreProfile.MOORING,
    ) -> None:
        """Take what a call needs.

        Args:
            cluster: the index.
            locator: where volumes' data lies.
            metrics: where calls are counted.
            is_ready: whether the index is complete.
            profile: whose numbers nodes are scored with.
        """
        self._cluster: Final = cluster
        self._locator: Final = locator
        self._metrics: Final = metrics
        self._is_ready: Final = is_ready
        self._profile: Final = profile

    def filter(self, body: bytes) -> bytes:
        """Keep the nodes on which a pod may run, with a reason for each of the others.

        Raises:
            wire.MalformedRequestError: the body is not what kube-scheduler sends.
        """
        started = time.perf_counter()
        request = wire.decode_request(body)
        decision, tests = self._decide(request.pod)
        kept, refused = split(request.names, tests)
        answer = wire.encode_filter(request, kept, [(test.message, names) for test, names in refused])
        self._report("filter", request.pod, decision, started, candidates=len(request.names), kept=len(kept))
        return answer

    def prioritize(self, body: bytes) -> bytes:
        """Score the nodes.

        Raises:
            wire.MalformedRequestError: the body is not what kube-scheduler sends.
        """
        started = time.perf_counter()
        request = wire.decode_request(body)
        decision, _ = self._decide(request.pod)
        if self._profile is ScoreProfile.STORK:
            answer = encode_stork(request.names, stork_scores(decision, self._cluster) if decision else NO_OPINION)
        else:
            scores = decision.demands.with_room(decision.scores, self._cluster) if decision else NO_SCORES
            answer = encode_priorities(request.names, scores, cluster_size=len(self._cluster.nodes))
        self._report("prioritize", request.pod, decision, started, candidates=len(request.names))
        return answer

    def preempt(self, body: bytes) -> bytes:
        """Keep preemption off nodes where the pod could not run anyway: evicting pods brings no data.

        Raises:
            wire.MalformedRequestError: the body is not what kube-scheduler sends.
        """
        started = time.perf_counter()
        request = wire.decode_preemption(body)
        decision, tests = self._decide(request.pod)
        kept, _ = split(NameList.of(request.victims), tests)
        answer = wire.encode_preemption({name: request.victims[name] for name in kept.to_list()})
        self._report("preempt", request.pod, decision, started, candidates=len(request.victims), kept=len(kept))
        return answer

    def _decide(self, pod: Pod) -> tuple[Decision | None, Sequence[NodeTest]]:
        """Decide, or say why not: then a pod that asks to be local or not to run gets no node, others get all."""
        if not self._is_ready():
            return None, self._if_strict(pod, _NOT_READY)
        try:
            decision = decide(subject_of_pod(pod), self._cluster, self._locator)
        except Exception:  # noqa: BLE001 - whatever it is, the pod must not run away from its data because of it
            # An error here would make kube-scheduler skip the extender (`ignorable`), strict pods included.
            _log.exception("no decision", pod=pod.key)
            return None, self._if_strict(pod, _FAILED)
        return decision, decision.tests

    def _if_strict(self, pod: Pod, test: NodeTest) -> Sequence[NodeTest]:
        """Refuse every node to a pod that must not run away from its data, as far as its rule is known."""
        try:
            rule = resolve(subject_of_pod(pod), self._cluster).rule
            strict = rule is not None and rule.strict and rule.acts
        except Exception:  # noqa: BLE001 - what went wrong is logged already; the pod's own words are left
            strict = PREFER_LOCAL_NODE_ONLY.read(pod.annotations).value
        return (test,) if strict else ()

    def _report(self, verb: str, pod: Pod, decision: Decision | None, started: float, **counts: int) -> None:
        seconds = time.perf_counter() - started
        outcome = outcome_of(decision)
        self._metrics.observe(verb, outcome, seconds)
        _log.debug("decided", verb=verb, pod=pod.key, outcome=outcome, milliseconds=round(seconds * 1e3, 3), **counts)


def split(names: NameList, tests: Sequence[NodeTest]) -> tuple[NameList, list[tuple[NodeTest, NameList]]]:
    """Part the candidates into those that pass every test and those that each test refuses, in order."""
    kept = names
    refused: list[tuple[NodeTest, NameList]] = []
    for test in tests:
        inside, outside = kept.part(test.nodes)
        kept, failing = (outside, inside) if test.inverted else (inside, outside)
        if len(failing):
            refused.append((test, failing))
    return kept, refused
