"""Storage systems as tests see them: CRDs of their own, objects that say where replicas are, and locators for them."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from tests.e2e import manifests
from tests.e2e.manifests import Manifest
from tests.e2e.process import MooringProcess
from tests.e2e.stage import Stage
from tests.e2e.support import eventually

CRDS: Final = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
LOCATORS: Final = "/apis/mooring.dev/v1alpha1/volumelocators"
ROLES: Final = "/apis/rbac.authorization.k8s.io/v1/clusterroles"

#: As Longhorn's replicas are read, in short.
READING: Final = {
    "volume": "object.spec.volumeName",
    "node": "object.spec.nodeID",
    "usable": 'object.spec.failedAt == ""',
}


class Field:
    """One test's storage systems, each of an API group of its own, in a stage."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.group = f"{stage.namespace}.example.com"
        self.driver = f"driver.{stage.namespace}"

    def close(self) -> None:
        """Delete what lies in no namespace."""
        self.stage.close()

    # What is created.

    def install(self, *, versions: Sequence[str] = ("v1",), plural: str = "replicas", allowed: bool = True) -> None:
        """Make the cluster serve the storage system's resource, and by default let Mooring read it."""
        if allowed:
            self.allow(plural)
        kind = plural.capitalize()
        definition = {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": f"{plural}.{self.group}"},
            "spec": {
                "group": self.group,
                "scope": "Namespaced",
                "names": {"plural": plural, "kind": kind, "singular": kind.lower()},
                "versions": _versions(versions),
            },
        }
        self.stage.create_in_cluster(CRDS, definition)
        for version in versions:
            self.await_served(version, plural)

    def serve(self, *versions: str, plural: str = "replicas") -> None:
        """Change which versions are served; the first is stored."""
        path = f"{CRDS}/{plural}.{self.group}"
        self.stage.patch(path, {"spec": {"versions": _versions(versions)}})
        for version in versions:
            self.await_served(version, plural)

    def uninstall(self, plural: str = "replicas") -> None:
        """Delete the resource, and with it every object."""
        self.stage.delete(f"{CRDS}/{plural}.{self.group}")

    def allow(self, plural: str = "replicas") -> None:
        """Let Mooring read a resource, by the label that its role gathers."""
        rule = {"apiGroups": [self.group], "resources": [plural], "verbs": ["list", "watch"]}
        name = f"{self.stage.namespace}-{plural}"
        labels = {"mooring.dev/aggregate-to-operator": "true"}
        role = {"metadata": {"name": name, "labels": labels}, "rules": [rule]}
        self.stage.create_in_cluster(ROLES, role)

        def gathered() -> bool:
            rules = self.stage.client.get(f"{ROLES}/sandbox-mooring-locators").get("rules") or []
            return any(self.group in each["apiGroups"] and plural in each["resources"] for each in rules)

        eventually(gathered)

    def locator(
        self,
        name: str = "",
        *,
        resource: Mapping[str, Any] | None = None,
        parts: Mapping[str, Any] | None = None,
        **replicas: Any,
    ) -> str:
        """Create a locator of the test's driver, with further parts if any are given; gives its name."""
        made = name or self.stage.namespace
        wanted = {"group": self.group, "resource": "replicas", **(resource or {})}
        spec = {"driver": self.driver, "replicas": {"resource": wanted, **READING, **replicas}, **(parts or {})}
        self.stage.create_in_cluster(
            LOCATORS,
            {"apiVersion": "mooring.dev/v1alpha1", "kind": "VolumeLocator", "metadata": {"name": made}, "spec": spec},
        )
        return made

    def volume(self, claim: str) -> None:
        """Create a bound claim of the test's driver, of which nothing else says where its data lies."""
        self.stage.volume(claim, driver=self.driver)

    def replica(
        self,
        name: str,
        claim: str,
        node: Any,
        *,
        version: str = "v1",
        labels: Mapping[str, str] | None = None,
        **spec: Any,
    ) -> None:
        """Create a replica of a claim's volume on a node."""
        made = {
            "apiVersion": f"{self.group}/{version}",
            "kind": "Replicas",
            "metadata": {"name": name, "labels": dict(labels or {})},
            "spec": {"volumeName": self.stage.volume_name(claim), "nodeID": node, "failedAt": "", **spec},
        }
        self.stage.client.create(self.path(version=version), made)

    def create(self, plural: str, name: str, fields: Mapping[str, Any]) -> None:
        """Create an object of another resource of the storage system."""
        collection = f"/apis/{self.group}/v1/namespaces/{self.stage.namespace}/{plural}"
        made = {"apiVersion": f"{self.group}/v1", "kind": plural.capitalize(), "metadata": {"name": name}, **fields}
        self.stage.client.create(collection, made)

    def resource(self, plural: str) -> Manifest:
        """Give a resource of the storage system as locators name it."""
        return {"group": self.group, "resource": plural}

    # What is read and changed.

    def path(self, name: str = "", *, version: str = "v1") -> str:
        """Give the path of the replicas in the test's namespace, or of one of them."""
        collection = f"/apis/{self.group}/{version}/namespaces/{self.stage.namespace}/replicas"
        return f"{collection}/{name}" if name else collection

    def move(self, replica: str, node: str, *, version: str = "v1") -> None:
        """Say that a replica is on another node now."""
        self.stage.patch(self.path(replica, version=version), {"spec": {"nodeID": node}})

    def kept(self, claim: str, *, by: MooringProcess | None = None) -> list[str]:
        """Give the nodes on which the operator, or another replica, would let a strict pod with a claim run."""
        asking = manifests.pod("asking", claim, annotations=manifests.STRICT)
        asking["metadata"]["namespace"] = self.stage.namespace
        body = {"Pod": asking, "NodeNames": self.nodes}
        return sorted((by or self.stage.operator).ask("filter", body)["NodeNames"])

    @property
    def nodes(self) -> list[str]:
        """The cluster's nodes."""
        return sorted(each["metadata"]["name"] for each in self.stage.client.get("/api/v1/nodes")["items"])

    def await_kept(self, claim: str, *nodes: str, timeout: float = 60) -> None:
        """Wait until a strict pod with a claim may run on these nodes only."""

        def known() -> bool:
            kept = self.kept(claim)
            assert kept == sorted(nodes), f"{claim} may run on {kept}"
            return True

        eventually(known, timeout=timeout)

    def await_unknown(self, claim: str, *, timeout: float = 60) -> None:
        """Wait until nothing is known of where a claim's data lies, so that a pod may run anywhere."""
        self.await_kept(claim, *self.nodes, timeout=timeout)

    def status(self, locator: str) -> Manifest:
        """Give a locator's status as it is now, empty if there is none."""
        return dict(self.stage.client.get(f"{LOCATORS}/{locator}").get("status") or {})

    def await_status(self, locator: str, *, timeout: float = 60, **fields: Any) -> Manifest:
        """Wait until a locator's status has these fields, of which `reason` and `message` are its Ready condition's.

        The message must have the given one as a part.
        """

        def stands() -> Manifest:
            found = self.status(locator)
            (ready,) = found.get("conditions") or [{}]
            for name, value in fields.items():
                told = ready.get(name) if name in {"reason", "message", "status"} else found.get(name)
                matches = value in str(told) if name == "message" else told == value
                assert matches, f"{name} is {told!r} in {found}"
            return found

        return eventually(stands, timeout=timeout)

    def asked_for(self, plural: str, *, since: int) -> int:
        """Say how often Mooring has listed or watched a resource since a moment of the audit log."""
        events = self.stage.sandbox.audit(user="mooring", since=since)
        return sum(f"/{self.group}/" in each["requestURI"] and f"/{plural}" in each["requestURI"] for each in events)

    def await_served(self, version: str, plural: str) -> None:
        """Wait until the API server serves a version of the resource."""

        def served() -> bool:
            found = self.stage.client.get(f"/apis/{self.group}/{version}")["resources"]
            return any(each["name"] == plural for each in found)

        eventually(served)


def _versions(names: Sequence[str]) -> list[Manifest]:
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    return [
        {"name": name, "served": True, "storage": number == 0, "schema": schema} for number, name in enumerate(names)
    ]
