"""The webhook's registration: which pods arrive, by the very expressions that the API server evaluates."""

from typing import Any

import cel
import pytest

from mooring.api import webhook

Pod = dict[str, Any]

_CLAIM = {"name": "data", "persistentVolumeClaim": {"claimName": "data"}}
_EPHEMERAL = {"name": "scratch", "ephemeral": {"volumeClaimTemplate": {"spec": {}}}}
_OTHERS = [
    {"name": "token", "projected": {"sources": []}},
    {"name": "tmp", "emptyDir": {}},
    {"name": "inline", "csi": {"driver": "csi.example"}},
    {"name": "here", "hostPath": {"path": "/"}},
]


def _pod(*volumes: dict[str, Any], owners: list[dict[str, Any]] | None = None, **spec: Any) -> Pod:
    metadata: dict[str, Any] = {"name": "web"}
    if owners is not None:
        metadata["ownerReferences"] = owners
    found = {"volumes": list(volumes)} if volumes else {}
    return {"metadata": metadata, "spec": {"containers": [], **found, **spec}}


def _owner(kind: str, **fields: Any) -> dict[str, Any]:
    return {"apiVersion": "apps/v1", "kind": kind, "name": "web", "uid": "u", **fields}


def _said_no(pod: Pod) -> list[str]:
    """The names of the conditions that do not hold; the API server asks about a pod if all of them do."""
    answers = {
        condition["name"]: cel.evaluate(condition["expression"], {"object": pod})
        for condition in webhook.MATCH_CONDITIONS
    }
    assert {type(answer) for answer in answers.values()} == {bool}
    return [name for name, answer in answers.items() if not answer]


@pytest.mark.parametrize(
    "pod",
    [
        _pod(_CLAIM),
        _pod(_EPHEMERAL),
        _pod(*_OTHERS, _CLAIM),
        _pod(*_OTHERS, _EPHEMERAL, _CLAIM),
        _pod(_CLAIM, nodeName=""),
        _pod(_CLAIM, owners=[]),
        *(_pod(_CLAIM, owners=[_owner(kind, controller=True)]) for kind in ("ReplicaSet", "StatefulSet", "Job")),
        # Who merely owns a pod does not say where it runs.
        _pod(_CLAIM, owners=[_owner("DaemonSet")]),
        _pod(_CLAIM, owners=[_owner("DaemonSet", controller=False), _owner("Job", controller=True)]),
        {"metadata": {"generateName": "web-"}, "spec": {"volumes": [_CLAIM]}},
    ],
)
def test_pods_with_a_claim_arrive(pod: Pod) -> None:
    """Whatever else they have or lack."""
    assert _said_no(pod) == []


@pytest.mark.parametrize(
    ("pod", "condition"),
    [
        (_pod(), "mounts-a-claim"),
        (_pod(*_OTHERS), "mounts-a-claim"),
        (_pod(_CLAIM, owners=[_owner("DaemonSet", controller=True)]), "is-not-of-a-daemonset"),
        (
            _pod(_CLAIM, owners=[_owner("Job", controller=False), _owner("DaemonSet", controller=True)]),
            "is-not-of-a-daemonset",
        ),
        (_pod(_CLAIM, nodeName="n1"), "has-no-node"),
    ],
)
def test_others_do_not_arrive(pod: Pod, condition: str) -> None:
    """One condition is why, and it says so by its name."""
    assert _said_no(pod) == [condition]


def _selects(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    """What a label selector says, as far as these ones go."""
    operators = {"In": lambda value, values: value in values, "NotIn": lambda value, values: value not in values}
    return all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items()) and all(
        operators[each["operator"]](labels.get(each["key"]), each["values"])
        for each in selector.get("matchExpressions", [])
    )


@pytest.mark.parametrize(
    ("name", "labels", "asked", "probed"),
    [
        ("shop", {}, True, False),
        ("shop", {"mooring.dev/ignore": "false"}, True, False),
        ("shop", {"mooring.dev/ignore": "true"}, False, False),
        ("kube-system", {}, False, False),
        ("kube-node-lease", {}, False, False),
        ("mooring-system", {}, False, True),
    ],
)
def test_namespaces(name: str, labels: dict[str, str], *, asked: bool, probed: bool) -> None:
    """Opted-out namespaces, the system's and our own are left alone; probes come from our own only."""
    pods, probe = webhook.webhooks("mooring-system")
    labels = {"kubernetes.io/metadata.name": name, **labels}

    assert _selects(pods["namespaceSelector"], labels) is asked
    assert _selects(probe["namespaceSelector"], labels) is probed


def test_probes_are_told_by_their_label() -> None:
    """Our own pods are not asked about."""
    _, probe = webhook.webhooks("mooring-system")

    assert _selects(probe["objectSelector"], {"mooring.dev/probe": "true"})
    assert not _selects(probe["objectSelector"], {"app.kubernetes.io/name": "mooring"})


def test_nobody_waits_long_or_fails() -> None:
    """Pods are created without Mooring, after 2 s at the latest; and a pod alone is what it hears of."""
    for each in webhook.webhooks("mooring-system"):
        assert each["failurePolicy"] == "Ignore"
        assert each["timeoutSeconds"] == 2
        assert each["sideEffects"] == "None"
        assert each["admissionReviewVersions"] == ["v1"]
        (rule,) = each["rules"]
        assert (rule["apiGroups"], rule["apiVersions"]) == ([""], ["v1"])
        assert (rule["resources"], rule["operations"]) == (["pods"], ["CREATE"])


def test_a_namespace_is_named_once() -> None:
    """Also where Mooring itself is installed into kube-system."""
    pods, _ = webhook.webhooks("kube-system")

    (names,) = [
        each["values"] for each in pods["namespaceSelector"]["matchExpressions"] if "metadata.name" in each["key"]
    ]
    assert names == ["kube-system", "kube-node-lease"]


def test_the_configuration_says_where_to_ask() -> None:
    """Both webhooks reach the same server, under the release's name."""
    client_config = {"url": "https://127.0.0.1:10250/mutate", "caBundle": "Q0E="}

    configuration = webhook.mutating_webhook_configuration(
        name="mooring", namespace="mooring-system", client_config=client_config
    )

    assert configuration["metadata"] == {"name": "mooring"}
    assert [each["name"] for each in configuration["webhooks"]] == ["pods.mooring.dev", "probe.mooring.dev"]
    assert [each.pop("clientConfig") for each in configuration["webhooks"]] == [client_config, client_config]
    assert configuration["webhooks"] == webhook.webhooks("mooring-system")
