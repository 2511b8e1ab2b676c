"""Locators that come, change and go, and what is said of them."""

import datetime as dt
import subprocess
import sys

from tests.e2e import manifests
from tests.e2e.follow.field import LOCATORS, Field
from tests.e2e.support import eventually


def test_a_changed_locator_is_read_anew(field: Field) -> None:
    """Its expressions hold from then on, for the objects that were there before too."""
    field.volume("data")
    field.install()
    field.replica("one", "data", "node-1", other="node-4")
    locator = field.locator()
    field.await_kept("data", "node-1")

    field.stage.patch(f"{LOCATORS}/{locator}", {"spec": {"replicas": {"node": "object.spec.other"}}})

    field.await_kept("data", "node-4")
    field.await_status(locator, observedGeneration=2, reason="Following", volumes=1)


def test_a_deleted_locator_takes_its_facts_with_it(field: Field) -> None:
    """Nothing is known of the volume afterwards, until another locator says it."""
    field.volume("data")
    field.install()
    field.replica("one", "data", "node-1")
    locator = field.locator()
    field.await_kept("data", "node-1")

    field.stage.delete(f"{LOCATORS}/{locator}")
    field.await_unknown("data")

    field.locator("again-" + field.stage.namespace)
    field.await_kept("data", "node-1")


def test_an_expression_that_fails_is_reported(field: Field) -> None:
    """With the object and the field; the volume's other replicas count, and the object does once it is mended."""
    field.volume("data")
    field.install()
    field.replica("good", "data", "node-1")
    field.replica("odd", "data", 5)
    locator = field.locator()

    told = field.await_status(locator, failuresTotal=1, replicas={"total": 2, "usable": 1, "unknown": 1})

    (failure,) = told["failures"]
    assert failure["object"] == f"{field.stage.namespace}/odd"
    assert failure["expression"] == "spec.replicas.node"
    assert failure["message"]
    field.await_kept("data", "node-1")

    field.move("odd", "node-2")
    field.await_kept("data", "node-1", "node-2")
    field.await_status(locator, failuresTotal=0, failures=[])


def test_an_expression_that_does_not_compile_is_reported(field: Field) -> None:
    """It is the locator's own fault, and is gone as soon as it is mended."""
    field.volume("data")
    field.install()
    field.replica("one", "data", "node-1")
    locator = field.locator(node="object.spec.")
    field.await_status(locator, reason="InvalidExpression", status="False", message="spec.replicas.node")

    field.stage.patch(f"{LOCATORS}/{locator}", {"spec": {"replicas": {"node": "object.spec.nodeID"}}})

    field.await_status(locator, reason="Following")
    field.await_kept("data", "node-1")


def test_two_locators_may_read_one_resource(field: Field) -> None:
    """Each for a driver of its own, or both for one: then the first by name that has the volume counts."""
    field.volume("data")
    field.install()
    field.replica("one", "data", "node-1", other="node-4")
    second = field.locator("b-" + field.stage.namespace, node="object.spec.other")
    field.await_kept("data", "node-4")

    first = field.locator("a-" + field.stage.namespace)

    field.await_kept("data", "node-1")
    for locator in (first, second):
        field.await_status(locator, reason="Following", volumes=1)
    field.stage.delete(f"{LOCATORS}/{first}")
    field.await_kept("data", "node-4")


def test_kubectl_shows_and_waits(field: Field) -> None:
    """`kubectl get vl` has the driver and what came of it, and `kubectl wait` works with the condition."""
    field.volume("data")
    field.install()
    field.replica("one", "data", "node-1")
    locator = field.locator()
    kubectl = field.stage.sandbox.kubectl

    kubectl("wait", "--for=condition=Ready", f"vl/{locator}", "--timeout=60s", timeout=90)
    field.await_status(locator, reason="Following", volumes=1, replicas={"total": 1, "usable": 1, "unknown": 0})

    heading, row = kubectl("get", "vl", locator).splitlines()
    assert heading.split() == ["NAME", "DRIVER", "READY", "REASON", "VOLUMES", "REPLICAS", "AGE"]
    assert row.split()[:6] == [locator, field.driver, "True", "Following", "1", "1"]


def test_explain_names_the_object_and_the_field(field: Field) -> None:
    """Asked of the cluster as anybody with a kubeconfig does, without the operator."""
    field.volume("data")
    field.install()
    field.replica("one", "data", "node-2")
    locator = field.locator()
    field.await_kept("data", "node-2")
    field.stage.pod("web", "data", annotations=manifests.STRICT)
    kubeconfig = str(field.stage.sandbox.kubeconfig("mooring"))
    command = [sys.executable, "-m", "mooring", "explain", "-n", field.stage.namespace, "--kubeconfig", kubeconfig]

    done = subprocess.run([*command, "pod/web"], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    text = done.stdout
    assert "data: Located on node-2" in text
    for part in (f"VolumeLocator {locator}", "spec.nodeID", f"replicas.{field.group}", f"{field.stage.namespace}/one"):
        assert part in text


def test_metrics_count_replicas(field: Field) -> None:
    """By locator and by whether they can be used; the resource has its age beside Kubernetes' own kinds."""
    field.volume("data")
    field.install()
    field.replica("good", "data", "node-1")
    field.replica("failed", "data", "node-2", failedAt="2026-08-01T10:00:00Z")
    field.replica("odd", "data", 5)
    locator = field.locator()
    field.await_status(locator, failuresTotal=1, replicas={"total": 3, "usable": 1, "unknown": 1})

    metrics = field.stage.operator.metrics()

    counts = {state: metrics[f'mooring_locator_replicas{{locator="{locator}",state="{state}"}}'] for state in _STATES}
    assert counts == dict.fromkeys(_STATES, 1.0)
    assert metrics[f'mooring_sync_age_seconds{{kind="replicas.{field.group}"}}'] < 60


def test_nothing_is_written_without_a_change(field: Field) -> None:
    """However often a replica is touched, and however long nothing happens."""
    field.volume("data")
    field.install()
    field.replica("one", "data", "node-1")
    locator = field.locator()
    field.await_status(locator, reason="Following", volumes=1, replicas={"total": 1, "usable": 1, "unknown": 0})
    before = dt.datetime.now(dt.UTC)

    for number in range(30):
        field.stage.patch(field.path("one"), {"metadata": {"labels": {"turn": str(number)}}})
    field.replica("two", "data", "node-2")
    field.await_status(locator, replicas={"total": 2, "usable": 2, "unknown": 0})

    def written() -> int:
        # What was answered before may be logged afterwards.
        later = (
            event
            for event in field.stage.sandbox.audit(user="mooring")
            if dt.datetime.fromisoformat(event["requestReceivedTimestamp"]) > before
        )
        return sum(event["verb"] == "patch" and event["objectRef"].get("name") == locator for event in later)

    assert eventually(written) == 1


_STATES = ("usable", "unusable", "unknown")
