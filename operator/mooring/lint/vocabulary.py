"""Annotations and labels under Mooring's and STORK's prefixes: known, well spelled, and where they count."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, Final, NamedTuple

from mooring.api import annotations as words
from mooring.api.annotations import PREFIX, STORAGE_STATE_PREFIX, STORK_PREFIX, BooleanAnnotation
from mooring.api.permissions import AGGREGATION_LABEL
from mooring.lint.documents import Manifest
from mooring.lint.findings import FieldPath, Finding, Severity, did_you_mean, field_name, one_of
from mooring.lint.workloads import TEMPLATES


class Word(NamedTuple):
    """A key that Mooring reads.

    Attributes:
        places: the kinds of object on which it counts, and in which of their fields, such as `annotations`; a pod's
            words also count in a workload's template.
        problem: says what is wrong with a value, or returns None.
    """

    places: Mapping[str, tuple[str, ...]]
    problem: Callable[[str], str | None]


_ANNOTATION: Final = ("annotations",)
_OF_POD: Final = {"Pod": _ANNOTATION}
_OF_CLAIM: Final = {"PersistentVolumeClaim": _ANNOTATION}
#: A driver may put a volume's labels among its attributes.
_OF_VOLUME: Final = {**_OF_CLAIM, "PersistentVolume": ("annotations", "labels", "volumeAttributes")}
_OF_CLASS: Final = {**_OF_VOLUME, "StorageClass": ("parameters",)}


def _booleans(annotation: BooleanAnnotation, places: Mapping[str, tuple[str, ...]]) -> dict[str, Word]:
    def problem(key: str, text: str) -> str | None:
        problems = annotation.read({key: text}).problems
        return problems[0].removeprefix(f"{key}: ") if problems else None

    return {key: Word(places, partial(problem, key)) for key in annotation.spellings}


WORDS: Final[Mapping[str, Word]] = {
    **_booleans(words.PREFER_LOCAL_NODE_ONLY, _OF_POD),
    **_booleans(words.DISABLE_HYPERCONVERGENCE, _OF_POD),
    **_booleans(words.DISABLE_ADMISSION, _OF_POD),
    **_booleans(words.PREFER_REMOTE_NODE, _OF_CLASS),
    **_booleans(words.PREFER_REMOTE_NODE_ONLY, _OF_CLASS),
    **_booleans(words.SKIP_SCHEDULER_SCORING, _OF_VOLUME),
    **_booleans(words.RESTORE_IN_PROGRESS, _OF_CLAIM),
    **_booleans(words.UNSCHEDULABLE, {"Node": _ANNOTATION}),
    **_booleans(words.IGNORE, {"Pod": ("labels",), "Namespace": ("labels",)}),
    words.REPLICA_NODES: Word(
        {"PersistentVolume": _ANNOTATION},
        lambda text: None if words.parse_replica_nodes(text) else "names no node",
    ),
    words.AFFINITY_HASH: Word(_OF_POD, lambda _: None),
    words.GATED_BY: Word(_OF_POD, lambda _: None),
    words.PROBED: Word(_OF_POD, lambda _: None),
    words.PROBE_LABEL: Word({"Pod": ("labels",)}, lambda _: None),
    AGGREGATION_LABEL: Word(
        {"ClusterRole": ("labels",)},
        lambda text: None if text == "true" else f'must be "true", not {text!r}: else the role is not aggregated',
    ),
}
"""The words of `mooring.api.annotations`, and the label of roles that the operator's is made of, by key."""

_STORAGE_STATE: Final = Word({"Node": _ANNOTATION}, lambda text: words.parse_storage_state(text).problem)

STORKS_OTHER: Final = frozenset(
    f"{STORK_PREFIX}{name}"
    for name in (
        "cmdexecutor-image",
        "cmdexecutor-image-secret",
        "csi-snapshot-class-name",
        "include-resource",
        "migrationCRDActivate",
        "migrationCRDDeactivate",
        "migrationReplicas",
        "post-snapshot-rule",
        "pre-snapshot-rule",
        "reclaimPolicy",
        "replicas",
        "skip-modify-resource",
        "skip-owner-ref-check",
        "skip-resource",
        "skipresource",
        "snapshot-restore-namespaces",
        "snapshot-source-namespace",
        "vm-includeresource",
    )
)
"""STORK's words about snapshots, backups and migrations: none of Mooring's business."""


def check_words(manifest: Manifest) -> Iterator[Finding]:
    """What is wrong with the words on an object, in the templates it holds, and in what is said of its storage."""
    for kind, path in _places(manifest):
        for key, text in manifest.mapping_at(*path).items():
            if key.startswith((PREFIX, STORK_PREFIX, STORAGE_STATE_PREFIX)) or key in WORDS:
                yield from _check_word(manifest, kind, (*path, key), text)


def _places(manifest: Manifest) -> Iterator[tuple[str, FieldPath]]:
    """Where words can be: the kind of object that gets them, and the path of the mapping."""
    kind = manifest.value["kind"]
    objects: list[tuple[str, FieldPath]] = [(kind, ())]
    if template := TEMPLATES.get(kind):
        objects.append(("Pod", template))
    if kind == "CronJob":
        objects.append(("Job", ("spec", "jobTemplate")))
    pod = ("spec",) if kind == "Pod" else (*template, "spec") if template else None
    if pod:
        volumes = [(*path, "ephemeral", "volumeClaimTemplate") for path in _items(manifest, (*pod, "volumes"))]
        objects += [("PersistentVolumeClaim", path) for path in volumes]
    objects += [("PersistentVolumeClaim", path) for path in _items(manifest, ("spec", "volumeClaimTemplates"))]
    for what, path in objects:
        yield what, (*path, "metadata", "annotations")
        yield what, (*path, "metadata", "labels")
    if kind == "StorageClass":
        yield kind, ("parameters",)
    if kind == "PersistentVolume":
        yield kind, ("spec", "csi", "volumeAttributes")


def _items(manifest: Manifest, path: FieldPath) -> list[FieldPath]:
    """The paths of a list's items; none where there is no list."""
    items = manifest.at(*path)
    return [(*path, position) for position in range(len(items))] if isinstance(items, list) else []


def _check_word(manifest: Manifest, kind: str, path: FieldPath, text: Any) -> Iterator[Finding]:
    *_, field, key = path
    word = _STORAGE_STATE if str(key).startswith(STORAGE_STATE_PREFIX) else WORDS.get(str(key))
    if word is None:
        yield from _check_unknown(manifest, path)
        return
    # What is said of a workload is meant for its pods.
    fields = word.places.get(kind) or (word.places.get("Pod") if kind in TEMPLATES else None)
    if fields is None:
        yield manifest.finding(path, f"means nothing on a {kind}: it counts on a {one_of(word.places)}")
    elif field not in fields:
        yield manifest.finding(path, f"counts among {one_of(fields)}, not among {field}")
    elif kind not in word.places:
        yield from _check_misplaced(manifest, kind, path)
    elif isinstance(text, str) and (problem := word.problem(text)):
        yield manifest.finding(path, problem)


def _check_unknown(manifest: Manifest, path: FieldPath) -> Iterator[Finding]:
    key = str(path[-1])
    if key not in STORKS_OTHER:
        # STORK may know words that are not listed here; Mooring knows its own.
        severity = Severity.WARNING if key.startswith(STORK_PREFIX) else Severity.ERROR
        prefix, _, name = key.rpartition("/")
        words_of_prefix = (word.rpartition("/") for word in (*WORDS, *STORKS_OTHER))
        close = did_you_mean(name, (other for group, _, other in words_of_prefix if group == prefix))
        yield manifest.finding(path, f"means nothing to Mooring{close}", severity)


def _check_misplaced(manifest: Manifest, kind: str, path: FieldPath) -> Iterator[Finding]:
    place = (*path[: path.index("metadata")], *TEMPLATES[kind], "metadata", path[-2])
    # Tools that add labels to everything put them into the template too.
    if path[-1] not in manifest.mapping_at(*place):
        yield manifest.finding(path, f"means nothing on a {kind} itself: put it into {field_name(place)}")
