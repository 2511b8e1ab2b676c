"""Room for the new volumes of a pod, all together: what CSIStorageCapacity and CSINode say of each node.

kube-scheduler asks for each claim alone whether its node has room (kubernetes/kubernetes#111755), so that two claims
can lead a pod to where only one of them fits.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet

from mooring.cluster.index import Cluster
from mooring.cluster.records import PersistentVolumeClaim
from mooring.decide.new_volumes.classes import classes_of
from mooring.decide.new_volumes.demand import Demand
from mooring.decide.subject import Subject


def room_demands(subject: Subject, claims: Sequence[PersistentVolumeClaim], cluster: Cluster) -> Iterator[Demand]:
    """What room asks of a pod's node; nothing where every node has it, or nobody says."""
    names = ", ".join(claim.name for claim in claims)
    wanted = _wanted(claims, cluster)
    own = [f"{subject.namespace}/{name}" for name in subject.claims]
    full = cluster.capacity.without_room(wanted, besides=own)
    if full:
        yield _shortage("capacity", full, f"the storage has no room for all new volumes of {names} together")
    for driver, count in _volumes(subject, claims, cluster).items():
        taken = cluster.capacity.without_slots(driver, count, besides=own)
        if taken:
            message = f"{driver} can attach no {count} more volumes to the node"
            yield _shortage(f"attach limit of {driver}", taken, message)


def is_measured(claims: Sequence[PersistentVolumeClaim], cluster: Cluster) -> bool:
    """Whether drivers report how much room there is for volumes of the claims' classes."""
    return any(cluster.capacity.is_reported(each.name) for each in classes_of(claims, cluster))


def free_room(claims: Sequence[PersistentVolumeClaim], cluster: Cluster) -> Callable[[str], int]:
    """How to find how many bytes are free on a node for the classes of claims, the least of them; 0 if nobody says."""
    own = [claim.key for claim in claims]
    classes = {each.name for each in classes_of(claims, cluster)}
    rooms = [found for name in sorted(classes) if (found := cluster.capacity.rooms(name, besides=own)) is not None]
    return lambda node: min((room.get(node, 0) for room in rooms), default=0)


def _shortage(name: str, nodes: AbstractSet[str], message: str) -> Demand:
    return Demand(name=name, required=True, nodes=nodes, inverted=True, message=message)


def _wanted(claims: Sequence[PersistentVolumeClaim], cluster: Cluster) -> dict[str, list[int]]:
    wanted: defaultdict[str, list[int]] = defaultdict(list)
    for claim in claims:
        storage_class = cluster.class_of(claim)
        if storage_class is not None:
            wanted[storage_class.name].append(claim.spec.requested_bytes)
    return wanted


def _volumes(subject: Subject, claims: Sequence[PersistentVolumeClaim], cluster: Cluster) -> Counter[str]:
    """How many volumes of each driver the node will have to attach for the pod; drivers of new ones only."""
    counts = Counter(each.provisioner for each in classes_of(claims, cluster))
    for name in subject.claims:
        claim = cluster.claim(f"{subject.namespace}/{name}")
        volume = cluster.volume(claim.spec.volume_name) if claim is not None else None
        if volume is not None and volume.driver in counts:
            counts[volume.driver] += 1
    return counts
