"""What a rule makes of each volume of a pod: whether it counts, where its data lies, and which nodes are near it."""

from collections.abc import Set as AbstractSet
from enum import StrEnum
from typing import Final

import msgspec

from mooring.api.annotations import NodeStorageState
from mooring.cluster.index import Cluster
from mooring.cluster.topology import Level, Topology
from mooring.decide.rule import Rule, selects_claim
from mooring.decide.subject import Subject
from mooring.locate.location import UNKNOWN_LOCATION, Location
from mooring.locate.locator import Locator

REFUSING_STATES: Final = frozenset({NodeStorageState.DEGRADED, NodeStorageState.OFFLINE})


class VolumeState(StrEnum):
    """What is known of one volume."""

    NOT_SELECTED = "NotSelected"
    UNBOUND = "VolumeUnbound"
    UNKNOWN = "LocationUnknown"
    COARSE = "LocationCoarse"
    OFFLINE = "ReplicasOffline"
    LOCATED = "Located"


class VolumeView(msgspec.Struct, frozen=True, kw_only=True):
    """One claim of the pod, seen through its rule.

    Attributes:
        claim: the claim's name.
        volume: the PersistentVolume's name, empty while unbound.
        location: where the data lies.
        usable: the nodes of the location whose storage is online; replicas elsewhere cannot be read.
        near: the nodes within the rule's topologyKey of a usable replica; where the location is coarser than that, the
            nodes of the area.
        placed: as `near`, but of every replica, usable or not: affinity does not carry states, which come and go.
        detail: what a person should know beyond `state`.
    """

    claim: str
    state: VolumeState
    volume: str = ""
    driver: str = ""
    location: Location = UNKNOWN_LOCATION
    usable: AbstractSet[str] = frozenset()
    near: AbstractSet[str] = frozenset()
    placed: AbstractSet[str] = frozenset()
    detail: str = ""

    @property
    def counts(self) -> bool:
        """Whether the volume constrains or draws the pod: an unknown place does neither."""
        return self.state in {VolumeState.LOCATED, VolumeState.COARSE, VolumeState.OFFLINE}


def view_volumes(subject: Subject, rule: Rule, cluster: Cluster, locator: Locator) -> tuple[VolumeView, ...]:
    """Look at every claim of a pod, in the order of its volumes."""
    return tuple(_view(claim, subject.namespace, rule, cluster, locator) for claim in dict.fromkeys(subject.claims))


def is_area(location: Location, topology_key: str, topology: Topology) -> bool:
    """Whether a known place is known less finely than a rule asks, so that it is an area as far as the rule can tell.

    A label of the user's own has no known level, so that only a host is surely fine enough for it.
    """
    wanted = topology.level_of(topology_key)
    return location.precision is not None and location.precision > (Level.HOST if wanted is None else wanted)


def _view(name: str, namespace: str, rule: Rule, cluster: Cluster, locator: Locator) -> VolumeView:
    claim = cluster.claim(f"{namespace}/{name}")
    if not selects_claim(rule.volumes, claim, cluster):
        return VolumeView(claim=name, state=VolumeState.NOT_SELECTED)
    if claim is None:
        return VolumeView(claim=name, state=VolumeState.UNBOUND, detail="the claim does not exist")
    if not claim.spec.volume_name or claim.status.phase != "Bound":
        return VolumeView(claim=name, state=VolumeState.UNBOUND, detail="the claim is not bound")
    volume = cluster.volume(claim.spec.volume_name)
    if volume is None:
        return VolumeView(claim=name, state=VolumeState.UNKNOWN, detail="the volume does not exist")
    location = locator.locate(volume)
    if location.precision is None:
        return VolumeView(
            claim=name,
            state=VolumeState.UNKNOWN,
            volume=volume.name,
            driver=volume.driver,
            location=location,
            detail=location.problem,
        )
    usable = _usable(location.nodes, volume.driver, cluster)
    topology = cluster.topology
    coarse = is_area(location, rule.topology_key, topology)
    state = VolumeState.COARSE if coarse else VolumeState.LOCATED
    return VolumeView(
        claim=name,
        state=state if usable else VolumeState.OFFLINE,
        volume=volume.name,
        driver=volume.driver,
        location=location,
        usable=usable,
        near=_near(location, usable, rule.topology_key, cluster, coarse=coarse),
        placed=location.nodes if coarse else topology.sharing(location.nodes, rule.topology_key),
        detail=location.problem if usable else "no replica is on a node whose storage is online",
    )


def _usable(nodes: AbstractSet[str], driver: str, cluster: Cluster) -> AbstractSet[str]:
    registered = cluster.storage.nodes_with(driver)
    if registered:
        nodes = nodes & registered
    broken = [node for node, state in cluster.storage.states(driver).items() if state is not NodeStorageState.ONLINE]
    return nodes - set(broken) if broken else nodes


def _near(
    location: Location, usable: AbstractSet[str], topology_key: str, cluster: Cluster, *, coarse: bool
) -> AbstractSet[str]:
    if not coarse:
        return cluster.topology.sharing(usable, topology_key)
    # Which node of the area holds the data is not known, so a node of it whose own disks are down is as near as any.
    return location.nodes if usable else frozenset()
