"""The CRDs on a real API server: what it takes, what it refuses, and what kubectl shows of it."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from tests.e2e.support import apply_crds
from tests.unit.api.malformed_locators import MALFORMED_LOCATORS
from tests.unit.api.malformed_policies import MALFORMED, Malformed
from tests.unit.api.schemas import REPOSITORY, walk

from mooring.sandbox import SandboxError
from mooring.sandbox.launcher import Sandbox

_CRDS = (
    "volumeplacementpolicies.mooring.dev",
    "clustervolumeplacementpolicies.mooring.dev",
    "volumelocators.mooring.dev",
)
_POLICIES = sorted((REPOSITORY / "policies").glob("*.yaml"))


@pytest.fixture(scope="module")
def crds(sandbox: Sandbox) -> Sandbox:
    """A cluster that knows Mooring's kinds, and whose kubectl can explain them."""
    apply_crds(sandbox)
    return sandbox


@pytest.fixture
def databases(crds: Sandbox, namespace: str) -> Iterator[str]:
    """The shortest policy there is, in a namespace of its own; gives the namespace."""
    manifest = _manifest(namespace, {"podSelector": {"matchLabels": {"tier": "database"}}})
    crds.kubectl("apply", "-f", "-", stdin=json.dumps(manifest))
    yield namespace
    crds.kubectl("delete", "vpp", "databases", "-n", namespace)


@pytest.fixture
def longhorn(crds: Sandbox) -> Iterator[str]:
    """A short VolumeLocator; gives its name."""
    replicas = {
        "resource": {"group": "longhorn.io", "resource": "replicas"},
        "volume": "object.spec.volumeName",
        "node": "object.spec.nodeID",
    }
    manifest = {
        "apiVersion": "mooring.dev/v1alpha1",
        "kind": "VolumeLocator",
        "metadata": {"name": "longhorn"},
        "spec": {"driver": "driver.longhorn.io", "replicas": replicas},
    }
    crds.kubectl("apply", "-f", "-", stdin=json.dumps(manifest))
    yield "longhorn"
    crds.kubectl("delete", "vl", "longhorn")


@pytest.mark.parametrize("crd", _CRDS)
def test_crds_are_established_and_structural(crds: Sandbox, crd: str) -> None:
    """The API server serves all kinds and complains about nothing in their schemas."""
    crds.kubectl("wait", "--for=condition=Established", f"crd/{crd}")
    conditions = json.loads(crds.kubectl("get", "crd", crd, "-o", "json"))["status"]["conditions"]

    assert {(condition["type"], condition["status"]) for condition in conditions} == {
        ("NamesAccepted", "True"),
        ("Established", "True"),
    }


@pytest.mark.parametrize("path", _POLICIES, ids=lambda path: path.stem)
def test_ready_made_policies_are_accepted(crds: Sandbox, path: Any) -> None:
    """Every file in policies/ can be applied as it is."""
    assert "(server dry run)" in crds.kubectl("create", "--dry-run=server", "-f", str(path))


def test_the_example_is_accepted(crds: Sandbox, namespace: str) -> None:
    """The example workload can be applied as it is."""
    path = REPOSITORY / "policies/examples/mysql.yaml"

    answer = crds.kubectl("create", "--dry-run=server", "-n", namespace, "-f", str(path))

    assert "deployment.apps/mysql created" in answer
    assert "persistentvolumeclaim/mysql-data created" in answer


@pytest.mark.parametrize("malformed", [*MALFORMED, *MALFORMED_LOCATORS], ids=lambda malformed: malformed.name)
def test_a_malformed_object_is_refused_with_its_field(crds: Sandbox, malformed: Malformed) -> None:
    """Whoever makes a mistake reads which field it is in."""
    with pytest.raises(SandboxError) as refusal:
        crds.kubectl("create", "--dry-run=server", "-f", "-", stdin=yaml.safe_dump(malformed.manifest))

    assert malformed.field in str(refusal.value)


def test_defaults_appear(crds: Sandbox, databases: str) -> None:
    """The stored policy says what holds, and nothing that says nothing."""
    stored = json.loads(crds.kubectl("get", "vpp", "databases", "-n", databases, "-o", "json"))

    assert stored["spec"] == {
        "podSelector": {"matchLabels": {"tier": "database"}},
        "placement": "Local",
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "ScheduleAnyway",
        "updateMode": "Initial",
        "disruption": {"maxConcurrent": 1, "cooldown": "10m"},
        "podAnnotations": "Honor",
        "priority": 0,
    }


def test_defaults_of_a_locator_appear(crds: Sandbox, longhorn: str) -> None:
    """The newest version, all objects, replicas that are whole and usable; of what is left out there is no trace.

    Nor is there a status that somebody would wait for: the chart's locators are there before the operator is.
    """
    stored = json.loads(crds.kubectl("get", "vl", longhorn, "-o", "json"))

    assert stored["spec"] == {
        "driver": "driver.longhorn.io",
        "volume": "volume.spec.csi.volumeHandle",
        "replicas": {
            "resource": {"group": "longhorn.io", "version": "*", "resource": "replicas"},
            "volume": "object.spec.volumeName",
            "node": "object.spec.nodeID",
            "usable": "true",
            "whole": "true",
        },
    }
    assert "status" not in stored


def test_a_locator_shows_in_the_columns(crds: Sandbox, longhorn: str) -> None:
    """Whether it is followed, why not, and how much was read is what `kubectl get` prints."""
    ready = {
        "type": "Ready",
        "status": "False",
        "observedGeneration": 1,
        "reason": "Unreachable",
        "message": "watch replicas.longhorn.io: no answer",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    failure = {"object": "longhorn-system/r-1", "expression": "spec.replicas.usable", "message": "no such key: active"}
    status = {
        "observedGeneration": 1,
        "conditions": [ready],
        "resource": "longhorn.io/v1beta2 replicas",
        "volumes": 3,
        "replicas": {"total": 9, "usable": 7, "unknown": 1},
        "failures": [failure],
        "failuresTotal": 1,
    }

    crds.kubectl(
        "patch", "vl", longhorn, "--subresource=status", "--type=merge", f"-p={json.dumps({'status': status})}"
    )

    header, row = crds.kubectl("get", "vl", longhorn).splitlines()
    assert header.split() == ["NAME", "DRIVER", "READY", "REASON", "VOLUMES", "REPLICAS", "AGE"]
    assert row.split()[:-1] == ["longhorn", "driver.longhorn.io", "False", "Unreachable", "3", "9"]
    assert json.loads(crds.kubectl("get", "vl", longhorn, "-o", "json"))["status"] == status
    assert "no such key: active" in crds.kubectl("describe", "vl", longhorn)


def test_explain_reads_well(crds: Sandbox) -> None:
    """`kubectl explain` gives the sentence that the documentation gives."""
    text = " ".join(crds.kubectl("explain", "vpp.spec.topologyKey").split())

    assert "FIELD: topologyKey <string>" in text
    assert "How near is near: a node label, such as kubernetes.io/hostname or topology.kubernetes.io/zone." in text


@pytest.mark.parametrize("kind", ["VolumePlacementPolicy", "ClusterVolumePlacementPolicy", "VolumeLocator"])
def test_every_published_field_has_a_description(crds: Sandbox, kind: str) -> None:
    """What `kubectl explain` and editors read has a sentence for every field, in the status too."""
    fields = {path: schema for path, schema in walk(_published(crds)[kind]) if not path.endswith(("*", "*]"))}

    assert ".status.conditions[*].lastTransitionTime" in fields
    assert [path for path, schema in fields.items() if not schema.get("description")] == []


def test_short_names_and_category_work(crds: Sandbox, databases: str, longhorn: str) -> None:
    """`kubectl get vpp`, `kubectl get cvpp`, `kubectl get vl` and `kubectl get mooring` are what people type."""
    cluster_policy = REPOSITORY / "policies/audit-only.yaml"
    crds.kubectl("apply", "-f", str(cluster_policy))
    try:
        assert "audit-only" in crds.kubectl("get", "cvpp")
        assert "databases" in crds.kubectl("get", "vpp", "-n", databases)
        everything = crds.kubectl("get", "mooring", "-n", databases)
        assert "volumeplacementpolicy.mooring.dev/databases" in everything
        assert "clustervolumeplacementpolicy.mooring.dev/audit-only" in everything
        assert f"volumelocator.mooring.dev/{longhorn}" in everything
    finally:
        crds.kubectl("delete", "-f", str(cluster_policy))


def test_status_is_a_subresource_and_shows_in_the_columns(crds: Sandbox, databases: str) -> None:
    """A status can be written without the spec, is waited for, and is what `kubectl get` prints."""
    ready = {
        "type": "Ready",
        "status": "True",
        "observedGeneration": 1,
        "reason": "InForce",
        "message": "The policy is in force.",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    counts = {"matched": 5, "local": 3, "remote": 2, "unknown": 0, "overridden": 0}
    patch = {"spec": {"priority": 9}, "status": {"observedGeneration": 1, "conditions": [ready], "pods": counts}}

    crds.kubectl(
        "patch", "vpp", "databases", "-n", databases, "--subresource=status", "--type=merge", f"-p={json.dumps(patch)}"
    )

    crds.kubectl("wait", "--for=condition=Ready", "--timeout=50s", "vpp/databases", "-n", databases)
    header, row = crds.kubectl("get", "vpp", "databases", "-n", databases).splitlines()
    assert header.split() == ["NAME", "PLACEMENT", "WHEN", "MODE", "READY", "MATCHED", "LOCAL", "REMOTE", "AGE"]
    assert row.split()[:-1] == ["databases", "Local", "ScheduleAnyway", "Initial", "True", "5", "3", "2"]
    assert json.loads(crds.kubectl("get", "vpp", "databases", "-n", databases, "-o", "json"))["spec"]["priority"] == 0


def test_two_writers_share_the_conditions(crds: Sandbox, databases: str) -> None:
    """Conditions merge by type under server-side apply: one writer's do not remove another's."""
    for writer in ("Ready", "VolumeLocal"):
        condition = {
            "type": writer,
            "status": "True",
            "reason": "Tested",
            "message": "",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }
        manifest = _manifest(databases, {"podSelector": {"matchLabels": {"tier": "database"}}})
        crds.kubectl(
            "apply",
            "--server-side",
            "--force-conflicts",
            "--subresource=status",
            f"--field-manager=test-{writer.lower()}",
            "-f",
            "-",
            stdin=json.dumps({**manifest, "status": {"conditions": [condition]}}),
        )

    stored = json.loads(crds.kubectl("get", "vpp", "databases", "-n", databases, "-o", "json"))

    assert {condition["type"] for condition in stored["status"]["conditions"]} == {"Ready", "VolumeLocal"}


def _manifest(namespace: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "mooring.dev/v1alpha1",
        "kind": "VolumePlacementPolicy",
        "metadata": {"name": "databases", "namespace": namespace},
        "spec": spec,
    }


def _published(sandbox: Sandbox) -> dict[str, dict[str, Any]]:
    """The schemas of our kinds as the API server publishes them, metadata aside."""
    answer = sandbox.kubectl("get", "--raw", "/openapi/v3/apis/mooring.dev/v1alpha1")
    published = {}
    for name, schema in json.loads(answer)["components"]["schemas"].items():
        kinds = schema.get("x-kubernetes-group-version-kind", [])
        if name.startswith("dev.mooring.") and kinds and "spec" in schema["properties"]:
            properties = {field: part for field, part in schema["properties"].items() if field != "metadata"}
            published[kinds[0]["kind"]] = {**schema, "properties": properties}
    return published
