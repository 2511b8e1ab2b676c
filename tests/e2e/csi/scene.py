"""Pods with claims whose volumes are still to be made, under a policy that says where."""

from collections.abc import Mapping, Sequence
from typing import Any

from tests.e2e import manifests
from tests.e2e.csi.storage import Storage, claim_template
from tests.e2e.manifests import HOSTNAME, ZONE, Manifest
from tests.e2e.stage import Stage
from tests.e2e.support import eventually

from mooring.sandbox.client import ApiError


class Scene:
    """A namespace whose pods are all led in the same way.

    Attributes:
        stage: pods and policies.
        storage: claims and their volumes.
        is_admitted: whether pods come to the webhook, and are led by nominations.
    """

    def __init__(self, stage: Stage, storage: Storage, *, way: str) -> None:
        self.stage = stage
        self.storage = storage
        self.is_admitted = way != "extender"
        self._scheduler = "default-scheduler" if way == "stock" else "mooring"

    def new_volumes(self, **words: Any) -> None:
        """Say in a policy where new volumes are made, and wait until it is in force.

        Claims that were there before are known then. Admission waits for younger ones, the extender does not.
        """
        self.stage.policy("new", newVolumes=words)

    def pod(self, name: str, *claims: str, wish: str = "", **fields: Any) -> None:
        """Create a pod; `wish` is a node that it would rather run on."""
        if wish:
            fields["affinity"] = manifests.on_nodes(wish)
        self.stage.pod(name, *claims, schedulerName=self._scheduler, **fields)

    def pods(self, claims: Mapping[str, Sequence[str]], **fields: Any) -> None:
        """Create pods with these claims, all at once.

        The extender alone learns where a volume will be when the scheduler has said so on the claim, and answers for
        the next pod before that: where nothing else leads pods, each is created when the one before has its node.
        """
        for name, own in claims.items():
            self.pod(name, *own, **fields)
            if not self.is_admitted:
                eventually(lambda name=name: self._is_tried(name))  # type: ignore[misc]

    def put(self, claim: str, node: str, storage_class: str, **fields: Any) -> None:
        """Make a claim whose volume lies on this node, and no pod stays that uses it."""
        self.storage.claim(claim, storage_class, **fields)
        self.stage.pod(f"maker-of-{claim}", claim, nodeSelector={HOSTNAME: node})
        assert self.storage.place(claim) == node
        self.remove(f"maker-of-{claim}")

    def remove(self, pod: str, *claims: str) -> None:
        """Delete a pod and claims, and return when they are gone."""
        paths = [self.stage.path("pods", pod)]
        paths += [self.stage.path("persistentvolumeclaims", claim) for claim in claims]
        for path in paths:
            self.stage.delete(path)
        eventually(lambda: all(self._is_gone(path) for path in paths))

    def stateful_set(
        self, name: str, storage_class: str, *, replicas: int, spec: Manifest | None = None, **fields: Any
    ) -> list[str]:
        """Create a StatefulSet whose pods have a volume each; gives the names of their claims."""
        templates = [claim_template("data", storage_class)]
        more = {"replicas": replicas, "volumeClaimTemplates": templates, **(spec or {})}
        self.stage.workload("StatefulSet", name, spec=more, schedulerName=self._scheduler, **fields)
        return [f"data-{name}-{ordinal}" for ordinal in range(replicas)]

    def allowed(self, *claims: str, among: Sequence[str]) -> list[str]:
        """Give the nodes among these on which the extender would let a pod with these claims run, now."""
        asking = manifests.pod("asking", *claims)
        asking["metadata"]["namespace"] = self.stage.namespace
        return list(self.stage.operator.ask("filter", {"Pod": asking, "NodeNames": list(among)})["NodeNames"])

    def zones(self, claims: Sequence[str]) -> list[str]:
        """Wait until these claims are bound, and give the zones of their volumes in the same order."""
        nodes = self.stage.client.get("/api/v1/nodes")["items"]
        zone = {node["metadata"]["name"]: str(node["metadata"]["labels"].get(ZONE)) for node in nodes}
        return [zone[node] for node in self.storage.places(claims)]

    def _is_tried(self, pod: str) -> bool:
        conditions = self.stage.client.get(self.stage.path("pods", pod))["status"].get("conditions", [])
        return any(each["type"] == "PodScheduled" for each in conditions)

    def _is_gone(self, path: str) -> bool:
        try:
            self.stage.client.get(path)
        except ApiError as error:
            return error.status == 404
        return False
