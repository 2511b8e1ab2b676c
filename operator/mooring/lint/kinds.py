"""The kinds that a version of Kubernetes serves, by the schemas that kubernetes-validate ships."""

from collections.abc import Iterator
from functools import cached_property
from typing import Any, Final

from jsonschema import Draft202012Validator
from jsonschema.protocols import Validator
from kubernetes_validate.utils import all_versions, major_minor, schema_contents
from referencing import Registry, Resource

from mooring.cluster.manifests import without_nulls
from mooring.lint.documents import Manifest
from mooring.lint.findings import Finding, Severity, did_you_mean, one_of
from mooring.lint.removed import REMOVED
from mooring.lint.schema import schema_problems

METADATA: Final = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
"""The definition of every object's metadata."""


def versions() -> list[str]:
    """The Kubernetes versions that there are schemas of, such as `1.37`, the newest last."""
    return list(dict.fromkeys(major_minor(version) for version in all_versions()))


class Kinds:
    """The kinds of one version of Kubernetes (one of `versions()`)."""

    def __init__(self, version: str) -> None:
        self.version: Final = version
        self._validators: dict[str, Validator] = {}

    def check(self, manifest: Manifest) -> Iterator[Finding]:
        """What is wrong with an object of Kubernetes' own; nothing is said of kinds in others' groups."""
        version, kind = manifest.value["apiVersion"], manifest.value["kind"]
        if removal := REMOVED.get((version, kind)):
            gone = removal.is_gone(self.version)
            severity = Severity.ERROR if gone else Severity.WARNING
            yield manifest.finding(("apiVersion",), f"{version} {kind} {removal}", severity)
            if gone:
                return
        if (name := self._names.get((version, kind))) is not None:
            for path, message in schema_problems(self.validator(name), without_nulls(manifest.value)):
                yield manifest.finding(path, message)
            return
        if _group(version) not in {_group(served) for served, _ in self._names}:
            return
        if serving := [served for served, other in self._names if other == kind]:
            message = f"Kubernetes {self.version} serves {kind} as {one_of(serving)}, not as {version}"
            yield manifest.finding(("apiVersion",), message)
        else:
            known = [other for served, other in self._names if served == version]
            message = f"Kubernetes {self.version} has no {version} {kind}{did_you_mean(kind, known)}"
            yield manifest.finding(("kind",), message)

    def knows(self, manifest: Manifest) -> bool:
        """Whether an object is of one of these kinds."""
        return (manifest.value["apiVersion"], manifest.value["kind"]) in self._names

    def validator(self, definition: str) -> Validator:
        """The validator of one of Kubernetes' definitions, made once."""
        if definition not in self._validators:
            reference = {"$ref": f"{self._definitions['$id']}#/$defs/{definition}"}
            self._validators[definition] = Draft202012Validator(reference, registry=self._registry)
        return self._validators[definition]

    @cached_property
    def _definitions(self) -> dict[str, Any]:
        # kubernetes_validate.validate reads these 2 MB at each call and stops at the first mistake.
        release = next(release for release in all_versions() if major_minor(release) == self.version)
        folder = f"kubernetes-json-schema/v{release}-local-strict"
        definitions: dict[str, Any] = schema_contents(f"{folder}/_definitions.json", release)
        return definitions

    @cached_property
    def _registry(self) -> Registry[Any]:
        return Resource.from_contents(self._definitions) @ Registry()

    @cached_property
    def _names(self) -> dict[tuple[str, str], str]:
        """The definition of each (apiVersion, kind)."""
        return {
            ("/".join(filter(None, (served["group"], served["version"]))), served["kind"]): name
            for name, definition in self._definitions["$defs"].items()
            for served in definition.get("x-kubernetes-group-version-kind", [])
        }


def _group(api_version: str) -> str:
    return api_version.rpartition("/")[0]
