"""The sources that can say where a volume's data lies, in the order in which they are asked.

The first that knows wins; its answer is intersected with the volume's own node affinity, since a replica that the
volume cannot be used from is none.
"""

from mooring.api.annotations import REPLICA_NODES, parse_replica_nodes
from mooring.cluster.index import Cluster
from mooring.cluster.records import Expression, PersistentVolume, Term
from mooring.cluster.topology import Level, Topology
from mooring.locate.location import Location
from mooring.locate.selector import NAME_FIELD, nodes_of_term


def locate(volume: PersistentVolume, cluster: Cluster) -> Location:
    """Find where a volume's data lies."""
    return _from_annotation(volume, cluster) or _from_node_affinity(volume, cluster)


def _from_annotation(volume: PersistentVolume, cluster: Cluster) -> Location | None:
    text = volume.annotations.get(REPLICA_NODES)
    if text is None:
        return None
    source = f"annotation {REPLICA_NODES}"
    named = frozenset(parse_replica_nodes(text))
    if not named:
        return Location(source=source, problem=f"the annotation names no node: {text!r}")
    existing = named & cluster.topology.nodes
    reachable = _usable_from(volume, cluster) if _terms(volume) else cluster.topology.nodes
    usable = existing & reachable
    if usable:
        return Location(
            nodes=usable,
            precision=Level.HOST,
            confined=bool(_terms(volume)) and reachable <= named,
            source=source,
            problem=_missing(named - existing),
        )
    if existing:
        return Location(source=source, problem="the volume's own node affinity excludes every replica node")
    return Location(source=source, problem=_missing(named))


def _missing(nodes: frozenset[str]) -> str:
    return f"no such node: {', '.join(sorted(nodes))}" if nodes else ""


def _from_node_affinity(volume: PersistentVolume, cluster: Cluster) -> Location:
    """Read the place out of `spec.nodeAffinity`, as finely as its keys allow.

    Several terms are alternatives: the data may lie in any of them, so the coarsest decides the precision.
    """
    source = "nodeAffinity of the volume"
    terms = _terms(volume)
    if not terms:
        return Location(problem="neither the volume's nodeAffinity nor an annotation says where the data lies")
    nodes: frozenset[str] = frozenset()
    precisions = []
    for term in terms:
        found = nodes_of_term(term, cluster.topology)
        if found:
            nodes |= found
            precisions.append(_precision(term, found, volume.driver, cluster))
    if not nodes:
        return Location(source=source, problem="no existing node matches the volume's nodeAffinity")
    known = [precision for precision in precisions if precision is not None]
    if len(known) < len(precisions):
        return Location(source=source, problem="the nodeAffinity's labels name no place")
    return Location(nodes=nodes, precision=max(known), confined=True, source=source)


def _terms(volume: PersistentVolume) -> tuple[Term, ...]:
    affinity = volume.spec.node_affinity
    return affinity.required.node_selector_terms if affinity and affinity.required else ()


def _usable_from(volume: PersistentVolume, cluster: Cluster) -> frozenset[str]:
    return frozenset[str]().union(*(nodes_of_term(term, cluster.topology) for term in _terms(volume)))


def _precision(term: Term, nodes: frozenset[str], driver: str, cluster: Cluster) -> Level | None:
    if any(field.key == NAME_FIELD and field.operator == "In" for field in term.match_fields):
        return Level.HOST
    levels = [
        level
        for expression in term.match_expressions
        if (level := _expression_precision(expression, nodes, driver, cluster)) is not None
    ]
    return min(levels, default=None)


def _expression_precision(expression: Expression, nodes: frozenset[str], driver: str, cluster: Cluster) -> Level | None:
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
