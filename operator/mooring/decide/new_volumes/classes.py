"""Where new volumes can be made at all, whatever rules say: what their storage classes and drivers ask of the node.

kube-scheduler knows of allowed topologies itself, and a driver refuses what it cannot make. A pod that is bound to the
node that was chosen for it would wait there for ever.
"""

from collections.abc import Iterator, Sequence

from mooring.cluster.index import Cluster
from mooring.cluster.records import Expression, PersistentVolumeClaim, StorageClass, Term
from mooring.decide.new_volumes.demand import Demand
from mooring.decide.volumes import REFUSING_STATES
from mooring.locate.selector import nodes_of_term


def class_demands(claims: Sequence[PersistentVolumeClaim], cluster: Cluster) -> Iterator[Demand]:
    """What the classes of claims and their drivers ask of a pod's node; affinity does not carry it."""
    found = (cluster.class_of(claim) for claim in claims)
    classes = {each.name: each for each in found if each is not None}
    for storage_class in classes.values():
        if storage_class.allowed_topologies:
            yield _within_topologies(storage_class, cluster)
    for driver in dict.fromkeys(each.provisioner for each in classes.values()):
        states = cluster.storage.states(driver).items()
        broken = frozenset(node for node, state in states if state in REFUSING_STATES)
        unfit = cluster.nodes_without_driver(driver) | broken
        if unfit:
            yield Demand(
                name=f"driver {driver}",
                required=True,
                nodes=unfit,
                inverted=True,
                message=f"the driver {driver} makes no volumes on the node",
                passing=False,
            )


def _within_topologies(storage_class: StorageClass, cluster: Cluster) -> Demand:
    terms = (
        Term(match_expressions=tuple(Expression(each.key, "In", each.values) for each in term.match_label_expressions))
        for term in storage_class.allowed_topologies or ()
    )
    return Demand(
        name=f"allowedTopologies of {storage_class.name}",
        required=True,
        nodes=frozenset[str]().union(*(nodes_of_term(term, cluster.topology) for term in terms)),
        message=f"the storage class {storage_class.name} does not allow the node's place",
        passing=False,
    )
