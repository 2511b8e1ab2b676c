"""What must hold once the storm is over, and what is only counted. Pure: it judges what was read.

Admission fails open, so "every pod that fits is local" cannot be asked of all pods. It is asked like this; all of them
fit, for the storm leaves room near the data of each:

- A pod that admission answered is local. The audit log tells: by what it says of the creation of a pod of that name
  or, where the name was generated and is not there, by the write with which Mooring let the pod through its gate.
- A pod of a workload whose rule is strict is local in the end, answered or not: `updateMode: Reconcile` changes the
  template or evicts the pod, until a replacement is answered.
- Any other pod, created while every replica was dead or not ready, or whose call broke, may run anywhere, and nothing
  moves it; so may one whose claim was missing while no replica had heard of pods for so long that it held none back.
  How many of them are remote is told, those with a strict rule too.

Nothing is kept quiet: the condition VolumeLocal of each pod with a rule says truly whether it runs near its data.

Besides, no pod stays gated or Pending or is missing, a pod that nobody makes anew is the very one that was created, no
template was written twice and no event was recorded twice.
"""

import datetime as dt
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec
from tests.chaos.crowd import KIND, KINDS, STRICT, Crowd, Kind
from tests.e2e.manifests import Manifest
from tests.e2e.operator.webhooks import by_mooring
from tests.e2e.stage import VOLUME_LOCAL

_GATE: Final = "mooring.dev/placement"
_BY_NAME: Final = {kind.name: kind for kind in KINDS}
_DONE: Final = frozenset({200, 201})


class Sight(msgspec.Struct, frozen=True, kw_only=True):
    """What was read of the cluster at one moment.

    Attributes:
        created: the uid of each pod that the storm itself created, by name.
        audited: the audit events since the storm began.
        user: what they call the operator.
    """

    pods: Sequence[Manifest]
    workloads: Sequence[Manifest]
    events: Sequence[Manifest]
    created: Mapping[str, str]
    audited: Sequence[Mapping[str, Any]]
    user: str


class Row(NamedTuple):
    """What came out for a kind of pods; how many of them, each time.

    Attributes:
        answered: as far as it can be known: a generated name is in the audit log only if the pod was gated.
        remote_unanswered: those of the remote ones that admission did not answer.
    """

    kind: Kind
    wanted: int
    running: int
    gated: int
    answered: int
    local: int
    remote: int
    remote_unanswered: int


class Judgement(NamedTuple):
    """A row for each kind, and a sentence for each broken promise.

    Attributes:
        held: for how many seconds pods were gated that had no claim to wait for, the shortest time first.
    """

    rows: list[Row]
    broken: list[str]
    held: list[float]


def judge(crowd: Crowd, sight: Sight) -> Judgement:
    """Judge what was seen."""
    answered = _answered_names(sight)
    pods = [_Standing(pod, crowd, answered) for pod in sight.pods]
    rows = [_row(kind, wanted, [pod for pod in pods if pod.kind is kind]) for kind, wanted in crowd.sizes.items()]
    problems = (problem for pod in pods for problem in pod.problems())
    broken = [*_losses(rows, sight), *problems, *_repetitions(sight), *_emptiness(rows)]
    return Judgement(rows, broken, sorted(_held(crowd, sight)))


class _Standing:
    """A pod as it was seen."""

    def __init__(self, pod: Manifest, crowd: Crowd, answered: frozenset[str]) -> None:
        metadata, spec = pod["metadata"], pod["spec"]
        self.name: Final = str(metadata["name"])
        self.kind: Final = _BY_NAME[metadata["labels"][KIND]]
        self.node: Final = spec.get("nodeName", "")
        self.is_gated: Final = any(gate["name"] == _GATE for gate in spec.get("schedulingGates", []))
        self.is_running: Final = _condition(pod, "Ready") == "True" and "deletionTimestamp" not in metadata
        self.is_answered: Final = self.name in answered
        self._said: Final = _condition(pod, VOLUME_LOCAL)
        claims = (volume.get("persistentVolumeClaim", {}).get("claimName") for volume in spec["volumes"])
        self.places: Final = [node for claim in claims for node in crowd.places.get(claim, [])]

    @property
    def is_local(self) -> bool:
        return self.node in self.places

    @property
    def is_remote(self) -> bool:
        return bool(self.places) and bool(self.node) and not self.is_local

    def problems(self) -> Iterator[str]:
        if self.is_gated:
            yield f"{self.name} is still gated"
        elif not self.is_running:
            yield f"{self.name} does not run{'' if self.node else ': it is not scheduled'}"
        moved = self.kind.rule == STRICT and self.kind.owner
        if self.is_remote and (self.is_answered or moved):
            why = "was answered by admission" if self.is_answered else "is strict and has an owner"
            yield f"{self.name} {why}, and runs on {self.node}, away from {', '.join(self.places)}"
        if self.kind.rule and self.node and self._said != str(self.is_local):
            where = "local" if self.is_local else "remote"
            yield f"{self.name} is {where}, but VolumeLocal is {self._said or 'missing'}"


def _condition(pod: Manifest, wanted: str) -> str:
    conditions = pod["status"].get("conditions", [])
    return str(next((each["status"] for each in conditions if each["type"] == wanted), ""))


def _answered_names(sight: Sight) -> frozenset[str]:
    """The names of pods that were answered by a replica that knew the cluster; the latest pod of a name counts."""
    answered: dict[str, bool] = {}
    for name, event in _written_pods(sight):
        if event["verb"] == "create":
            answered[name] = _is_answer(by_mooring(event["annotations"]))
        elif _is_release(event, sight):
            answered[name] = True
    return frozenset(name for name, was_answered in answered.items() if was_answered)


def _is_answer(told: Mapping[str, str]) -> bool:
    """Whether a pod was given a place, or will be once that is known."""
    placement = told.get("placement", "undecided")
    return "gate" in told if placement == "unknown" else placement != "undecided"


def _held(crowd: Crowd, sight: Sight) -> Iterator[float]:
    created: dict[str, dt.datetime] = {}
    for name, event in _written_pods(sight):
        if event["verb"] == "create" and name in crowd.names and not crowd.names[name].late:
            created[name] = _end(event)
        elif name in created and _is_release(event, sight):
            yield (_end(event) - created.pop(name)).total_seconds()


def _written_pods(sight: Sight) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The writes of pods that were done, each with the pod's name; where that was generated there is none at first."""
    for event in sight.audited:
        about = event["objectRef"]
        if about["resource"] == "pods" and "subresource" not in about and event["responseStatus"].get("code") in _DONE:
            yield about.get("name", ""), event


def _is_release(event: Mapping[str, Any], sight: Sight) -> bool:
    """Whether it took our gate off a pod: there is no other write of ours to a pod itself."""
    return bool(event["verb"] == "patch" and event["user"]["username"] == sight.user)


def _end(event: Mapping[str, Any]) -> dt.datetime:
    return dt.datetime.fromisoformat(event["stageTimestamp"])


def _row(kind: Kind, wanted: int, pods: Sequence[_Standing]) -> Row:
    return Row(
        kind=kind,
        wanted=wanted,
        running=sum(pod.is_running for pod in pods),
        gated=sum(pod.is_gated for pod in pods),
        answered=sum(pod.is_answered for pod in pods),
        local=sum(pod.is_local for pod in pods),
        remote=sum(pod.is_remote for pod in pods),
        remote_unanswered=sum(pod.is_remote and not pod.is_answered for pod in pods),
    )


def _losses(rows: Sequence[Row], sight: Sight) -> Iterator[str]:
    for row in rows:
        if row.running != row.wanted:
            yield f"{row.running} of {row.wanted} pods of {row.kind.name} run"
    found = {pod["metadata"]["name"]: pod["metadata"]["uid"] for pod in sight.pods}
    for name, uid in sight.created.items():
        if found.get(name) != uid:
            yield f"{name} is {'another pod now' if name in found else 'gone'}"


def _repetitions(sight: Sight) -> Iterator[str]:
    for workload in sight.workloads:
        name, generation = workload["metadata"]["name"], workload["metadata"]["generation"]
        # The first one is the storm's; the template of a set with claims of its own is nobody's to write.
        if generation > 2:
            yield f"the template of {name} was written {generation - 1} times"
    ours = [event for event in sight.events if event["source"].get("component") == "mooring"]
    # Of a workload the same may rightly be said again, after something else.
    about = [(event["involvedObject"], event["reason"], event["message"]) for event in ours]
    counts = Counter((pod["name"], pod["uid"], *said) for pod, *said in about if pod["kind"] == "Pod")
    for (name, _, reason, message), count in counts.items():
        if count > 1:
            yield f"the event {reason} of {name} was recorded {count} times: {message}"


def _emptiness(rows: Sequence[Row]) -> Iterator[str]:
    """A storm in which admission was hardly there shows nothing."""
    owed = [row for row in rows if row.kind.rule and not row.kind.owner]
    answered, wanted = sum(row.answered for row in owed), sum(row.wanted for row in owed)
    if answered < wanted / 2:
        yield f"admission answered only {answered} of {wanted} pods"
