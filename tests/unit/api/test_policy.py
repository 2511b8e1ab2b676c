"""Policies: defaults, precedence-relevant fields, and refusals that name the field."""

from typing import Any

import pytest
from tests.unit.api.malformed_policies import MALFORMED, Malformed

from mooring.api.policy import (
    ClusterPolicySpec,
    Disruption,
    InvalidPolicyError,
    Placement,
    PodAnnotations,
    PolicyKind,
    PolicySpec,
    UpdateMode,
    WhenUnsatisfiable,
    parse_policy,
)
from mooring.api.selectors import LabelSelector
from mooring.api.status import PolicyStatus


def _manifest(**changes: Any) -> dict[str, Any]:
    return {
        "apiVersion": "mooring.dev/v1alpha1",
        "kind": "VolumePlacementPolicy",
        "metadata": {"name": "databases", "namespace": "shop"},
        "spec": {"podSelector": {"matchLabels": {"tier": "database"}}},
        **changes,
    }


def test_the_short_policy_gets_the_documented_defaults() -> None:
    """A policy with nothing but a pod selector is soft, local, by hostname, and acts on new pods only."""
    spec = parse_policy(_manifest()).spec

    assert spec.pod_selector.match_labels == {"tier": "database"}
    assert spec.placement is Placement.LOCAL
    assert spec.topology_key == "kubernetes.io/hostname"
    assert spec.when_unsatisfiable is WhenUnsatisfiable.SCHEDULE_ANYWAY
    assert spec.update_mode is UpdateMode.INITIAL
    assert spec.pod_annotations is PodAnnotations.HONOR
    assert spec.disruption == Disruption(max_concurrent=1, cooldown="10m")
    assert spec.priority == 0
    assert spec.scheduler_name is None
    assert spec.volume_selector.matches(None, None, {})


def test_every_field_is_read() -> None:
    """Each field of the spec ends up in the model under its own name."""
    spec = parse_policy(
        _manifest(
            spec={
                "podSelector": {"matchExpressions": [{"key": "tier", "operator": "In", "values": ["a", "b"]}]},
                "volumeSelector": {"storageClassNames": ["fast"], "drivers": ["x.io"], "matchLabels": {"a": "b"}},
                "placement": "Local",
                "topologyKey": "topology.kubernetes.io/zone",
                "whenUnsatisfiable": "DoNotSchedule",
                "schedulerName": "volcano",
                "updateMode": "Reconcile",
                "disruption": {"maxConcurrent": 3, "cooldown": "1h30m"},
                "podAnnotations": "Ignore",
                "priority": -7,
            }
        )
    ).spec

    assert spec.pod_selector.match_expressions[0].values == ("a", "b")
    assert spec.volume_selector.storage_class_names == ("fast",)
    assert spec.volume_selector.drivers == ("x.io",)
    assert spec.volume_selector.match_labels == {"a": "b"}
    assert spec.topology_key == "topology.kubernetes.io/zone"
    assert spec.when_unsatisfiable is WhenUnsatisfiable.DO_NOT_SCHEDULE
    assert spec.scheduler_name == "volcano"
    assert spec.update_mode is UpdateMode.RECONCILE
    assert spec.disruption.max_concurrent == 3
    assert spec.pod_annotations is PodAnnotations.IGNORE
    assert spec.priority == -7


@pytest.mark.parametrize(
    ("text", "seconds"), [("30s", 30), ("10m", 600), ("1h30m", 5400), ("1h0m0s", 3600), ("250ms", 0.25), ("0s", 0)]
)
def test_a_cooldown_is_read_in_seconds(text: str, seconds: float) -> None:
    """Durations are written as in Go and Gateway API."""
    assert Disruption(cooldown=text).cooldown_seconds == seconds


def test_identity_comes_from_the_metadata() -> None:
    """What the API server adds to a manifest is kept, and the key says kind, namespace and name."""
    policy = parse_policy(
        _manifest(
            metadata={"name": "databases", "namespace": "shop", "generation": 3, "uid": "u", "resourceVersion": "12"}
        )
    )

    assert policy.key == "VolumePlacementPolicy/shop/databases"
    assert (policy.kind, policy.namespace, policy.name) == (PolicyKind.NAMESPACED, "shop", "databases")
    assert (policy.generation, policy.uid, policy.resource_version) == (3, "u", "12")
    assert policy.namespace_selector is None


def test_a_manifest_without_a_namespace_belongs_to_default() -> None:
    """Policies in files have no namespace; kubectl puts such ones into `default`."""
    assert parse_policy(_manifest(metadata={"name": "a"})).key == "VolumePlacementPolicy/default/a"


def test_a_cluster_policy_selects_namespaces() -> None:
    """A cluster policy has no namespace, and says which ones it is for."""
    policy = parse_policy(
        _manifest(
            kind="ClusterVolumePlacementPolicy",
            metadata={"name": "defaults"},
            spec={"podSelector": {}, "namespaceSelector": {"matchLabels": {"team": "shop"}}},
        )
    )

    assert policy.key == "ClusterVolumePlacementPolicy/defaults"
    assert policy.namespace is None
    assert isinstance(policy.spec, ClusterPolicySpec)
    assert policy.namespace_selector is not None
    assert policy.namespace_selector.matches({"team": "shop"})
    assert not policy.namespace_selector.matches({})


@pytest.mark.parametrize("malformed", MALFORMED, ids=lambda malformed: malformed.name)
def test_a_malformed_policy_is_refused_with_its_field(malformed: Malformed) -> None:
    """What the API server would refuse, lint and snapshots refuse too, naming the field in camelCase."""
    with pytest.raises(InvalidPolicyError) as refusal:
        parse_policy(malformed.manifest)

    assert malformed.field in str(refusal.value)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"apiVersion": "mooring.dev/v1"}, "apiVersion"),
        ({"kind": "Deployment"}, "kind"),
        ({"kind": None}, "kind"),
        ({"metadata": None}, "metadata.name"),
        ({"metadata": {"namespace": "shop"}}, "metadata.name"),
        ({"spec": None}, "spec"),
        ({"spec": {"podSelector": {}, "topology_key": "a"}}, "spec.topology_key"),
    ],
)
def test_what_is_no_policy_is_refused(changes: dict[str, Any], field: str) -> None:
    """Other kinds, other versions and Python's spelling of fields are no policies."""
    with pytest.raises(InvalidPolicyError, match=rf"^{field}:"):
        parse_policy(_manifest(**changes))


def test_fields_that_are_null_count_as_left_out() -> None:
    """Charts render a field without a value when they mean its default; the API server reads it so, too."""
    nulls = dict.fromkeys(("placement", "topologyKey", "volumeSelector", "disruption", "priority"))

    policy = parse_policy(_manifest(spec={"podSelector": {"matchLabels": None, "matchExpressions": None}, **nulls}))

    assert policy.spec == PolicySpec(pod_selector=LabelSelector())


def test_a_label_without_a_value_is_refused() -> None:
    """The API server drops such a label and selects everything: nobody means that."""
    with pytest.raises(InvalidPolicyError, match=r"spec\.podSelector\.matchLabels\.tier: "):
        parse_policy(_manifest(spec={"podSelector": {"matchLabels": {"tier": None}}}))


def test_all_mistakes_are_named_at_once() -> None:
    """A user with two mistakes reads about both."""
    with pytest.raises(InvalidPolicyError, match=r"spec\.podSelector: .*; spec\.priority: "):
        parse_policy(_manifest(spec={"priority": "high"}))


def test_status_is_read_back() -> None:
    """What Mooring wrote is known after a restart, with fields of a newer Mooring passed over."""
    status = parse_policy(
        _manifest(
            status={
                "observedGeneration": 2,
                "pods": {"matched": 5, "local": 3, "remote": 2, "lost": 1},
                "conditions": [
                    {
                        "type": "Ready",
                        "status": "True",
                        "reason": "InForce",
                        "message": "",
                        "lastTransitionTime": "2026-01-01T00:00:00Z",
                    }
                ],
                "workloads": [
                    {"kind": "Deployment", "namespace": "shop", "name": "a", "reason": "Deferred", "message": "m"}
                ],
                "workloadsTotal": 1,
            }
        )
    ).status

    assert status.observed_generation == 2
    assert (status.pods.matched, status.pods.local, status.pods.remote, status.pods.unknown) == (5, 3, 2, 0)
    assert status.conditions[0].type == "Ready"
    assert status.workloads[0].name == "a"
    assert status.workloads_total == 1


def test_an_unreadable_status_does_not_make_the_policy_invalid() -> None:
    """Status is written anew anyway."""
    assert parse_policy(_manifest(status={"pods": "many"})).status == PolicyStatus()


def test_a_spec_is_written_in_camel_case_and_reads_the_same() -> None:
    """A spec that is dumped and parsed again is equal: what plan prints can be applied."""
    spec = parse_policy(_manifest()).spec

    assert PolicySpec.model_validate(spec.model_dump(mode="json", by_alias=True)) == spec
