"""Annotations and labels under Mooring's and STORK's prefixes: known, well spelled, and where they count."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, Final, NamedTuple

from mooring.api import annotations as words
from mooring.api.annotations import PREFIX, STORAGE_STATE_PREFIX, STORK_PREFIX, BooleanAnnotation
from mooring.lint.documents import Manifest
from mooring.lint.findings import FieldPath, Finding, Severity, did_you_mean, field_name, one_of
from mooring.lint.workloads import TEMPLATES


class Word(NamedTuple):
    """A key that Mooring reads.

    Attributes:
        field: `annotations` or `labels`.
        kinds: the kinds of object on which it counts; a pod's words also count in a workload's template.
        problem: says what is wrong with a value, or returns None.
    """

    field: str
    kinds: tuple[str, ...]
    problem: Callable[[str], str | None]


def _booleans(annotation: BooleanAnnotation, field: str, *kinds: str) -> dict[str, Word]:
    def problem(key: str, text: str) -> str | None:
        problems = annotation.read({key: text}).problems
        return problems[0].removeprefix(f"{key}: ") if problems else None

    return {key: Word(field, kinds, partial(problem, key)) for key in annotation.spellings}


WORDS: Final[Mapping[str, Word]] = {
    **_booleans(words.PREFER_LOCAL_NODE_ONLY, "annotations", "Pod"),
    **_booleans(words.DISABLE_HYPERCONVERGENCE, "annotations", "Pod"),
    **_booleans(words.DISABLE_ADMISSION, "annotations", "Pod"),
    **_booleans(words.IGNORE, "labels", "Pod", "Namespace"),
    words.REPLICA_NODES: Word(
        "annotations",
        ("PersistentVolume",),
        lambda text: None if words.parse_replica_nodes(text) else "names no node",
    ),
    words.AFFINITY_HASH: Word("annotations", ("Pod",), lambda _: None),
    words.PROBED: Word("annotations", ("Pod",), lambda _: None),
    words.PROBE_LABEL: Word("labels", ("Pod",), lambda _: None),
}
"""The words of `mooring.api.annotations`, by key."""

_STORAGE_STATE: Final = Word("annotations", ("Node",), lambda text: words.parse_storage_state(text).problem)

STORKS_PLACEMENT: Final = frozenset(
    f"{STORK_PREFIX}{name}"
    for name in ("preferRemoteNode", "preferRemoteNodeOnly", "restore-in-progress", "skipSchedulerScoring")
)
"""Words about placement that STORK knows and Mooring does not implement."""

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
    """What is wrong with the words on an object, in the templates it holds, and in a StorageClass' parameters."""
    for kind, path in _places(manifest):
        for key, text in manifest.mapping_at(*path).items():
            if key.startswith((PREFIX, STORK_PREFIX, STORAGE_STATE_PREFIX)):
                yield from _check_word(manifest, kind, (*path, key), text)


def _places(manifest: Manifest) -> Iterator[tuple[str, FieldPath]]:
    """Where words can be: the kind of object that gets them, and the path of the mapping."""
    kind = manifest.value["kind"]
    objects: list[tuple[str, FieldPath]] = [(kind, ())]
    if template := TEMPLATES.get(kind):
        objects.append(("Pod", template))
    if kind == "CronJob":
        objects.append(("Job", ("spec", "jobTemplate")))
    claims = manifest.at("spec", "volumeClaimTemplates")
    positions = range(len(claims) if isinstance(claims, list) else 0)
    objects += [("PersistentVolumeClaim", ("spec", "volumeClaimTemplates", position)) for position in positions]
    for what, path in objects:
        yield what, (*path, "metadata", "annotations")
        yield what, (*path, "metadata", "labels")
    if kind == "StorageClass":
        yield kind, ("parameters",)


def _check_word(manifest: Manifest, kind: str, path: FieldPath, text: Any) -> Iterator[Finding]:
    *_, field, key = path
    word = _STORAGE_STATE if str(key).startswith(STORAGE_STATE_PREFIX) else WORDS.get(str(key))
    if word is None:
        yield from _check_unknown(manifest, path)
    elif field != word.field:
        yield manifest.finding(path, f"counts among {word.field}, not among {field}")
    elif kind not in word.kinds:
        yield from _check_misplaced(manifest, kind, path, word)
    elif isinstance(text, str) and (problem := word.problem(text)):
        yield manifest.finding(path, problem)


def _check_unknown(manifest: Manifest, path: FieldPath) -> Iterator[Finding]:
    key = str(path[-1])
    if key in STORKS_PLACEMENT:
        yield manifest.finding(path, "is a word of STORK's that Mooring does not implement", Severity.WARNING)
    elif key not in STORKS_OTHER:
        # STORK may know words that are not listed here; Mooring knows its own.
        severity = Severity.WARNING if key.startswith(STORK_PREFIX) else Severity.ERROR
        prefix, _, name = key.rpartition("/")
        words_of_prefix = (word.rpartition("/") for word in (*WORDS, *STORKS_PLACEMENT, *STORKS_OTHER))
        close = did_you_mean(name, (other for group, _, other in words_of_prefix if group == prefix))
        yield manifest.finding(path, f"means nothing to Mooring{close}", severity)


def _check_misplaced(manifest: Manifest, kind: str, path: FieldPath, word: Word) -> Iterator[Finding]:
    template = TEMPLATES.get(kind) if "Pod" in word.kinds else None
    if not template:
        yield manifest.finding(path, f"means nothing on a {kind}: it counts on a {one_of(word.kinds)}")
        return
    place = (*path[: path.index("metadata")], *template, "metadata", word.field)
    # Tools that add labels to everything put them into the template too.
    if path[-1] not in manifest.mapping_at(*place):
        yield manifest.finding(path, f"means nothing on a {kind} itself: put it into {field_name(place)}")
