"""How the operator's Deployment, and what is around it, follow the values."""

from typing import Any

import pytest
import typer
from tests.helm.rendered import EVERYTHING, arguments, container, names, one
from tests.programs import CHART, Helm, HelmError

from mooring.cli import app

DIGEST = f"sha256:{'a' * 64}"


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ({}, "ghcr.io/mooring-dev/mooring:0.1.0"),
        ({"tag": "1.2.3"}, "ghcr.io/mooring-dev/mooring:1.2.3"),
        ({"tag": "1.2.3", "digest": DIGEST}, f"ghcr.io/mooring-dev/mooring@{DIGEST}"),
        ({"registry": "registry.example.com:5000"}, "registry.example.com:5000/mooring-dev/mooring:0.1.0"),
        ({"registry": "", "repository": "mooring"}, "mooring:0.1.0"),
    ],
)
def test_image(helm: Helm, image: dict[str, Any], expected: str) -> None:
    """Registry, repository and tag make the image, a digest wins over the tag, and the hook takes the same image."""
    manifests = helm.template(image=image)

    assert container(manifests, "Deployment", "mooring")["image"] == expected
    assert container(manifests, "Job", "mooring-uninstall")["image"] == expected


def test_arguments_by_default(helm: Helm) -> None:
    """Without values nothing is said but where to listen, who it is, how to keep and score soft rules, and to log."""
    assert arguments(helm.template(release="near-data"), name="near-data") == [
        "run",
        "--host=",
        "--port=8099",
        "--namespace=mooring-system",
        "--name=near-data",
        "--webhook-port=10250",
        "--soft-locality=Nominate",
        "--score-profile=mooring",
        "--log-level=info",
        "--log-format=json",
    ]


def test_arguments_follow_the_values(helm: Helm) -> None:
    """Each value that is about the process becomes its argument."""
    assert arguments(helm.template(**EVERYTHING))[2:] == [
        "--port=8443",
        "--namespace=mooring-system",
        "--name=mooring",
        "--webhook-port=9443",
        "--webhook-cert=/etc/mooring/webhook/tls.crt",
        "--webhook-key=/etc/mooring/webhook/tls.key",
        "--no-set-scheduler-name",
        "--hostname-affinity",
        "--soft-locality=Prefer",
        "--gated-scheduler=volcano",
        "--score-profile=stork",
        "--read-only",
        "--rack-label=example.com/rack",
        "--rack-label=px/rack",
        "--log-level=debug",
        "--log-format=text",
        "--kubeconfig=/etc/kubeconfig",
    ]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"softLocality": "Always"}, "/softLocality"),
        ({"scoreProfile": "px"}, "/scoreProfile"),
        ({"gatedSchedulers": [""]}, "/gatedSchedulers/0"),
        ({"gatedSchedulers": ["volcano", "volcano"]}, "/gatedSchedulers"),
    ],
)
def test_values_that_mean_nothing_are_refused(helm: Helm, values: dict[str, Any], message: str) -> None:
    """The schema names the value, before a process could stumble over it."""
    with pytest.raises(HelmError, match=message):
        helm.template(**values)


@pytest.mark.parametrize(("kind", "name"), [("Deployment", "mooring"), ("Job", "mooring-uninstall")])
def test_mooring_understands_its_arguments(helm: Helm, kind: str, name: str) -> None:
    """Every flag that the chart passes is one that the command has."""
    verb, *flags = arguments(helm.template(**EVERYTHING), kind, name)

    (command,) = (each for each in typer.main.get_group(app).commands.values() if each.name == verb)
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    assert {flag.partition("=")[0] for flag in flags} <= known


def test_webhook_certificate_of_somebody_else_is_mounted(helm: Helm) -> None:
    """With a Secret of somebody else's the pod mounts that one, and none is made for Mooring's own certificates."""
    manifests = helm.template(webhook={"tlsSecretName": "webhook-tls"})

    spec = one(manifests, "Deployment", "mooring")["spec"]["template"]["spec"]
    mounted = {each["name"]: each.get("secret", {}).get("secretName") for each in spec["volumes"]}
    assert mounted == {"tmp": None, "webhook-certificate": "webhook-tls"}
    assert {each["name"]: each["mountPath"] for each in spec["containers"][0]["volumeMounts"]} == {
        "tmp": "/tmp",
        "webhook-certificate": "/etc/mooring/webhook",
    }
    assert names(manifests, "Secret") == set()


def test_ports_fit_together(helm: Helm) -> None:
    """The Service leads to the container's ports by name, and the probes ask where it listens."""
    manifests = helm.template(**EVERYTHING)

    running = container(manifests, "Deployment", "mooring")
    assert {port["name"]: port["containerPort"] for port in running["ports"]} == {"http": 8443, "webhook": 9443}
    service = one(manifests, "Service", "mooring")["spec"]
    assert {(port["port"], port["targetPort"]) for port in service["ports"]} == {(8443, "http"), (443, "webhook")}
    assert {running[f"{kind}Probe"]["httpGet"]["port"] for kind in ("liveness", "readiness")} == {"http"}
    without = helm.template(webhook={"enabled": False})
    assert [port["name"] for port in one(without, "Service", "mooring")["spec"]["ports"]] == ["http"]
    assert not [argument for argument in arguments(without) if "webhook" in argument]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"port": 10250}, "webhook.port and port are both 10250"),
        ({"hostNetwork": True}, "webhook.port 10250 is the kubelet's"),
    ],
)
def test_ports_that_cannot_work_are_refused(helm: Helm, values: dict[str, Any], message: str) -> None:
    """What could never listen is said at once, not by pods that crash."""
    with pytest.raises(HelmError, match=message):
        helm.template(**values)


def test_rollouts_never_take_away_the_last_one(helm: Helm) -> None:
    """The new replica answers first; in the nodes' own network its port is taken until an old one has stopped."""

    def rollout(**values: Any) -> Any:
        return one(helm.template(**values), "Deployment", "mooring")["spec"]["strategy"]["rollingUpdate"]

    assert rollout() == {"maxUnavailable": 0, "maxSurge": 1}
    assert rollout(hostNetwork=True, webhook={"port": 9443}) == {"maxUnavailable": 1, "maxSurge": 0}


def test_network_policy_lets_in_the_named_only(helm: Helm) -> None:
    """The webhook is open to the API server, wherever it is; the extender to the scheduler and whom the values name."""

    def ingress(**values: Any) -> Any:
        manifests = helm.template(networkPolicy={"enabled": True, "from": values.pop("peers", [])}, **values)
        return one(manifests, "NetworkPolicy", "mooring")["spec"].get("ingress")

    scheduler = {
        "podSelector": {
            "matchLabels": {
                "app.kubernetes.io/name": "mooring",
                "app.kubernetes.io/instance": "mooring",
                "app.kubernetes.io/component": "scheduler",
            }
        }
    }
    prometheus = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
    webhook = {"ports": [{"port": "webhook"}]}
    http = [{"port": "http"}]
    assert ingress() == [webhook]
    assert ingress(webhook={"enabled": False}) is None
    assert ingress(peers=[prometheus], scheduler={"enabled": True}) == [
        webhook,
        {"ports": http, "from": [prometheus, scheduler]},
    ]


def test_quota_follows_the_priority_class(helm: Helm) -> None:
    """There is one only where a system-* class needs it, and never one that could stop kube-system's own pods."""

    def quotas(namespace: str = "mooring-system", **values: Any) -> set[str]:
        return names(helm.template(namespace=namespace, **values), "ResourceQuota")

    assert quotas() == {"mooring"}
    assert quotas("kube-system") == set()
    assert quotas(priorityClassName="important") == set()
    assert quotas(priorityClassName="") == set()


def test_notes_say_what_matters_now(helm: Helm) -> None:
    """Helm's last words name the rollout to wait for, and say what becomes of pods with a scheduler's name."""

    def notes(*arguments: str) -> str:
        where = ("--namespace", "storage", "--dry-run=client")
        return helm("install", "near-data", str(CHART), *where, *arguments).partition("NOTES:")[2]

    assert "kubectl rollout status deployment/near-data -n storage" in notes()
    assert "stay Pending unless scheduler.enabled is true" in notes()
    assert "near-data-scheduler schedules pods" in notes("--set", "scheduler.enabled=true")
    assert "read-only" in notes("--set", "readOnly=true")
