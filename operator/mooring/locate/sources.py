"""The sources that can say where a volume's data lies, in the order in which they are asked.

The first that knows wins; its answer is intersected with the volume's own node affinity, since a replica that the
volume cannot be used from is none.
"""

from msgspec import structs

from mooring.api.annotations import REPLICA_NODES, parse_replica_nodes
from mooring.cluster.index import Cluster
from mooring.cluster.records import Expression, PersistentVolume, Term
from mooring.cluster.topology import Level, Topology
from mooring.locate.location import Location
from mooring.locate.selector import NAME_FIELD, nodes_of_term, nodes_of_terms
from mooring.locate.systems import StorageSystems


def locate(volume: PersistentVolume, cluster: Cluster, systems: StorageSystems) -> Location:
    """Find where a volume's data lies."""
    return (
        _from_annotation(volume, cluster)
        or _from_storage_system(volume, cluster, systems)
        or _from_node_affinity(volume, cluster)
    )


def _from_annotation(volume: PersistentVolume, cluster: Cluster) -> Location | None:
    text = volume.annotations.get(REPLICA_NODES)
    if text is None:
        return None
    source = f"annotation {REPLICA_NODES} of {_called(volume)}"
    named = frozenset(parse_replica_nodes(text))
    if not named:
        return Location(source=source, problem=f"the annotation names no node: {text!r}")
    existing = named & cluster.topology.nodes
    missing = f"no such node: {', '.join(sorted(named - existing))}" if existing != named else ""
    return _within_affinity(volume, cluster, Location(nodes=existing, source=source, problem=missing))


def _from_storage_system(volume: PersistentVolume, cluster: Cluster, systems: StorageSystems) -> Location | None:
    finding = systems.findings(volume)
    if finding is None:
        return None
    found = Location(nodes=finding.nodes, offline=finding.offline, source=finding.source, problem=finding.problem)
    return _within_affinity(volume, cluster, found)


def _within_affinity(volume: PersistentVolume, cluster: Cluster, found: Location) -> Location:
    """Leave of the nodes that a source has named, all of which exist, those from which the volume can be used."""
    if not found.nodes:
        return found
    if not _terms(volume):
        return structs.replace(found, precision=Level.HOST)
    reachable = _usable_from(volume, cluster)
    usable = found.nodes & reachable
    if not usable:
        problem = "the volume's own node affinity excludes every replica node"
        return Location(source=found.source, problem="; ".join(filter(None, [problem, found.problem])))
    affinity = "" if usable == found.nodes else f", within spec.nodeAffinity of {_called(volume)}"
    return Location(
        nodes=usable,
        offline=found.offline & usable,
        precision=Level.HOST,
        confined=reachable <= found.nodes,
        source=found.source + affinity,
        problem=found.problem,
    )


def _from_node_affinity(volume: PersistentVolume, cluster: Cluster) -> Location:
    """Read the place out of `spec.nodeAffinity`, as finely as its keys allow.

    Several terms are alternatives: the data may lie in any of them, so the coarsest decides the precision.
    """
    terms = _terms(volume)
    if not terms:
        problem = "neither a VolumeLocator nor an annotation nor the volume's nodeAffinity says where the data lies"
        return Location(problem=problem)
    nodes: frozenset[str] = frozenset()
    places: list[tuple[Level, str] | None] = []
    for term in terms:
        found = nodes_of_term(term, cluster.topology)
        if found:
            nodes |= found
            places.append(_place(term, found, volume.driver, cluster))
    source = f"spec.nodeAffinity of {_called(volume)}"
    if not nodes:
        return Location(source=source, problem="no existing node matches the volume's nodeAffinity")
    known = [place for place in places if place is not None]
    if len(known) < len(places):
        return Location(source=source, problem="the nodeAffinity's labels name no place")
    keys = dict.fromkeys(key for _, key in known)
    return Location(nodes=nodes, precision=max(known)[0], confined=True, source=f"{source} ({', '.join(keys)})")


def _called(volume: PersistentVolume) -> str:
    return f"PersistentVolume {volume.name}"


def _terms(volume: PersistentVolume) -> tuple[Term, ...]:
    affinity = volume.spec.node_affinity
    return affinity.required.node_selector_terms if affinity and affinity.required else ()


def _usable_from(volume: PersistentVolume, cluster: Cluster) -> frozenset[str]:
    return nodes_of_terms(_terms(volume), cluster.topology)


def _place(term: Term, nodes: frozenset[str], driver: str, cluster: Cluster) -> tuple[Level, str] | None:
    """How finely a term tells places apart, and by which key; the finest of its requirements decides."""
    if any(field.key == NAME_FIELD and field.operator == "In" for field in term.match_fields):
        return Level.HOST, NAME_FIELD
    levels = [
        (level, expression.key)
        for expression in term.match_expressions
        if (level := _precision(expression, nodes, driver, cluster)) is not None
    ]
    return min(levels, default=None)


def _precision(expression: Expression, nodes: frozenset[str], driver: str, cluster: Cluster) -> Level | None:
    """How finely one requirement tells places apart: by a label that names a level, or by a driver's topology key.

    A driver's key is as fine as what its values have in common: with one node per value it names nodes.
    """
    if expression.operator != "In":
        return None
    level = cluster.topology.level_of(expression.key)
    if level is not None:
        return level
    if driver and cluster.storage.is_topology_key(driver, expression.key):
        return _coarsest(expression, nodes, cluster.topology)
    return None


def _coarsest(expression: Expression, nodes: frozenset[str], topology: Topology) -> Level | None:
    levels = []
    for value in expression.values:
        members = topology.with_label(expression.key, value)
        if not members & nodes:
            continue
        level = topology.common_level(members)
        if level is None:
            return None
        levels.append(level)
    return max(levels, default=None)
