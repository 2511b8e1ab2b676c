"""Subjects: a pod, and the pod that a template would make."""

from tests.unit.builders import PREFER_LOCAL, deployment, pod

from mooring.decide.subject import subject_of_pod, subject_of_template


def test_a_pod_is_its_own_subject() -> None:
    """With its labels, annotations, claims and scheduler."""
    subject = subject_of_pod(pod("web", "c1", "c2", labels={"a": "b"}, annotations={PREFER_LOCAL: "true"}))

    assert (subject.kind, subject.namespace, subject.name) == ("Pod", "shop", "web")
    assert (subject.labels, subject.annotations) == ({"a": "b"}, {PREFER_LOCAL: "true"})
    assert (subject.claims, subject.scheduler_name) == (("c1", "c2"), "default-scheduler")
    assert subject_of_pod(pod("web", "c1", scheduler="stork")).scheduler_name == "stork"


def test_a_template_speaks_for_its_pods() -> None:
    """The template's labels count, not the Deployment's; ephemeral claims have no name yet."""
    ephemeral = {"name": "scratch", "ephemeral": {}}
    claim = {"name": "data", "persistentVolumeClaim": {"claimName": "c1"}}
    template = {
        "metadata": {"labels": {"a": "b"}, "annotations": {PREFER_LOCAL: "true", "other": "x"}},
        "spec": {"volumes": [ephemeral, claim], "schedulerName": "mooring"},
    }
    subject = subject_of_template(deployment("web", template=template))

    assert (subject.kind, subject.namespace, subject.name) == ("Deployment", "shop", "web")
    assert (subject.labels, subject.annotations) == ({"a": "b"}, {PREFER_LOCAL: "true"})
    assert (subject.claims, subject.scheduler_name) == (("c1",), "mooring")


def test_a_bare_template_has_nothing_to_say() -> None:
    """No labels, no annotations, no claims, and the scheduler that everybody has."""
    subject = subject_of_template(deployment("web"))

    assert (subject.labels, subject.annotations, subject.claims) == ({}, {}, ())
    assert subject.scheduler_name == "default-scheduler"


def test_a_pod_knows_the_claims_that_it_will_have() -> None:
    """Those of its generic ephemeral volumes, as their templates make them; other claims are not its own."""
    template = {
        "metadata": {"labels": {"a": "b"}, "annotations": {"mooring.dev/skipSchedulerScoring": "true"}},
        "spec": {"storageClassName": "fast"},
    }
    volumes = [
        {"name": "scratch", "ephemeral": {"volumeClaimTemplate": template}},
        {"name": "data", "persistentVolumeClaim": {"claimName": "c1"}},
    ]
    subject = subject_of_pod(pod("web", volumes=volumes))
    planned = subject.planned_claim("web-scratch")

    assert subject.claims == ("web-scratch", "c1")
    assert planned is not None
    assert (planned.key, planned.spec.storage_class_name, planned.spec.volume_name) == ("shop/web-scratch", "fast", "")
    assert (planned.labels, planned.annotations) == ({"a": "b"}, {"mooring.dev/skipSchedulerScoring": "true"})
    assert (subject.planned_claim("c1"), subject.planned_claim("web-other")) == (None, None)
