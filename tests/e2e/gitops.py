"""The tools that make a cluster what Git says, over and over: by kubectl's own code where they use it."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, Protocol

import yaml
from tests.e2e.manifests import Manifest
from tests.e2e.stage import Stage
from tests.e2e.support import eventually
from tests.programs import Helm, HelmError

_JSON_PATCH: Final = "application/json-patch+json"


class Git(Protocol):
    """A tool that brings an object of a stage's namespace to what Git says."""

    def sync(self, manifest: Manifest) -> None:
        """Reconcile once."""


class ArgoClientSide:
    """Argo CD as it is by default: `kubectl apply`, which compares with what it applied last."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def sync(self, manifest: Manifest) -> None:
        """Apply, although Argo CD would not where its diff is empty."""
        kubectl(self._stage, "apply", "--field-manager=argocd-controller", manifest=manifest)


class ArgoServerSide:
    """Argo CD with `ServerSideApply=true`: by force, whoever owned the fields."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def sync(self, manifest: Manifest) -> None:
        """Apply, although Argo CD would not where its diff is empty."""
        force = ("--server-side", "--force-conflicts", "--field-manager=argocd-controller")
        kubectl(self._stage, "apply", *force, manifest=manifest)


class Flux:
    """Flux's kustomize-controller: by force, after it has taken over what kubectl owns."""

    _MANAGER: Final = "kustomize-controller"
    _TAKEN_OVER: Final = ("kubectl", "before-first-apply", "kustomize-controller")

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def sync(self, manifest: Manifest) -> None:
        """Apply, although Flux would not where a dry run changes nothing."""
        path = self._stage.path(collection(manifest), manifest["metadata"]["name"])
        # The first apply creates the object.
        self._stage.client.apply(path, manifest, manager=self._MANAGER)
        if self._take_over(path):
            self._stage.client.apply(path, manifest, manager=self._MANAGER)

    def _take_over(self, path: str) -> bool:
        """Make fields of managers that people are behind Flux's own, so that its next apply removes them."""
        entries = self._stage.client.get(path)["metadata"]["managedFields"]
        theirs = [entry for entry in entries if self._is_taken_over(entry)]
        if not theirs:
            return False
        (own,) = (entry for entry in entries if (entry["manager"], entry["operation"]) == (self._MANAGER, "Apply"))
        for entry in theirs:
            own["fieldsV1"] = _union(own["fieldsV1"], entry["fieldsV1"])
        rest = [entry for entry in entries if entry not in theirs]
        patch = [{"op": "replace", "path": "/metadata/managedFields", "value": rest}]
        self._stage.client.request("PATCH", path, patch, content_type=_JSON_PATCH)
        return True

    def _is_taken_over(self, entry: Mapping[str, Any]) -> bool:
        if entry.get("subresource") or (entry["manager"], entry["operation"]) == (self._MANAGER, "Apply"):
            return False
        return str(entry["manager"]).startswith(self._TAKEN_OVER)


class HelmRelease:
    """Helm 4 itself, which applies on the server's side and does not force unless it is told to."""

    def __init__(self, stage: Stage, helm: Helm, chart: Path) -> None:
        self._stage = stage
        self._helm = helm
        self._chart = chart
        (chart / "templates").mkdir(parents=True)
        (chart / "Chart.yaml").write_text(yaml.safe_dump({"apiVersion": "v2", "name": "app", "version": "1.0.0"}))
        (chart / "templates" / "app.yaml").write_text("{{ toYaml .Values.manifest }}\n")

    def sync(self, manifest: Manifest) -> None:
        """Upgrade the release; by force, as one does after helm has named the conflict."""
        try:
            self.upgrade(manifest)
        except HelmError as error:
            if "conflict" not in str(error):
                raise
            self.upgrade(manifest, "--force-conflicts")

    def upgrade(self, manifest: Manifest, *arguments: str) -> None:
        """Upgrade the release, or install it.

        Raises:
            HelmError: it failed; where somebody else owns a field, it names them.
        """
        where = ("--kubeconfig", str(self._stage.sandbox.kubeconfig()), "--namespace", self._stage.namespace)
        release = ("upgrade", "--install", "app", str(self._chart))
        self._helm(*release, *where, *arguments, values={"manifest": manifest})


class Replacer:
    """`kubectl replace`, and Argo CD with `Replace=true`."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def sync(self, manifest: Manifest) -> None:
        """Replace the whole object, which kubectl does by optimistic locking."""

        def replaces() -> bool:
            kubectl(self._stage, "replace", manifest=manifest)
            return True

        # Whoever else writes meanwhile makes it begin anew.
        eventually(replaces)


class Putter:
    """A controller that puts the whole object that it wants, wherever the one that is there differs."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def sync(self, manifest: Manifest) -> None:
        """Update the object to exactly this spec, by optimistic locking as controllers do."""
        path = self._stage.path(collection(manifest), manifest["metadata"]["name"])
        client = self._stage.client
        # Whoever else writes meanwhile makes it begin anew.
        eventually(lambda: client.request("PUT", path, {**client.get(path), "spec": manifest["spec"]}))


GIT: Final[Mapping[str, Callable[[Stage], Git]]] = {
    "argo-client-side": ArgoClientSide,
    "argo-server-side": ArgoServerSide,
    "flux": Flux,
}
"""The tools that need nothing but a stage."""


def collection(manifest: Manifest) -> str:
    """Give the plural of a manifest's kind, as it is in paths."""
    return f"{manifest['kind'].lower()}s"


def kubectl(stage: Stage, *arguments: str, manifest: Manifest | None = None) -> None:
    """Call kubectl in the stage's namespace, with a manifest as its file if there is one."""
    given = () if manifest is None else ("-f", "-")
    stage.sandbox.kubectl(*arguments, "-n", stage.namespace, *given, stdin=json.dumps(manifest))


def _union(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Give the fields of both sets."""
    return {key: _union(one.get(key, {}), other.get(key, {})) for key in (*one, *other)}
