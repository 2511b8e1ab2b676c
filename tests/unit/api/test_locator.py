"""VolumeLocators: defaults, what is read, which manifests they mean, and refusals that name the field."""

from typing import Any

import pytest
from tests.unit.api.malformed_locators import MALFORMED_LOCATORS, MalformedLocator

from mooring.api.locator import FollowedResource, InvalidLocatorError, Locator, LocatorSpec, SecretKey, parse_locator
from mooring.api.locator_status import LocatorStatus
from mooring.api.selectors import LabelSelector

_REPLICAS = {"resource": {"resource": "replicas"}, "volume": "object.spec.volume", "node": "object.spec.node"}


def _manifest(**changes: Any) -> dict[str, Any]:
    return {
        "apiVersion": "mooring.dev/v1alpha1",
        "kind": "VolumeLocator",
        "metadata": {"name": "example"},
        "spec": {"driver": "csi.example.com", "replicas": _REPLICAS},
        **changes,
    }


def _spec(**fields: Any) -> LocatorSpec:
    return parse_locator(_manifest(spec={"driver": "csi.example.com", **fields})).spec


def test_the_short_locator_gets_the_documented_defaults() -> None:
    """The newest version, all objects, the volume's handle, and replicas that are whole and usable."""
    spec = parse_locator(_manifest()).spec

    assert spec.volume == "volume.spec.csi.volumeHandle"
    assert spec.replicas is not None
    assert spec.replicas.resource == FollowedResource(group="", version="*", resource="replicas")
    assert (spec.replicas.usable, spec.replicas.whole, spec.replicas.node_label) == ("true", "true", None)
    assert (spec.open_storage, spec.nodes, spec.serving) == (None, None, None)


def test_every_field_is_read() -> None:
    """Each field of the spec ends up in the model under its own name."""
    resource = {
        "group": "x.io",
        "version": "v1-33-1",
        "resource": "replicas",
        "kind": "Copy",
        "namespace": "x-system",
        "labelSelector": {"matchLabels": {"a": "b"}},
    }
    spec = _spec(
        volume="volume.metadata.name",
        replicas={
            "resource": resource,
            "volume": "v",
            "node": "n",
            "nodeLabel": "x.io/node",
            "usable": "u",
            "whole": "w",
        },
        nodes={"resource": {"resource": "nodes"}, "id": "i", "node": "m", "state": "s"},
        serving={"resource": {"resource": "pods"}, "volume": "sv", "node": "sn", "usable": "su"},
    )

    assert spec.volume == "volume.metadata.name"
    assert spec.replicas is not None
    assert spec.replicas.resource == FollowedResource(
        group="x.io",
        version="v1-33-1",
        resource="replicas",
        kind="Copy",
        namespace="x-system",
        label_selector=LabelSelector(match_labels={"a": "b"}),
    )
    replicas = spec.replicas
    assert (replicas.volume, replicas.node, replicas.node_label) == ("v", "n", "x.io/node")
    assert (replicas.usable, replicas.whole) == ("u", "w")
    assert spec.nodes is not None
    assert (spec.nodes.resource.resource, spec.nodes.id, spec.nodes.node, spec.nodes.state) == ("nodes", "i", "m", "s")
    assert spec.serving is not None
    assert spec.serving.resource.resource == "pods"
    assert (spec.serving.volume, spec.serving.node, spec.serving.usable) == ("sv", "sn", "su")


def test_an_open_storage_source_is_read() -> None:
    """Endpoint, interval and the names of Secrets; the interval is there in seconds."""
    token, ca = {"name": "px-token", "key": "token"}, {"name": "px-ca", "key": "ca.crt"}
    source = _spec(
        openStorage={"endpoint": "https://px-api:9021/x", "interval": "1m30s", "tokenSecret": token, "caSecret": ca}
    ).open_storage

    assert source is not None
    assert (source.endpoint, source.interval_seconds) == ("https://px-api:9021/x", 90)
    assert (source.token_secret, source.ca_secret) == (SecretKey(**token), SecretKey(**ca))


def test_open_storage_is_asked_every_half_minute_without_a_token() -> None:
    """The defaults of the REST source."""
    source = _spec(openStorage={"endpoint": "http://[::1]:9001"}).open_storage

    assert source is not None
    assert (source.interval_seconds, source.token_secret, source.ca_secret) == (30, None, None)


def test_identity_comes_from_the_metadata() -> None:
    """What the API server adds to a manifest is kept, and the key is the name."""
    locator = parse_locator(_manifest(metadata={"name": "a", "generation": 3, "uid": "u", "resourceVersion": "12"}))

    assert (locator.kind, locator.key, locator.name) == ("VolumeLocator", "a", "a")
    assert (locator.generation, locator.uid, locator.resource_version) == (3, "u", "12")


@pytest.mark.parametrize("malformed", MALFORMED_LOCATORS, ids=lambda malformed: malformed.name)
def test_a_malformed_locator_is_refused_with_its_field(malformed: MalformedLocator) -> None:
    """What the API server would refuse, lint and snapshots refuse too, naming the field in camelCase."""
    with pytest.raises(InvalidLocatorError) as refusal:
        parse_locator(malformed.manifest)

    assert malformed.field in str(refusal.value)


@pytest.mark.parametrize("sources", [{}, {"replicas": _REPLICAS, "openStorage": {"endpoint": "http://a"}}])
def test_there_is_exactly_one_source_of_replicas(sources: dict[str, Any]) -> None:
    """Neither none nor two: which of them should be believed?"""
    with pytest.raises(InvalidLocatorError, match=r"^spec: exactly one of replicas and openStorage is required$"):
        _spec(**sources)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"apiVersion": "mooring.dev/v1"}, "apiVersion"),
        ({"kind": "VolumePlacementPolicy"}, "kind"),
        ({"kind": None}, "kind"),
        ({"metadata": None}, "metadata.name"),
        ({"metadata": {"namespace": "shop"}}, "metadata.name"),
        ({"spec": None}, "spec"),
        ({"spec": {"driver": "a", "replicas": {**_REPLICAS, "node_label": "a"}}}, "spec.replicas.node_label"),
    ],
)
def test_what_is_no_locator_is_refused(changes: dict[str, Any], field: str) -> None:
    """Other kinds, other versions and Python's spelling of fields are no locators."""
    with pytest.raises(InvalidLocatorError, match=rf"^{field}:"):
        parse_locator(_manifest(**changes))


def test_fields_that_are_null_count_as_left_out() -> None:
    """Charts render a field without a value when they mean its default; a null source is none."""
    nulls = {**_REPLICAS, "usable": None, "nodeLabel": None}

    assert _spec(replicas=nulls, openStorage=None, nodes=None) == parse_locator(_manifest()).spec


def test_status_is_read_back() -> None:
    """What Mooring wrote is known after a restart, with fields of a newer Mooring passed over."""
    status = parse_locator(
        _manifest(
            status={
                "observedGeneration": 2,
                "resource": "longhorn.io/v1beta2 replicas",
                "volumes": 2,
                "replicas": {"total": 6, "usable": 4, "unknown": 1, "lost": 1},
                "failures": [{"object": "a/b", "expression": "spec.replicas.node", "message": "no such key"}],
                "failuresTotal": 1,
            }
        )
    ).status

    assert (status.observed_generation, status.resource, status.volumes) == (2, "longhorn.io/v1beta2 replicas", 2)
    assert (status.replicas.total, status.replicas.usable, status.replicas.unknown) == (6, 4, 1)
    assert (status.failures[0].object, status.failures[0].expression, status.failures_total) == (
        "a/b",
        "spec.replicas.node",
        1,
    )


def test_an_unreadable_status_does_not_make_the_locator_invalid() -> None:
    """Status is written anew anyway."""
    assert parse_locator(_manifest(status={"replicas": "many"})).status == LocatorStatus()


def test_locators_are_equal_if_they_say_the_same() -> None:
    """The index passes over what says nothing new."""
    assert parse_locator(_manifest()) == parse_locator(_manifest())
    assert isinstance(parse_locator(_manifest()), Locator)


@pytest.mark.parametrize(
    ("resource", "manifest", "means"),
    [
        ({"group": "longhorn.io", "resource": "replicas"}, "longhorn.io/v1beta2 Replica", True),
        ({"group": "longhorn.io", "resource": "replicas", "version": "v1"}, "longhorn.io/v1beta2 Replica", True),
        ({"group": "longhorn.io", "resource": "replicas"}, "example.com/v1 Replica", False),
        ({"group": "longhorn.io", "resource": "replicas"}, "longhorn.io/v1beta2 Volume", False),
        ({"resource": "pods"}, "v1 Pod", True),
        ({"resource": "pods"}, "example.com/v1 Pod", False),
        ({"resource": "storageclasses"}, "v1 StorageClass", True),
        ({"resource": "policies"}, "v1 Policy", True),
        ({"resource": "endpoints"}, "v1 Endpoints", True),
        ({"resource": "resources"}, "v1 Resource", True),
        ({"resource": "resources"}, "v1 Resources", False),
        ({"resource": "resources", "kind": "Resources"}, "v1 Resources", True),
        ({"resource": "resources", "kind": "Resources"}, "v1 Resource", False),
    ],
)
def test_manifests_are_known_by_group_and_kind(resource: dict[str, str], manifest: str, *, means: bool) -> None:
    """In any version; where no kind is given, by the plural that kubectl would guess from theirs."""
    api_version, kind = manifest.split()

    found = FollowedResource.model_validate(resource).is_of({"apiVersion": api_version, "kind": kind, "metadata": {}})

    assert found is means


@pytest.mark.parametrize(
    ("metadata", "selected"),
    [
        ({"namespace": "x-system", "labels": {"a": "b", "c": "d"}}, True),
        ({"namespace": "x-system", "labels": {"a": "c"}}, False),
        ({"namespace": "x-system"}, False),
        ({"namespace": "other", "labels": {"a": "b"}}, False),
        ({"labels": {"a": "b"}}, False),
        (None, False),
        ({"namespace": "x-system", "labels": "a"}, False),
    ],
)
def test_only_selected_manifests_are_meant(metadata: Any, *, selected: bool) -> None:
    """Namespace and labels choose among manifests as they choose among the objects of a cluster."""
    resource = FollowedResource(
        resource="replicas", namespace="x-system", label_selector=LabelSelector(match_labels={"a": "b"})
    )

    assert resource.is_of({"apiVersion": "v1", "kind": "Replica", "metadata": metadata}) is selected


def test_a_manifest_without_a_namespace_is_one_of_default() -> None:
    """As kubectl would put it there."""
    resource = FollowedResource(resource="replicas", namespace="default")

    assert resource.is_of({"apiVersion": "v1", "kind": "Replica", "metadata": {"name": "a"}})
