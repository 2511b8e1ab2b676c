"""Where new volumes can be made at all, whatever rules say: what their storage classes and drivers ask of the node.

kube-scheduler knows of allowed topologies itself, and a driver refuses what it cannot make. A pod that is bound to the
node that was chosen for it would wait there for ever.
"""

from collections.abc import Iterable, Iterator, Sequence

from mooring.cluster.index import Cluster
from mooring.cluster.records import Expression, PersistentVolumeClaim, StorageClass, Term
from mooring.decide.filter import driver_tests
from mooring.decide.new_volumes.demand import Demand
from mooring.locate.selector import nodes_of_terms


def class_demands(claims: Sequence[PersistentVolumeClaim], cluster: Cluster) -> Iterator[Demand]:
    """What the classes of claims and their drivers ask of a pod's node; affinity does not carry it."""
    classes = {each.name: each for each in classes_of(claims, cluster)}.values()
    for storage_class in classes:
        if storage_class.allowed_topologies:
            yield _within_topologies(storage_class, cluster)
    for driver in dict.fromkeys(each.provisioner for each in classes):
        unfit = frozenset[str]().union(*(test.nodes for test in driver_tests(driver, cluster)))
        if unfit:
            yield Demand(
                name=f"driver {driver}",
                required=True,
                nodes=unfit,
                inverted=True,
                message=f"the driver {driver} makes no volumes on the node",
                passing=False,
            )


def classes_of(claims: Iterable[PersistentVolumeClaim], cluster: Cluster) -> Iterator[StorageClass]:
    """The storage classes of claims that have one, one for each of them."""
    return (each for claim in claims if (each := cluster.class_of(claim)) is not None)


def _within_topologies(storage_class: StorageClass, cluster: Cluster) -> Demand:
    terms = (
        Term(match_expressions=tuple(Expression(each.key, "In", each.values) for each in term.match_label_expressions))
        for term in storage_class.allowed_topologies or ()
    )
    return Demand(
        name=f"allowedTopologies of {storage_class.name}",
        required=True,
        nodes=nodes_of_terms(terms, cluster.topology),
        message=f"the storage class {storage_class.name} does not allow the node's place",
        passing=False,
    )
