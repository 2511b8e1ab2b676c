"""Small builders of Kubernetes objects and of clusters made of them, for tests that read like tables.

Everything is built from manifests, so that a test goes through the same decoding and slimming as the real thing.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, TypeVar

from mooring.api.policy import API_VERSION, Policy
from mooring.cluster.index import Cluster
from mooring.cluster.records import (
    CSINode,
    CSIStorageCapacity,
    Deployment,
    Namespace,
    Node,
    PersistentVolume,
    PersistentVolumeClaim,
    Pod,
    StatefulSet,
    StorageClass,
    VolumeSnapshot,
)
from mooring.cluster.resources import from_manifest
from mooring.decide.decision import Decision, decide
from mooring.decide.subject import subject_of_pod
from mooring.locate.locator import Locator

NAMESPACE: Final = "shop"
DRIVER: Final = "csi.example"
HOSTNAME: Final = "kubernetes.io/hostname"
RACK: Final = "topology.kubernetes.io/rack"
ZONE: Final = "topology.kubernetes.io/zone"
REGION: Final = "topology.kubernetes.io/region"
PREFER_LOCAL: Final = "mooring.dev/preferLocalNodeOnly"
DISABLE: Final = "mooring.dev/disableHyperconvergence"

Term = Mapping[str, Any]

AnyRecord = TypeVar("AnyRecord")


def node(
    name: str,
    *,
    region: str = "",
    zone: str = "",
    rack: str = "",
    labels: Mapping[str, str] | None = None,
    states: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
    ready: str | None = "True",
    cordoned: bool = False,
    taints: Sequence[Mapping[str, str]] = (),
    allocatable: Mapping[str, Any] | None = None,
) -> Node:
    """A node with its hostname label, the places given, and what is said of drivers' storage on it."""
    places = {REGION: region, ZONE: zone, RACK: rack}
    manifest = {
        "metadata": {
            "name": name,
            "labels": {HOSTNAME: name} | {key: value for key, value in places.items() if value} | dict(labels or {}),
            "annotations": dict(annotations or {})
            | {f"storage-state.mooring.dev/{driver}": state for driver, state in (states or {}).items()},
        },
        "spec": {"unschedulable": cordoned, "taints": list(taints)},
        "status": {
            "allocatable": {"cpu": "4", "memory": "8Gi", "pods": "110"} if allocatable is None else allocatable,
            "conditions": [{"type": "Ready", "status": ready}] if ready else [],
        },
    }
    return _of(Node, manifest)


def bare_node(name: str, labels: Mapping[str, str]) -> Node:
    """A node with exactly these labels, not even its hostname."""
    return _of(Node, {"metadata": {"name": name, "labels": dict(labels)}})


def csi_node(name: str, *drivers: str, keys: Sequence[str] = (), limit: int | None = None) -> CSINode:
    """The registration of drivers on a node, each with the same topology keys and the same attach limit."""
    limited = {} if limit is None else {"allocatable": {"count": limit}}
    registered = [{"name": driver, "nodeID": name, "topologyKeys": list(keys), **limited} for driver in drivers]
    return _of(CSINode, {"metadata": {"name": name}, "spec": {"drivers": registered}})


def need(key: str, operator: str, *values: str) -> Mapping[str, Any]:
    """One node selector requirement."""
    return {"key": key, "operator": operator, "values": list(values)}


def term(*expressions: Mapping[str, Any], fields: Sequence[Mapping[str, Any]] = ()) -> Term:
    """A node selector term."""
    return {"matchExpressions": list(expressions), "matchFields": list(fields)}


def on_hosts(*names: str) -> Term:
    """The term of a volume that lies on these nodes."""
    return term(need(HOSTNAME, "In", *names))


def in_zones(*names: str) -> Term:
    """The term of a volume that lies in any of these zones."""
    return term(need(ZONE, "In", *names))


def volume(
    name: str,
    *terms: Term,
    replicas: str | None = None,
    driver: str = DRIVER,
    storage_class: str = "",
    labels: Mapping[str, str] | None = None,
    attributes: Mapping[str, str] | None = None,
) -> PersistentVolume:
    """A volume with node affinity of these terms, and the nodes of its replicas in the annotation."""
    affinity = {"nodeAffinity": {"required": {"nodeSelectorTerms": list(terms)}}} if terms else {}
    csi = {"driver": driver, "volumeHandle": name, "volumeAttributes": dict(attributes or {})}
    source = {"csi": csi} if driver else {"local": {"path": "/data"}}
    manifest = {
        "metadata": {
            "name": name,
            "labels": dict(labels or {}),
            "annotations": {} if replicas is None else {"mooring.dev/replica-nodes": replicas},
        },
        "spec": {"storageClassName": storage_class, **source, **affinity},
    }
    return _of(PersistentVolume, manifest)


def claim(
    name: str,
    bound_to: str = "",
    *,
    phase: str = "",
    storage_class: str | None = None,
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
    size: str = "",
    selected: str = "",
    source: Mapping[str, str] | None = None,
) -> PersistentVolumeClaim:
    """A claim, bound if it names a volume, unless the phase says otherwise; perhaps of a size, sent to a node."""
    manifest: dict[str, Any] = {
        "metadata": {
            "name": name,
            "namespace": NAMESPACE,
            "labels": dict(labels or {}),
            "annotations": dict(annotations or {})
            | ({"volume.kubernetes.io/selected-node": selected} if selected else {}),
        },
        "spec": {"volumeName": bound_to}
        | ({"resources": {"requests": {"storage": size}}} if size else {})
        | ({"dataSourceRef": dict(source)} if source else {}),
        "status": {"phase": phase or ("Bound" if bound_to else "Pending")},
    }
    if storage_class is not None:
        manifest["spec"]["storageClassName"] = storage_class
    return _of(PersistentVolumeClaim, manifest)


def capacity(
    name: str,
    storage_class: str,
    free: str | None = None,
    *,
    largest: str | None = None,
    labels: Mapping[str, str] | None = None,
    expressions: Sequence[Mapping[str, Any]] = (),
    everywhere: bool = True,
) -> CSIStorageCapacity:
    """What a driver has free for a class, on the nodes with these labels; or, if not everywhere, on none."""
    manifest: dict[str, Any] = {
        "metadata": {"name": name, "namespace": "storage"},
        "storageClassName": storage_class,
        "capacity": free,
        "maximumVolumeSize": largest,
    }
    if everywhere:
        manifest["nodeTopology"] = {"matchLabels": dict(labels or {}), "matchExpressions": list(expressions)}
    return _of(CSIStorageCapacity, manifest)


def snapshot(name: str, claim_name: str | None) -> VolumeSnapshot:
    """A snapshot of a claim, or one that the storage already had."""
    source = (
        {"volumeSnapshotContentName": "taken-in"} if claim_name is None else {"persistentVolumeClaimName": claim_name}
    )
    return _of(VolumeSnapshot, {"metadata": {"name": name, "namespace": NAMESPACE}, "spec": {"source": source}})


def data(name: str, *terms: Term, **volume_fields: Any) -> tuple[PersistentVolumeClaim, PersistentVolume]:
    """A claim and the volume `pv-NAME` that it is bound to."""
    return claim(name, f"pv-{name}"), volume(f"pv-{name}", *terms, **volume_fields)


def pod(
    name: str = "web",
    *claims: str,
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
    on: str = "",
    scheduler: str = "",
    phase: str = "Pending",
    requests: Mapping[str, Any] | None = None,
    made_by: str = "",
    of_set: str = "",
    uid: str = "",
    gates: Sequence[str] = (),
    nominated: str = "",
    **spec: Any,
) -> Pod:
    """A pod with these claims, perhaps made by a Deployment or a StatefulSet; further fields of its spec as in YAML."""
    kind, owner_name = ("StatefulSet", of_set) if of_set else ("ReplicaSet", f"{made_by}-5f7b")
    owner = {"kind": kind, "name": owner_name, "uid": "u1", "controller": True}
    manifest = {
        "metadata": {
            "name": name,
            "namespace": NAMESPACE,
            "uid": uid,
            "labels": dict(labels or {}) | ({"pod-template-hash": "5f7b"} if made_by else {}),
            "annotations": dict(annotations or {}),
            "ownerReferences": [owner] if made_by or of_set else [],
        },
        "spec": {
            "nodeName": on,
            "schedulerName": scheduler,
            "volumes": _volumes(claims),
            "containers": [{"name": "main", "resources": {"requests": dict(requests or {})}}],
            "schedulingGates": [{"name": gate} for gate in gates],
            **spec,
        },
        "status": {"phase": phase, "nominatedNodeName": nominated},
    }
    return _of(Pod, manifest)


def deployment(
    name: str, *claims: str, labels: Mapping[str, str] | None = None, template: Mapping[str, Any] | None = None
) -> Deployment:
    """A Deployment whose template mounts these claims and has these labels."""
    manifest = {
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "template": {"metadata": {"labels": dict(labels or {})}, "spec": {"volumes": _volumes(claims)}}
            | dict(template or {})
        },
    }
    return _of(Deployment, manifest)


def stateful_set(name: str, *templates: str, replicas: int = 3, start: int = 0) -> StatefulSet:
    """A StatefulSet whose pods have a claim of each of these templates."""
    manifest = {
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "replicas": replicas,
            "ordinals": {"start": start},
            "volumeClaimTemplates": [{"metadata": {"name": template}} for template in templates],
        },
    }
    return _of(StatefulSet, manifest)


def namespace(name: str = NAMESPACE, *, labels: Mapping[str, str] | None = None) -> Namespace:
    """A namespace."""
    return _of(Namespace, {"metadata": {"name": name, "labels": dict(labels or {})}})


def storage_class(
    name: str,
    provisioner: str = DRIVER,
    *,
    binding: str = "Immediate",
    default: bool = False,
    parameters: Mapping[str, str] | None = None,
    topologies: Sequence[Mapping[str, Sequence[str]]] = (),
) -> StorageClass:
    """A storage class of a driver, whose claims are bound at once or when a pod needs them; perhaps the default.

    `topologies` says where it allows volumes: labels and their values.
    """
    terms = [
        {"matchLabelExpressions": [{"key": key, "values": list(values)} for key, values in each.items()]}
        for each in topologies
    ]
    manifest = {
        "metadata": {
            "name": name,
            "annotations": {"storageclass.kubernetes.io/is-default-class": "true"} if default else {},
        },
        "provisioner": provisioner,
        "volumeBindingMode": binding,
        "parameters": dict(parameters or {}),
        "allowedTopologies": terms or None,
    }
    return _of(StorageClass, manifest)


def policy(name: str, *, namespace: str = NAMESPACE, **spec: Any) -> Policy:
    """A namespaced policy for every pod; further fields of its spec as they are in YAML."""
    metadata = {"name": name, "namespace": namespace}
    return _policy("VolumePlacementPolicy", metadata, {"podSelector": {}, **spec})


def cluster_policy(name: str, **spec: Any) -> Policy:
    """A cluster policy for every pod of every namespace; further fields of its spec as they are in YAML."""
    return _policy("ClusterVolumePlacementPolicy", {"name": name}, {"podSelector": {}, "namespaceSelector": {}, **spec})


def strict(name: str = "strict", **spec: Any) -> Policy:
    """A policy with which every pod must be near its data."""
    return policy(name, whenUnsatisfiable="DoNotSchedule", **spec)


def soft(name: str = "soft", **spec: Any) -> Policy:
    """A policy with which every pod should be near its data."""
    return policy(name, **spec)


def kind_of(obj: Any) -> str:
    """The kind under which the index holds an object."""
    return obj.kind.value if isinstance(obj, Policy) else type(obj).__name__


def cluster_of(*objects: Any) -> Cluster:
    """An index of these objects; tuples and lists of objects are flattened."""
    cluster = Cluster()
    for obj in flat(objects):
        cluster.put(kind_of(obj), obj)
    return cluster


def flat(objects: Iterable[Any]) -> list[Any]:
    """All objects, out of whatever tuples and lists they are in."""
    result: list[Any] = []
    for obj in objects:
        result += flat(obj) if isinstance(obj, tuple | list) else [obj]
    return result


def decision_on(subject: Pod, *objects: Any) -> Decision:
    """What is decided about a pod in a cluster of these objects."""
    cluster = objects[0] if len(objects) == 1 and isinstance(objects[0], Cluster) else cluster_of(*objects)
    return decide(subject_of_pod(subject), cluster, Locator(cluster))


def _volumes(claims: Sequence[str]) -> list[Mapping[str, Any]]:
    return [{"name": name, "persistentVolumeClaim": {"claimName": name}} for name in claims]


def _policy(kind: str, metadata: Mapping[str, Any], spec: Mapping[str, Any]) -> Policy:
    parsed = from_manifest(kind, {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": spec})
    assert isinstance(parsed, Policy)
    return parsed


def _of(record: type[AnyRecord], manifest: dict[str, Any]) -> AnyRecord:
    parsed = from_manifest(record.__name__, manifest)
    assert isinstance(parsed, record)
    return parsed


def eligible(decision: Decision, nodes: Iterable[str]) -> list[str]:
    """The nodes that a decision lets pass, in the order given."""
    return [node for node in nodes if not any(decision.refusals(node))]
