"""The webhook configuration: the one that Python knows, as far as the values leave it."""

from typing import Any

import pytest
from tests.helm.rendered import EVERYTHING, names, one
from tests.programs import Helm

from mooring.api.webhook import PATH, PODS, PROBE, mutating_webhook_configuration


def webhooks(helm: Helm, *, release: str = "mooring", namespace: str = "mooring-system", **values: Any) -> Any:
    """Give the rendered webhooks by name."""
    manifests = helm.template(release=release, namespace=namespace, **values)
    return {each["name"]: each for each in one(manifests, "MutatingWebhookConfiguration", release)["webhooks"]}


@pytest.mark.parametrize(("release", "namespace"), [("mooring", "mooring-system"), ("near-data", "123")])
def test_configuration_is_the_one_that_python_knows(helm: Helm, release: str, namespace: str) -> None:
    """With the defaults the chart renders what `mutating_webhook_configuration` gives for a Service, field by field."""
    service = {"name": release, "namespace": namespace, "path": PATH, "port": 443}
    known = mutating_webhook_configuration(name=release, namespace=namespace, client_config={"service": service})

    rendered = one(helm.template(release=release, namespace=namespace), "MutatingWebhookConfiguration", release)

    assert rendered["webhooks"] == known["webhooks"]
    assert {key: rendered[key] for key in ("apiVersion", "kind")} == {key: known[key] for key in ("apiVersion", "kind")}


def test_process_outside_the_cluster_is_called_by_its_url(helm: Helm) -> None:
    """Both webhooks lead to the URL and to no Service."""
    found = webhooks(helm, webhook={"url": "https://192.0.2.7:10250/mutate"})

    assert [each["clientConfig"] for each in found.values()] == [{"url": "https://192.0.2.7:10250/mutate"}] * 2


def test_values_sharpen_the_webhook_but_not_its_probe(helm: Helm) -> None:
    """What is asked of namespaces comes on top of what Mooring leaves out, and the probe goes on failing open."""
    before, after = webhooks(helm), webhooks(helm, **EVERYTHING)

    wanted = EVERYTHING["webhook"]
    assert after[PODS]["failurePolicy"] == "Fail"
    assert after[PODS]["timeoutSeconds"] == after[PROBE]["timeoutSeconds"] == 5
    assert after[PODS]["namespaceSelector"] == {
        "matchLabels": wanted["namespaceSelector"]["matchLabels"],
        "matchExpressions": [
            *before[PODS]["namespaceSelector"]["matchExpressions"],
            *wanted["namespaceSelector"]["matchExpressions"],
        ],
    }
    assert after[PROBE] == {**before[PROBE], "timeoutSeconds": 5}


def test_annotations_are_the_users(helm: Helm) -> None:
    """Annotations such as those for AKS are on the configuration."""
    manifests = helm.template(**EVERYTHING)

    metadata = one(manifests, "MutatingWebhookConfiguration", "mooring")["metadata"]
    assert metadata["annotations"] == {"admissions.enforcer/disabled": "true"}


def test_without_it_there_is_neither_secret_nor_configuration(helm: Helm) -> None:
    """Switched off, nothing of the webhook is left."""
    manifests = helm.template(webhook={"enabled": False})

    assert names(manifests, "MutatingWebhookConfiguration") == set()
    assert names(manifests, "Secret") == set()
