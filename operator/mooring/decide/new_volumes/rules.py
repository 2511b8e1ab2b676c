"""The rules of `newVolumes` for one claim: by the labels of nodes, and by where the volumes of other claims are."""

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet

from mooring.api.new_volumes import (
    Enforcement,
    NewVolumes,
    NodeRule,
    TemplateExpression,
    UnresolvedTemplateError,
    VolumeRule,
    resolve_value,
)
from mooring.cluster.index import Cluster
from mooring.cluster.records import Expression, PersistentVolumeClaim, Term
from mooring.decide.filter import some
from mooring.decide.new_volumes.demand import Demand, only_in
from mooring.decide.new_volumes.neighbours import matching, meets, place
from mooring.decide.subject import Subject
from mooring.locate.locator import Locator
from mooring.locate.selector import nodes_of_term


class RuleReader:
    """Reads rules for one claim of a pod.

    Attributes:
        problems: what keeps rules from being read, a sentence each: such a rule constrains nothing.
    """

    def __init__(self, claim: PersistentVolumeClaim, subject: Subject, cluster: Cluster, locator: Locator) -> None:
        self._claim = claim
        self._subject = subject
        self._cluster = cluster
        self._locator = locator
        self._pod = subject.name if subject.name and claim.name.endswith(f"-{subject.name}") else ""
        self.problems: list[str] = []

    def read(self, spec: NewVolumes) -> Iterator[Demand]:
        """What the rules ask of the pod's node."""
        for position, rule in enumerate(spec.node_affinity):
            name = f"nodeAffinity[{position}]"
            if (expressions := self._resolved(rule, name)) is not None:
                yield self._by_nodes(rule, name, expressions)
        for position, rule in enumerate(spec.volume_affinity):
            name = f"volumeAffinity[{position}]"
            if (expressions := self._resolved(rule, name)) is not None:
                yield from self._near(rule, name, expressions)
        for position, rule in enumerate(spec.volume_anti_affinity):
            name = f"volumeAntiAffinity[{position}]"
            if (expressions := self._resolved(rule, name)) is not None:
                yield self._away(rule, name, expressions)

    def _resolved(self, rule: NodeRule, name: str) -> tuple[Expression, ...] | None:
        try:
            return tuple(self._expression(each) for each in rule.match_expressions)
        except UnresolvedTemplateError as error:
            self.problems.append(f"newVolumes.{name} holds nothing for the claim {self._claim.name}: {error}")
            return None

    def _expression(self, template: TemplateExpression) -> Expression:
        claim = self._claim
        values = [
            resolve_value(value, namespace=claim.metadata.namespace, labels=claim.labels, stateful_set_pod=self._pod)
            for value in template.values
        ]
        return Expression(template.key, template.operator.value, tuple(dict.fromkeys(values)))

    def _by_nodes(self, rule: NodeRule, name: str, expressions: tuple[Expression, ...]) -> Demand:
        return Demand(
            name=name,
            required=rule.enforcement is Enforcement.REQUIRED,
            weight=rule.weight,
            nodes=nodes_of_term(Term(match_expressions=expressions), self._cluster.topology),
            expressions=expressions,
            message=f"the node's labels are not those that newVolumes.{name} asks for",
            passing=False,
        )

    def _near(self, rule: VolumeRule, name: str, expressions: tuple[Expression, ...]) -> Iterator[Demand]:
        places = self._places(expressions, rule.topology_key)
        required = rule.enforcement is Enforcement.REQUIRED
        if not places and meets(self._claim, expressions, self._pod):
            if required:
                yield self._first(rule, name)
            return
        where = f"those are on {some(places)}" if places else "there is none yet"
        yield Demand(
            name=name,
            required=required,
            weight=rule.weight,
            nodes=self._cluster.topology.sharing(places, rule.topology_key),
            expressions=only_in(rule.topology_key, self._values(places, rule.topology_key)),
            message=f"not near the volumes that newVolumes.{name} asks for: {where}",
        )

    def _first(self, rule: VolumeRule, name: str) -> Demand:
        """What is asked of the first of its kind, as with inter-pod affinity: a place that others can follow to."""
        exists = (Expression(rule.topology_key, "Exists"),)
        return Demand(
            name=name,
            required=True,
            nodes=nodes_of_term(Term(match_expressions=exists), self._cluster.topology),
            expressions=exists,
            key=rule.topology_key,
            message=f"the node has no label {rule.topology_key}, by which newVolumes.{name} goes",
        )

    def _away(self, rule: VolumeRule, name: str, expressions: tuple[Expression, ...]) -> Demand:
        places = self._places(expressions, rule.topology_key)
        values = self._values(places, rule.topology_key)
        return Demand(
            name=name,
            required=rule.enforcement is Enforcement.REQUIRED,
            weight=rule.weight,
            nodes=self._cluster.topology.sharing(places, rule.topology_key),
            inverted=True,
            expressions=(Expression(rule.topology_key, "NotIn", values),) if values else (),
            key=rule.topology_key if meets(self._claim, expressions, self._pod) else "",
            message=f"near volumes that newVolumes.{name} keeps away from",
        )

    def _places(self, expressions: Sequence[Expression], key: str) -> AbstractSet[str]:
        claims = matching(expressions, self._subject, self._cluster)
        return frozenset[str]().union(*(place(claim, key, self._cluster, self._locator) for claim in claims))

    def _values(self, nodes: AbstractSet[str], key: str) -> tuple[str, ...]:
        labels = self._cluster.topology.labels
        return tuple(sorted({value for node in nodes if (value := labels(node).get(key)) is not None}))
