"""The live index: the one read model behind every decision.

It is fed one object at a time, by watches or from manifests, and keeps the lookups that a decision makes up to date at
that time. Nothing here waits, does I/O or knows where its objects come from. It is used from one event loop only.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import partial
from typing import Any, Final, NamedTuple

from mooring.api.labels import RACK_KEYS
from mooring.api.policy import Policy
from mooring.cluster.capacity import Capacity
from mooring.cluster.labelled import Labelled
from mooring.cluster.records import (
    WORKLOADS,
    CSINode,
    CSIStorageCapacity,
    Key,
    Namespace,
    Node,
    PersistentVolume,
    PersistentVolumeClaim,
    Pod,
    StorageClass,
    Workload,
)
from mooring.cluster.relations import Relations
from mooring.cluster.resources import RESOURCES
from mooring.cluster.room import Usage
from mooring.cluster.storage import Storage
from mooring.cluster.topology import Topology

_NONE: Final[frozenset[str]] = frozenset()

TOPOLOGY: Final = "Topology"
"""The kind of a change that concerns whatever was computed from nodes."""


class Change(NamedTuple):
    """One object that came, changed or went: `old` or `new` is None then.

    Where what others say of it has changed, and nothing in itself, both are the same. A change of the whole topology
    has the kind TOPOLOGY and neither.
    """

    kind: str
    key: str
    old: Any
    new: Any


class Cluster:
    """All objects that matter, by kind and key, and what follows from them.

    Attributes:
        read_only: whether nothing in the cluster may be changed but what reports on it: every rule is an Audit then.
        topology: nodes by label and place.
        storage: what CSI drivers say of nodes.
        usage: what the pods on each node ask for.
        capacity: what nodes have left for volumes.
        claims: claims by namespace and label.
        relations: pods, workloads, claims and volumes by what names them.
        topology_version: rises when a node, its labels, a driver's registration or a storage state changes; whatever
            was computed from those before is stale then.
    """

    def __init__(self, *, rack_labels: Sequence[str] = RACK_KEYS, read_only: bool = False) -> None:
        self.read_only: Final = read_only
        self.topology: Final = Topology(rack_labels=rack_labels)
        self.storage: Final = Storage()
        self.usage: Final = Usage()
        self.capacity: Final = Capacity(self.topology)
        self.claims: Final = Labelled()
        self.relations: Final = Relations()
        self.topology_version = 0
        self._objects: Final[dict[str, dict[str, Any]]] = {kind: {} for kind in RESOURCES}
        self._listeners: list[Callable[[Change], None]] = []
        self._without_driver: Final[dict[str, tuple[int, AbstractSet[str]]]] = {}
        self._policies: dict[str, tuple[Policy, ...]] = {}
        self._updaters: Final[dict[str, Callable[[str, Any, Any], None]]] = {
            "Node": self._update_node,
            "CSINode": self._update_csi_node,
            "StorageClass": self._update_storage_class,
            "CSIStorageCapacity": self._update_storage_capacity,
            "PersistentVolume": self._update_volume,
            "PersistentVolumeClaim": self._update_claim,
            "Pod": self._update_pod,
            "VolumePlacementPolicy": self._update_policy,
            "ClusterVolumePlacementPolicy": self._update_policy,
            **dict.fromkeys(WORKLOADS, self._update_workload),
        }

    # What is there.

    def all(self, kind: str) -> Mapping[str, Any]:
        """Every object of a kind, by key."""
        return self._objects[kind]

    @property
    def nodes(self) -> Mapping[str, Node]:
        """Nodes by name."""
        return self._objects["Node"]

    @property
    def pods(self) -> Mapping[str, Pod]:
        """Pods by namespace/name."""
        return self._objects["Pod"]

    def workload(self, key: Key) -> Workload | None:
        """A workload."""
        return self._objects.get(key.kind, {}).get(key.name)

    def namespace(self, name: str) -> Namespace | None:
        """A namespace."""
        return self._objects["Namespace"].get(name)

    def claim(self, key: str) -> PersistentVolumeClaim | None:
        """A claim by namespace/name."""
        return self._objects["PersistentVolumeClaim"].get(key)

    def volume(self, name: str) -> PersistentVolume | None:
        """A PersistentVolume."""
        return self._objects["PersistentVolume"].get(name)

    def storage_class(self, name: str) -> StorageClass | None:
        """A storage class."""
        return self._objects["StorageClass"].get(name)

    def class_of(self, claim: PersistentVolumeClaim) -> StorageClass | None:
        """A claim's storage class.

        One that has neither class nor volume yet, not even the empty class, gets the default one. Of several defaults
        the API server takes the newest, which is not known here: the name that sorts first stands for it.
        """
        if claim.spec.storage_class_name is not None or claim.spec.volume_name:
            return self.storage_class(claim.spec.storage_class_name or "")
        classes: Mapping[str, StorageClass] = self._objects["StorageClass"]
        return next((classes[name] for name in sorted(classes) if classes[name].is_default), None)

    def policy(self, key: str) -> Policy | None:
        """A policy by its key, KIND/[NAMESPACE/]NAME."""
        return self._objects.get(key.partition("/")[0], {}).get(key)

    def policies(self, namespace: str) -> tuple[Policy, ...]:
        """The policies that can hold in a namespace, the strongest first: its own, then cluster-wide ones.

        Within each kind a higher priority wins, then the name; never an age, so that manifests alone decide.
        """
        return self._policies.get(namespace, ()) + self._policies.get("", ())

    def nodes_without_driver(self, driver: str) -> AbstractSet[str]:
        """Nodes on which a CSI driver is known not to be registered; none where it is registered nowhere.

        Such a driver may need no CSINode entry, and a node that has just joined gets the benefit of the doubt.
        """
        version, missing = self._without_driver.get(driver, (-1, _NONE))
        if version != self.topology_version:
            registered = self.storage.nodes_with(driver)
            missing = frozenset(self.topology.nodes - registered) if registered else _NONE
            self._without_driver[driver] = (self.topology_version, missing)
        return missing

    # What happens.

    def listen(self, listener: Callable[[Change], None]) -> Callable[[], None]:
        """Call `listener` after each change; it must not block. What is returned ends that."""
        self._listeners.append(listener)
        return partial(self._listeners.remove, listener)

    def put(self, kind: str, new: Any) -> None:
        """Take in an object. One that says nothing new changes nothing and tells nobody."""
        old = self._objects[kind].get(new.key)
        if old == new:
            return
        self._objects[kind][new.key] = new
        self._changed(Change(kind, new.key, old, new))

    def promise(self, pod: Pod, node: str) -> None:
        """Keep room for a pod and its claims on a node until the API server says where it is, or nominated to."""
        self.usage.promise(pod, node)
        for claim in pod.claims:
            self.capacity.promise(f"{pod.metadata.namespace}/{claim}", node)

    def withdraw(self, pod: Pod) -> None:
        """Keep no room for a pod that could not be nominated."""
        self.usage.withdraw(pod)
        for claim in pod.claims:
            self.capacity.withdraw(f"{pod.metadata.namespace}/{claim}")

    def remove(self, kind: str, key: str) -> None:
        """Forget an object."""
        old = self._objects[kind].pop(key, None)
        if old is not None:
            self._changed(Change(kind, key, old, None))

    def replace(self, kind: str, objects: Iterable[Any]) -> Iterator[None]:
        """Take in a complete list, one object a step: what is not in it is gone at the end of the first steps.

        Whoever has an event loop to share yields to it between the steps.
        """
        fresh = {new.key: new for new in objects}
        for key in [key for key in self._objects[kind] if key not in fresh]:
            self.remove(kind, key)
            yield
        for new in fresh.values():
            self.put(kind, new)
            yield

    def touch(self, kind: str, key: str) -> None:
        """Tell that what others say of an object has changed, though it is the same itself."""
        same = self._objects[kind].get(key)
        if same is not None:
            self._tell(Change(kind, key, same, same))

    def touch_topology(self) -> None:
        """Make stale what was computed from the topology, and tell."""
        self.topology_version += 1
        self._tell(Change(TOPOLOGY, "", None, None))

    def _changed(self, change: Change) -> None:
        update = self._updaters.get(change.kind)
        if update:
            update(change.key, change.old, change.new)
        self._tell(change)

    def _tell(self, change: Change) -> None:
        for listener in self._listeners:
            listener(change)

    def _update_node(self, name: str, old: Node | None, new: Node | None) -> None:
        if old is not None and new is not None and old.metadata == new.metadata:
            return
        self.storage.annotate(name, new.annotations if new else {})
        if new is None:
            self.topology.remove(name)
        else:
            self.topology.put(name, new.labels)
        self.capacity.place_node(name)
        self.topology_version += 1

    def _update_csi_node(self, _name: str, old: CSINode | None, new: CSINode | None) -> None:
        self.storage.register(old, new)
        self.capacity.limit(old, new)
        self.topology_version += 1

    def _update_storage_class(self, _name: str, _old: StorageClass | None, _new: StorageClass | None) -> None:
        for key, claim in self._objects["PersistentVolumeClaim"].items():
            if self.volume(claim.spec.volume_name) is None:
                self._count_claim(key)

    def _update_storage_capacity(
        self, _key: str, old: CSIStorageCapacity | None, new: CSIStorageCapacity | None
    ) -> None:
        self.capacity.report(old, new)

    def _update_volume(self, name: str, _old: PersistentVolume | None, _new: PersistentVolume | None) -> None:
        for claim in self.relations.claims_of_volume(name):
            self._count_claim(claim)

    def _update_claim(self, key: str, old: PersistentVolumeClaim | None, new: PersistentVolumeClaim | None) -> None:
        self.relations.update_claim(old, new)
        if old is not None:
            self.claims.remove(key, old.metadata.namespace, old.labels)
        if new is not None:
            self.claims.put(key, new.metadata.namespace, new.labels)
        self._count_claim(key)

    def _count_claim(self, key: str) -> None:
        claim = self.claim(key)
        if claim is None:
            self.capacity.remove(key)
        else:
            self.capacity.put(claim, self.class_of(claim), self.volume(claim.spec.volume_name))

    def _update_pod(self, key: str, old: Pod | None, new: Pod | None) -> None:
        self.relations.update_pod(old, new)
        self.capacity.place_pod(old, new)
        if new is None:
            self.usage.remove(key)
        else:
            self.usage.put(new)

    def _update_workload(self, _key: str, old: Workload | None, new: Workload | None) -> None:
        self.relations.update_workload(old, new)

    def _update_policy(self, _key: str, old: Policy | None, new: Policy | None) -> None:
        changed = new or old
        assert changed is not None  # noqa: S101 - a change has at least one side
        objects = self._objects[changed.kind].values()
        scope = changed.namespace or ""
        siblings = [policy for policy in objects if (policy.namespace or "") == scope]
        self._policies[scope] = tuple(sorted(siblings, key=lambda policy: (-policy.spec.priority, policy.name)))
