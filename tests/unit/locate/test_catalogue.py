"""Every driver that Mooring ships a locator for, and those that need none: what comes of a cluster's objects.

The data is in `policies/locators` and `tests/data/node_affinity` (see tests/catalogue.py).
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import msgspec
import pytest
from tests.catalogue import CATALOGUE, Driver, Expected, Manifest, located_drivers, merge, plain_drivers
from tests.unit.builders import claim, decision_on, eligible, pod, strict

from mooring.api.conditions import VolumeLocalReason
from mooring.api.locator import Locator as VolumeLocator
from mooring.api.permissions import AGGREGATION_LABEL
from mooring.cluster.index import Cluster
from mooring.cluster.snapshot import load
from mooring.cluster.topology import Level
from mooring.decide.locality import measure
from mooring.decide.tiers import TIER_SCORES
from mooring.follow.openstorage_answers import read_volume, replicas
from mooring.locate.locator import Locator
from mooring.locate.reading import Reader
from mooring.locate.records import Said
from mooring.locate.snapshot import load_storage
from mooring.locate.systems import Part, State

_TESTS = {"test/objects.yaml", "test/expected.yaml"}
_FILES = {"locator.yaml", "clusterrole.yaml"} | _TESTS

each_located = pytest.mark.parametrize("driver", located_drivers(), ids=lambda driver: driver.name)
each_plain = pytest.mark.parametrize("driver", plain_drivers(), ids=lambda driver: driver.name)
each_driver = pytest.mark.parametrize("driver", located_drivers() + plain_drivers(), ids=lambda driver: driver.name)


def locator_of(driver: Driver) -> VolumeLocator:
    """Give a driver's locator, which it must have."""
    assert driver.locator is not None
    return driver.locator


class World(NamedTuple):
    """What is known of a driver's objects."""

    cluster: Cluster
    locator: Locator


def world_of(driver: Driver) -> World:
    """Load a driver's folder, as `mooring explain --snapshot` does, and what its REST API answers if it has one."""
    cluster = Cluster()
    locator = Locator(cluster)
    load(driver.directory, cluster)
    load_storage(driver.directory, cluster, locator.systems)
    if driver.locator is not None and driver.locator.spec.open_storage is not None:
        for answer in driver.expectation.answers:
            volume = read_volume(msgspec.json.encode(answer))
            for replica in replicas(volume, volume.id):
                locator.systems.sink(driver.name, Part.REPLICAS).put("Replica", replica)
        locator.systems.set_state(driver.name, State.FOLLOWING)
    return World(cluster, locator)


def assert_is(world: World, driver: Driver, name: str, expected: Expected) -> None:
    """Compare what is known of a PersistentVolume with what should be."""
    volume = world.cluster.volume(name)
    assert volume is not None
    location = world.locator.locate(volume)
    assert (sorted(location.nodes), sorted(location.offline)) == (expected.nodes, expected.offline), name
    assert location.precision is expected.level, name
    assert all(part in location.source for part in driver.expectation.source_of(expected)), (name, location.source)
    assert expected.problem in location.problem, (name, location.problem)
    assert bool(location.problem) is bool(expected.problem), (name, location.problem)


def test_the_catalogue_has_the_drivers_that_are_promised() -> None:
    """No driver gets lost."""
    assert {driver.name for driver in located_drivers()} == {
        "carina",
        "directpv",
        "hwameistor",
        "linstor",
        "longhorn",
        "openebs-lvm",
        "openebs-zfs",
        "portworx",
        "topolvm",
    }
    assert {driver.name for driver in plain_drivers()} == {
        "aws-ebs",
        "azure-disk",
        "gce-pd",
        "local-path",
        "local-static",
        "openebs-hostpath",
    }


@each_driver
def test_a_driver_is_complete(driver: Driver) -> None:
    """Every folder has every file, something is expected of every PersistentVolume, and what is watched changes."""
    files = _FILES if driver.directory.parent == CATALOGUE else _TESTS
    volumes = [each["metadata"]["name"] for each in driver.of_kind("PersistentVolume")]

    found = {str(path.relative_to(driver.directory)) for path in driver.directory.rglob("*.yaml")}
    assert found == files
    assert volumes
    assert sorted(volumes) == sorted(driver.expectation.volumes)
    assert all(driver.expectation.source_of(each) for each in driver.expectation.volumes.values() if each.nodes)
    assert bool(driver.expectation.changes) is (Part.REPLICAS in driver.resources)


@each_located
def test_a_locator_bears_the_name_of_its_folder(driver: Driver) -> None:
    """It says which sources it was written from, and its volumes are those of its driver."""
    assert locator_of(driver).name == driver.name
    assert (driver.directory / "locator.yaml").read_text(encoding="utf-8").startswith("# ")
    assert {each["spec"]["csi"]["driver"] for each in driver.of_kind("PersistentVolume")} == {
        locator_of(driver).spec.driver
    }


@each_located
def test_a_role_grants_what_the_locator_reads(driver: Driver) -> None:
    """It may be read and watched and nothing else, and the operator gets it by aggregation."""
    granted = {
        (group, resource)
        for rule in driver.cluster_role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }

    assert granted == {(resource.group, resource.resource) for resource in driver.resources.values()}
    assert all(rule["verbs"] == ["get", "list", "watch"] for rule in driver.cluster_role["rules"])
    assert driver.cluster_role["metadata"] == {
        "name": f"mooring-locator-{driver.name}",
        "labels": {AGGREGATION_LABEL: "true"},
    }


@each_driver
def test_data_is_located(driver: Driver) -> None:
    """Each volume's data is where it is expected, and what says so is named."""
    world = world_of(driver)

    for name, expected in driver.expectation.volumes.items():
        assert_is(world, driver, name, expected)


@each_located
def test_states_are_told(driver: Driver) -> None:
    """Of the storage on nodes is said what is expected, and of no other node anything."""
    cluster = world_of(driver).cluster

    assert cluster.storage.states(locator_of(driver).spec.driver) == driver.expectation.states


@each_located
def test_changes_are_understood(driver: Driver) -> None:
    """A change of one of the driver's objects moves what it concerns, and nothing else."""
    world = world_of(driver)
    objects, known = list(driver.objects), dict(driver.expectation.volumes)
    for change in driver.expectation.changes:
        (position,) = [number for number, each in enumerate(objects) if change.object.is_(each)]
        objects[position] = merge(objects[position], change.patch)
        for part, read in readings(driver, objects[position]):
            world.locator.systems.sink(driver.name, part).put("", read(objects[position]))
        assert all(known[name] != expected for name, expected in change.volumes.items()), change.because
        known |= change.volumes
        for name, expected in known.items():
            assert_is(world, driver, name, expected)


@each_located
def test_no_expression_fails(driver: Driver) -> None:
    """No object of the driver's own makes an expression fail, as it is or when it has just been made.

    Whatever controllers write later is missing then: the labels, the spec, the status, or any field of them.
    """
    read = 0
    for manifest in driver.objects:
        for part, reading in readings(driver, manifest):
            for variant in (manifest, *younger(manifest)):
                assert reading(variant).problem == "", (part, variant)
                read += 1

    assert read >= 10


def readings(driver: Driver, manifest: Manifest) -> Iterator[tuple[Part, Callable[[Manifest], Said]]]:
    """Give the parts of a driver's locator that read an object, and how they do."""
    reader = Reader(locator_of(driver).spec)
    ways = {Part.REPLICAS: reader.replica, Part.NODES: reader.node_entry, Part.SERVING: reader.server}
    for part, resource in driver.resources.items():
        if resource.is_of(manifest):
            yield part, ways[part]


def younger(manifest: Manifest) -> Iterator[Manifest]:
    """Give an object without what something writes on it after it was made."""
    yield {key: manifest[key] for key in ("apiVersion", "kind")} | {"metadata": {"name": "young"}}
    yield merge(manifest, {"metadata": {"labels": None}})
    for part in ("spec", "status"):
        yield merge(manifest, {part: None})
        yield {**manifest, part: {}}
        for field, value in manifest.get(part, {}).items():
            yield merge(manifest, {part: {field: None}})
            if isinstance(value, list):
                # What Go writes of a list without anything in it.
                yield {**manifest, part: {**manifest[part], field: None}}


@each_plain
def test_data_in_a_zone_ends_at_the_zones_tier(driver: Driver) -> None:
    """No node of the area is nearer than another, none outside of it will do, and it is said that this is coarse."""
    cluster = world_of(driver).cluster
    cluster.put("VolumePlacementPolicy", strict())
    for name, expected in driver.expectation.volumes.items():
        if expected.level is not None:
            cluster.put("PersistentVolumeClaim", claim("data", name))
            decision = decision_on(pod("web", "data", on=expected.nodes[0]), cluster)
            coarse = measure(decision, expected.nodes[0]).reason is VolumeLocalReason.LOCATION_COARSE

            assert {decision.scores.of(node) for node in expected.nodes} == {TIER_SCORES[expected.level]}
            assert eligible(decision, cluster.nodes) == expected.nodes
            assert coarse is (expected.level is not Level.HOST)


def test_a_merge_patch_is_applied() -> None:
    """Fields are put and taken away at any depth, and what was given is not changed."""
    before = {"a": {"b": 1, "c": 2}, "d": [1, 2]}

    assert merge(before, {"a": {"b": None, "e": {"f": None, "g": 3}}, "d": [4]}) == {
        "a": {"c": 2, "e": {"g": 3}},
        "d": [4],
    }
    assert before == {"a": {"b": 1, "c": 2}, "d": [1, 2]}
