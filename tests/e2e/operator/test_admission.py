"""What admission makes of pods, under the stock scheduler: a real API server asks, and the pods run."""

import json
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from tests.e2e import manifests
from tests.e2e.manifests import HOSTNAME, ZONE, Manifest
from tests.e2e.operator.gates import GATE
from tests.e2e.operator.webhooks import (
    PODS,
    Creations,
    await_told,
    by_mooring,
    called,
    expressions,
    located,
    on,
    required,
    stored,
    terms_of,
    tried,
)
from tests.e2e.stage import PLACEMENT_APPLIED, STRICT_RULE, Stage, stays
from tests.e2e.support import eventually

from mooring.sandbox.launcher import Sandbox

_HASH = "mooring.dev/affinity-hash"
_LINUX = expressions(os="linux")


@pytest.fixture
def creations(admitted: Stage) -> Creations:
    """Give what the audit log says of the test's pods."""
    return Creations(admitted)


@pytest.mark.parametrize("kind", ["Pod", "Deployment", "StatefulSet", "ReplicaSet", "Job", "CronJob"])
def test_pods_of_every_owner_go_to_their_data(admitted: Stage, creations: Creations, kind: str) -> None:
    """Mooring leaves the template alone, which has terms of its user's: it is admission that places the pods."""
    admitted.volume("data", "node-5")
    admitted.policy("near", **STRICT_RULE)
    fields: dict[str, Any] = {"affinity": required({"matchExpressions": _LINUX})}
    if kind == "Pod":
        admitted.pod("web", "data", labels={"app": "web"}, **fields)
    else:
        admitted.workload(kind, "web", "data", **fields)
    if kind == "CronJob":
        admitted.sandbox.kubectl("create", "job", "web", "--from=cronjob/web", "-n", admitted.namespace)

    (pod,) = eventually(lambda: [each for each in admitted.pods_of("web") if each["spec"].get("nodeName")])

    assert pod["spec"]["nodeName"] == "node-5"
    assert pod["spec"]["schedulerName"] == "default-scheduler"
    assert terms_of(pod) == on("node-5", matchExpressions=_LINUX)
    (event,) = eventually(creations.all)
    assert by_mooring(event["annotations"]) == {
        "placement": "strict",
        "policy": f"VolumePlacementPolicy/{admitted.namespace}/near",
    }


def test_each_of_many_pods_goes_to_its_own_data(admitted: Stage) -> None:
    """Sixty at once, from eight clients: all are created, and every one runs where its volume lies."""
    places = {f"data-{number}": f"node-{number % 6 + 1}" for number in range(60)}
    admitted.volumes({claim: [node] for claim, node in places.items()})
    admitted.policy("near", **STRICT_RULE)
    claims = iter(list(places))

    def create() -> None:
        with admitted.sandbox.client() as client:
            # A list's iterator hands each claim to one thread only.
            for claim in claims:
                client.create(admitted.path("pods"), manifests.pod(claim, claim))

    with ThreadPoolExecutor(8) as pool:
        for each in [pool.submit(create) for _ in range(8)]:
            each.result()

    assert admitted.nodes_of(list(places)) == places
    made = {pod["metadata"]["name"]: terms_of(pod) for pod in admitted.client.get(admitted.path("pods"))["items"]}
    assert made == {claim: on(node) for claim, node in places.items()}


def test_a_pod_without_terms_gets_one_for_each_node(admitted: Stage) -> None:
    """They are marked as Mooring's, so that a later call replaces them."""
    admitted.volume("data", "node-4", "node-2")
    admitted.policy("near", **STRICT_RULE)

    pod = admitted.pod("web", "data")

    assert terms_of(pod) == on("node-2", "node-4")
    assert _HASH in pod["metadata"]["annotations"]
    assert admitted.node_of("web") in {"node-2", "node-4"}


def test_a_users_terms_are_multiplied(admitted: Stage) -> None:
    """Each with each node, so that only nodes which the user allows are left; these terms are not marked."""
    admitted.volume("data", "node-2", "node-3")
    admitted.policy("near", **STRICT_RULE)
    rack, zone = expressions(rack="rack-1"), expressions(zone="zone-2")

    pod = admitted.pod("web", "data", affinity=required({"matchExpressions": rack}, {"matchExpressions": zone}))

    nodes = ("node-2", "node-3")
    assert terms_of(pod) == on(*nodes, matchExpressions=rack) + on(*nodes, matchExpressions=zone)
    assert _HASH not in pod["metadata"].get("annotations", {})
    assert admitted.node_of("web") == "node-2"


def test_a_pod_pinned_elsewhere_waits_and_says_why(admitted: Stage) -> None:
    """Neither the rule nor the user is overruled."""
    admitted.volume("data", "node-1")
    admitted.policy("near", **STRICT_RULE)

    admitted.pod("web", "data", affinity=required({"matchExpressions": expressions(zone="zone-2")}))

    admitted.unscheduled("web")
    message = eventually(lambda: admitted.events("web").get("WaitingForData"))
    assert message == (
        f"VolumePlacementPolicy/{admitted.namespace}/near keeps the pod near the data of data: "
        "node-1 does not match the pod's node affinity"
    )


@pytest.mark.parametrize("helps", [True, False], ids=["near", "in-vain"])
def test_preemption_evicts_nobody_away_from_the_data(admitted: Stage, *, helps: bool) -> None:
    """Where the node with the data is full of lesser pods, one of those goes; where it is not, nobody anywhere."""
    nodes, where = admitted.own_nodes(3, cpu="2")
    admitted.volume("data", nodes[0])
    admitted.policy("near", **STRICT_RULE)
    high = {"priorityClassName": admitted.high_priority()}
    for node in nodes:
        priority = {} if helps or node != nodes[0] else high
        admitted.pod(f"filler-{node}", cpu="2", nodeName=node, **priority)
    others = {f"filler-{node}" for node in nodes[1:]}

    admitted.pod("strict", "data", cpu="2", **high, **where)

    if helps:
        assert admitted.node_of("strict") == nodes[0]
        assert admitted.staying() == {"strict", *others}
        return
    assert "preemption: " in admitted.unscheduled("strict")
    stays(lambda: admitted.staying() == {"strict", f"filler-{nodes[0]}", *others}, seconds=2)
    # The same pod with no wish for locality evicts somebody at once: the test can fail.
    admitted.pod("anywhere", "data", labels={"mooring.dev/ignore": "true"}, cpu="2", **high, **where)
    assert admitted.node_of("anywhere") in nodes[1:]


def test_whatever_else_the_user_wrote_stays(admitted: Stage) -> None:
    """With a policy, a pod is what it was without, but for the required terms."""
    admitted.volume("data", "node-2")
    near_web = {"topologyKey": ZONE, "labelSelector": {"matchLabels": {"app": "web"}}}
    weighed = [{"weight": 7, "podAffinityTerm": near_web}]
    pod_affinity = {
        "requiredDuringSchedulingIgnoredDuringExecution": [near_web],
        "preferredDuringSchedulingIgnoredDuringExecution": weighed,
    }
    affinity = {
        **manifests.on_nodes("node-6"),
        "podAffinity": pod_affinity,
        "podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": weighed},
    }
    pod = manifests.pod(
        "web",
        "data",
        labels={"app": "web"},
        annotations={"example.com/team": "a/b~c"},
        affinity=affinity,
        tolerations=[{"key": "dedicated", "operator": "Exists"}],
        automountServiceAccountToken=False,
    )
    before = tried(admitted, pod)
    admitted.policy("near", **STRICT_RULE)

    after = tried(admitted, pod)

    assert terms_of(after) == on("node-2")
    del after["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert after["spec"] == before["spec"]
    del after["metadata"]["annotations"][_HASH]
    assert after["metadata"]["annotations"] == before["metadata"]["annotations"]
    admitted.client.create(admitted.path("pods"), pod)
    assert admitted.node_of("web") == "node-2"


def test_an_empty_term_stays_empty(admitted: Stage) -> None:
    """It selects no node, and must not be made to select one."""
    admitted.volume("data", "node-1")
    admitted.policy("near", **STRICT_RULE)

    beside = tried(admitted, manifests.pod("beside", "data", affinity=required({}, {"matchExpressions": _LINUX})))
    admitted.pod("alone", "data", affinity=required({}))

    assert terms_of(beside) == [{}, *on("node-1", matchExpressions=_LINUX)]
    assert terms_of(stored(admitted, "alone")) == [{}]
    admitted.unscheduled("alone")


def test_too_many_terms_become_one_expression_in_each(admitted: Stage) -> None:
    """Up to a hundred terms name a node each; with more the pod keeps its own, each with the list of nodes."""
    nodes = ["node-2", "node-3", "node-4", "node-5"]
    admitted.volume("data", *nodes)
    admitted.policy("near", **STRICT_RULE)
    own = [{"matchExpressions": expressions(rack=f"rack-{number}")} for number in range(26)]

    few = tried(admitted, manifests.pod("few", "data", affinity=required(*own[:25])))
    many = admitted.pod("many", "data", affinity=required(*own))

    assert terms_of(few) == [term for each in own[:25] for term in on(*nodes, **each)]
    (listed,) = expressions(host=nodes)
    assert terms_of(many) == [{"matchExpressions": [*each["matchExpressions"], listed]} for each in own]
    # Racks 1 to 3 exist.
    assert admitted.node_of("many") in nodes


def test_a_zone_is_near_enough_where_a_policy_says_so(admitted: Stage) -> None:
    """Nodes of the zone without the data will do; the zone is one expression, however many nodes it has."""
    admitted.volume("data", "node-6")
    admitted.policy("near", topologyKey=ZONE, **STRICT_RULE)

    pod = admitted.pod("web", "data", affinity=required({"matchExpressions": expressions(host="node-5")}))

    assert terms_of(pod) == [{"matchExpressions": expressions(host="node-5", zone="zone-2")}]
    assert admitted.node_of("web") == "node-5"


@pytest.mark.parametrize("topology_key", [HOSTNAME, ZONE])
def test_a_volume_known_by_its_zone_holds_the_pod_there(admitted: Stage, topology_key: str) -> None:
    """Which node of the zone has the data is not known, so that all of them will do."""
    located(admitted, "data", zone="zone-2")
    admitted.await_known("data", ["node-5", "node-6"])
    admitted.policy("near", topologyKey=topology_key, **STRICT_RULE)

    pod = admitted.pod("web", "data")

    assert terms_of(pod) == [{"matchExpressions": expressions(zone="zone-2")}]
    assert admitted.node_of("web") in {"node-5", "node-6"}


@pytest.mark.parametrize(
    ("spec", "pod", "placement"),
    [
        ({**STRICT_RULE, "updateMode": "Audit"}, {}, "audit"),
        ({"placement": "Anywhere"}, {}, "no-opinion"),
        (STRICT_RULE, {"labels": {"mooring.dev/ignore": "true"}}, "no-opinion"),
        (STRICT_RULE, {"annotations": {"mooring.dev/disable-admission-controller": "true"}}, "disabled"),
        (STRICT_RULE, {"annotations": {"stork.libopenstorage.org/disable-admission-controller": "true"}}, "disabled"),
        (STRICT_RULE, {"annotations": {"stork.libopenstorage.org/disableHyperconvergence": "true"}}, "no-opinion"),
        (STRICT_RULE, {"labels": {"app": "other"}}, "no-opinion"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_others_stay_as_they_are(
    admitted: Stage, creations: Creations, spec: Manifest, pod: Manifest, placement: str
) -> None:
    """Reports, opt-outs: not a field changes, and the audit log says which it was."""
    admitted.volume("data", "node-3")
    selector = {"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["other"]}]}
    admitted.policy("near", podSelector=selector, **spec)

    made = tried(admitted, manifests.pod("web", "data", **pod))

    assert "affinity" not in made["spec"]
    assert made["spec"]["schedulerName"] == "default-scheduler"
    assert made["metadata"].get("annotations", {}) == pod.get("annotations", {})
    annotations = creations.annotations("web")
    assert by_mooring(annotations)["placement"] == placement
    assert called(annotations) == {PODS: False}


@pytest.mark.parametrize("prefix", ["mooring.dev", "stork.libopenstorage.org"])
def test_an_annotation_needs_no_policy(admitted: Stage, creations: Creations, prefix: str) -> None:
    """STORK's preferLocalNodeOnly is strict under the stock scheduler, whose extender STORK would have needed."""
    admitted.volume("data", "node-3")

    admitted.pod("web", "data", annotations={f"{prefix}/preferLocalNodeOnly": "true"})

    assert terms_of(stored(admitted, "web")) == on("node-3")
    assert admitted.node_of("web") == "node-3"
    assert creations.told("web") == {"placement": "strict", "policy": "annotation preferLocalNodeOnly"}


def test_kubectl_shows_what_is_no_boolean(admitted: Stage) -> None:
    """As a warning, at once, to whoever creates the pod; and the pod is created."""
    key = "stork.libopenstorage.org/preferLocalNodeOnly"
    pod = manifests.pod("web", annotations={key: "yes please"}, volumes=[_volume("data")])
    command = admitted.sandbox.kubectl_command("create", "-f", "-", "-n", admitted.namespace)

    done = subprocess.run(command, input=json.dumps(pod), capture_output=True, text=True, check=True)

    # kubectl may say, too, that it had to wait.
    warnings = [line for line in done.stderr.splitlines() if line.startswith("Warning: ")]
    assert warnings == [f"Warning: mooring: {key}: 'yes please' is not a boolean (true or false) and is passed over"]
    assert stored(admitted, "web")["spec"].get("affinity") is None


def _volume(claim: str) -> Manifest:
    return {"name": claim, "persistentVolumeClaim": {"claimName": claim}}


def test_claims_without_a_volume_are_told_of(admitted: Stage, creations: Creations) -> None:
    """The audit log names them, and the gate behind which the pods wait for them; affinity comes all at once."""
    admitted.volume("data", "node-3")
    admitted.policy("near", **STRICT_RULE)
    pending = manifests.claim("pending", volume_name="no-such-volume")
    admitted.client.create(admitted.path("persistentvolumeclaims"), pending)
    await_told(admitted, "pending", unboundClaims="pending: the claim is not bound")

    admitted.pod("both", "data", "missing", "pending")
    admitted.pod("neither", "missing", "pending")

    unbound = "missing: the claim does not exist, pending: the claim is not bound"
    policy = f"VolumePlacementPolicy/{admitted.namespace}/near"
    told = {"policy": policy, "unboundClaims": unbound, "gate": GATE}
    assert creations.told("both") == {"placement": "strict", **told}
    assert creations.told("neither") == {"placement": "unknown", **told}
    assert terms_of(stored(admitted, "both")) is None
    assert terms_of(stored(admitted, "neither")) is None


def test_a_claim_may_come_in_the_same_instant(admitted: Stage) -> None:
    """Whoever is first: the pod is placed at admission, or held until the claim is bound, and runs near its data."""
    admitted.policy("near", **STRICT_RULE)
    names = [f"data-{number}" for number in range(10)]
    for name in names:
        volume = manifests.volume(admitted.volume_name(name), name, admitted.namespace, nodes=["node-2"])
        admitted.create_in_cluster("/api/v1/persistentvolumes", volume)

    def create(path: str, made: Manifest, both: threading.Barrier) -> None:
        with admitted.sandbox.client() as client:
            client.get(admitted.path("pods"))  # so that the connection is there
            both.wait()
            client.create(path, made)

    with ThreadPoolExecutor(2) as pool:
        for name in names:
            both = threading.Barrier(2)
            claim = manifests.claim(name, volume_name=admitted.volume_name(name))
            futures = [
                pool.submit(create, admitted.path("persistentvolumeclaims"), claim, both),
                pool.submit(create, admitted.path("pods"), manifests.pod(name, name), both),
            ]
            for future in futures:
                future.result()

    assert set(admitted.nodes_of(names).values()) == {"node-2"}
    assert [terms_of(stored(admitted, name)) for name in names] == [on("node-2")] * len(names)


@pytest.fixture
def templated(admitted: Stage) -> Stage:
    """Give a stage with a Deployment whose template has Mooring's terms, and its two pods on node-1."""
    admitted.volume("data", "node-1")
    admitted.policy("near", **STRICT_RULE)
    # Where there is no pod yet, the template is written for sure.
    admitted.deployment("web", "data", replicas=0)
    eventually(lambda: admitted.is_marked("web"))
    admitted.sandbox.kubectl("scale", "deployment/web", "--replicas=2", "-n", admitted.namespace)
    admitted.await_on("web", "node-1")
    return admitted


def replaced(stage: Stage) -> tuple[Manifest, Manifest]:
    """Delete one of a Deployment's two pods, and give the one that stays and the one that comes."""
    (old, kept) = stage.pods_of("web")
    stage.delete(stage.path("pods", old["metadata"]["name"]))

    def others() -> list[Manifest]:
        return [each for each in stage.pods_of("web") if _uid(each) not in {_uid(old), _uid(kept)}]

    (new,) = eventually(others)
    return kept, new


def test_a_template_that_is_out_of_date_does_not_matter(templated: Stage) -> None:
    """The data moved, and the template waits for the next rollout: a new pod goes to where the data is today."""
    templated.move_data("data", "node-6")
    templated.await_known("data", ["node-6"])

    kept, pod = replaced(templated)

    assert terms_of(pod) == on("node-6")
    assert templated.node_of(pod["metadata"]["name"]) == "node-6"
    templated.await_reason("deployments", "web", PLACEMENT_APPLIED, "Deferred")
    stays(lambda: _uid(kept) in {_uid(each) for each in templated.pods_of("web")}, seconds=2)


def test_a_template_of_a_policy_that_is_gone_does_not_matter(templated: Stage) -> None:
    """A new pod does not get its terms; the template goes on waiting for the next rollout, and the other pod stays."""
    templated.delete(templated.path("volumeplacementpolicies", "near"))
    templated.await_reason("deployments", "web", PLACEMENT_APPLIED, "ReleasePending")

    kept, pod = replaced(templated)

    assert terms_of(pod) is None
    assert _HASH not in pod["metadata"].get("annotations", {})
    stays(lambda: _uid(kept) in {_uid(each) for each in templated.pods_of("web")}, seconds=2)
    assert templated.is_marked("web")


def _uid(made: Manifest) -> str:
    return str(made["metadata"]["uid"])


@pytest.mark.parametrize("affinity", [None, required({"matchExpressions": _LINUX})], ids=["ours", "product"])
def test_a_copied_pod_gets_no_terms_twice(admitted: Stage, affinity: Manifest | None) -> None:
    """`kubectl get -o yaml`, another name, `kubectl create`: the copy asks for what the original asked for."""
    admitted.volume("data", "node-1", "node-4")
    admitted.policy("near", **STRICT_RULE)
    # It is read back before it is scheduled: a copy of a pod with a node is not asked about.
    original = admitted.pod("original", "data", **({"affinity": affinity} if affinity else {}))

    copy = tried(admitted, _renamed(original, "copy"))

    assert len(terms_of(original) or []) == 2
    assert copy["spec"]["affinity"] == original["spec"]["affinity"]
    assert copy["metadata"].get("annotations") == original["metadata"].get("annotations")


def test_a_copied_pod_gets_todays_answer(admitted: Stage) -> None:
    """Terms that are wholly Mooring's are known by their mark, whoever brings them."""
    admitted.volume("data", "node-1")
    admitted.policy("near", **STRICT_RULE)
    original = admitted.pod("original", "data")
    admitted.move_data("data", "node-5")
    admitted.await_known("data", ["node-5"])

    copy = tried(admitted, _renamed(original, "copy"))

    assert terms_of(copy) == on("node-5")


def _renamed(pod: Manifest, name: str) -> Manifest:
    kept = {key: pod["metadata"][key] for key in ("labels", "annotations") if key in pod["metadata"]}
    return {**pod, "metadata": {"name": name, **kept}}


def test_a_dry_run_shows_the_same_and_writes_nothing(admitted: Stage, creations: Creations) -> None:
    """`kubectl create --dry-run=server` is how people look first."""
    admitted.volume("data", "node-2")
    admitted.policy("near", **STRICT_RULE)
    since = admitted.sandbox.audit_offset()
    command = ("create", "-f", "-", "-n", admitted.namespace, "-o", "json")

    shown = _created(admitted.sandbox, *command, "--dry-run=server")

    written = [event for event in admitted.sandbox.audit(user=admitted.user, since=since) if _is_here(admitted, event)]
    assert admitted.client.get(admitted.path("pods"))["items"] == []
    created = _created(admitted.sandbox, *command)
    assert shown["spec"]["affinity"] == created["spec"]["affinity"]
    assert terms_of(shown) == on("node-2")
    assert written == []
    dry, real = eventually(lambda: events if len(events := creations.all()) == 2 else None)
    assert by_mooring(dry["annotations"]) == by_mooring(real["annotations"])


def _created(sandbox: Sandbox, *command: str) -> Manifest:
    return dict(json.loads(sandbox.kubectl(*command, stdin=json.dumps(manifests.pod("web", "data")))))


def _is_here(stage: Stage, event: dict[str, Any]) -> bool:
    """Say whether an event is a write in the namespace; a policy's status may have been written a moment before."""
    reference = event["objectRef"]
    is_status = (reference["resource"], reference.get("subresource")) == ("volumeplacementpolicies", "status")
    writes = event["verb"] not in {"get", "list", "watch"} and not is_status
    return writes and reference.get("namespace") == stage.namespace
