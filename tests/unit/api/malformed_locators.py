"""VolumeLocators with one mistake each: refused by the models (unit tests) and by a real API server (e2e tests)."""

from typing import Any

import yaml
from tests.unit.api.malformed_policies import Malformed

_GROUP = "a" * 254


class MalformedLocator(Malformed):
    """A mistake in the spec of a VolumeLocator, and the field that the refusal must name."""

    @property
    def manifest(self) -> dict[str, Any]:
        """The whole locator."""
        return {
            "apiVersion": "mooring.dev/v1alpha1",
            "kind": "VolumeLocator",
            "metadata": {"name": self.name},
            "spec": yaml.safe_load(self.spec),
        }


def _replicas(name: str, part: str, field: str) -> MalformedLocator:
    """A mistake among replicas, whose other required fields are right."""
    return MalformedLocator(
        name,
        f"{{driver: a.io, replicas: {{resource: {{resource: replicas}}, volume: object.a, node: object.b, {part}}}}}",
        f"spec.replicas.{field}",
    )


def _resource(name: str, part: str, field: str) -> MalformedLocator:
    """A mistake in the resource of the replicas."""
    return MalformedLocator(
        name,
        f"{{driver: a.io, replicas: {{resource: {{{part}}}, volume: object.a, node: object.b}}}}",
        f"spec.replicas.resource.{field}",
    )


def _open_storage(name: str, part: str, field: str) -> MalformedLocator:
    """A mistake in an OpenStorage source."""
    return MalformedLocator(name, f"{{driver: a.io, openStorage: {{{part}}}}}", f"spec.openStorage.{field}")


_LONG = "a" * 4097
_WHOLE = "resource: {resource: replicas}, volume: object.a, node: object.b"
_MANY = ", ".join(f"{{key: v{number}, operator: Exists}}" for number in range(33))

MALFORMED_LOCATORS = (
    MalformedLocator("no-driver", f"{{replicas: {{{_WHOLE}}}}}", "spec.driver"),
    MalformedLocator("driver-empty", f"{{driver: '', replicas: {{{_WHOLE}}}}}", "spec.driver"),
    MalformedLocator("driver-long", f"{{driver: {'a' * 64}, replicas: {{{_WHOLE}}}}}", "spec.driver"),
    MalformedLocator("no-source", "{driver: a.io}", "spec"),
    MalformedLocator(
        "two-sources", f"{{driver: a.io, replicas: {{{_WHOLE}}}, openStorage: {{endpoint: 'http://a'}}}}", "spec"
    ),
    MalformedLocator("misspelt", f"{{driver: a.io, replica: {{{_WHOLE}}}, replicas: {{{_WHOLE}}}}}", "spec.replica"),
    MalformedLocator("volume-number", f"{{driver: a.io, volume: 1, replicas: {{{_WHOLE}}}}}", "spec.volume"),
    MalformedLocator(
        "no-resource", "{driver: a.io, replicas: {volume: object.a, node: object.b}}", "spec.replicas.resource"
    ),
    MalformedLocator(
        "no-volume",
        "{driver: a.io, replicas: {resource: {resource: replicas}, node: object.b}}",
        "spec.replicas.volume",
    ),
    MalformedLocator(
        "no-node", "{driver: a.io, replicas: {resource: {resource: replicas}, volume: object.a}}", "spec.replicas.node"
    ),
    MalformedLocator(
        "node-empty",
        "{driver: a.io, replicas: {resource: {resource: replicas}, volume: v, node: ''}}",
        "spec.replicas.node",
    ),
    _replicas("usable-boolean", "usable: true", "usable"),
    _replicas("usable-long", f"usable: {_LONG}", "usable"),
    _replicas("whole-empty", "whole: ''", "whole"),
    _replicas("label-blank", "nodeLabel: the node", "nodeLabel"),
    _replicas("label-slashes", "nodeLabel: a/b/c", "nodeLabel"),
    _replicas("not-a-field", "state: x", "state"),
    _resource("no-plural", "group: longhorn.io", "resource"),
    _resource("plural-upper", "resource: Replicas", "resource"),
    _resource("plural-with-group", "resource: replicas.longhorn.io", "resource"),
    _resource("group-version", "resource: replicas, group: longhorn.io/v1", "group"),
    _resource("group-long", f"resource: replicas, group: {_GROUP}", "group"),
    _resource("version-range", "resource: replicas, version: v1*", "version"),
    _resource("version-number", "resource: replicas, version: 1", "version"),
    _resource("kind-lower", "resource: replicas, kind: replica", "kind"),
    _resource("namespace-upper", "resource: replicas, namespace: Longhorn", "namespace"),
    _resource(
        "selector-operator",
        "resource: replicas, labelSelector: {matchExpressions: [{key: a, operator: Equals}]}",
        "labelSelector.matchExpressions[0].operator",
    ),
    _resource(
        "selector-values",
        "resource: replicas, labelSelector: {matchExpressions: [{key: a, operator: In}]}",
        "labelSelector.matchExpressions[0].values",
    ),
    _resource(
        "selector-many",
        f"resource: replicas, labelSelector: {{matchExpressions: [{_MANY}]}}",
        "labelSelector.matchExpressions",
    ),
    _resource(
        "selector-key", "resource: replicas, labelSelector: {matchLabels: {a b: c}}", "labelSelector.matchLabels"
    ),
    _open_storage("no-endpoint", "interval: 30s", "endpoint"),
    _open_storage("endpoint-bare", "endpoint: 'px-api:9021'", "endpoint"),
    _open_storage("endpoint-scheme", "endpoint: 'ftp://px-api'", "endpoint"),
    _open_storage("endpoint-user", "endpoint: 'http://me:secret@px-api'", "endpoint"),
    _open_storage("endpoint-query", "endpoint: 'http://px-api/?a=b'", "endpoint"),
    _open_storage("interval-words", "endpoint: 'http://a', interval: often", "interval"),
    _open_storage("interval-short", "endpoint: 'http://a', interval: 4s999ms", "interval"),
    _open_storage("interval-number", "endpoint: 'http://a', interval: 30", "interval"),
    _open_storage("token-text", "endpoint: 'http://a', tokenSecret: px", "tokenSecret"),
    _open_storage("token-no-key", "endpoint: 'http://a', tokenSecret: {name: px}", "tokenSecret.key"),
    _open_storage("token-name", "endpoint: 'http://a', tokenSecret: {name: a/b, key: c}", "tokenSecret.name"),
    _open_storage("ca-key", "endpoint: 'http://a', caSecret: {name: px, key: a b}", "caSecret.key"),
    MalformedLocator(
        "nodes-no-id",
        f"{{driver: a.io, replicas: {{{_WHOLE}}}, nodes: {{resource: {{resource: nodes}}, node: object.b}}}}",
        "spec.nodes.id",
    ),
    MalformedLocator(
        "nodes-state",
        f"{{driver: a.io, replicas: {{{_WHOLE}}}, nodes: {{resource: {{resource: a}}, id: o, node: o, state: ''}}}}",
        "spec.nodes.state",
    ),
    MalformedLocator(
        "serving-no-volume",
        f"{{driver: a.io, replicas: {{{_WHOLE}}}, serving: {{resource: {{resource: pods}}, node: object.b}}}}",
        "spec.serving.volume",
    ),
)
