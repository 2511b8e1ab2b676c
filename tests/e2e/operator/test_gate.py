"""The scheduling gate: who is held, until when, and what is left of it afterwards."""

from pathlib import Path
from typing import Any

import pytest
from tests.e2e import manifests
from tests.e2e.manifests import Manifest
from tests.e2e.operator.claims import provide, storage_class
from tests.e2e.operator.gates import GATE, GATED_BY, History, gates_of, is_held
from tests.e2e.operator.webhooks import (
    Creations,
    Replica,
    await_told,
    expressions,
    located,
    on,
    register,
    required,
    stored,
    terms_of,
    tried,
)
from tests.e2e.release import Release
from tests.e2e.stage import STRICT_RULE, VOLUME_LOCAL, Stage, stays
from tests.e2e.support import eventually

_THEIRS = "example.com/quota"


@pytest.fixture
def history(admitted: Stage) -> History:
    """Give what becomes of the test's pods."""
    return History(admitted)


# Where the data is known.


@pytest.mark.parametrize("scheduler", ["default-scheduler", "mooring"])
def test_a_soft_pod_is_led_to_its_data(admitted: Stage, history: History, scheduler: str) -> None:
    """It would rather run elsewhere: held, nominated and let through by two writes, it runs near its data, unmarked."""
    admitted.volume("data", "node-3")
    admitted.policy("near")
    wish = manifests.on_nodes("node-6")

    made = admitted.pod("web", "data", affinity=wish, schedulerName=scheduler)

    assert gates_of(made) == [GATE]
    assert made["metadata"]["annotations"][GATED_BY]
    assert admitted.node_of("web") == "node-3"
    admitted.await_reason("pods", "web", VOLUME_LOCAL, "AllLocal")
    nominated = [each for each in history.versions()["web"] if each["status"].get("nominatedNodeName")]
    assert {each["status"]["nominatedNodeName"] for each in nominated} == {"node-3"}
    assert is_held(nominated[0]), "a scheduler could have taken it before the nomination was there"
    pod = stored(admitted, "web")
    assert gates_of(pod) == []
    assert GATED_BY not in pod["metadata"].get("annotations", {})
    assert pod["spec"]["affinity"] == wish
    # A pod that a scheduler lets wait for long has one condition more.
    conditions = len(history.conditions()["web"])
    history.await_writes("web", nomination=1, release=1, condition=conditions)
    stays(lambda: history.writes("web").total() == 2 + conditions, seconds=1)


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "ReplicaSet", "Job", "CronJob"])
def test_soft_pods_of_every_owner_go_to_their_data(admitted: Stage, history: History, kind: str) -> None:
    """Their template prefers another node, which is its user's own business and stays so."""
    admitted.volume("data", "node-5")
    admitted.policy("near")
    admitted.workload(kind, "web", "data", affinity=manifests.on_nodes("node-2"))
    if kind == "CronJob":
        admitted.sandbox.kubectl("create", "job", "web", "--from=cronjob/web", "-n", admitted.namespace)

    (pod,) = eventually(lambda: [each for each in admitted.pods_of("web") if each["spec"].get("nodeName")])

    assert pod["spec"]["nodeName"] == "node-5"
    assert pod["spec"]["affinity"] == manifests.on_nodes("node-2")
    assert history.nominations() == {pod["metadata"]["name"]: ["node-5"]}


def test_what_a_scheduler_finds_by_itself_is_not_held(admitted: Stage) -> None:
    """A volume that says itself which node it can be used from, and a strict rule, which is carried as affinity."""
    located(admitted, "own", host="node-4")
    admitted.volume("data", "node-4")
    admitted.await_known("own", ["node-4"])
    admitted.policy("near")

    soft = admitted.pod("soft", "own")
    strict = admitted.pod("strict", "data", annotations=manifests.STRICT)

    assert gates_of(soft) == gates_of(strict) == []
    assert admitted.nodes_of(["soft", "strict"]) == {"soft": "node-4", "strict": "node-4"}


# Claims that come late.


def test_pods_wait_for_missing_claims(admitted: Stage, history: History) -> None:
    """They are held and say so; once the claim is bound, the strict pod gets its terms and the soft one a node."""
    admitted.policy("near")
    held = admitted.pod("soft", "a"), admitted.pod("strict", "b", annotations=manifests.STRICT)

    assert [gates_of(pod) for pod in held] == [[GATE], [GATE]]
    assert [terms_of(pod) for pod in held] == [None, None]
    for pod, claim in (("soft", "a"), ("strict", "b")):
        message = eventually(lambda pod=pod: admitted.events(pod).get("WaitingForVolume"))  # type: ignore[misc]
        assert message == f"the pod is placed once its claims are there: {claim}: the claim does not exist"
    assert all(is_held(stored(admitted, pod)) for pod in ("soft", "strict"))
    assert history.nominations() == {"soft": [], "strict": []}
    admitted.volumes({"a": ["node-2"], "b": ["node-5"]}, known=False)

    assert admitted.nodes_of(["soft", "strict"]) == {"soft": "node-2", "strict": "node-5"}
    assert history.nominations() == {"soft": ["node-2"], "strict": []}
    assert terms_of(stored(admitted, "soft")) is None
    assert terms_of(stored(admitted, "strict")) == on("node-5")
    for pod in ("soft", "strict"):
        assert GATED_BY not in stored(admitted, pod)["metadata"].get("annotations", {})
        assert "WaitingForData" not in admitted.events(pod), "no scheduler had tried it"


def unbound(stage: Stage, name: str, *, storage_class: str) -> None:
    """Create a claim whose volume is not there yet."""
    made = manifests.claim(name, volume_name="", storage_class=storage_class)
    stage.client.create(stage.path("persistentvolumeclaims"), made)


@pytest.mark.parametrize("immediate", [True, False], ids=["class", "no-class"])
def test_pods_wait_for_claims_that_are_bound_at_once(admitted: Stage, history: History, *, immediate: bool) -> None:
    """A claim that does not wait for its pod will be bound: both pods wait for that, and run near the data."""
    admitted.policy("near")
    name = storage_class(admitted, "at-once") if immediate else ""
    for claim in ("a", "b"):
        unbound(admitted, claim, storage_class=name)

    held = admitted.pod("soft", "a"), admitted.pod("strict", "b", annotations=manifests.STRICT)
    assert [gates_of(pod) for pod in held] == [[GATE], [GATE]]
    stays(lambda: all(is_held(stored(admitted, pod)) for pod in ("soft", "strict")), seconds=1)
    provide(admitted, "a", "node-6", storage_class=name)
    provide(admitted, "b", "node-4", storage_class=name)

    assert admitted.nodes_of(["soft", "strict"]) == {"soft": "node-6", "strict": "node-4"}
    assert history.nominations() == {"soft": ["node-6"], "strict": []}
    assert terms_of(stored(admitted, "strict")) == on("node-4")


def test_every_first_pod_of_a_stateful_set_is_local(admitted: Stage) -> None:
    """Its volumes were made before, its claims right before the pods: all twenty run near their data at once."""
    creations = Creations(admitted)
    admitted.policy("near", **STRICT_RULE)
    name = storage_class(admitted, "at-once")
    places = {f"pg-{number}": f"node-{number % 6 + 1}" for number in range(20)}
    for pod, node in places.items():
        volume = admitted.volume_name(pod)
        made = manifests.volume(volume, f"data-{pod}", admitted.namespace, nodes=[node], storage_class=name)
        admitted.create_in_cluster("/api/v1/persistentvolumes", made)
    parallel = {"replicas": len(places), "podManagementPolicy": "Parallel"}
    made = manifests.workload("StatefulSet", "pg", own_claim="data", spec=parallel)
    made["spec"]["volumeClaimTemplates"][0]["spec"]["storageClassName"] = name

    admitted.client.create(admitted.path("statefulsets"), made)

    assert admitted.nodes_of(list(places)) == places
    assert {pod: terms_of(stored(admitted, pod)) for pod in places} == {pod: on(node) for pod, node in places.items()}
    made_pods = eventually(lambda: made if len(made := creations.all()) >= len(places) else None)
    assert len(made_pods) == len(places), "a pod was made twice"


def test_claims_that_wait_for_their_pod_hold_nobody(admitted: Stage) -> None:
    """Each would wait for the other: soft or strict, such a pod is created without a gate."""
    # First of all: a policy is in force a second after Mooring has heard of it, and of the class by then.
    unbound(admitted, "late", storage_class=storage_class(admitted, "late", mode="WaitForFirstConsumer"))
    admitted.volume("data", "node-3")
    admitted.policy("near")

    soft = tried(admitted, manifests.pod("soft", "late"))
    strict = tried(admitted, manifests.pod("strict", "late", annotations=manifests.STRICT))
    both = tried(admitted, manifests.pod("both", "late", "data", annotations=manifests.STRICT))

    assert gates_of(soft) == gates_of(strict) == gates_of(both) == []
    assert (terms_of(strict), terms_of(both)) == (None, on("node-3"))


def test_a_volume_is_made_where_the_other_one_is(admitted: Stage, history: History) -> None:
    """A nominated node is the one that a WaitForFirstConsumer claim gets selected, and the pod runs with both."""
    # First of all: an attempt of a scheduler that has not heard of the class would use the nomination up.
    name = storage_class(admitted, "late", mode="WaitForFirstConsumer")
    unbound(admitted, "late", storage_class=name)
    admitted.volume("data", "node-3")
    admitted.policy("near")

    assert is_held(admitted.pod("web", "data", "late", affinity=manifests.on_nodes("node-6")))

    key = "volume.kubernetes.io/selected-node"
    claim = admitted.path("persistentvolumeclaims", "late")
    assert eventually(lambda: admitted.client.get(claim)["metadata"].get("annotations", {}).get(key)) == "node-3"
    provide(admitted, "late", "node-3", storage_class=name)
    assert admitted.node_of("web") == "node-3"
    assert history.nominations() == {"web": ["node-3"]}


# Other people's gates.


def test_behind_somebody_elses_gate_nothing_is_nominated(admitted: Stage, history: History) -> None:
    """A nomination would reserve room for nobody; when that gate goes ours does too, and the pod runs near its data."""
    admitted.volume("data", "node-2")
    admitted.policy("near")
    fields = {"schedulingGates": [{"name": _THEIRS}], "affinity": manifests.on_nodes("node-6")}

    made = admitted.pod("web", "data", **fields)

    assert gates_of(made) == [_THEIRS, GATE]
    stays(lambda: gates_of(stored(admitted, "web")) == [_THEIRS, GATE], seconds=2)
    assert history.nominations() == {"web": []}
    admitted.patch(admitted.path("pods", "web"), {"spec": {"schedulingGates": [{"name": GATE}]}})
    assert admitted.node_of("web") == "node-2"
    assert history.nominations() == {"web": ["node-2"]}
    history.await_writes("web", nomination=1, release=1)


def test_without_a_policy_nobody_is_held(admitted: Stage) -> None:
    """Once it is deleted, pods that waited for their claims are let through at once; only our own gate goes."""
    admitted.policy("near")
    admitted.pod("held", "missing")
    admitted.pod("shared", "missing", schedulingGates=[{"name": _THEIRS}])
    assert all(is_held(stored(admitted, pod)) for pod in ("held", "shared"))

    admitted.delete(admitted.path("volumeplacementpolicies", "near"))

    eventually(lambda: not any(is_held(stored(admitted, pod)) for pod in ("held", "shared")))
    assert gates_of(stored(admitted, "held")) == []
    assert gates_of(stored(admitted, "shared")) == [_THEIRS]
    for pod in ("held", "shared"):
        assert GATED_BY not in stored(admitted, pod)["metadata"].get("annotations", {})


@pytest.mark.parametrize("claims", [("data",), ()], ids=["claim", "no-claim"])
def test_a_gate_written_by_hand_is_opened(stage: Stage, claims: tuple[str, ...]) -> None:
    """Nobody gated the pod: the leader lets it through, nominated if a rule is there for it."""
    history = History(stage)
    stage.volume("data", "node-5")
    stage.policy("near")
    fields = {"schedulingGates": [{"name": GATE}], "affinity": manifests.on_nodes("node-1")}

    stage.pod("copied", *claims, **fields)

    assert stage.node_of("copied") == ("node-5" if claims else "node-1")
    assert history.nominations() == {"copied": ["node-5"] if claims else []}


# Who is never held.


@pytest.mark.parametrize(
    ("spec", "pod"),
    [
        ({"updateMode": "Audit"}, {}),
        ({"updateMode": "Audit", **STRICT_RULE}, {}),
        ({"placement": "Anywhere"}, {}),
        ({}, {"labels": {"mooring.dev/ignore": "true"}}),
        ({}, {"annotations": {"mooring.dev/disable-admission-controller": "true"}}),
        ({}, {"annotations": {"stork.libopenstorage.org/disable-admission-controller": "true"}}),
        ({}, {"annotations": {"stork.libopenstorage.org/disableHyperconvergence": "true"}}),
        ({}, {"schedulerName": "volcano"}),
        (STRICT_RULE, {"schedulerName": "volcano"}),
    ],
    ids=["audit", "strict-audit", "anywhere", "ignore", "disabled", "stork", "opt-out", "other", "strict-other"],
)
def test_reports_opt_outs_and_other_schedulers_hold_nobody(admitted: Stage, spec: Manifest, pod: Manifest) -> None:
    """Neither near known data nor for a claim that is missing: who knows whether another scheduler honours gates?"""
    admitted.volume("data", "node-3")
    admitted.policy("near", **spec)

    for claim in ("data", "missing"):
        made = tried(admitted, manifests.pod("web", claim, **pod))
        assert gates_of(made) == []
        assert GATED_BY not in made["metadata"].get("annotations", {})


def test_other_schedulers_get_preferences(admitted: Stage) -> None:
    """Whoever honours no nomination may honour those; they come after the user's own."""
    admitted.volume("data", "node-3")
    admitted.policy("near")
    wish = manifests.on_nodes("node-6")

    made = tried(admitted, manifests.pod("web", "data", schedulerName="volcano", affinity=wish))

    own, *ours = preferred(made)
    assert [own] == preferred(manifests.pod("web", affinity=wish))
    assert ours[0]["preference"]["matchExpressions"] == expressions(host="node-3")


def test_pods_with_a_node_and_of_daemon_sets_are_not_held(stage: Stage) -> None:
    """Not even where a registration without match conditions brings them to the webhook."""
    stage.policy("near")
    register(stage, conditions=lambda _: [])
    eventually(lambda: is_held(tried(stage, manifests.pod("trial", "missing"))))
    # With the gate the API server would refuse the first.
    stage.pod("bound", "missing", nodeName="node-2")
    stage.workload("DaemonSet", "agent", "missing")

    pods = eventually(lambda: found if len(found := stage.pods_of("agent")) == 6 else None)
    assert [gates_of(pod) for pod in [*pods, stored(stage, "bound")]] == [[]] * 7


def test_read_only_holds_nobody(stage: Stage, release: Release, tmp_path: Path) -> None:
    """It only reports."""
    replica = Replica(release, tmp_path, "--read-only")
    stage.volume("data", "node-3")
    stage.policy("near")
    register(stage, url=replica.url)

    with replica.running():
        await_told(stage, "data", placement="audit")
        for claim in ("data", "missing"):
            made = tried(stage, manifests.pod("web", claim))
            assert gates_of(made) == []
            assert made["metadata"].get("annotations", {}) == {}


def test_preferences_take_the_place_of_the_gate(stage: Stage, release: Release, tmp_path: Path) -> None:
    """With `--soft-locality Prefer` they come after the user's own, and no pod is held for anything."""
    replica = Replica(release, tmp_path, "--soft-locality=Prefer")
    stage.volume("data", "node-3")
    stage.policy("near")
    register(stage, url=replica.url)
    (own,) = preferred(manifests.pod("web", affinity=manifests.on_nodes("node-6")))

    with replica.running():
        await_told(stage, "data", placement="soft")
        made = stage.pod("web", "data", affinity=manifests.on_nodes("node-6"))
        late = tried(stage, manifests.pod("late", "missing"))

    assert gates_of(made) == gates_of(late) == []
    first, *ours = preferred(made)
    assert first == own
    assert ours[0]["preference"]["matchExpressions"] == expressions(host="node-3")
    assert stage.node_of("web") == "node-3"


def preferred(pod: Manifest) -> list[Any]:
    """Give a pod's preferred node affinity."""
    return list(pod["spec"]["affinity"]["nodeAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"])


# Pods with wishes of their own.


def test_terms_of_a_held_pod_are_narrowed(admitted: Stage) -> None:
    """Their number and order stay, and each but an empty one is narrowed to the nodes with the data."""
    admitted.policy("near", **STRICT_RULE)
    rack, zone = expressions(rack="rack-1"), expressions(zone="zone-2")
    own = required({}, {"matchExpressions": rack}, {"matchExpressions": zone})
    made = admitted.pod("web", "data", affinity=own)
    assert gates_of(made) == [GATE]
    assert made["spec"]["affinity"] == own

    admitted.volume("data", "node-2", "node-3", "node-5", known=False)

    assert admitted.node_of("web") in {"node-2", "node-5"}
    near = expressions(host=["node-2", "node-3", "node-5"])
    narrowed = [{"matchExpressions": [*each, *near]} for each in (rack, zone)]
    assert terms_of(stored(admitted, "web")) == [{}, *narrowed]


def test_the_pods_own_preference_chooses_among_replicas(admitted: Stage, history: History) -> None:
    """A nomination outranks it, so that the choice of the node has to weigh it."""
    admitted.policy("near")
    replicas = ("node-1", "node-3", "node-5")
    for node in replicas:
        admitted.volume(f"for-{node}", *replicas)
        admitted.pod(node, f"for-{node}", affinity=manifests.on_nodes(node))

    assert admitted.nodes_of(replicas) == {node: node for node in replicas}
    assert history.nominations() == {node: [node] for node in replicas}


_SIBLINGS = {"labelSelector": {"matchLabels": {"app": "web"}}, "topologyKey": manifests.HOSTNAME}


def _spread(when: str) -> Manifest:
    return {"topologySpreadConstraints": [{"maxSkew": 1, "whenUnsatisfiable": when, **_SIBLINGS}]}


def _apart(**terms: Any) -> Manifest:
    return {"affinity": {"podAntiAffinity": terms}}


@pytest.mark.parametrize(
    ("wish", "nodes"),
    [
        (_spread("DoNotSchedule"), 3),
        (_spread("ScheduleAnyway"), 3),
        (_apart(requiredDuringSchedulingIgnoredDuringExecution=[_SIBLINGS]), 3),
        (_apart(preferredDuringSchedulingIgnoredDuringExecution=[{"weight": 1, "podAffinityTerm": _SIBLINGS}]), 3),
        ({}, 1),
    ],
    ids=["spread", "spread-if-possible", "apart", "apart-if-possible", "no-wish"],
)
def test_siblings_keep_apart_among_replicas(admitted: Stage, wish: Manifest, nodes: int) -> None:
    """Three at once on three nodes with the data, as they ask for; with no such wish all go where most is free."""
    names, where = admitted.own_nodes(4)
    admitted.volume("data", *names[:3], modes=["ReadWriteMany"])
    for name in names[1:]:
        admitted.pod(f"filler-{name}", cpu="4", nodeName=name)
    admitted.policy("near")

    admitted.placed_deployment("web", "data", replicas=3, **where, **wish)

    def places() -> list[str]:
        found = [pod["spec"].get("nodeName", "") for pod in admitted.pods_of("web")]
        return found if len(found) == 3 and "" not in found else []

    found = set(eventually(places))
    assert len(found) == nodes
    assert found <= set(names[:3])
