"""Which one rule holds for a pod.

One rule a pod: its honoured annotations, else the best policy that selects the pod and at least one of its claims, else
the soft local rule for pods that chose Mooring's or STORK's scheduler. The winner's whole spec holds and nothing is
merged. All of it follows from manifests alone, never from timestamps, so that a file and a cluster give one answer.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Final

import msgspec

from mooring.api.annotations import DISABLE_HYPERCONVERGENCE, IGNORE, OPT_IN_SCHEDULERS, PREFER_LOCAL_NODE_ONLY
from mooring.api.labels import HOSTNAME
from mooring.api.new_volumes import NewVolumes
from mooring.api.policy import Placement, PodAnnotations, Policy, UpdateMode, WhenUnsatisfiable
from mooring.api.selectors import VolumeSelector
from mooring.cluster.index import Cluster
from mooring.cluster.records import PersistentVolumeClaim
from mooring.decide.subject import Subject

#: Building a pydantic model takes longer than deciding about a volume; an empty selector is always the same.
_ALL_VOLUMES: Final = VolumeSelector()


class Origin(StrEnum):
    """Where a rule comes from."""

    ANNOTATION = "annotation"
    POLICY = "policy"
    SCHEDULER = "scheduler"


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """What holds for a pod.

    Attributes:
        policy: the policy that won, or the one beneath an annotation that outranks it.
        why: why this rule and no other, in words for a person.
        scored: whether nodes are scored; `disableHyperconvergence` beside a strict annotation turns it off.
        new_volumes: where volumes that do not exist yet should be made; None for no opinion.
        scheduler_name: the scheduler for pods that name none of their own; empty for no opinion.
    """

    origin: Origin
    why: str
    policy: Policy | None = None
    strict: bool = False
    placement: Placement = Placement.LOCAL
    topology_key: str = HOSTNAME
    volumes: VolumeSelector = _ALL_VOLUMES
    update_mode: UpdateMode = UpdateMode.INITIAL
    scored: bool = True
    new_volumes: NewVolumes | None = None
    scheduler_name: str = ""

    @property
    def name(self) -> str:
        """What a person calls it: the policy's key, or the annotation or scheduler name."""
        return self.policy.key if self.origin is Origin.POLICY and self.policy else self.why

    @property
    def acts(self) -> bool:
        """Whether anything but reports may follow from it."""
        return self.update_mode is not UpdateMode.AUDIT


class Resolution(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to "which rule holds?".

    Attributes:
        rule: the rule, or None for no opinion.
        why_none: why there is no rule, when there is none.
        candidates: the policies that select the pod, the strongest first.
        opted_out: whether the pod, its namespace or an annotation switched Mooring off for it.
        problems: what is wrong with the annotations and labels that the pod goes by, a sentence each.
    """

    rule: Rule | None = None
    why_none: str = ""
    candidates: tuple[Policy, ...] = ()
    opted_out: bool = False
    problems: tuple[str, ...] = ()

    @property
    def overridden(self) -> tuple[Policy, ...]:
        """The policies that select the pod and lost: to a better one, to an annotation or to an opt-out."""
        if self.opted_out or (self.rule is not None and self.rule.origin is not Origin.POLICY):
            return self.candidates
        return self.candidates[1:]


def resolve(subject: Subject, cluster: Cluster) -> Resolution:
    """Find the rule for a pod. Where the cluster is only looked at, every rule merely reports."""
    resolution = _find(subject, cluster)
    if not cluster.read_only or resolution.rule is None:
        return resolution
    rule = msgspec.structs.replace(resolution.rule, update_mode=UpdateMode.AUDIT)
    return msgspec.structs.replace(resolution, rule=rule)


def _find(subject: Subject, cluster: Cluster) -> Resolution:
    if not subject.claims:
        return Resolution(why_none="the pod has no claim")
    if subject.of_daemon_set:
        return Resolution(why_none="the pod is a DaemonSet's: its node is its purpose")
    candidates = tuple(policy for policy in cluster.policies(subject.namespace) if selects(policy, subject, cluster))
    ignored_by, unreadable = _opt_out(subject, cluster)
    if ignored_by:
        return Resolution(why_none=ignored_by, candidates=candidates, opted_out=True)
    resolution = _resolve(subject, candidates)
    return msgspec.structs.replace(resolution, problems=unreadable + resolution.problems) if unreadable else resolution


def _resolve(subject: Subject, candidates: tuple[Policy, ...]) -> Resolution:
    best = candidates[0] if candidates else None
    if best and best.spec.pod_annotations is PodAnnotations.IGNORE:
        problems = _ignored_annotations(subject, best)
        return _from_policy(best, candidates, problems)
    return _from_annotations(subject, candidates)


def selects(policy: Policy, subject: Subject, cluster: Cluster) -> bool:
    """Whether a policy selects a pod and at least one of its claims.

    A claim that does not exist yet cannot be judged and counts as selected where the policy selects all claims.
    """
    if not _selects_namespace(policy, subject.namespace, cluster):
        return False
    if not policy.spec.pod_selector.matches(subject.labels):
        return False
    chosen = policy.spec.volume_selector
    return any(selects_claim(chosen, claim_of(subject, claim, cluster), cluster) for claim in subject.claims)


def claim_of(subject: Subject, name: str, cluster: Cluster) -> PersistentVolumeClaim | None:
    """A claim of a pod: as it is, or as it will be where it is made with the pod; None if nobody knows of it."""
    return cluster.claim(f"{subject.namespace}/{name}") or subject.planned_claim(name)


def selects_claim(chosen: VolumeSelector, claim: PersistentVolumeClaim | None, cluster: Cluster) -> bool:
    """Whether a volume selector chooses a claim; the driver is the volume's, or the storage class's before that."""
    if claim is None:
        return chosen == _ALL_VOLUMES
    volume = cluster.volume(claim.spec.volume_name)
    storage_class = cluster.class_of(claim)
    driver = volume.driver if volume else storage_class.provisioner if storage_class else None
    class_name = storage_class.name if storage_class else claim.spec.storage_class_name
    return chosen.matches(class_name, driver, claim.labels)


def _selects_namespace(policy: Policy, namespace: str, cluster: Cluster) -> bool:
    selector = policy.namespace_selector
    if selector is None:
        return policy.namespace == namespace
    record = cluster.namespace(namespace)
    return selector.matches(record.labels if record else {})


def _opt_out(subject: Subject, cluster: Cluster) -> tuple[str, tuple[str, ...]]:
    """Which label opts the pod out, or empty, and what is wrong with such labels."""
    own = IGNORE.read(subject.labels)
    if own.value:
        return "the pod's label mooring.dev/ignore", ()
    namespace = cluster.namespace(subject.namespace)
    if namespace is None:
        return "", own.problems
    inherited = IGNORE.read(namespace.labels)
    if inherited.value:
        return "the namespace's label mooring.dev/ignore", ()
    return "", own.problems + tuple(f"namespace label {problem}" for problem in inherited.problems)


def _ignored_annotations(subject: Subject, policy: Policy) -> tuple[str, ...]:
    given = [
        spelling
        for annotation in (PREFER_LOCAL_NODE_ONLY, DISABLE_HYPERCONVERGENCE)
        for spelling in annotation.spellings
        if spelling in subject.annotations
    ]
    return tuple(f"{spelling}: ignored because {policy.key} says podAnnotations: Ignore" for spelling in given)


def _from_annotations(subject: Subject, candidates: tuple[Policy, ...]) -> Resolution:
    """Read the pod's own words.

    STORK honours preferLocalNodeOnly in filter and disableHyperconvergence only in prioritize, so that with both the
    strict filter stays and the scores go.
    """
    local = PREFER_LOCAL_NODE_ONLY.read(subject.annotations)
    disabled = DISABLE_HYPERCONVERGENCE.read(subject.annotations)
    problems = local.problems + disabled.problems
    if local.value:
        rule = Rule(
            origin=Origin.ANNOTATION,
            why="annotation preferLocalNodeOnly",
            policy=candidates[0] if candidates else None,
            strict=True,
            scored=not disabled.value,
        )
        return Resolution(rule=rule, candidates=candidates, problems=problems)
    if disabled.value:
        return Resolution(
            why_none="annotation disableHyperconvergence",
            candidates=candidates,
            opted_out=True,
            problems=problems,
        )
    return _without_annotations(subject, candidates, problems)


def _without_annotations(subject: Subject, candidates: tuple[Policy, ...], problems: tuple[str, ...]) -> Resolution:
    if candidates:
        return _from_policy(candidates[0], candidates, problems)
    if subject.scheduler_name in OPT_IN_SCHEDULERS:
        rule = Rule(origin=Origin.SCHEDULER, why=f"schedulerName {subject.scheduler_name}")
        return Resolution(rule=rule, problems=problems)
    return Resolution(why_none="no policy selects the pod, and it has no annotation", problems=problems)


def _from_policy(best: Policy, candidates: tuple[Policy, ...], problems: tuple[str, ...]) -> Resolution:
    spec = best.spec
    if spec.placement is Placement.ANYWHERE:
        return Resolution(why_none=f"{best.key} says placement: Anywhere", candidates=candidates, problems=problems)
    rule = Rule(
        origin=Origin.POLICY,
        why=_why(best, candidates[1:]),
        policy=best,
        strict=spec.when_unsatisfiable is WhenUnsatisfiable.DO_NOT_SCHEDULE,
        placement=spec.placement,
        topology_key=spec.topology_key,
        volumes=spec.volume_selector,
        update_mode=spec.update_mode,
        new_volumes=spec.new_volumes,
        scheduler_name=spec.scheduler_name or "",
    )
    return Resolution(rule=rule, candidates=candidates, problems=problems)


def _why(best: Policy, losers: Sequence[Policy]) -> str:
    if not losers:
        return "the only policy that selects the pod"
    second = losers[0]
    if best.kind is not second.kind:
        return f"a policy of the namespace outranks {second.key}"
    if best.spec.priority != second.spec.priority:
        return f"its priority {best.spec.priority} is above the {second.spec.priority} of {second.key}"
    return f"its name sorts before that of {second.key}"
