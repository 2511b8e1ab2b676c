"""Words under Mooring's and STORK's prefixes: unknown ones, misplaced ones, and values that say nothing."""

from pathlib import Path

import pytest
from tests.unit.lint.support import found

from mooring.api import annotations
from mooring.api.annotations import PREFIX, BooleanAnnotation
from mooring.api.permissions import AGGREGATION_LABEL
from mooring.lint.vocabulary import STORKS_OTHER, WORDS

_STORK = "stork.libopenstorage.org/"
_WORKLOAD = """
apiVersion: apps/v1
kind: Deployment
metadata:
  name: d
  labels: {{{labels}}}
  annotations: {{{annotations}}}
spec:
  selector: {{}}
  template:
    metadata:
      labels: {{{template_labels}}}
      annotations: {{{template}}}
    spec: {{containers: [{{name: a}}]}}
"""
_NODE = """\
apiVersion: v1
kind: Node
metadata: {{name: n, annotations: {{storage-state.mooring.dev/csi.example: {state}}}}}
"""
_ROLE = """\
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {{name: r, labels: {{mooring.dev/aggregate-to-operator: {value}}}}}
rules: []
"""
_VOLUME = """\
apiVersion: v1
kind: PersistentVolume
metadata: {{name: v, annotations: {{mooring.dev/replica-nodes: {nodes}}}}}
"""


def _deployment(*, labels: str = "", annotations: str = "", template_labels: str = "", template: str = "") -> str:
    return _WORKLOAD.format(labels=labels, annotations=annotations, template_labels=template_labels, template=template)


def test_every_word_of_the_api_is_known() -> None:
    """A word that is added to mooring.api.annotations is added here; so is the label of roles."""
    words: set[str] = set()
    for value in vars(annotations).values():
        if isinstance(value, BooleanAnnotation):
            words.update(value.spellings)
        elif isinstance(value, str) and value.startswith(PREFIX) and value != PREFIX:
            words.add(value)

    # A scheduling gate is neither an annotation nor a label.
    assert words - {annotations.GATE} | {AGGREGATION_LABEL} == WORDS.keys()


def test_no_word_is_in_two_lists() -> None:
    """What Mooring implements is no longer only STORK's."""
    assert not WORDS.keys() & STORKS_OTHER


@pytest.mark.parametrize(
    ("key", "line"),
    [
        (
            "mooring.dev/preferLocalNode",
            "error: {}[mooring.dev/preferLocalNode]: means nothing to Mooring; did you mean preferLocalNodeOnly?",
        ),
        ("mooring.dev/xyzzy", "error: {}[mooring.dev/xyzzy]: means nothing to Mooring"),
        (
            f"{_STORK}preferlocalnodeonly",
            (
                "warning: {}[stork.libopenstorage.org/preferlocalnodeonly]: means nothing to Mooring; "
                "did you mean preferLocalNodeOnly?"
            ),
        ),
        (
            f"{_STORK}skipSchedulerScorin",
            (
                "warning: {}[stork.libopenstorage.org/skipSchedulerScorin]: means nothing to Mooring; "
                "did you mean skipSchedulerScoring?"
            ),
        ),
        (f"{_STORK}skip-resource", None),
        ("example.com/preferLocalNodeOnly", None),
        ("mooring.dev.example.com/x", None),
    ],
)
def test_a_word_that_means_nothing_is_found(tmp_path: Path, key: str, line: str | None) -> None:
    """Ours are errors; STORK may know more words than we do, and those about backups are none of our business."""
    lines = found(tmp_path, _deployment(template=f"{key}: 'true'"))

    assert lines == ([f"m.yaml:12: {line.format('spec.template.metadata.annotations')}"] if line else [])


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            _deployment(annotations="mooring.dev/preferLocalNodeOnly: 'true'"),
            (
                "m.yaml:6: error: metadata.annotations[mooring.dev/preferLocalNodeOnly]: means nothing on a Deployment "
                "itself: put it into spec.template.metadata.annotations"
            ),
        ),
        (
            _deployment(labels=f"{_STORK}disableHyperconvergence: 'true'"),
            (
                "m.yaml:5: error: metadata.labels[stork.libopenstorage.org/disableHyperconvergence]: "
                "counts among annotations, not among labels"
            ),
        ),
        (
            _deployment(template="mooring.dev/ignore: 'true'"),
            (
                "m.yaml:12: error: spec.template.metadata.annotations[mooring.dev/ignore]: "
                "counts among labels, not among annotations"
            ),
        ),
        (
            _deployment(labels="mooring.dev/ignore: 'true'"),
            (
                "m.yaml:5: error: metadata.labels[mooring.dev/ignore]: means nothing on a Deployment itself: "
                "put it into spec.template.metadata.labels"
            ),
        ),
        (_deployment(labels="mooring.dev/ignore: 'true'", template_labels="mooring.dev/ignore: 'true'"), None),
        (
            (
                "apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: c}\nspec:\n"
                "  schedule: '@daily'\n  jobTemplate:\n"
                "    metadata: {annotations: {mooring.dev/preferLocalNodeOnly: 'true'}}\n"
                "    spec: {template: {spec: {containers: [{name: a}]}}}"
            ),
            (
                "m.yaml:7: error: spec.jobTemplate.metadata.annotations[mooring.dev/preferLocalNodeOnly]: means "
                "nothing on a Job itself: put it into spec.jobTemplate.spec.template.metadata.annotations"
            ),
        ),
        (
            "apiVersion: v1\nkind: Node\nmetadata: {name: n, annotations: {mooring.dev/replica-nodes: a}}",
            (
                "m.yaml:3: error: metadata.annotations[mooring.dev/replica-nodes]: means nothing on a Node: "
                "it counts on a PersistentVolume"
            ),
        ),
        (
            (
                "apiVersion: v1\nkind: PersistentVolume\nmetadata: {name: v, annotations: "
                "{storage-state.mooring.dev/csi.example: Online}}"
            ),
            (
                "m.yaml:3: error: metadata.annotations[storage-state.mooring.dev/csi.example]: means nothing on a "
                "PersistentVolume: it counts on a Node"
            ),
        ),
        (
            "apiVersion: v1\nkind: Service\nmetadata: {name: s, labels: {mooring.dev/ignore: 'true'}}",
            (
                "m.yaml:3: error: metadata.labels[mooring.dev/ignore]: means nothing on a Service: "
                "it counts on a Pod or Namespace"
            ),
        ),
        (
            (
                "apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {name: s}\nprovisioner: p\n"
                f"parameters: {{{_STORK}restore-in-progress: 'true'}}"
            ),
            (
                "m.yaml:5: error: parameters[stork.libopenstorage.org/restore-in-progress]: "
                "means nothing on a StorageClass: it counts on a PersistentVolumeClaim"
            ),
        ),
        (
            (
                "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: s}\nspec:\n  selector: {}\n  serviceName: s\n"
                "  template: {spec: {containers: [{name: a}]}}\n  volumeClaimTemplates:\n"
                f"  - metadata: {{annotations: {{{_STORK}preferLocalNodeOnly: 'true'}}}}"
            ),
            (
                "m.yaml:9: error: spec.volumeClaimTemplates[0].metadata.annotations"
                "[stork.libopenstorage.org/preferLocalNodeOnly]: means nothing on a PersistentVolumeClaim: "
                "it counts on a Pod"
            ),
        ),
    ],
)
def test_a_word_in_the_wrong_place_is_found(tmp_path: Path, text: str, line: str | None) -> None:
    """With the place where it counts; a label that is in the template as well does no harm outside."""
    assert found(tmp_path, text) == ([line] if line else [])


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            _deployment(template="mooring.dev/preferLocalNodeOnly: 'yes'"),
            (
                "m.yaml:12: error: spec.template.metadata.annotations[mooring.dev/preferLocalNodeOnly]: "
                "'yes' is not a boolean (true or false) and is passed over"
            ),
        ),
        (
            _deployment(template=f"{_STORK}disable-admission-controller: 'on'"),
            (
                "m.yaml:12: error: spec.template.metadata.annotations"
                "[stork.libopenstorage.org/disable-admission-controller]: "
                "'on' is not a boolean (true or false) and is passed over"
            ),
        ),
        (
            _deployment(template="mooring.dev/preferLocalNodeOnly: true"),
            (
                "m.yaml:12: error: spec.template.metadata.annotations[mooring.dev/preferLocalNodeOnly]: "
                "must be a string, not true; put it in quotes"
            ),
        ),
        (_deployment(template="mooring.dev/preferLocalNodeOnly: 't'"), None),
        (
            "apiVersion: v1\nkind: Namespace\nmetadata: {name: n, labels: {mooring.dev/ignore: 'No'}}",
            (
                "m.yaml:3: error: metadata.labels[mooring.dev/ignore]: "
                "'No' is not a boolean (true or false) and is passed over"
            ),
        ),
        (
            _NODE.format(state="online"),
            (
                "m.yaml:3: error: metadata.annotations[storage-state.mooring.dev/csi.example]: "
                "'online' is not a storage state (Online, StorageDown, Degraded, Offline)"
            ),
        ),
        (
            _NODE.format(state="Online"),
            None,
        ),
        (
            _VOLUME.format(nodes="','"),
            "m.yaml:3: error: metadata.annotations[mooring.dev/replica-nodes]: names no node",
        ),
        (
            _VOLUME.format(nodes="n1"),
            None,
        ),
        (
            _ROLE.format(value="yes please"),
            (
                "m.yaml:3: error: metadata.labels[mooring.dev/aggregate-to-operator]: "
                "must be \"true\", not 'yes please': else the role is not aggregated"
            ),
        ),
        (
            _ROLE.format(value="'true'"),
            None,
        ),
    ],
)
def test_a_value_that_says_nothing_is_found(tmp_path: Path, text: str, line: str | None) -> None:
    """In the words in which a running Mooring reports it."""
    assert found(tmp_path, text) == ([line] if line else [])


_CLAIM = "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {{name: c, {field}: {{{key}: {value}}}}}"
_CLASS = """\
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {{name: s}}
provisioner: p
parameters: {{{key}: {value}}}
"""
_STORED = """\
apiVersion: v1
kind: PersistentVolume
metadata: {{name: v, labels: {{{label}}}}}
spec: {{csi: {{driver: d, volumeHandle: h, volumeAttributes: {{{attribute}}}}}}}
"""
_CLOSED = "apiVersion: v1\nkind: Node\nmetadata: {{name: n, {field}: {{{key}: {value}}}}}"
_SCRATCH = """\
apiVersion: v1
kind: Pod
metadata: {{name: p}}
spec:
  containers: [{{name: a, image: b}}]
  volumes:
  - name: scratch
    ephemeral:
      volumeClaimTemplate:
        metadata: {{annotations: {{{key}: {value}}}}}
        spec: {{accessModes: [ReadWriteOnce], resources: {{requests: {{storage: 1Gi}}}}}}
"""
_NO_BOOLEAN = "'no' is not a boolean (true or false) and is passed over"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (_CLAIM.format(field="annotations", key=f"{_STORK}preferRemoteNode", value="'false'"), None),
        (_CLAIM.format(field="annotations", key="mooring.dev/skipSchedulerScoring", value="'true'"), None),
        (_CLAIM.format(field="annotations", key=f"{_STORK}restore-in-progress", value="'true'"), None),
        (
            _CLAIM.format(field="annotations", key=f"{_STORK}preferRemoteNodeOnly", value="'no'"),
            f"m.yaml:3: error: metadata.annotations[{_STORK}preferRemoteNodeOnly]: {_NO_BOOLEAN}",
        ),
        (
            _CLAIM.format(field="labels", key="mooring.dev/preferRemoteNode", value="'true'"),
            (
                "m.yaml:3: error: metadata.labels[mooring.dev/preferRemoteNode]: "
                "counts among annotations, not among labels"
            ),
        ),
        (_CLASS.format(key=f"{_STORK}preferRemoteNode", value="'true'"), None),
        (
            _CLASS.format(key=f"{_STORK}skipSchedulerScoring", value="'true'"),
            (
                f"m.yaml:5: error: parameters[{_STORK}skipSchedulerScoring]: means nothing on a StorageClass: "
                "it counts on a PersistentVolumeClaim or PersistentVolume"
            ),
        ),
        (_STORED.format(label=f"{_STORK}preferRemoteNode: 'true'", attribute="sharedv4: 'true'"), None),
        (
            _STORED.format(label="", attribute=f"{_STORK}skipSchedulerScoring: 'no'"),
            f"m.yaml:4: error: spec.csi.volumeAttributes[{_STORK}skipSchedulerScoring]: {_NO_BOOLEAN}",
        ),
        (
            _STORED.format(label=f"{_STORK}restore-in-progress: 'true'", attribute=""),
            (
                f"m.yaml:3: error: metadata.labels[{_STORK}restore-in-progress]: means nothing on a PersistentVolume: "
                "it counts on a PersistentVolumeClaim"
            ),
        ),
        (_CLOSED.format(field="annotations", key="operator.libopenstorage.org/unschedulable", value="'true'"), None),
        (
            _CLOSED.format(field="labels", key="operator.libopenstorage.org/unschedulable", value="'true'"),
            (
                "m.yaml:3: error: metadata.labels[operator.libopenstorage.org/unschedulable]: "
                "counts among annotations, not among labels"
            ),
        ),
        (
            _deployment(template="mooring.dev/skipSchedulerScoring: 'true'"),
            (
                "m.yaml:12: error: spec.template.metadata.annotations[mooring.dev/skipSchedulerScoring]: "
                "means nothing on a Pod: it counts on a PersistentVolumeClaim or PersistentVolume"
            ),
        ),
        (_SCRATCH.format(key="mooring.dev/skipSchedulerScoring", value="'true'"), None),
        (
            _SCRATCH.format(key="mooring.dev/skipSchedulerScoring", value="'no'"),
            (
                "m.yaml:10: error: spec.volumes[0].ephemeral.volumeClaimTemplate.metadata.annotations"
                f"[mooring.dev/skipSchedulerScoring]: {_NO_BOOLEAN}"
            ),
        ),
    ],
)
def test_words_on_storage_and_nodes(tmp_path: Path, text: str, line: str | None) -> None:
    """Each where it counts: on claims, on volumes in whatever field a driver uses, on classes and on nodes."""
    assert found(tmp_path, text) == ([line] if line else [])
