"""The whole check: from paths to a report."""

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Final

from mooring.cluster.manifests import manifest_files, without_nulls
from mooring.lint.bindings import check_bindings
from mooring.lint.documents import Manifest, UnreadableError, read_documents
from mooring.lint.findings import Finding, Severity
from mooring.lint.kinds import METADATA, Kinds
from mooring.lint.locators import check_expressions
from mooring.lint.own_kinds import check_own, is_ours
from mooring.lint.schema import schema_problems
from mooring.lint.selectors import check_selectors
from mooring.lint.vocabulary import check_words

STDIN: Final = "-"
"""The path that stands for standard input."""

_NO_MANIFESTS: Final = ("kustomization.yaml", "kustomization.yml", "Chart.yaml", "values*.yaml", "values.schema.json")
"""Files of Kustomize and Helm that lie in folders of manifests and are none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What was found.

    Attributes:
        findings: every mistake, sorted by file, line and field.
        objects: how many objects were read.
        unreadable: whether a file could not be read, or is not YAML; that is among the findings too.
    """

    findings: tuple[Finding, ...]
    objects: int
    unreadable: bool

    def count(self, severity: Severity) -> int:
        """How many findings are of that severity."""
        return sum(finding.severity is severity for finding in self.findings)


def lint(paths: Iterable[str], *, kubernetes_version: str) -> Report:
    """Check the manifests in files and folders, or on standard input (`-`).

    Policies and locators are checked as the API server does, Kubernetes' own kinds against the schemas of
    `kubernetes_version` (one of `mooring.lint.kinds.versions()`), and all of them for expressions that do not compile,
    and for words and selectors that mean nothing. Other kinds are passed over.
    """
    reading = _Reading(Kinds(kubernetes_version))
    for path in paths:
        reading.read(path)
    findings = {*reading.findings, *check_selectors(reading.known), *check_bindings(reading.known)}
    return Report(findings=tuple(sorted(findings)), objects=reading.objects, unreadable=reading.unreadable)


class _Reading:
    """One run: what was read so far, and what is wrong with each object by itself."""

    def __init__(self, kinds: Kinds) -> None:
        self.findings: Final[list[Finding]] = []
        self.known: Final[list[Manifest]] = []
        self.objects = 0
        self.unreadable = False
        self._kinds = kinds

    def read(self, path: str) -> None:
        """Read a file, or every manifest in a folder."""
        if path == STDIN or not Path(path).is_dir():
            self._read_file(path)
            return
        files = [file for file in manifest_files(Path(path)) if not _is_no_manifest(file)]
        if not files:
            self._cannot_read(path, 0, "there are no manifests (.yaml, .yml or .json) in this folder")
        for file in files:
            self._read_file(str(file))

    def _read_file(self, path: str) -> None:
        name = "<stdin>" if path == STDIN else path
        try:
            raw = sys.stdin.buffer.read() if path == STDIN else Path(path).read_bytes()
            manifests, findings = read_documents(raw.decode("utf-8-sig"), file=name)
        except OSError as error:
            self._cannot_read(name, 0, error.strerror or str(error))
        except UnicodeDecodeError as error:
            self._cannot_read(name, raw.count(b"\n", 0, error.start) + 1, "not YAML: it is not UTF-8")
        except UnreadableError as error:
            self._cannot_read(name, error.line, str(error))
        else:
            self.findings.extend(findings)
            for manifest in manifests:
                for each in manifest.objects():
                    self.findings.extend(self._check(each))

    def _check(self, manifest: Manifest) -> Iterator[Finding]:
        self.objects += 1
        for field in ("apiVersion", "kind"):
            if not isinstance(manifest.at(field), str):
                yield manifest.finding((field,), "is required, as a string")
                return
        if is_ours(manifest):
            yield from check_own(manifest)
            yield from check_expressions(manifest)
            metadata = without_nulls(manifest.at("metadata") or {})
            for path, message in schema_problems(self._kinds.validator(METADATA), metadata):
                yield manifest.finding(("metadata", *path), message)
        else:
            yield from self._kinds.check(manifest)
            if not self._kinds.knows(manifest):
                return
        if not manifest.at("metadata", "name") and not manifest.at("metadata", "generateName"):
            yield manifest.finding(("metadata", "name"), "is required")
        yield from check_words(manifest)
        self.known.append(manifest)

    def _cannot_read(self, name: str, line: int, message: str) -> None:
        self.unreadable = True
        self.findings.append(Finding(name, line, "", message))


def _is_no_manifest(file: Path) -> bool:
    return any(fnmatch(file.name, pattern) for pattern in _NO_MANIFESTS)
