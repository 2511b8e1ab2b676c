"""Policies with one mistake each: the models refuse them in the unit tests, a real API server in the e2e tests."""

from typing import Any, NamedTuple

import yaml


class Malformed(NamedTuple):
    """A mistake: its name, the spec that has it, and the field that the refusal must name."""

    name: str
    spec: str
    field: str

    @property
    def manifest(self) -> dict[str, Any]:
        """The whole policy; it is a cluster policy where the spec has or lacks something that only those have."""
        cluster = self.name.startswith("cluster-")
        return {
            "apiVersion": "mooring.dev/v1alpha1",
            "kind": "ClusterVolumePlacementPolicy" if cluster else "VolumePlacementPolicy",
            "metadata": {"name": self.name} if cluster else {"name": self.name, "namespace": "default"},
            "spec": yaml.safe_load(self.spec),
        }


_MANY = ", ".join(f"v{number}" for number in range(33))
_MANY_LABELS = ", ".join(f"v{number}: x" for number in range(33))
_MANY_EXPRESSIONS = ", ".join(f"{{key: v{number}, operator: Exists}}" for number in range(33))
_RULE = "{matchExpressions: [{key: a, operator: Exists}]}"

MALFORMED = (
    Malformed("no-pod-selector", "{placement: Local}", "spec.podSelector"),
    Malformed("pod-selector-list", "{podSelector: [tier]}", "spec.podSelector"),
    Malformed("pod-selector-null", "{podSelector: null}", "spec.podSelector"),
    Malformed("misspelt-field", "{podSelector: {}, topologykey: a}", "spec.topologykey"),
    Malformed("misspelt-in-selector", "{podSelector: {matchLables: {a: b}}}", "spec.podSelector.matchLables"),
    Malformed("namespace-selector", "{podSelector: {}, namespaceSelector: {}}", "spec.namespaceSelector"),
    Malformed("cluster-no-namespaces", "{podSelector: {}}", "spec.namespaceSelector"),
    Malformed(
        "cluster-bad-namespace-operator",
        "{podSelector: {}, namespaceSelector: {matchExpressions: [{key: a, operator: Equals}]}}",
        "spec.namespaceSelector.matchExpressions[0].operator",
    ),
    Malformed("label-number", "{podSelector: {matchLabels: {version: 1}}}", "spec.podSelector.matchLabels.version"),
    Malformed("label-blank", "{podSelector: {matchLabels: {tier: a b}}}", "spec.podSelector.matchLabels.tier"),
    Malformed(
        "label-long", "{podSelector: {matchLabels: {tier: " + "a" * 64 + "}}}", "spec.podSelector.matchLabels.tier"
    ),
    Malformed("label-key-blank", "{podSelector: {matchLabels: {the tier: a}}}", "spec.podSelector.matchLabels"),
    Malformed("labels-many", "{podSelector: {matchLabels: {" + _MANY_LABELS + "}}}", "spec.podSelector.matchLabels"),
    Malformed(
        "expression-without-key",
        "{podSelector: {matchExpressions: [{operator: Exists}]}}",
        "spec.podSelector.matchExpressions[0].key",
    ),
    Malformed(
        "expression-key-blank",
        "{podSelector: {matchExpressions: [{key: the tier, operator: Exists}]}}",
        "spec.podSelector.matchExpressions[0].key",
    ),
    Malformed(
        "expression-operator",
        "{podSelector: {matchExpressions: [{key: tier, operator: Gt, values: ['1']}]}}",
        "spec.podSelector.matchExpressions[0].operator",
    ),
    Malformed(
        "in-without-values",
        "{podSelector: {matchExpressions: [{key: tier, operator: In}]}}",
        "spec.podSelector.matchExpressions[0].values",
    ),
    Malformed(
        "not-in-empty",
        "{podSelector: {matchExpressions: [{key: a, operator: Exists}, {key: tier, operator: NotIn, values: []}]}}",
        "spec.podSelector.matchExpressions[1].values",
    ),
    Malformed(
        "exists-with-values",
        "{podSelector: {matchExpressions: [{key: tier, operator: Exists, values: [a]}]}}",
        "spec.podSelector.matchExpressions[0].values",
    ),
    Malformed(
        "does-not-exist-with-values",
        "{podSelector: {matchExpressions: [{key: tier, operator: DoesNotExist, values: [a]}]}}",
        "spec.podSelector.matchExpressions[0].values",
    ),
    Malformed(
        "values-many",
        "{podSelector: {matchExpressions: [{key: tier, operator: In, values: [" + _MANY + "]}]}}",
        "spec.podSelector.matchExpressions[0].values",
    ),
    Malformed(
        "expressions-many",
        "{podSelector: {matchExpressions: [" + _MANY_EXPRESSIONS + "]}}",
        "spec.podSelector.matchExpressions",
    ),
    Malformed("placement-other", "{podSelector: {}, placement: Nearby}", "spec.placement"),
    Malformed("placement-case", "{podSelector: {}, placement: local}", "spec.placement"),
    Malformed("when", "{podSelector: {}, whenUnsatisfiable: Never}", "spec.whenUnsatisfiable"),
    Malformed(
        "strict-anywhere",
        "{podSelector: {}, placement: Anywhere, whenUnsatisfiable: DoNotSchedule}",
        "spec.whenUnsatisfiable",
    ),
    Malformed("scheduler-empty", "{podSelector: {}, schedulerName: ''}", "spec.schedulerName"),
    Malformed("scheduler-long", "{podSelector: {}, schedulerName: " + "a" * 254 + "}", "spec.schedulerName"),
    Malformed("scheduler-list", "{podSelector: {}, schedulerName: [volcano]}", "spec.schedulerName"),
    Malformed("mode", "{podSelector: {}, updateMode: Auto}", "spec.updateMode"),
    Malformed("mode-boolean", "{podSelector: {}, updateMode: off}", "spec.updateMode"),
    Malformed("annotations", "{podSelector: {}, podAnnotations: Obey}", "spec.podAnnotations"),
    Malformed("topology-empty", "{podSelector: {}, topologyKey: ''}", "spec.topologyKey"),
    Malformed("topology-blank", "{podSelector: {}, topologyKey: the zone}", "spec.topologyKey"),
    Malformed("topology-prefix", "{podSelector: {}, topologyKey: Upper.Case/zone}", "spec.topologyKey"),
    Malformed("topology-slashes", "{podSelector: {}, topologyKey: a/b/c}", "spec.topologyKey"),
    Malformed("priority-text", "{podSelector: {}, priority: '5'}", "spec.priority"),
    Malformed("priority-large", "{podSelector: {}, priority: 2147483648}", "spec.priority"),
    Malformed("no-moves", "{podSelector: {}, disruption: {maxConcurrent: 0}}", "spec.disruption.maxConcurrent"),
    Malformed("cooldown-words", "{podSelector: {}, disruption: {cooldown: 10 minutes}}", "spec.disruption.cooldown"),
    Malformed("cooldown-no-unit", "{podSelector: {}, disruption: {cooldown: '10'}}", "spec.disruption.cooldown"),
    Malformed("cooldown-number", "{podSelector: {}, disruption: {cooldown: 10}}", "spec.disruption.cooldown"),
    Malformed("cooldown-negative", "{podSelector: {}, disruption: {cooldown: -1m}}", "spec.disruption.cooldown"),
    Malformed("driver-twice", "{podSelector: {}, volumeSelector: {drivers: [a, a]}}", "spec.volumeSelector.drivers"),
    Malformed("driver-empty", "{podSelector: {}, volumeSelector: {drivers: ['']}}", "spec.volumeSelector.drivers[0]"),
    Malformed(
        "class-text",
        "{podSelector: {}, volumeSelector: {storageClassNames: fast}}",
        "spec.volumeSelector.storageClassNames",
    ),
    Malformed(
        "claim-label", "{podSelector: {}, volumeSelector: {matchLabels: {a/b/c: x}}}", "spec.volumeSelector.matchLabels"
    ),
    *(
        Malformed(f"new-{name}", "{podSelector: {}, newVolumes: " + spec + "}", f"spec.newVolumes.{field}")
        for name, spec, field in [
            ("misspelt", "{volumeAntiaffinity: []}", "volumeAntiaffinity"),
            ("rules-many", "{nodeAffinity: [" + ", ".join([_RULE] * 9) + "]}", "nodeAffinity"),
            ("rule-empty", "{nodeAffinity: [{}]}", "nodeAffinity[0].matchExpressions"),
            ("no-expressions", "{volumeAffinity: [{matchExpressions: []}]}", "volumeAffinity[0].matchExpressions"),
            (
                "enforcement",
                "{nodeAffinity: [{enforcement: required, " + _RULE[1:] + "]}",
                "nodeAffinity[0].enforcement",
            ),
            ("weight-none", "{volumeAffinity: [{weight: 0, " + _RULE[1:] + "]}", "volumeAffinity[0].weight"),
            ("weight-large", "{volumeAffinity: [{weight: 101, " + _RULE[1:] + "]}", "volumeAffinity[0].weight"),
            ("node-topology", "{nodeAffinity: [{topologyKey: a, " + _RULE[1:] + "]}", "nodeAffinity[0].topologyKey"),
            ("topology", "{volumeAffinity: [{topologyKey: a b, " + _RULE[1:] + "]}", "volumeAffinity[0].topologyKey"),
            ("spread-anywhere", "{spread: {maxSkew: 1}}", "spread.topologyKey"),
            ("spread-skew", "{spread: {topologyKey: a, maxSkew: 0}}", "spread.maxSkew"),
            ("spread-when", "{spread: {topologyKey: a, whenUnsatisfiable: Never}}", "spread.whenUnsatisfiable"),
            ("capacity", "{capacity: Most}", "capacity"),
        ]
    ),
    *(
        Malformed(
            f"new-{name}",
            "{podSelector: {}, newVolumes: {volumeAntiAffinity: [{matchExpressions: [{" + expression + "}]}]}}",
            f"spec.newVolumes.volumeAntiAffinity[0].matchExpressions[0].{field}",
        )
        for name, expression, field in [
            ("key-blank", "key: a b, operator: Exists", "key"),
            ("operator", "key: a, operator: Equals", "operator"),
            ("in-without-values", "key: a, operator: In", "values"),
            ("not-in-empty", "key: a, operator: NotIn, values: []", "values"),
            ("exists-with-values", "key: a, operator: Exists, values: [b]", "values"),
            ("more-than-nothing", "key: a, operator: Gt", "values"),
            ("less-than-two", "key: a, operator: Lt, values: ['1', '2']", "values"),
            ("value-blank", "key: a, operator: In, values: [b, c d]", "values[1]"),
            ("value-number", "key: a, operator: Gt, values: [1]", "values[0]"),
            ("value-long", "key: a, operator: In, values: [" + "b" * 513 + "]", "values[0]"),
            ("values-many", "key: a, operator: In, values: [" + _MANY + "]", "values"),
            ("template-other", "key: a, operator: In, values: ['${pvc.name}']", "values[0]"),
            ("template-open", "key: a, operator: In, values: ['${pvc.namespace']", "values[0]"),
            ("template-no-label", "key: a, operator: In, values: ['${pvc.labels.}']", "values[0]"),
        ]
    ),
)
