"""What a rule makes of each volume of a pod: whether it counts, where its data lies, and which nodes are near it."""

from collections.abc import Set as AbstractSet
from enum import StrEnum
from typing import Final

import msgspec

from mooring.api.annotations import NodeStorageState
from mooring.cluster.index import Cluster
from mooring.cluster.records import PersistentVolume, PersistentVolumeClaim, StorageClass
from mooring.cluster.topology import Level, Topology
from mooring.decide.aim import NO_AIM, Aim, aim_of, why_ignored
from mooring.decide.rule import Rule, claim_of, selects_claim
from mooring.decide.subject import Subject
from mooring.decide.wishes import NO_WISHES, Wishes, read_wishes
from mooring.locate.location import UNKNOWN_LOCATION, Location
from mooring.locate.locator import Locator
from mooring.locate.origin import source_volume

REFUSING_STATES: Final = frozenset({NodeStorageState.DEGRADED, NodeStorageState.OFFLINE})

#: The provisioner of classes whose volumes somebody makes beforehand, such as those of local disks.
_NO_PROVISIONER: Final = "kubernetes.io/no-provisioner"
_MISSING: Final = "the claim does not exist"
_RESTORING: Final = "a restore of it is in progress"


class VolumeState(StrEnum):
    """What is known of one volume."""

    NOT_SELECTED = "NotSelected"
    UNBOUND = "VolumeUnbound"
    UNKNOWN = "LocationUnknown"
    COARSE = "LocationCoarse"
    OFFLINE = "ReplicasOffline"
    LOCATED = "Located"


_PLACED: Final = frozenset({VolumeState.LOCATED, VolumeState.COARSE, VolumeState.OFFLINE})


class VolumeView(msgspec.Struct, frozen=True, kw_only=True):
    """One claim of the pod, seen through its rule.

    Attributes:
        claim: the claim's name.
        volume: the PersistentVolume's name, empty while unbound.
        location: where the data lies.
        aim: what is asked of nodes because of it.
        wishes: what the storage itself says of that.
        usable: the nodes of the location whose storage is online; replicas elsewhere cannot be read.
        near: the nodes within the aim's topologyKey of a usable replica; where the location is coarser than that, the
            nodes of the area.
        placed: as `near`, but of every replica, usable or not: affinity does not carry states, which come and go.
        is_new: whether its volume is made once the pod has a node, where the pod's node is.
        awaited: why a pod has to wait for the claim before it can be placed; empty where it need not.
        detail: what a person should know beyond `state`.
    """

    claim: str
    state: VolumeState
    volume: str = ""
    driver: str = ""
    location: Location = UNKNOWN_LOCATION
    aim: Aim = NO_AIM
    wishes: Wishes = NO_WISHES
    usable: AbstractSet[str] = frozenset()
    near: AbstractSet[str] = frozenset()
    placed: AbstractSet[str] = frozenset()
    is_new: bool = False
    awaited: str = ""
    detail: str = ""

    @property
    def counts(self) -> bool:
        """Whether the volume constrains or draws the pod: an unknown place does neither."""
        return self.state in _PLACED

    @property
    def remote(self) -> bool:
        """Whether the pod should run away from the data instead of near it."""
        return self.aim.remote

    @property
    def is_required(self) -> bool:
        """Whether nodes are refused because of where the data lies."""
        return self.aim.strict and self.counts

    @property
    def is_scored(self) -> bool:
        """Whether nodes are preferred because of where the data lies."""
        return self.aim.scored and self.counts

    @property
    def draws(self) -> bool:
        """Whether the data draws the pod to nodes that kube-scheduler would not find by itself."""
        if self.state is not VolumeState.LOCATED or self.remote or not self.is_scored:
            return False
        return not self.location.confined or self.usable != self.location.nodes


def view_volumes(subject: Subject, rule: Rule, cluster: Cluster, locator: Locator) -> tuple[VolumeView, ...]:
    """Look at every claim of a pod, in the order of its volumes."""
    return tuple(_view(claim, subject, rule, cluster, locator) for claim in dict.fromkeys(subject.claims))


def is_area(location: Location, topology_key: str, topology: Topology) -> bool:
    """Whether a known place is known less finely than a rule asks, so that it is an area as far as the rule can tell.

    A label of the user's own has no known level, so that only a host is surely fine enough for it.
    """
    wanted = topology.level_of(topology_key)
    return location.precision is not None and location.precision > (Level.HOST if wanted is None else wanted)


def _view(name: str, subject: Subject, rule: Rule, cluster: Cluster, locator: Locator) -> VolumeView:
    claim = claim_of(subject, name, cluster)
    if not selects_claim(rule.volumes, claim, cluster):
        return VolumeView(claim=name, state=VolumeState.NOT_SELECTED)
    if claim is None:
        return VolumeView(claim=name, state=VolumeState.UNBOUND, awaited=_MISSING, detail=_MISSING)
    volume = cluster.volume(claim.spec.volume_name) if _is_bound(claim) else None
    wishes = read_wishes(claim, volume, cluster.class_of(claim))
    origin = _origin(claim, cluster) if volume is None else None
    location = _location(volume, origin, locator)
    aim = aim_of(rule, wishes, location)
    awaited = _RESTORING if wishes.restoring else ""
    if ignored := why_ignored(aim, wishes, location):
        return VolumeView(claim=name, state=VolumeState.NOT_SELECTED, wishes=wishes, awaited=awaited, detail=ignored)
    data = volume or origin
    if data is None or (volume is None and not location.known):
        return _without_volume(claim, aim, wishes, cluster)
    if location.precision is None:
        return VolumeView(
            claim=name,
            state=VolumeState.UNKNOWN,
            volume=data.name,
            driver=data.driver,
            location=location,
            aim=aim,
            wishes=wishes,
            awaited=awaited,
            detail=location.problem,
        )
    usable = _usable(location, data.driver, cluster)
    topology = cluster.topology
    coarse = is_area(location, aim.topology_key, topology)
    state = VolumeState.COARSE if coarse else VolumeState.LOCATED
    return VolumeView(
        claim=name,
        state=state if usable else VolumeState.OFFLINE,
        volume=volume.name if volume is not None else "",
        driver=data.driver,
        location=location,
        aim=aim,
        wishes=wishes,
        usable=usable,
        near=_near(location, usable, aim.topology_key, cluster, coarse=coarse),
        placed=location.nodes if coarse else topology.sharing(location.nodes, aim.topology_key),
        is_new=volume is None,
        awaited=awaited,
        detail=_detail(location, usable, origin),
    )


def _detail(location: Location, usable: AbstractSet[str], origin: PersistentVolume | None) -> str:
    if not usable:
        why = "no replica is usable on a node whose storage is online"
        return "; ".join(filter(None, [why, location.problem]))
    return f"its volume is to be made of the data of {origin.name}" if origin is not None else location.problem


def _origin(claim: PersistentVolumeClaim, cluster: Cluster) -> PersistentVolume | None:
    """The volume whose data the one of an unbound claim will be made of; a driver makes it where that data lies."""
    storage_class = cluster.class_of(claim)
    waits = storage_class is not None and storage_class.waits_for_pod and claim.status.phase != "Lost"
    return source_volume(claim, cluster) if waits and not _is_bound(claim) else None


def _location(volume: PersistentVolume | None, origin: PersistentVolume | None, locator: Locator) -> Location:
    if volume is not None:
        return locator.locate(volume)
    if origin is not None:
        # The new volume has no node affinity yet, from which kube-scheduler could tell where it has to be.
        return msgspec.structs.replace(locator.locate(origin), confined=False)
    return UNKNOWN_LOCATION


def _is_bound(claim: PersistentVolumeClaim) -> bool:
    return bool(claim.spec.volume_name) and claim.status.phase == "Bound"


def _without_volume(claim: PersistentVolumeClaim, aim: Aim, wishes: Wishes, cluster: Cluster) -> VolumeView:
    """What there is to say of a claim before its volume is known, and whether a pod has to wait until it is."""
    storage_class = cluster.class_of(claim)
    if _is_bound(claim):
        state, detail, awaited = VolumeState.UNKNOWN, "the volume does not exist", "its volume is not known yet"
    else:
        waits_for_pod = storage_class is not None and storage_class.waits_for_pod
        state, detail = VolumeState.UNBOUND, _MISSING if cluster.claim(claim.key) is None else "the claim is not bound"
        awaited = "" if waits_for_pod or claim.status.phase == "Lost" else detail
    return VolumeView(
        claim=claim.name,
        state=state,
        aim=aim,
        wishes=wishes,
        driver=storage_class.provisioner if storage_class is not None else "",
        is_new=state is VolumeState.UNBOUND and not awaited and _is_made_anew(claim, storage_class),
        awaited=_RESTORING if wishes.restoring else awaited,
        detail=detail,
    )


def _is_made_anew(claim: PersistentVolumeClaim, storage_class: StorageClass | None) -> bool:
    """Whether a driver makes the volume, rather than that one is taken which is there already, or was."""
    provisioned = storage_class is not None and storage_class.provisioner != _NO_PROVISIONER
    return provisioned and not claim.spec.volume_name and claim.status.phase != "Lost"


def _usable(location: Location, driver: str, cluster: Cluster) -> AbstractSet[str]:
    nodes = location.nodes - location.offline
    registered = cluster.storage.nodes_with(driver)
    if registered:
        nodes = nodes & registered
    broken = cluster.storage.states(driver).keys()
    return nodes - broken if broken else nodes


def _near(
    location: Location, usable: AbstractSet[str], topology_key: str, cluster: Cluster, *, coarse: bool
) -> AbstractSet[str]:
    if not coarse:
        return cluster.topology.sharing(usable, topology_key)
    # Which node of the area holds the data is not known, so a node of it whose own disks are down is as near as any.
    return location.nodes if usable else frozenset()
