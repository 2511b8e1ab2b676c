"""Who counts where: for each policy, its pods by how they stand to their data, and its workloads that need attention.

The counts are kept as verdicts come in, so that a policy's status never costs a walk over all pods.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from typing import Final

from mooring.api.conditions import VolumeLocalReason
from mooring.api.status import PodCounts, WorkloadAttention
from mooring.decide.decision import Decision
from mooring.decide.locality import Locality
from mooring.decide.rule import Origin


class Standing(StrEnum):
    """How a pod stands to its data, in the words of a policy's status."""

    LOCAL = "local"
    REMOTE = "remote"
    UNKNOWN = "unknown"
    OVERRIDDEN = "overridden"


_STANDINGS: Final = {
    VolumeLocalReason.ALL_LOCAL: Standing.LOCAL,
    VolumeLocalReason.PARTLY_LOCAL: Standing.REMOTE,
    VolumeLocalReason.NOT_LOCAL: Standing.REMOTE,
}


def standing(locality: Locality) -> Standing:
    """Sort a measurement into a status' counters."""
    return _STANDINGS.get(locality.reason, Standing.UNKNOWN)


def standings(decision: Decision, locality: Locality | None) -> dict[str, Standing]:
    """How a pod counts for each policy that selects it: the winner's by its place, the others' as overridden."""
    result = {policy.key: Standing.OVERRIDDEN for policy in decision.resolution.candidates}
    rule = decision.rule
    if rule is not None and rule.origin is Origin.POLICY and rule.policy is not None and locality is not None:
        result[rule.policy.key] = standing(locality)
    return result


class Ledger:
    """The verdicts on all pods and workloads, and their sums."""

    def __init__(self) -> None:
        self._listeners: Final[list[Callable[[str], None]]] = []
        self._pods: Final[dict[str, Mapping[str, Standing]]] = {}
        self._pods_by_locality: Final[dict[str, Standing]] = {}
        self._counts: Final[defaultdict[str, Counter[Standing]]] = defaultdict(Counter)
        self._workloads: Final[dict[str, tuple[str, WorkloadAttention]]] = {}
        self._attention: Final[defaultdict[str, dict[str, WorkloadAttention]]] = defaultdict(dict)

    def listen(self, listener: Callable[[str], None]) -> None:
        """Call `listener` with the key of each policy whose counts or list changed."""
        self._listeners.append(listener)

    def record_pod(self, pod: str, verdict: Mapping[str, Standing], locality: Standing | None) -> None:
        """Replace a pod's verdict."""
        old = self._pods.pop(pod, {})
        if verdict:
            self._pods[pod] = verdict
        if locality is None:
            self._pods_by_locality.pop(pod, None)
        else:
            self._pods_by_locality[pod] = locality
        changed = {policy for policy in old.keys() | verdict.keys() if old.get(policy) != verdict.get(policy)}
        for policy in changed:
            if policy in old:
                self._counts[policy][old[policy]] -= 1
            if policy in verdict:
                self._counts[policy][verdict[policy]] += 1
        self._tell(changed)

    def record_workload(self, key: str, policy: str, attention: WorkloadAttention | None) -> None:
        """Replace what is noted of a workload."""
        old = self._workloads.pop(key, None)
        new = (policy, attention) if attention is not None and policy else None
        if new is not None:
            self._workloads[key] = new
        if old == new:
            return
        if old is not None:
            self._attention[old[0]].pop(key, None)
        if new is not None:
            self._attention[new[0]][key] = new[1]
        self._tell({side[0] for side in (old, new) if side is not None})

    def counts(self, policy: str) -> PodCounts:
        """A policy's pods, by how they stand."""
        counted = self._counts.get(policy, Counter())
        return PodCounts(
            matched=sum(counted.values()),
            local=counted[Standing.LOCAL],
            remote=counted[Standing.REMOTE],
            unknown=counted[Standing.UNKNOWN],
            overridden=counted[Standing.OVERRIDDEN],
        )

    def attention(self, policy: str) -> list[WorkloadAttention]:
        """A policy's workloads that need attention, sorted."""
        noted = self._attention.get(policy, {}).values()
        return sorted(noted, key=lambda workload: (workload.kind, workload.namespace, workload.name))

    def localities(self) -> Mapping[str, int]:
        """All pods under a rule, by how they stand."""
        counted = Counter(self._pods_by_locality.values())
        return {place: counted[place] for place in (Standing.LOCAL, Standing.REMOTE, Standing.UNKNOWN)}

    def _tell(self, policies: Iterable[str]) -> None:
        for policy in policies:
            for listener in self._listeners:
                listener(policy)
