"""Admission without a socket: what becomes of a pod, what is said about it, and that every pod can be created."""

import asyncio
import base64
import copy
import json
from typing import Any, Final

import msgspec
import pytest
from structlog.testing import capture_logs
from tests.unit import builders
from tests.unit.builders import (
    DISABLE,
    HOSTNAME,
    PREFER_LOCAL,
    ZONE,
    claim,
    cluster_of,
    data,
    flat,
    need,
    on_hosts,
    term,
)
from tests.unit.jsonpatch import patched

from mooring.cluster.index import Cluster
from mooring.cluster.records import NodeAffinity, NodeSelector, PersistentVolume, Term
from mooring.decide.affinity import fingerprint
from mooring.locate.location import Location
from mooring.locate.locator import Locator
from mooring.serve.admission import Admission, Gating
from mooring.serve.metrics import Metrics

_REQUIRED: Final = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED: Final = "preferredDuringSchedulingIgnoredDuringExecution"
_HASH: Final = "mooring.dev/affinity-hash"
_OPT_OUTS: Final = ("mooring.dev/disable-admission-controller", "stork.libopenstorage.org/disable-admission-controller")
_NODES: Final = [builders.node(f"n{number}", zone="a") for number in (1, 2, 3)]
_LOCATED: Final = data("c", on_hosts("n1"))
_ON_N1: Final = [{"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n1"]}]}]
_POD_AFFINITY: Final = {_REQUIRED: [{"topologyKey": ZONE, "labelSelector": {"matchLabels": {"app": "web"}}}]}

_DRAWN: Final = data("c", replicas="n1")
_GATE: Final = {"name": "mooring.dev/placement"}
_GATED_BY: Final = "mooring.dev/gated-by"
_GATING: Final = Gating(identity="replica-1")

Pod = dict[str, Any]


class BrokenLocator(Locator):
    """A locator with a defect."""

    def locate(self, volume: PersistentVolume) -> Location:
        """Fail, as no locator should.

        Raises:
            RuntimeError: always.
        """
        raise RuntimeError(f"no idea where {volume.name} is")


class Answer:
    """What came back for a pod."""

    def __init__(self, pod: Pod, response: dict[str, Any]) -> None:
        self.response = response
        self.patch = json.loads(base64.b64decode(response["patch"])) if "patch" in response else []
        self.pod = patched(pod, self.patch)
        self.audit = response.get("auditAnnotations", {})
        self.warnings = response.get("warnings", [])

    @property
    def required(self) -> Any:
        """The required terms, or None."""
        affinity = self.pod["spec"].get("affinity", {}).get("nodeAffinity", {})
        return affinity.get(_REQUIRED, {}).get("nodeSelectorTerms")

    @property
    def preferred(self) -> Any:
        """The preferred terms, or None."""
        return self.pod["spec"].get("affinity", {}).get("nodeAffinity", {}).get(_PREFERRED)

    @property
    def gates(self) -> list[str]:
        """The names of the gates."""
        return [gate["name"] for gate in self.pod["spec"].get("schedulingGates") or []]

    @property
    def mark(self) -> str | None:
        """The hash that marks terms as Mooring's."""
        found: dict[str, str] = self.pod["metadata"].get("annotations", {})
        return found.get(_HASH)


def _pod(*claims: str, annotations: dict[str, str] | None = None, labels: Any = None, **spec: Any) -> Pod:
    """A pod as the API server shows it: named, with defaults, and with much that Mooring does not read."""
    metadata: dict[str, Any] = {"name": "web", "namespace": builders.NAMESPACE, "creationTimestamp": None}
    if annotations is not None:
        metadata["annotations"] = annotations
    if labels is not None:
        metadata["labels"] = labels
    volumes = [{"name": name, "persistentVolumeClaim": {"claimName": name}} for name in claims or ("c",)]
    return {
        "metadata": metadata,
        "spec": {
            "schedulerName": "default-scheduler",
            "volumes": [*volumes, {"name": "tmp", "emptyDir": {}}],
            "containers": [{"name": "main", "image": "example.com/main:1", "resources": {}}],
            "terminationGracePeriodSeconds": 30,
            **spec,
        },
        "status": {},
    }


def _body(pod: Any, **request: Any) -> bytes:
    asked = {
        "uid": "u-1",
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "namespace": builders.NAMESPACE,
        "operation": "CREATE",
        "object": pod,
        **request,
    }
    return json.dumps({"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": asked}).encode()


def _admission(cluster: Cluster, **settings: Any) -> Admission:
    how = {"scheduler_alive": lambda: False, **settings}
    return Admission(
        cluster, how.pop("locator", None) or Locator(cluster), how.pop("metrics", None) or Metrics(), **how
    )


async def _review(pod: Pod, *objects: Any, request: dict[str, Any] | None = None, **settings: Any) -> Answer:
    admission = _admission(cluster_of(_NODES, *objects), **settings)
    answer = json.loads(await admission.review(_body(pod, **(request or {}))))
    assert (answer["apiVersion"], answer["kind"]) == ("admission.k8s.io/v1", "AdmissionReview")
    assert (answer["response"]["uid"], answer["response"]["allowed"]) == ("u-1", True)
    return Answer(pod, answer["response"])


def _mark(terms: Any) -> str:
    selector = NodeSelector(tuple(msgspec.convert(found, Term) for found in terms))
    return fingerprint(NodeAffinity(required=selector))


@pytest.mark.parametrize("annotations", [None, {}, {"note": "mine"}])
async def test_a_strict_pod_is_bound_to_its_data(annotations: dict[str, str] | None) -> None:
    """Under any scheduler: required node affinity, marked as ours, and nothing else of the pod is touched."""
    pod = _pod(annotations=annotations)

    answer = await _review(pod, _LOCATED, builders.strict())

    assert answer.required == _ON_N1
    assert answer.mark == _mark(_ON_N1)
    expected = copy.deepcopy(pod)
    expected["spec"]["affinity"] = {"nodeAffinity": {_REQUIRED: {"nodeSelectorTerms": _ON_N1}}}
    expected["metadata"]["annotations"] = {**(annotations or {}), _HASH: answer.mark}
    assert answer.pod == expected
    assert answer.audit == {"policy": "VolumePlacementPolicy/shop/strict", "placement": "strict"}
    assert answer.warnings == []


async def test_an_annotation_is_carried_too() -> None:
    """STORK's preferLocalNodeOnly is strict under the stock scheduler as well."""
    pod = _pod(annotations={"stork.libopenstorage.org/preferLocalNodeOnly": "true"})

    answer = await _review(pod, _LOCATED)

    assert answer.required == _ON_N1
    assert answer.audit == {"policy": "annotation preferLocalNodeOnly", "placement": "strict"}


async def test_a_users_affinity_is_kept() -> None:
    """Its terms become part of the product, and affinity to pods and preferences stay as they are."""
    wishes = [{"weight": 1, "preference": {"matchExpressions": [need("gpu", "Exists")]}}]
    disk = {"key": "disk", "operator": "In", "values": ["ssd"]}
    affinity = {
        "podAffinity": _POD_AFFINITY,
        "nodeAffinity": {
            _REQUIRED: {"nodeSelectorTerms": [{"matchExpressions": [disk]}]},
            _PREFERRED: wishes,
        },
    }

    answer = await _review(_pod(affinity=affinity), _LOCATED, builders.strict())

    assert answer.pod["spec"]["affinity"] == {
        "podAffinity": _POD_AFFINITY,
        "nodeAffinity": {
            _REQUIRED: {"nodeSelectorTerms": [{"matchExpressions": [disk], **_ON_N1[0]}]},
            _PREFERRED: wishes,
        },
    }
    assert answer.mark is None


async def test_affinity_to_pods_alone_is_kept() -> None:
    """The node affinity is put beside it."""
    answer = await _review(_pod(affinity={"podAffinity": _POD_AFFINITY}), _LOCATED, builders.strict())

    assert answer.pod["spec"]["affinity"]["podAffinity"] == _POD_AFFINITY
    assert answer.required == _ON_N1


@pytest.mark.parametrize(
    ("objects", "required", "outcome"),
    [
        ([*_LOCATED, builders.strict()], _ON_N1, "strict"),
        ([*_LOCATED, builders.soft()], None, "soft"),
        ([*_LOCATED], None, "no-opinion"),
        ([*_LOCATED, builders.strict(updateMode="Audit")], None, "audit"),
    ],
)
async def test_a_template_of_ours_gets_todays_answer(objects: list[Any], required: Any, outcome: str) -> None:
    """Terms that came with the template are replaced, or go with their mark; a soft rule's replace them too."""
    old = [{"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n3"]}]}]
    pod = _pod(
        affinity={"nodeAffinity": {_REQUIRED: {"nodeSelectorTerms": old}}}, annotations={_HASH: _mark(old), "note": "x"}
    )

    answer = await _review(pod, *objects)

    assert answer.required == required
    assert answer.audit["placement"] == outcome
    assert answer.pod["metadata"]["annotations"]["note"] == "x"
    if outcome == "strict":
        assert answer.mark == _mark(_ON_N1)
    elif outcome != "soft":
        assert answer.mark is None


async def test_hostnames_for_autoscalers() -> None:
    """The setting changes the form and not the meaning."""
    answer = await _review(_pod(), _LOCATED, builders.strict(), by_hostname=True)

    assert answer.required == [{"matchExpressions": [{"key": HOSTNAME, "operator": "In", "values": ["n1"]}]}]


@pytest.mark.parametrize(
    ("objects", "settings"),
    [
        ([*_LOCATED, builders.strict()], {}),
        ([*_LOCATED, builders.strict()], {"scheduler_alive": lambda: True}),
        ([*_LOCATED], {"scheduler_alive": lambda: True}),
        ([*_LOCATED, builders.strict(topologyKey=ZONE, schedulerName="volcano")], {}),
        ([*_LOCATED, builders.strict()], {"by_hostname": True}),
        ([*_DRAWN, builders.soft()], {}),
        ([*_DRAWN, builders.soft()], {"gating": _GATING}),
        ([*_DRAWN, builders.soft(placement="Remote")], {"gating": _GATING}),
        ([builders.soft()], {"gating": _GATING}),
        ([builders.strict()], {"gating": _GATING}),
        ([*_DRAWN, builders.strict()], {"gating": _GATING}),
    ],
)
@pytest.mark.parametrize(
    "affinity", [None, {"nodeAffinity": {_REQUIRED: {"nodeSelectorTerms": [term(need("disk", "Exists"))]}}}]
)
async def test_asking_again_changes_nothing(objects: list[Any], settings: dict[str, Any], affinity: Any) -> None:
    """The API server asks again where another webhook came after us."""
    first = await _review(_pod(**({"affinity": affinity} if affinity else {})), *objects, **settings)

    again = await _review(first.pod, *objects, **settings)

    assert first.patch
    assert again.patch == []


@pytest.mark.parametrize("dry_run", [True, False])
async def test_a_dry_run_is_answered_alike(*, dry_run: bool) -> None:
    """There are no side effects to leave out."""
    answer = await _review(_pod(), _LOCATED, builders.strict(), request={"dryRun": dry_run})

    assert answer.required == _ON_N1


async def test_the_namespace_is_the_requests() -> None:
    """A pod in a manifest of no namespace is one of the namespace that it is created in."""
    pod = _pod()
    del pod["metadata"]["namespace"]

    assert (await _review(pod, _LOCATED, builders.strict())).required == _ON_N1
    assert (await _review(pod, _LOCATED, builders.strict(), request={"namespace": "other"})).patch == []


@pytest.mark.parametrize("objects", [[], [claim("c")]], ids=["missing", "pending"])
async def test_claims_without_a_volume_are_told_about(objects: list[Any]) -> None:
    """The pod is admitted as far as they go, its other volumes hold, and the audit log says so."""
    detail = "the claim is not bound" if objects else "the claim does not exist"
    other = data("other", on_hosts("n2"))

    alone = await _review(_pod(), *objects, builders.strict())
    beside = await _review(_pod("c", "other"), *objects, *other, builders.strict())

    assert alone.patch == []
    assert (alone.audit["placement"], alone.audit["unboundClaims"]) == ("unknown", f"c: {detail}")
    assert beside.required is not None
    assert beside.required[0]["matchFields"][0]["values"] == ["n2"]
    assert beside.audit["unboundClaims"] == f"c: {detail}"


async def test_a_claim_on_its_way_is_waited_for() -> None:
    """A StatefulSet's claims are made right before its pod."""
    cluster = cluster_of(_NODES, builders.strict())
    asked: list[tuple[str, str]] = []

    def tell() -> None:
        for each in _LOCATED:
            cluster.put(builders.kind_of(each), each)

    async def has_it(namespace: str, name: str, /) -> str:
        asked.append((namespace, name))
        asyncio.get_running_loop().call_later(0.02, tell)
        return "Bound"

    answer = json.loads(await _admission(cluster, lookup=has_it).review(_body(_pod())))

    assert asked == [("shop", "c")]
    assert Answer(_pod(), answer["response"]).required == _ON_N1


@pytest.mark.parametrize("key", _OPT_OUTS)
async def test_a_pod_that_is_opted_out_is_left_wholly_alone(key: str) -> None:
    """By either spelling, also where it carries terms of ours that are out of date."""
    old = [{"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n3"]}]}]
    pod = _pod(
        annotations={key: "true", _HASH: _mark(old), PREFER_LOCAL: "true"},
        affinity={"nodeAffinity": {_REQUIRED: {"nodeSelectorTerms": old}}},
    )

    answer = await _review(pod, _LOCATED, builders.strict(schedulerName="volcano"), scheduler_alive=lambda: True)

    assert answer.patch == []
    assert answer.audit == {"placement": "disabled"}


async def test_what_is_no_boolean_is_a_warning() -> None:
    """Whoever creates the pod reads it, and the annotation counts as absent."""
    annotations = {_OPT_OUTS[0]: "yes", DISABLE: "of course"}

    answer = await _review(_pod(annotations=annotations), _LOCATED, builders.strict())

    assert answer.required == _ON_N1
    assert answer.warnings == [
        f"mooring: {_OPT_OUTS[0]}: 'yes' is not a boolean (true or false) and is passed over",
        f"mooring: {DISABLE}: 'of course' is not a boolean (true or false) and is passed over",
    ]


async def test_the_scheduler_is_set_and_told() -> None:
    """Mooring's while it lives and the setting is on, or the policy's; the audit log names it."""
    adopted = await _review(_pod(), _LOCATED, scheduler_alive=lambda: True)
    dead = await _review(_pod(), _LOCATED)
    off = await _review(_pod(), _LOCATED, scheduler_alive=lambda: True, set_scheduler_name=False)
    named = await _review(_pod(), claim("c"), builders.soft(schedulerName="volcano"))
    chosen = await _review(_pod(schedulerName="stork"), _LOCATED, scheduler_alive=lambda: True)

    assert adopted.pod["spec"]["schedulerName"] == "mooring"
    assert adopted.audit == {
        "policy": "schedulerName mooring",
        "placement": "soft",
        "schedulerName": "mooring",
    }
    assert dead.patch == off.patch == []
    assert dead.audit == {"placement": "no-opinion"}
    assert chosen.pod["spec"]["schedulerName"] == "stork"
    assert "schedulerName" not in chosen.audit
    assert named.pod["spec"]["schedulerName"] == named.audit["schedulerName"] == "volcano"


async def test_a_pod_without_a_name_yet_gets_a_policys_scheduler() -> None:
    """Its ephemeral claims have no name yet either, and count as claims."""
    pod = _pod(volumes=[{"name": "scratch", "ephemeral": {"volumeClaimTemplate": {}}}])
    pod["metadata"] |= {"name": "", "generateName": "web-"}

    answer = await _review(pod, builders.soft(schedulerName="volcano"))

    assert answer.pod["spec"]["schedulerName"] == "volcano"


@pytest.mark.parametrize(
    "request_fields",
    [
        {"operation": "UPDATE"},
        {"subResource": "binding"},
        {"kind": {"group": "apps", "version": "v1", "kind": "Deployment"}},
        {"operation": "DELETE", "object": None},
    ],
)
async def test_what_is_not_a_new_pod_is_allowed(request_fields: dict[str, Any]) -> None:
    """It should never arrive, and is none of our business."""
    answer = await _review(_pod(), _LOCATED, builders.strict(), request=request_fields)

    assert answer.response == {"uid": "u-1", "allowed": True}


async def test_a_pod_that_cannot_be_read_is_allowed() -> None:
    """What is wrong with it is the API server's to say; the log names the field."""
    with capture_logs() as logs:
        answer = await _review(_pod(), _LOCATED, builders.strict(), request={"object": {"metadata": {"name": 7}}})

    assert answer.patch == []
    assert answer.audit == {"placement": "undecided"}
    (line,) = [each for each in logs if each["log_level"] == "warning"]
    assert "$.metadata.name" in line["reason"]


async def test_a_defect_keeps_no_pod_from_being_created() -> None:
    """It is logged with its traceback, and the pod is created as it is."""
    cluster = cluster_of(_NODES, *_LOCATED, builders.strict())

    with capture_logs() as logs:
        answer = await _review(_pod(), *_LOCATED, builders.strict(), locator=BrokenLocator(cluster))

    assert answer.patch == []
    assert answer.audit == {"placement": "undecided"}
    assert [each["pod"] for each in logs if each["log_level"] == "error"] == ["shop/web"]


async def test_before_the_cluster_is_read_pods_are_left_alone() -> None:
    """A thousand of them are one line in the log."""
    admission = _admission(cluster_of(_NODES, *_LOCATED, builders.strict()), is_ready=lambda: False)

    with capture_logs() as logs:
        answers = [json.loads(await admission.review(_body(_pod())))["response"] for _ in range(3)]

    assert [each.get("patch") for each in answers] == [None] * 3
    assert [each["log_level"] for each in logs].count("warning") == 1


@pytest.mark.parametrize(
    ("namespace", "labels", "probed"),
    [
        ("mooring-system", {"mooring.dev/probe": "true"}, True),
        ("mooring-system", {}, False),
        ("shop", {"mooring.dev/probe": "true"}, False),
    ],
)
async def test_a_probe_is_answered(namespace: str, labels: dict[str, str], *, probed: bool) -> None:
    """By its label, and from the release's namespace only: nobody else's pods are marked."""
    request = {"namespace": namespace}

    answer = await _review(_pod(labels=labels), request=request, namespace="mooring-system")

    assert (answer.pod["metadata"].get("annotations") == {"mooring.dev/probed": "true"}) is probed
    assert (answer.audit["placement"] == "probe") is probed


async def test_a_probe_is_not_answered_before_the_cluster_is_read() -> None:
    """What it asks is whether pods get their affinity."""
    pod = _pod(labels={"mooring.dev/probe": "true"})

    answer = await _review(
        pod, request={"namespace": "mooring-system"}, namespace="mooring-system", is_ready=lambda: False
    )

    assert answer.patch == []


async def test_reviews_are_counted_by_outcome() -> None:
    """Each counts once, with its time."""
    metrics = Metrics()
    await _review(_pod(), _LOCATED, builders.strict(), metrics=metrics)
    await _review(_pod(), _LOCATED, builders.strict(), metrics=metrics, request={"operation": "UPDATE"})

    lines = metrics.render().decode().splitlines()

    assert 'mooring_admission_reviews_total{outcome="strict"} 1.0' in lines
    assert 'mooring_admission_reviews_total{outcome="not-a-pod"} 1.0' in lines
    assert "mooring_admission_duration_seconds_count 2.0" in lines


async def test_read_only_changes_no_pod() -> None:
    """Neither is anything added under a strict rule, nor are terms of ours taken off that a template still carries."""
    cluster = Cluster(read_only=True)
    for obj in flat([_NODES, _LOCATED, builders.strict()]):
        cluster.put(builders.kind_of(obj), obj)
    old = [{"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n3"]}]}]
    pod = _pod(
        annotations={_HASH: _mark(old)},
        affinity={"nodeAffinity": {_REQUIRED: {"nodeSelectorTerms": old}}},
    )

    answer = Answer(pod, json.loads(await _admission(cluster).review(_body(pod)))["response"])

    assert (answer.patch, answer.audit["placement"]) == ([], "audit")


@pytest.mark.parametrize("gates", [None, [], [{"name": "example.com/quota"}]])
@pytest.mark.parametrize("annotations", [None, {}, {"note": "mine"}])
async def test_a_soft_pod_is_gated(gates: Any, annotations: dict[str, str] | None) -> None:
    """Beside the gates of others, with the name of the replica that answered, and with nothing else."""
    pod = _pod(annotations=annotations, **({} if gates is None else {"schedulingGates": gates}))

    answer = await _review(pod, _DRAWN, builders.soft(), gating=_GATING)

    expected = copy.deepcopy(pod)
    expected["spec"]["schedulingGates"] = [*(gates or []), _GATE]
    expected["metadata"]["annotations"] = {**(annotations or {}), _GATED_BY: "replica-1"}
    assert answer.pod == expected
    assert answer.audit == {
        "policy": "VolumePlacementPolicy/shop/soft",
        "placement": "soft",
        "gate": "mooring.dev/placement",
    }


@pytest.mark.parametrize("rule", [builders.soft(), builders.strict()], ids=["soft", "strict"])
@pytest.mark.parametrize("objects", [[], [claim("c")], [claim("c", "pv-c")]], ids=["missing", "pending", "no volume"])
@pytest.mark.parametrize("affinity", [None, {"nodeAffinity": {_REQUIRED: {"nodeSelectorTerms": [term()]}}}])
async def test_a_pod_that_waits_for_a_claim_is_gated(rule: Any, objects: list[Any], affinity: Any) -> None:
    """Its affinity comes when the claim is there: until then what another volume requires would be half of it."""
    pod = _pod("c", "other", **({"affinity": affinity} if affinity else {}))

    answer = await _review(pod, objects, data("other", on_hosts("n2")), rule, gating=_GATING)

    assert answer.gates == ["mooring.dev/placement"]
    assert answer.required == (affinity and [term()])


async def test_an_old_answer_goes_while_a_pod_waits() -> None:
    """Required terms of ours from a template must not stay, for the pod's affinity can only be narrowed later."""
    old = [{"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n3"]}]}]
    pod = _pod(affinity={"nodeAffinity": {_REQUIRED: {"nodeSelectorTerms": old}}}, annotations={_HASH: _mark(old)})

    answer = await _review(pod, builders.strict(), gating=_GATING)

    assert (answer.required, answer.mark, answer.gates) == (None, None, ["mooring.dev/placement"])


async def test_a_mark_and_a_gate_may_come_together() -> None:
    """Two annotations on a pod that had none, in one patch."""
    remote = builders.soft(placement="Remote")
    answer = await _review(_pod("c", "missing"), _DRAWN, remote, gating=_GATING)

    assert answer.pod["metadata"]["annotations"] == {_HASH: answer.mark, _GATED_BY: "replica-1"}
    assert answer.mark is not None
    assert answer.preferred is not None


@pytest.mark.parametrize(
    ("objects", "spec", "settings"),
    [
        ([*_DRAWN, builders.soft()], {}, {"gating": None}),
        ([*_DRAWN, builders.soft()], {"schedulerName": "volcano"}, {"gating": _GATING}),
        ([*_DRAWN, builders.soft(schedulerName="volcano")], {}, {"gating": _GATING}),
        ([*_DRAWN, builders.soft()], {}, {"gating": Gating(identity="r", is_manned=lambda: False)}),
    ],
    ids=["Prefer", "another scheduler", "a policy's scheduler", "nobody there"],
)
async def test_a_soft_pod_that_is_not_gated_gets_preferences(
    objects: list[Any], spec: dict[str, Any], settings: dict[str, Any]
) -> None:
    """Where a gate would hold it for nobody, the rule is kept as far as scoring keeps it."""
    answer = await _review(_pod(**spec), *objects, **settings)

    assert answer.gates == []
    assert _GATED_BY not in answer.pod["metadata"]["annotations"]
    assert answer.preferred[0]["preference"]["matchExpressions"] == [
        {"key": HOSTNAME, "operator": "In", "values": ["n1"]}
    ]


@pytest.mark.parametrize(
    ("objects", "spec", "gating"),
    [
        ([builders.soft()], {}, None),
        ([builders.strict()], {"schedulerName": "volcano"}, _GATING),
        ([builders.strict()], {}, Gating(identity="r", is_manned=lambda: False)),
        ([builders.strict()], {"nodeName": "n2"}, _GATING),
        ([*_DRAWN, builders.soft(updateMode="Audit")], {}, _GATING),
        ([*_DRAWN], {}, _GATING),
        (
            [
                builders.storage_class("late", builders.DRIVER, binding="WaitForFirstConsumer"),
                claim("c", storage_class="late"),
                builders.strict(),
            ],
            {},
            _GATING,
        ),
    ],
    ids=["Prefer", "another scheduler", "nobody there", "its node is said", "audit", "no rule", "first consumer"],
)
async def test_what_is_not_held_is_left_alone(objects: list[Any], spec: dict[str, Any], gating: Gating | None) -> None:
    """A pod that nothing is known to be done for is created as it is."""
    assert (await _review(_pod(**spec), *objects, gating=gating)).patch == []


async def test_pods_of_a_daemon_set_are_left_alone() -> None:
    """Each has its node, whatever its volumes."""
    pod = _pod()
    owner = {"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "agent", "uid": "u", "controller": True}
    pod["metadata"]["ownerReferences"] = [owner]

    assert (await _review(pod, _DRAWN, builders.soft(), gating=_GATING)).patch == []
    assert (await _review(pod, builders.strict(), gating=_GATING)).patch == []


async def test_further_schedulers_may_be_named() -> None:
    """Those of which somebody knows that they honour gates and nominations; a pod gets the scheduler and the gate."""
    gating = Gating(identity="r", schedulers=frozenset({"default-scheduler", "volcano"}))

    own = await _review(_pod(schedulerName="volcano"), _DRAWN, builders.soft(), gating=gating)
    policys = await _review(_pod(), _DRAWN, builders.soft(schedulerName="volcano"), gating=gating)
    adopted = await _review(_pod(), _DRAWN, gating=_GATING, scheduler_alive=lambda: True)

    assert own.gates == policys.gates == adopted.gates == ["mooring.dev/placement"]
    assert policys.pod["spec"]["schedulerName"] == "volcano"
    assert adopted.pod["spec"]["schedulerName"] == "mooring"


async def test_a_strict_pod_whose_data_is_known_needs_no_gate() -> None:
    """Its affinity is written at once."""
    answer = await _review(_pod(), _DRAWN, builders.strict(), gating=_GATING)

    assert (answer.required, answer.gates) == (_ON_N1, [])
    assert "gate" not in answer.audit


async def test_the_replica_that_answers_last_lets_the_pod_through() -> None:
    """The API server may ask another replica again; the gate stays one."""
    first = await _review(_pod(), _DRAWN, builders.soft(), gating=_GATING)

    again = await _review(first.pod, _DRAWN, builders.soft(), gating=Gating(identity="replica-2"))

    assert again.gates == ["mooring.dev/placement"]
    assert again.pod["metadata"]["annotations"] == {_GATED_BY: "replica-2"}


async def test_read_only_gates_nothing() -> None:
    """Neither a drawn pod nor one whose claim is missing."""
    for objects in ([*_DRAWN, builders.soft()], [builders.strict()]):
        cluster = Cluster(read_only=True)
        for obj in flat([_NODES, objects]):
            cluster.put(builders.kind_of(obj), obj)
        response = json.loads(await _admission(cluster, gating=_GATING).review(_body(_pod())))["response"]

        assert Answer(_pod(), response).patch == []


_LATE: Final = builders.storage_class("late", binding="WaitForFirstConsumer")
_NEW: Final = [claim("c", storage_class="late", labels={"app": "db"}), _LATE]
_NEIGHBOUR: Final = [claim("d", "pv-d", labels={"app": "web"}), builders.volume("pv-d", on_hosts("n2"))]
_ON_N2: Final = [{"matchExpressions": [need(HOSTNAME, "In", "n2")]}]


def _rule(key: str, value: str, **fields: Any) -> dict[str, Any]:
    return {"matchExpressions": [need(key, "In", value)], **fields}


_BY_LABEL: Final = {"nodeAffinity": [_rule(HOSTNAME, "n2")]}
_BY_VOLUME: Final = {"volumeAffinity": [_rule("app", "web")]}
_APART: Final = {"volumeAntiAffinity": [_rule("app", "db"), _rule("app", "web")]}
_WISH: Final = {"nodeAffinity": [_rule(HOSTNAME, "n2", enforcement="Preferred")]}


@pytest.mark.parametrize("rule", [builders.soft, builders.strict], ids=["soft", "strict"])
@pytest.mark.parametrize("new_volumes", [_BY_VOLUME, _APART, _WISH, {**_BY_LABEL, **_WISH, **_APART}])
async def test_a_pod_of_new_volumes_is_gated(rule: Any, new_volumes: Any) -> None:
    """What it is bound to is only known once a node is chosen: its affinity comes with the release."""
    answer = await _review(_pod(), _NEW, _NEIGHBOUR, rule(newVolumes=new_volumes), gating=_GATING)

    assert answer.gates == ["mooring.dev/placement"]
    assert (answer.required, answer.preferred, answer.mark) == (None, None, None)


@pytest.mark.parametrize("gating", [None, _GATING], ids=["Prefer", "gating"])
@pytest.mark.parametrize("affinity", [None, {"nodeAffinity": {_REQUIRED: {"nodeSelectorTerms": [term()]}}}])
async def test_what_labels_decide_is_written_at_once(gating: Gating | None, affinity: Any) -> None:
    """kube-scheduler finds such nodes itself, and an autoscaler makes one."""
    spec = {"affinity": affinity} if affinity else {}
    answer = await _review(_pod(**spec), _NEW, builders.soft(newVolumes=_BY_LABEL), gating=gating)

    assert answer.gates == []
    assert answer.required == ([term()] if affinity else _ON_N2)


@pytest.mark.parametrize(
    ("new_volumes", "required", "preferred"),
    [
        (_BY_VOLUME, _ON_N2, None),
        (_APART, [{"matchExpressions": [need(HOSTNAME, "NotIn", "n2")]}], None),
        (_WISH, None, [{"weight": 100, "preference": _ON_N2[0]}]),
        ({**_BY_VOLUME, **_WISH}, _ON_N2, [{"weight": 100, "preference": _ON_N2[0]}]),
    ],
)
@pytest.mark.parametrize(
    ("spec", "gating"),
    [
        ({}, None),
        ({"schedulerName": "volcano"}, _GATING),
        ({}, Gating(identity="r", is_manned=lambda: False)),
    ],
    ids=["Prefer", "another scheduler", "nobody there"],
)
async def test_a_pod_of_new_volumes_that_is_not_gated_gets_what_is_known(
    new_volumes: Any, required: Any, preferred: Any, spec: Any, gating: Gating | None
) -> None:
    """At once, since nobody comes back to it; asking again changes nothing."""
    objects = [_NEW, _NEIGHBOUR, builders.soft(newVolumes=new_volumes)]
    answer = await _review(_pod(**spec), objects, gating=gating)

    assert answer.gates == []
    assert (answer.required, answer.preferred) == (required, preferred)
    assert (await _review(answer.pod, objects, gating=gating)).patch == []


async def test_a_rule_for_new_volumes_that_cannot_be_read_is_a_warning() -> None:
    """The others hold."""
    rules = {"nodeAffinity": [_rule("disk", "${pvc.labels.disk}"), _rule(HOSTNAME, "n2")]}
    answer = await _review(_pod(), _NEW, builders.soft(newVolumes=rules), gating=_GATING)

    assert answer.required == _ON_N2
    reason = "${pvc.labels.disk}: the claim has no label disk"
    assert answer.warnings == [f"mooring: newVolumes.nodeAffinity[0] holds nothing for the claim c: {reason}"]


async def test_values_that_no_label_has_keep_no_pod_from_being_created() -> None:
    """The API server refuses them in required affinity; such a rule is left out, and said."""
    rules = {"nodeAffinity": [_rule("disk", "-${pvc.namespace}")]}
    answer = await _review(_pod(), _NEW, builders.soft(newVolumes=rules), gating=_GATING)

    assert answer.patch == []
    assert "no label has the value '-shop'" in answer.warnings[0]


async def test_a_policy_that_only_reports_changes_no_pod_of_new_volumes() -> None:
    """Whatever it asks for."""
    policy = builders.soft(newVolumes={**_BY_LABEL, **_APART}, updateMode="Audit")

    assert (await _review(_pod(), _NEW, policy, gating=_GATING)).patch == []
