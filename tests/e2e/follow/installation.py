"""A driver of the catalogue, installed in a cluster: nodes, CRDs, rights, a locator, and the driver's own objects."""

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import yaml
from tests.catalogue import ChangedObject, Driver, Manifest
from tests.e2e import manifests
from tests.e2e.follow.field import CRDS, LOCATORS, ROLES
from tests.e2e.stage import Stage
from tests.e2e.support import eventually

from mooring.api.locator import FollowedResource
from mooring.sandbox.client import ApiError
from mooring.sandbox.nodes import create_nodes, make_node

_ROLE = "sandbox-mooring-locators"
_ASKING = "asking"


class Installation:
    """One driver in a stage. `close` takes away everything, finalizers or not."""

    def __init__(self, stage: Stage, driver: Driver) -> None:
        self.stage = stage
        self.driver = driver
        self._nodes = driver.of_kind("Node")
        self.nodes = [each["metadata"]["name"] for each in self._nodes]
        self._paths: dict[ChangedObject, str] = {}

    def install(self) -> None:
        """Create all of it, the driver's own objects last."""
        self._create_nodes()
        self._create_volumes()
        self._serve()
        self._grant()
        self._create_locator()
        for manifest in self._own_objects():
            self._create(manifest)

    def close(self) -> None:
        """Delete the driver's own objects and the nodes; the rest goes with the stage."""
        for path in self._paths.values():
            with contextlib.suppress(ApiError):  # what was to be deleted may be gone
                self.stage.patch(path, {"metadata": {"finalizers": None}})
            self.stage.delete(path)
        for name in self.nodes:
            self.stage.delete(f"/api/v1/nodes/{name}")

    def change(self, changed: ChangedObject, patch: Manifest) -> None:
        """Change one of the driver's own objects."""
        self.stage.patch(self._paths[changed], patch)

    def kept(self, volume: str) -> list[str]:
        """Give the driver's nodes on which the operator would let a strict pod with a volume run."""
        asking = manifests.pod(_ASKING, volume, annotations=manifests.STRICT)
        asking["metadata"]["namespace"] = self.stage.namespace
        return sorted(self.stage.operator.ask("filter", {"Pod": asking, "NodeNames": self.nodes})["NodeNames"])

    def explained(self) -> dict[str, Any]:
        """Give what `mooring explain` says of each volume, asked of the cluster without the operator."""
        volumes = list(self.driver.expectation.volumes)
        self.stage.deployment(_ASKING, *volumes, replicas=0, annotations=manifests.STRICT)
        kubeconfig = str(self.stage.sandbox.kubeconfig("mooring"))
        command = [sys.executable, "-m", "mooring", "explain", "-n", self.stage.namespace, "--kubeconfig", kubeconfig]
        done = subprocess.run(
            [*command, f"deployment/{_ASKING}", "-o", "json"], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return {each["claim"]: each for each in json.loads(done.stdout)["volumes"]}

    def status(self) -> Manifest:
        """Give the locator's status as it is now, empty if there is none."""
        return dict(self.stage.client.get(f"{LOCATORS}/{self.driver.name}").get("status") or {})

    def _create_nodes(self) -> None:
        made = [make_node(name, each["metadata"]["labels"]) for name, each in zip(self.nodes, self._nodes, strict=True)]
        create_nodes(self.stage.sandbox.layout, [*made, *self.driver.of_kind("CSINode")], progress=lambda _: None)

    def _create_volumes(self) -> None:
        client, namespace = self.stage.client, self.stage.namespace
        for volume in self.driver.of_kind("PersistentVolume"):
            name, spec = volume["metadata"]["name"], volume["spec"]
            claimed = {**spec, "claimRef": {"name": name, "namespace": namespace}}
            self.stage.create_in_cluster("/api/v1/persistentvolumes", {**volume, "spec": claimed})
            claim = manifests.claim(
                name, volume_name=name, modes=spec["accessModes"], storage_class=spec["storageClassName"]
            )
            client.create(self.stage.path("persistentvolumeclaims"), claim)

        def bound() -> bool:
            claims = client.get(self.stage.path("persistentvolumeclaims"))["items"]
            return all(each["status"].get("phase") == "Bound" for each in claims)

        eventually(bound)

    def _serve(self) -> None:
        for resource in self._own_resources():
            manifest = next(each for each in self.driver.objects if resource.is_of(each))
            version = manifest["apiVersion"].rpartition("/")[2]
            self.stage.create_in_cluster(CRDS, _definition(resource, manifest))
            path = f"/apis/{resource.group}/{version}/{resource.resource}"
            eventually(lambda path=path: self.stage.client.get(path))  # type: ignore[misc]

    def _grant(self) -> None:
        self.stage.create_in_cluster(ROLES, self.driver.cluster_role)

        def gathered() -> bool:
            given = self.stage.client.get(f"{ROLES}/{_ROLE}").get("rules") or []
            return all(rule in given for rule in self.driver.cluster_role["rules"])

        eventually(gathered)

    def _create_locator(self) -> None:
        text = (self.driver.directory / "locator.yaml").read_text(encoding="utf-8")
        self.stage.create_in_cluster(LOCATORS, yaml.safe_load(text))

    def _own_resources(self) -> list[FollowedResource]:
        return [each for each in self.driver.resources.values() if each.group]

    def _own_objects(self) -> Iterator[Manifest]:
        for manifest in self.driver.objects:
            if any(resource.is_of(manifest) for resource in self.driver.resources.values()):
                yield manifest

    def _create(self, manifest: Manifest) -> None:
        metadata, (group, _, version) = manifest["metadata"], manifest["apiVersion"].rpartition("/")
        resource = next(each for each in self.driver.resources.values() if each.is_of(manifest))
        root = f"/apis/{group}/{version}" if group else f"/api/{version}"
        if namespace := metadata.get("namespace"):
            self._make_namespace(namespace)
            root += f"/namespaces/{namespace}"
        collection = f"{root}/{resource.resource}"
        self.stage.client.create(collection, manifest)
        path = f"{collection}/{metadata['name']}"
        self._paths[ChangedObject(manifest["kind"], metadata["name"], namespace or "")] = path
        if "deletionTimestamp" in metadata:
            self.stage.delete(path)

    def _make_namespace(self, name: str) -> None:
        """Make one if there is none. It stays: one that is going away would be in the next driver's way."""
        self.stage.sandbox.kubectl("create", "namespace", name, check=False)
        eventually(lambda: self.stage.client.get(f"/api/v1/namespaces/{name}/serviceaccounts/default"))


def _definition(resource: FollowedResource, manifest: Manifest) -> Manifest:
    """Give a CRD that takes everything, its status as any other field so that objects can be created whole."""
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    version = manifest["apiVersion"].rpartition("/")[2]
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{resource.resource}.{resource.group}"},
        "spec": {
            "group": resource.group,
            "scope": "Namespaced" if "namespace" in manifest["metadata"] else "Cluster",
            "names": {"plural": resource.resource, "kind": manifest["kind"], "singular": manifest["kind"].lower()},
            "versions": [{"name": version, "served": True, "storage": True, "schema": schema}],
        },
    }
