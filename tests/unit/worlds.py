"""Small clusters of every shape, for property tests."""

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from hypothesis import strategies as st
from tests.unit import builders
from tests.unit.builders import HOSTNAME, RACK, REGION, ZONE, claim, need, on_hosts, term

from mooring.cluster.index import Cluster
from mooring.cluster.records import Node, NodeSelector, PersistentVolume, PersistentVolumeClaim, Pod

ONE_NODE_PER_VALUE: Final = "topology.csi.one/node"
MANY_NODES_PER_VALUE: Final = "topology.csi.two/segment"
#: What each driver calls a place: the one has a value for each node, the other one for several nodes.
DRIVERS: Final = {"csi.one": ONE_NODE_PER_VALUE, "csi.two": MANY_NODES_PER_VALUE}
TOPOLOGY_KEYS: Final = (HOSTNAME, RACK, ZONE, REGION, "example.com/room")
CLAIMS: Final = ("c1", "c2", "c3")
_VALUES: Final = {
    REGION: ("r1", "r2"),
    ZONE: ("a", "b"),
    RACK: ("x", "y"),
    MANY_NODES_PER_VALUE: ("s1", "s2", "s3"),
    "example.com/room": ("blue", "red"),
}
_STATES: Final = ("", "", "", "Online", "StorageDown", "StorageDown", "Degraded", "Offline", "nonsense")
#: What makes a volume want to be remote.
SHARED: Final = {"sharedv4": "true", "sharedv4_svc_type": "ClusterIP"}
#: Names of nodes, of which a world has the first few.
NODES: Final = st.sampled_from([f"n{number}" for number in range(1, 9)])
#: True three times out of four: what is interesting should not be rare.
_MOSTLY: Final = st.sampled_from([True, True, True, False])


@dataclass(frozen=True, kw_only=True)
class World:
    """The objects of a cluster, and the pod to decide about."""

    objects: Sequence[Any]
    pod: Pod

    @property
    def cluster(self) -> Cluster:
        """A fresh index of the objects."""
        return builders.cluster_of(*self.objects)

    @property
    def nodes(self) -> dict[str, Node]:
        """The nodes by name."""
        return {obj.name: obj for obj in self.objects if isinstance(obj, Node)}

    def volume_of(self, claim_name: str) -> PersistentVolume:
        """The volume that a claim names."""
        claims = [obj for obj in self.objects if isinstance(obj, PersistentVolumeClaim) and obj.name == claim_name]
        volumes = [obj for obj in self.objects if isinstance(obj, PersistentVolume)]
        return next(obj for obj in volumes if obj.name == claims[0].spec.volume_name)


@st.composite
def worlds(
    draw: st.DrawFn,
    *,
    ragged: bool = False,
    healthy: bool = False,
    max_claims: int = 3,
    policies: st.SearchStrategy[list[Any]] | None = None,
) -> World:
    """A cluster of one to eight nodes with a pod and its volumes.

    Args:
        draw: given by hypothesis.
        ragged: whether each node has labels of its own choosing; else a label is on every node or on none.
        healthy: whether all storage is Online, every driver is registered everywhere or nowhere, no node is closed to
            pods with volumes and no claim is being restored.
        max_claims: how many claims the pod may have.
        policies: which policies there are; any, by default.
    """
    names = [f"n{number}" for number in range(1, draw(st.integers(1, 8)) + 1)]
    everywhere = {key for key in _VALUES if draw(_MOSTLY)}
    nodes = [draw(_nodes(name, ragged=ragged, everywhere=everywhere, healthy=healthy)) for name in names]
    registered = draw(st.booleans())
    registrations = [draw(_registrations(name, healthy=healthy)) for name in names if registered]
    mounted = draw(st.lists(st.sampled_from(CLAIMS[:max_claims]), min_size=1, max_size=max_claims))
    volumes = [draw(_claims(name, names, healthy=healthy)) for name in sorted(set(mounted))]
    found = draw(any_policies() if policies is None else policies)
    pod = builders.pod("web", *mounted) if policies is not None else draw(pods(mounted))
    return World(objects=builders.flat([nodes, registrations, volumes, found]), pod=pod)


def any_policies(**fixed: Any) -> st.SearchStrategy[list[Any]]:
    """Up to two policies of the namespace and one of the cluster, with what is fixed in each of them."""
    spec = st.fixed_dictionaries(
        {
            "topologyKey": st.sampled_from(TOPOLOGY_KEYS),
            "whenUnsatisfiable": st.sampled_from(["DoNotSchedule", "ScheduleAnyway"]),
            "priority": st.integers(-1, 1),
        },
        optional={
            "placement": st.sampled_from(["Local", "Remote"]),
            "updateMode": st.sampled_from(["Audit", "Initial", "Reconcile"]),
            "volumeSelector": st.just({"drivers": ["csi.one"]}),
        },
    ).map(lambda given: {**given, **fixed})
    own = st.tuples(st.sampled_from(["p", "q"]), spec).map(lambda pair: builders.policy(pair[0], **pair[1]))
    wide = st.tuples(st.just("w"), spec).map(lambda pair: builders.cluster_policy(pair[0], **pair[1]))
    return _MOSTLY.flatmap(
        lambda some: st.lists(own | wide, min_size=int(some), max_size=3, unique_by=lambda policy: policy.key)
    )


def one_policy(**fixed: Any) -> st.SearchStrategy[list[Any]]:
    """One policy that acts, with any topologyKey unless that is fixed too."""
    return st.sampled_from(TOPOLOGY_KEYS).map(lambda key: [builders.policy("p", **{"topologyKey": key, **fixed})])


def pods(mounted: Sequence[str]) -> st.SearchStrategy[Pod]:
    """A pod with these claims, perhaps with annotations or a scheduler that asks for locality."""
    words = st.dictionaries(
        st.sampled_from([builders.PREFER_LOCAL, builders.DISABLE]), st.sampled_from(["true", "false", "maybe"])
    )
    return st.builds(
        lambda annotations, scheduler: builders.pod("web", *mounted, annotations=annotations, scheduler=scheduler),
        words,
        st.sampled_from(["", "stork", "mooring"]),
    )


def places(names: Sequence[str]) -> st.SearchStrategy[dict[str, Any]]:
    """Where a volume may lie, as arguments of `builders.volume`: by each way of saying it, or nowhere known."""
    hosts = st.lists(st.sampled_from([*names, *names, "ghost"]), min_size=1, max_size=3, unique=True)
    one_term = st.one_of(
        hosts.map(lambda found: on_hosts(*found)),
        _choice(ZONE),
        _choice(REGION),
        _choice(MANY_NODES_PER_VALUE),
        hosts.map(lambda found: term(need(ONE_NODE_PER_VALUE, "In", *found))),
        st.tuples(_choice(ZONE), hosts).map(
            lambda both: term(*both[0]["matchExpressions"], need(HOSTNAME, "NotIn", *both[1]))
        ),
        st.just(term(need(ZONE, "Exists"))),
        st.sampled_from(names).map(lambda name: term(fields=[need("metadata.name", "In", name)])),
    )
    by_affinity = st.lists(one_term, min_size=1, max_size=2).map(lambda terms: {"terms": terms})
    by_annotation = hosts.map(lambda found: {"replicas": ",".join(found)})
    ways: dict[str, st.SearchStrategy[dict[str, Any]]] = {
        "affinity": by_affinity,
        "annotation": by_annotation,
        "both": st.builds(operator.or_, by_affinity, by_annotation),
        "nowhere": st.just({}),
    }
    way = st.sampled_from(["affinity", "annotation", "affinity", "annotation", "affinity", "both", "nowhere"])
    place = way.flatmap(ways.__getitem__)
    driver = st.sampled_from([*DRIVERS, *DRIVERS, ""]).map(lambda found: {"driver": found})
    return st.builds(lambda one, other: {"terms": [], **one, **other}, place, driver)


def selectors() -> st.SearchStrategy[NodeSelector | None]:
    """What a user may ask of nodes: nothing, or terms by label and by name, contradictory and empty ones among them."""
    by_label = [
        st.builds(need, st.just(key), st.sampled_from(["In", "NotIn"]), st.sampled_from(values))
        for key, values in [*_VALUES.items(), (HOSTNAME, ("n1", "n2", "n3"))]
    ]
    presence = st.builds(need, st.sampled_from(sorted(_VALUES)), st.sampled_from(["Exists", "DoesNotExist"]))
    fields = st.builds(need, st.just("metadata.name"), st.sampled_from(["In", "In", "NotIn"]), NODES)
    one_term = st.builds(
        lambda labels, named: term(*labels, fields=named),
        st.lists(st.one_of(*by_label, presence), max_size=2),
        st.lists(fields, max_size=2),
    )
    terms = st.lists(one_term, min_size=1, max_size=3)
    return st.none() | terms.map(lambda found: msgspec.convert({"nodeSelectorTerms": found}, NodeSelector))


def _choice(key: str) -> st.SearchStrategy[builders.Term]:
    values = st.lists(st.sampled_from(_VALUES[key]), min_size=1, max_size=2, unique=True)
    return values.map(lambda chosen: term(need(key, "In", *chosen)))


@st.composite
def _nodes(draw: st.DrawFn, name: str, *, ragged: bool, everywhere: set[str], healthy: bool) -> Node:
    labels = {HOSTNAME: name, ONE_NODE_PER_VALUE: name}
    labels |= {key: draw(st.sampled_from(values)) for key, values in _VALUES.items() if ragged or key in everywhere}
    if ragged:
        labels = {key: value for key, value in labels.items() if draw(st.integers(0, 3))}
    states = {} if healthy else {driver: draw(st.sampled_from(_STATES)) for driver in DRIVERS}
    annotations = {f"storage-state.mooring.dev/{driver}": state for driver, state in states.items() if state}
    if not healthy and not draw(st.integers(0, 7)):
        annotations["operator.libopenstorage.org/unschedulable"] = "true"
    node = builders.bare_node(name, labels)
    node.metadata.annotations = annotations or None
    return node


def _registrations(name: str, *, healthy: bool) -> st.SearchStrategy[Any]:
    everything = sorted(DRIVERS)
    drivers = st.just(everything) if healthy else st.sampled_from([everything, everything, everything[:1], []])
    return drivers.map(lambda found: builders.csi_node(name, *found, keys=sorted(DRIVERS.values())))


def wishes(*, healthy: bool = False) -> st.SearchStrategy[dict[str, str]]:
    """What may be said of placement on a claim; mostly nothing."""
    words = ["mooring.dev/preferRemoteNode", "stork.libopenstorage.org/preferRemoteNode"]
    words += ["mooring.dev/preferRemoteNodeOnly", "mooring.dev/skipSchedulerScoring"]
    words += [] if healthy else ["mooring.dev/restore-in-progress"]
    said = st.dictionaries(st.sampled_from(words), st.sampled_from(["true", "true", "false", "maybe"]))
    return _MOSTLY.flatmap(lambda silent: st.just({}) if silent else said)


@st.composite
def _claims(draw: st.DrawFn, name: str, node_names: Sequence[str], *, healthy: bool) -> list[Any]:
    """A claim that is missing, unbound, bound to a volume that is missing, or bound."""
    state = draw(st.sampled_from(["bound"] * 7 + ["missing", "unbound", "dangling"]))
    if state == "missing":
        return []
    said = draw(wishes(healthy=healthy))
    if state == "unbound":
        return [claim(name, annotations=said)]
    if state == "dangling":
        return [claim(name, f"pv-{name}", annotations=said)]
    place = draw(places(node_names))
    labels = {} if draw(_MOSTLY) else SHARED
    volume = builders.volume(f"pv-{name}", *place.pop("terms"), labels=labels, **place)
    return [claim(name, f"pv-{name}", annotations=said), volume]


def index_key(obj: Any) -> tuple[str, str]:
    """The kind and key under which the index holds an object."""
    return builders.kind_of(obj), obj.key
