"""What is done to a template and what is said of it, as a table."""

from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any, Final, TypeVar

import msgspec
import pytest
from tests.unit import builders
from tests.unit.builders import on_hosts
from tests.unit.worlds import SHARED

from mooring.api.annotations import AFFINITY_HASH
from mooring.api.conditions import PlacementAppliedReason as Reason
from mooring.api.conditions import VolumeLocalReason
from mooring.cluster.index import Cluster
from mooring.cluster.records import WORKLOADS, Condition, Deployment, Pod, Workload, to_json
from mooring.cluster.resources import from_manifest
from mooring.decide.affinity import fingerprint, node_affinity
from mooring.decide.decision import decide
from mooring.decide.locality import Locality, measure
from mooring.decide.subject import subject_of_pod, subject_of_template
from mooring.locate.locator import Locator
from mooring.reconcile.templates import Action, Plan, PodStanding, own_affinity, plan, wanted_affinity

AnyWorkload = TypeVar("AnyWorkload", bound=Workload)

_RUNNING: Final = {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1}
_ROLLING: Final = {"observedGeneration": 2, "replicas": 2, "updatedReplicas": 1, "availableReplicas": 1}
_EMPTY: Final[Mapping[str, Any]] = {}
_RECREATE: Final = {"type": "Recreate"}
_SURGE: Final = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0}}
_USERS: Final = {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "preference": {}}]}}
_USERS_REQUIRED: Final = {
    "nodeAffinity": {
        "requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [{"matchExpressions": [{"key": builders.HOSTNAME, "operator": "Exists"}]}]
        }
    }
}

_AWAY: Final = (Locality(VolumeLocalReason.NOT_LOCAL, "far"),)
_NEAR: Final = (Locality(VolumeLocalReason.ALL_LOCAL, "near"),)
_WAITING: Final = (Locality(VolumeLocalReason.NOT_SCHEDULED, "waits"),)


def deployment(
    *,
    status: Mapping[str, Any] = _RUNNING,
    affinity: Mapping[str, Any] | None = None,
    mark: str = "",
    **spec: Any,
) -> Deployment:
    """A Deployment with one claim, which runs with one pod unless said otherwise."""
    template = {
        "metadata": {"annotations": {AFFINITY_HASH: mark} if mark else {}},
        "spec": {
            "volumes": [{"name": "c", "persistentVolumeClaim": {"claimName": "c"}}],
            "containers": [{"name": "main", "resources": {"requests": {"cpu": "1"}}}],
            **({"affinity": dict(affinity)} if affinity else {}),
        },
    }
    manifest = {
        "metadata": {"name": "web", "namespace": builders.NAMESPACE, "generation": 1},
        "spec": {"replicas": 1, "strategy": _RECREATE, "template": template, **spec},
        "status": dict(status),
    }
    parsed = from_manifest("Deployment", manifest)
    assert isinstance(parsed, Deployment)
    return parsed


def workload(kind: str, *, status: Mapping[str, Any] = _RUNNING, own_claim: bool = False, **spec: Any) -> Workload:
    """A workload of any kind with one claim, which runs with one pod unless said otherwise.

    With `own_claim` it is a StatefulSet whose first pod's own claim this is.
    """
    pod_template: dict[str, Any] = {"metadata": {}, "spec": {"containers": [{"name": "main"}]}}
    if own_claim:
        spec["volumeClaimTemplates"] = [{"metadata": {"name": "data"}}]
    else:
        pod_template["spec"]["volumes"] = [{"name": "c", "persistentVolumeClaim": {"claimName": "c"}}]
    inner: dict[str, Any] = {"template": pod_template, **spec}
    if kind == "CronJob":
        inner = {"jobTemplate": {"spec": inner}}
    manifest = {
        "metadata": {"name": "web", "namespace": builders.NAMESPACE, "generation": 1},
        "spec": inner,
        "status": dict(status),
    }
    parsed = from_manifest(kind, manifest)
    assert isinstance(parsed, Workload)
    return parsed


def marked(made: AnyWorkload, affinity: Any) -> AnyWorkload:
    """The same workload with Mooring's own affinity in its template."""
    manifest = to_json(made)
    template = reduce(lambda outer, name: outer[name], made.template_path, manifest)
    template["metadata"] = {"annotations": {AFFINITY_HASH: fingerprint(affinity)}}
    template["spec"]["affinity"] = {"nodeAffinity": to_json(affinity)}
    return msgspec.convert(manifest, type(made))


def planned(
    made: Workload,
    *policies: Any,
    localities: Sequence[Locality] = _AWAY,
    stripped: bool = False,
    modes: Sequence[str] = ("ReadWriteOnce",),
    room: str = "4",
    own_at: str = "",
) -> Plan:
    """Plan in a cluster of two nodes with the data on n1; `own_at` puts our terms for another place there first."""
    volume = {
        "metadata": {"name": "pv-c"},
        "spec": {
            "accessModes": list(modes),
            "csi": {"driver": builders.DRIVER, "volumeHandle": "c"},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [on_hosts("n1")]}},
        },
    }
    nodes = [builders.node("n1", allocatable={"cpu": room, "memory": "8Gi", "pods": "9"}), builders.node("n2")]
    claims = [builders.claim(name, "pv-c") for name in ("c", "data-web-0")]
    cluster = builders.cluster_of(*nodes, from_manifest("PersistentVolume", volume), *claims, *policies)
    locator = Locator(cluster)
    if own_at:
        decision = decide(subject_of_template(made), cluster, locator)
        wanted = node_affinity(decision, cluster.topology)
        assert wanted is not None
        text = msgspec.json.encode(to_json(wanted)).replace(b"n1", own_at.encode())
        made = marked(made, msgspec.json.decode(text, type=type(wanted)))
    decision = decide(subject_of_template(made), cluster, locator)
    pods = [PodStanding(_pod_at(locality, made), decision, locality) for locality in localities]
    return plan(made, decision, wanted_affinity(made, decision, cluster), cluster, pods=pods, stripped=stripped)


def _pod_at(locality: Locality, made: Workload) -> Pod:
    """A pod that runs, or that the scheduler could not place; it carries the template's affinity."""
    pod = builders.pod("web-1", "c", on="" if locality in _WAITING else "n2")
    pod.spec.affinity = made.template.spec.affinity
    pod.status.conditions = (Condition(type="PodScheduled", status="False" if locality in _WAITING else "True"),)
    return pod


def reconcile(**spec: Any) -> Any:
    """A policy that moves what runs."""
    return builders.policy("p", updateMode="Reconcile", **spec)


def initial(**spec: Any) -> Any:
    """A policy that restarts nothing."""
    return builders.policy("p", **spec)


STRICT: Final = {"whenUnsatisfiable": "DoNotSchedule"}


@pytest.mark.parametrize(
    ("made", "policy", "options", "action", "reason", "moves"),
    [
        # Reconcile moves, where that helps and cannot block.
        (deployment(), reconcile(), {}, Action.WRITE, Reason.APPLIED, True),
        (deployment(), reconcile(**STRICT), {}, Action.WRITE, Reason.APPLIED, True),
        (deployment(), reconcile(), {"localities": _NEAR}, Action.NOTHING, Reason.DEFERRED, False),
        (deployment(), reconcile(), {"localities": ()}, Action.NOTHING, Reason.DEFERRED, False),
        (deployment(), reconcile(), {"room": "500m"}, Action.NOTHING, Reason.DEFERRED, False),
        (deployment(strategy=_SURGE), reconcile(), {}, Action.NOTHING, Reason.WOULD_BLOCK_ON_ATTACH, False),
        (deployment(strategy={}), reconcile(), {}, Action.NOTHING, Reason.WOULD_BLOCK_ON_ATTACH, False),
        (deployment(strategy=_SURGE), reconcile(), {"modes": ["ReadWriteMany"]}, Action.WRITE, Reason.APPLIED, True),
        # Initial writes where nothing restarts.
        (deployment(), initial(), {}, Action.NOTHING, Reason.DEFERRED, False),
        (deployment(status=_EMPTY), initial(), {"localities": ()}, Action.WRITE, Reason.APPLIED, False),
        (deployment(status=_EMPTY), initial(), {"localities": _NEAR}, Action.NOTHING, Reason.DEFERRED, False),
        (deployment(replicas=0, status=_EMPTY), initial(), {"localities": ()}, Action.WRITE, Reason.APPLIED, False),
        (deployment(paused=True), initial(), {}, Action.WRITE, Reason.APPLIED, False),
        (deployment(status=_ROLLING), initial(), {}, Action.WRITE, Reason.APPLIED, False),
        # Nor where two pods would wait for each other: at the start, and in a rollout with a pod that is away.
        (
            deployment(strategy=_SURGE, status=_EMPTY),
            initial(),
            {"localities": ()},
            Action.NOTHING,
            Reason.DEFERRED,
            False,
        ),
        (deployment(strategy=_SURGE, status=_ROLLING), initial(), {}, Action.NOTHING, Reason.DEFERRED, False),
        (
            deployment(strategy=_SURGE, status=_ROLLING),
            initial(),
            {"localities": _NEAR},
            Action.WRITE,
            Reason.APPLIED,
            False,
        ),
        (
            deployment(strategy=_SURGE, replicas=0, status=_EMPTY),
            initial(),
            {"localities": ()},
            Action.WRITE,
            Reason.APPLIED,
            False,
        ),
        # Audit reports.
        (deployment(), builders.policy("p", updateMode="Audit"), {}, Action.NOTHING, Reason.AUDIT_ONLY, False),
        # The user's own list, and terms that somebody took out.
        (deployment(affinity=_USERS), reconcile(), {}, Action.NOTHING, Reason.FIELD_OWNED_BY_OTHER, False),
        (deployment(affinity=_USERS), reconcile(**STRICT), {}, Action.WRITE, Reason.APPLIED, True),
        (deployment(affinity=_USERS_REQUIRED), reconcile(), {}, Action.WRITE, Reason.APPLIED, True),
        (
            deployment(affinity=_USERS_REQUIRED),
            reconcile(**STRICT),
            {},
            Action.NOTHING,
            Reason.FIELD_OWNED_BY_OTHER,
            False,
        ),
        (deployment(), reconcile(), {"stripped": True}, Action.NOTHING, Reason.FIELD_OWNED_BY_OTHER, False),
        # Our own terms: right, for another place, and for another place and in the way.
        (deployment(), reconcile(), {"own_at": "n1"}, Action.NOTHING, Reason.APPLIED, False),
        (deployment(), reconcile(), {"own_at": "n2"}, Action.WRITE, Reason.APPLIED, True),
        (deployment(), initial(), {"own_at": "n2"}, Action.NOTHING, Reason.DEFERRED, False),
        (
            deployment(),
            initial(**STRICT),
            {"own_at": "n2", "localities": _WAITING},
            Action.WRITE,
            Reason.APPLIED,
            False,
        ),
    ],
)
def test_what_is_done(
    made: Deployment, policy: Any, options: dict[str, Any], action: Action, reason: Reason, moves: bool
) -> None:
    """Each row is a Deployment, a policy and what is known, and what follows from them."""
    result = planned(made, policy, **options)

    assert (result.action, result.reason, result.moves) == (action, reason, moves)
    assert (result.affinity is not None) is (action is Action.WRITE)


_FILES: Final = (
    builders.claim("c", "pv-c", annotations={"mooring.dev/preferRemoteNodeOnly": "true"}),
    builders.claim("data-web-0", "pv-c", annotations={"mooring.dev/preferRemoteNodeOnly": "true"}),
    builders.volume("pv-c", replicas="n1", labels=SHARED),
)


@pytest.mark.parametrize("strictness", ["ScheduleAnyway", "DoNotSchedule"])
@pytest.mark.parametrize("on", ["n1", "n2"])
def test_nobody_is_moved_for_being_near_or_away_where_away_is_wanted(on: str, strictness: str) -> None:
    """The template gets its terms with the next rollout, whatever updateMode says."""
    rule = builders.policy("p", updateMode="Reconcile", placement="Remote", whenUnsatisfiable=strictness)
    made = deployment()
    cluster = builders.cluster_of(builders.node("n1"), builders.node("n2"), builders.data("c", replicas="n1"), rule)
    decision = decide(subject_of_template(made), cluster, Locator(cluster))
    running = builders.pod("web-1", "c", on=on)
    of_pod = decide(subject_of_pod(running), cluster, Locator(cluster))
    pods = [PodStanding(running, of_pod, measure(of_pod, on))]

    found = plan(made, decision, wanted_affinity(made, decision, cluster), cluster, pods=pods, stripped=False)

    assert wanted_affinity(made, decision, cluster) is not None
    assert (found.action, found.reason, found.moves) == (Action.NOTHING, Reason.DEFERRED, False)


def test_what_the_volumes_require_of_themselves_is_per_pod_where_they_are() -> None:
    """The template of a StatefulSet with claims of its own cannot say where each pod must not run; another's can."""
    cluster = builders.cluster_of(builders.node("n1"), builders.node("n2"), _FILES, builders.soft("p"))
    locator = Locator(cluster)
    own, shared = workload("StatefulSet", own_claim=True), workload("StatefulSet")
    decisions = [decide(subject_of_template(made), cluster, locator) for made in (own, shared)]

    assert [decision.required == decision.volumes for decision in decisions] == [True, True]
    assert wanted_affinity(own, decisions[0], cluster) is None
    assert wanted_affinity(shared, decisions[1], cluster) is not None


def test_only_time_brings_room() -> None:
    """What waits for room is looked at again; what waits for a person is not."""
    assert planned(deployment(), reconcile(), room="500m").retry
    assert not planned(deployment(strategy=_SURGE), reconcile()).retry


@pytest.mark.parametrize(
    ("made", "action", "reason"),
    [
        (deployment(), Action.NOTHING, Reason.RELEASE_PENDING),
        (deployment(status=_ROLLING), Action.RELEASE, None),
        (deployment(replicas=0, status=_EMPTY), Action.RELEASE, None),
        (deployment(paused=True), Action.RELEASE, None),
    ],
)
def test_what_is_released(made: Deployment, action: Action, reason: Reason | None) -> None:
    """Without a policy our terms go, where that restarts nothing."""
    ours = planned(made, initial(**STRICT)).affinity or node_affinity_of(made)

    result = planned(marked(made, ours), localities=_NEAR if made.status.replicas else ())

    assert (result.action, result.reason) == (action, reason)


def node_affinity_of(made: Deployment) -> Any:
    """The affinity that the strict policy would write if it might."""
    result = planned(
        msgspec.structs.replace(made, spec=msgspec.structs.replace(made.spec, paused=True)), initial(**STRICT)
    )
    assert result.affinity is not None
    return result.affinity


def test_nothing_to_say_without_a_rule() -> None:
    """A Deployment that no policy selects gets no condition."""
    assert planned(deployment()) == Plan(reason=None)


def test_own_terms_are_known_by_their_hash() -> None:
    """Whoever owns the fields now: what has our hash is ours, and nothing else, not even beside it."""
    ours = node_affinity_of(deployment())
    both = marked(deployment(), ours)
    with_users = to_json(both)["spec"]["template"]["spec"]["affinity"]["nodeAffinity"] | _USERS["nodeAffinity"]

    assert own_affinity(both) == ours
    assert own_affinity(deployment(affinity={"nodeAffinity": with_users}, mark=fingerprint(ours))) == ours
    assert own_affinity(deployment(affinity={"nodeAffinity": to_json(ours)})) is None
    assert own_affinity(deployment(affinity=_USERS, mark=fingerprint(ours))) is None
    assert own_affinity(deployment(mark=fingerprint(ours))) is None


@pytest.mark.parametrize(
    ("made", "policy", "options", "action", "reason"),
    [
        # A StatefulSet's rollouts take a pod away before they make the next, so that they never block.
        (workload("StatefulSet"), reconcile(), {}, Action.WRITE, Reason.APPLIED),
        (workload("StatefulSet"), initial(), {}, Action.NOTHING, Reason.DEFERRED),
        (workload("StatefulSet", status=_EMPTY), initial(), {"localities": ()}, Action.WRITE, Reason.APPLIED),
        (
            workload("StatefulSet", updateStrategy={"type": "OnDelete"}),
            initial(),
            {},
            Action.WRITE,
            Reason.APPLIED,
        ),
        (
            workload("StatefulSet", replicas=2, status=_ROLLING),
            initial(),
            {},
            Action.WRITE,
            Reason.APPLIED,
        ),
        # What a partition holds back is no rollout that is under way.
        (
            workload("StatefulSet", replicas=2, status=_ROLLING, updateStrategy={"rollingUpdate": {"partition": 1}}),
            initial(),
            {},
            Action.NOTHING,
            Reason.DEFERRED,
        ),
        # With claims of each pod's own, only a preference of a single pod.
        (workload("StatefulSet", own_claim=True), reconcile(), {}, Action.WRITE, Reason.APPLIED),
        (workload("StatefulSet", own_claim=True), reconcile(**STRICT), {}, Action.NOTHING, Reason.PER_POD),
        (workload("StatefulSet", own_claim=True, replicas=2), reconcile(), {}, Action.NOTHING, Reason.PER_POD),
        # The template of a ReplicaSet or CronJob is for pods to come.
        (workload("ReplicaSet"), initial(), {}, Action.WRITE, Reason.APPLIED),
        (workload("CronJob"), initial(), {}, Action.WRITE, Reason.APPLIED),
        # A Job's is for none but its own, and fixed once it was started.
        (workload("Job", suspend=True, status=_EMPTY), initial(), {"localities": ()}, Action.WRITE, Reason.APPLIED),
        (
            workload("Job", suspend=True, status={"startTime": "2026-01-01T00:00:00Z"}),
            reconcile(),
            {},
            Action.NOTHING,
            Reason.DEFERRED,
        ),
        (workload("Job"), reconcile(), {}, Action.NOTHING, Reason.DEFERRED),
    ],
)
def test_what_is_done_to_each_kind(
    made: Workload, policy: Any, options: dict[str, Any], action: Action, reason: Reason
) -> None:
    """Each row is a workload, a policy and what is known, and what follows from them."""
    result = planned(made, policy, **options)

    assert (result.action, result.reason) == (action, reason)


@pytest.mark.parametrize("kind", WORKLOADS)
def test_own_terms_are_found_in_every_kind(kind: str) -> None:
    """Wherever the template lies in the object."""
    ours = node_affinity_of(deployment())

    assert own_affinity(marked(workload(kind), ours)) == ours
    assert own_affinity(workload(kind)) is None


def test_terms_that_keep_a_pod_waiting_go_at_once() -> None:
    """Without a rule our requirement has no reason to be, and somebody waits because of it."""
    ours = node_affinity_of(deployment())

    assert planned(marked(deployment(), ours), localities=_WAITING).action is Action.RELEASE
    assert planned(marked(deployment(), ours)).action is Action.NOTHING


def test_a_pod_that_was_not_tried_yet_waits_for_nothing() -> None:
    """Nor does one that carries other terms than the template's: nothing restarts because of them."""
    ours = node_affinity_of(deployment())
    made = marked(deployment(), ours)
    new, other = _pod_at(_WAITING[0], made), _pod_at(_WAITING[0], deployment())
    new.status.conditions = ()
    cluster = builders.cluster_of(builders.node("n1"))
    decision = decide(subject_of_template(made), cluster, Locator(cluster))

    for pod in (new, other):
        standing = PodStanding(pod, decision, None)
        result = plan(made, decision, None, cluster, pods=[standing], stripped=False)
        assert (result.action, result.reason) == (Action.NOTHING, Reason.RELEASE_PENDING)


def test_a_started_job_keeps_its_terms() -> None:
    """Its template cannot be changed, so that nothing is tried."""
    ours = node_affinity_of(deployment())

    assert planned(marked(workload("Job"), ours)).reason is Reason.RELEASE_PENDING


def test_read_only_leaves_what_is_there() -> None:
    """Not even our own terms are taken out where nothing restarts: nothing is changed at all."""
    ours = node_affinity_of(deployment())
    made = marked(deployment(paused=True), ours)
    cluster = Cluster(read_only=True)
    decision = decide(subject_of_template(made), cluster, Locator(cluster))

    result = plan(made, decision, wanted_affinity(made, decision, cluster), cluster, pods=(), stripped=False)

    assert result == Plan(reason=None)
