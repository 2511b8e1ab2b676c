"""One test's corner of a cluster: a namespace, its volumes, and nodes of its own where it must break some."""

import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from tests.e2e import manifests
from tests.e2e.manifests import Manifest
from tests.e2e.process import MooringProcess
from tests.e2e.support import eventually

from mooring.sandbox.client import ApiClient, ApiError
from mooring.sandbox.launcher import Sandbox
from mooring.sandbox.nodes import DRIVER, create_nodes, make_csi_node, make_node

VOLUME_LOCAL: Final = "mooring.dev/VolumeLocal"
PLACEMENT_APPLIED: Final = "mooring.dev/PlacementApplied"

STRICT_RULE: Final[dict[str, Any]] = {"whenUnsatisfiable": "DoNotSchedule"}
"""In the spec of a policy: its pods run near their data or not at all."""

_MERGE = "application/merge-patch+json"
_ANNOTATION_HASH = "mooring.dev/affinity-hash"


_GROUPS = {
    **dict.fromkeys(("daemonsets", "deployments", "replicasets", "statefulsets"), "apis/apps/v1"),
    **dict.fromkeys(("cronjobs", "jobs"), "apis/batch/v1"),
    "poddisruptionbudgets": "apis/policy/v1",
    "volumeplacementpolicies": "apis/mooring.dev/v1alpha1",
}


class Stage:
    """What a test puts into a cluster, and what it reads there. `close` takes away what no namespace holds."""

    def __init__(
        self, sandbox: Sandbox, client: ApiClient, namespace: str, operator: MooringProcess, *, user: str
    ) -> None:
        self.sandbox = sandbox
        self.client = client
        self.namespace = namespace
        self.operator = operator
        self.user = user
        self._leftovers: list[str] = []

    def close(self) -> None:
        """Delete what lies in no namespace."""
        # By a new connection: a test may have stopped the API server meanwhile.
        with self.sandbox.client() as self.client:
            for path in reversed(self._leftovers):
                self.delete(path)

    # What is created.

    def volume(self, name: str, *nodes: str, known: bool = True, **fields: Any) -> None:
        """Create a bound claim of this name whose data lies on `nodes`, and wait until Mooring knows."""
        self.volumes({name: nodes}, known=known, **fields)

    def volumes(
        self,
        places: Mapping[str, Sequence[str]],
        *,
        known: bool = True,
        labels: Mapping[str, str] | None = None,
        modes: Sequence[str] = ("ReadWriteOnce",),
        **fields: Any,
    ) -> None:
        """Create a bound claim for each name, and wait until Mooring knows where their data lies."""
        claims = []
        for name, nodes in places.items():
            volume = self.volume_name(name)
            made = manifests.volume(volume, name, self.namespace, nodes=nodes, modes=modes, **fields)
            self.create_in_cluster("/api/v1/persistentvolumes", made)
            storage_class = made["spec"]["storageClassName"]
            claims.append(
                manifests.claim(name, volume_name=volume, modes=modes, storage_class=storage_class, labels=labels)
            )
        # A claim that its controller sees before its volume would wait for the next look at everything.
        for claim in claims:
            self.client.create(self.path("persistentvolumeclaims"), claim)
        eventually(lambda: self._bound() >= places.keys())
        if known:
            for name, nodes in places.items():
                if nodes:
                    self.await_known(name, nodes)

    def volume_name(self, claim: str) -> str:
        """Give the name of a claim's volume."""
        return f"{self.namespace}-{claim}"

    def await_known(self, claim: str, nodes: Sequence[str]) -> None:
        """Wait until the operator would let a strict pod with this claim run on these nodes only."""
        asking = manifests.pod("asking", claim, annotations=manifests.STRICT)
        asking["metadata"]["namespace"] = self.namespace
        names = [node["metadata"]["name"] for node in self.client.get("/api/v1/nodes")["items"]]
        body = {"Pod": asking, "NodeNames": names}

        def knows() -> bool:
            kept = self.operator.ask("filter", body)["NodeNames"]
            return sorted(kept) == sorted(nodes)

        eventually(knows)

    def move_data(self, claim: str, *nodes: str) -> None:
        """Say that a volume's data lies elsewhere now."""
        annotations = {manifests.REPLICAS: ",".join(nodes)}
        self.patch(f"/api/v1/persistentvolumes/{self.volume_name(claim)}", {"metadata": {"annotations": annotations}})

    def pod(self, name: str, *claims: str, **fields: Any) -> Manifest:
        """Create a pod."""
        return dict(self.client.create(self.path("pods"), manifests.pod(name, *claims, **fields)))

    def deployment(self, name: str, *claims: str, **fields: Any) -> Manifest:
        """Create a Deployment."""
        return dict(self.client.create(self.path("deployments"), manifests.deployment(name, *claims, **fields)))

    def placed_deployment(self, name: str, *claims: str, replicas: int, **fields: Any) -> None:
        """Create a Deployment that makes its pods once its template has our terms: they are of one ReplicaSet."""
        self.deployment(name, *claims, replicas=0, **fields)
        self.await_reason("deployments", name, PLACEMENT_APPLIED, "Applied")
        self.patch(self.path("deployments", name), {"spec": {"replicas": replicas}})

    def workload(self, kind: str, name: str, *claims: str, **fields: Any) -> Manifest:
        """Create a workload of any kind; fields as `manifests.workload` takes them."""
        collection = f"{kind.lower()}s"
        return dict(self.client.create(self.path(collection), manifests.workload(kind, name, *claims, **fields)))

    def policy(self, name: str, *, settled: bool = True, **spec: Any) -> None:
        """Create a policy, and wait until it is in force."""
        self.client.create(self.path("volumeplacementpolicies"), manifests.policy(name, **spec))
        if settled:
            eventually(lambda: self.policy_status(name).get("observedGeneration") == 1)

    def cluster_policy(self, name: str, **spec: Any) -> None:
        """Create a policy of the cluster, and wait until it is in force."""
        collection = "/apis/mooring.dev/v1alpha1/clustervolumeplacementpolicies"
        self.create_in_cluster(collection, manifests.cluster_policy(name, **spec))
        eventually(lambda: self.client.get(f"{collection}/{name}").get("status", {}).get("observedGeneration") == 1)

    def create_in_cluster(self, collection: str, manifest: Manifest) -> None:
        """Create an object that is in no namespace; it goes with the test."""
        self.client.create(collection, manifest)
        self._leftovers.append(f"{collection}/{manifest['metadata']['name']}")

    def high_priority(self) -> str:
        """Create a priority above that of all other pods of the test, and give its name."""
        name = f"high-{self.namespace}"
        made = {
            "apiVersion": "scheduling.k8s.io/v1",
            "kind": "PriorityClass",
            "metadata": {"name": name},
            "value": 1000,
        }
        self.create_in_cluster("/apis/scheduling.k8s.io/v1/priorityclasses", made)
        # The admission of pods learns of classes by a watch of its own.
        trial = manifests.pod("trial", priorityClassName=name)
        eventually(lambda: self.client.create(f"{self.path('pods')}?dryRun=All", trial))
        return name

    def own_nodes(
        self, count: int, *, cpu: str = "8", labels: Mapping[str, str] | None = None
    ) -> tuple[list[str], dict[str, Any]]:
        """Create Ready nodes that only this test's pods run on; gives their names and the spec of pods for them."""
        mark = f"own-{uuid.uuid4().hex[:6]}"
        names = [f"{mark}-{number}" for number in range(1, count + 1)]
        made = []
        for name in names:
            node = make_node(name, {manifests.HOSTNAME: name, "test": mark, **(labels or {})})
            node["spec"] = {"taints": [{"key": "test", "value": mark, "effect": "NoSchedule"}]}
            node["status"] = {
                kind: {"cpu": cpu, "memory": "32Gi", "pods": "110"} for kind in ("allocatable", "capacity")
            }
            made += [node, make_csi_node(name, [DRIVER])]
        self._leftovers += [f"/api/v1/nodes/{name}" for name in names]
        create_nodes(self.sandbox.layout, made, progress=lambda _: None)
        for name in names:
            eventually(lambda name=name: _is_ready(self.client.get(f"/api/v1/nodes/{name}")))  # type: ignore[misc]
        toleration = {"key": "test", "operator": "Exists"}
        return names, {"nodeSelector": {"test": mark}, "tolerations": [toleration]}

    # What is read and changed.

    def path(self, kind: str, name: str = "") -> str:
        """Give the path of a collection of the namespace, or of an object in it."""
        found = f"/{_GROUPS.get(kind, 'api/v1')}/namespaces/{self.namespace}/{kind}"
        return f"{found}/{name}" if name else found

    def patch(self, path: str, body: Any) -> Manifest:
        """Patch an object as a user does, by merging."""
        return dict(self.client.request("PATCH", path, body, content_type=_MERGE))

    def delete(self, path: str) -> None:
        """Delete an object, or find it gone."""
        try:
            self.client.request("DELETE", path, {"gracePeriodSeconds": 0})
        except ApiError as error:
            if error.status != 404:
                raise

    def begin_rollout(self, deployment: str, template: Any) -> None:
        """Change a Deployment's template as a user does, and hold the rollout until `end_rollout`.

        On fake nodes any other is over before anybody can join it. The Deployment must not allow unavailable pods.
        """
        # The API server wants less than the progress deadline, which is ten minutes by default.
        self.patch(self.path("deployments", deployment), {"spec": {"minReadySeconds": 300, "template": template}})

    def end_rollout(self, deployment: str) -> None:
        """Let a rollout that was begun go on."""
        self.patch(self.path("deployments", deployment), {"spec": {"minReadySeconds": 0}})

    def await_complete(self, deployment: str) -> None:
        """Wait until a Deployment's rollout is over."""
        eventually(lambda: is_complete(self.client.get(self.path("deployments", deployment))))

    def node_of(self, pod: str) -> str:
        """Wait until a pod is scheduled, and give its node."""
        return str(eventually(lambda: self.client.get(self.path("pods", pod))["spec"].get("nodeName")))

    def nodes_of(self, pods: Sequence[str]) -> dict[str, str]:
        """Wait until all these pods are scheduled, and give their nodes."""
        return {pod: self.node_of(pod) for pod in pods}

    def unscheduled(self, pod: str) -> str:
        """Wait until the scheduler has given a pod up, and give what it says."""
        return str(eventually(lambda: self._condition(self.path("pods", pod), "PodScheduled", "False"))["message"])

    def pods_of(self, deployment: str) -> list[Manifest]:
        """Give a Deployment's pods that are not going away, as they are now."""
        listed = self.client.get(f"{self.path('pods')}?labelSelector=app%3D{deployment}")["items"]
        return [pod for pod in listed if "deletionTimestamp" not in pod["metadata"]]

    def staying(self) -> set[str]:
        """Give the names of all pods that are there now and are not going away."""
        listed = self.client.get(self.path("pods"))["items"]
        return {pod["metadata"]["name"] for pod in listed if "deletionTimestamp" not in pod["metadata"]}

    def runs_on(self, deployment: str) -> set[str]:
        """Give the nodes on which a Deployment's pods run now."""
        return {pod["spec"].get("nodeName", "") for pod in self.pods_of(deployment)}

    def await_on(self, deployment: str, *nodes: str) -> None:
        """Wait until a Deployment's pods run on exactly these nodes, and its rollout is complete."""

        def there() -> bool:
            found = self.runs_on(deployment)
            assert found == set(nodes), f"{deployment} runs on {found}"
            return is_complete(self.client.get(self.path("deployments", deployment)))

        eventually(there)

    def template_of(self, name: str, *, kind: str = "deployments") -> Manifest:
        """Give a workload's template as it is now."""
        spec = self.client.get(self.path(kind, name))["spec"]
        return dict((spec["jobTemplate"]["spec"] if kind == "cronjobs" else spec)["template"])

    def affinity_of(self, name: str, *, kind: str = "deployments") -> Manifest:
        """Give the node affinity in a workload's template as it is now, empty if there is none."""
        affinity = self.template_of(name, kind=kind)["spec"].get("affinity", {})
        return dict(affinity.get("nodeAffinity", {}))

    def is_marked(self, deployment: str) -> bool:
        """Say whether a template says that its affinity is Mooring's."""
        return _ANNOTATION_HASH in (self.template_of(deployment)["metadata"].get("annotations") or {})

    def condition(self, kind: str, name: str, condition: str) -> Manifest:
        """Give a condition as it is now, empty if there is none."""
        return self._condition(self.path(kind, name), condition) or {}

    def await_condition(self, kind: str, name: str, condition: str) -> Manifest:
        """Wait until there is a condition, and give it."""
        return eventually(lambda: self.condition(kind, name, condition))

    def await_reason(self, kind: str, name: str, condition: str, reason: str, *, saying: str = "") -> Manifest:
        """Wait until a condition has this reason, with this in its message, and give it."""

        def has_reason() -> Manifest:
            found = self.condition(kind, name, condition)
            assert found.get("reason") == reason, f"{condition} of {name} is {found}"
            assert saying in found["message"], f"{condition} of {name} is {found}"
            return found

        return eventually(has_reason)

    def await_seen(self, kind: str, name: str) -> None:
        """Wait until a workload's controller has taken in what was written last: its next pods are made of that."""

        def is_seen() -> bool:
            found = self.client.get(self.path(kind, name))
            return bool(found["status"].get("observedGeneration", 0) >= found["metadata"]["generation"])

        eventually(is_seen)

    def policy_status(self, name: str) -> Manifest:
        """Give a policy's status as it is now, empty if there is none."""
        return dict(self.client.get(self.path("volumeplacementpolicies", name)).get("status", {}))

    def await_counts(self, policy: str, **counts: int) -> None:
        """Wait until a policy counts its pods like this."""

        def counted() -> bool:
            found = self.policy_status(policy).get("pods", {})
            assert {key: found.get(key) for key in counts} == counts, f"{policy} counts {found}"
            return True

        eventually(counted)

    def events(self, name: str) -> dict[str, str]:
        """Give the events about an object that Mooring recorded so far: their messages by reason."""
        listed = self.client.get(f"{self.path('events')}?fieldSelector=involvedObject.name%3D{name}")["items"]
        return {event["reason"]: event["message"] for event in listed if event["source"].get("component") == "mooring"}

    def _bound(self) -> set[str]:
        listed = self.client.get(self.path("persistentvolumeclaims"))["items"]
        return {claim["metadata"]["name"] for claim in listed if claim["status"].get("phase") == "Bound"}

    def _condition(self, path: str, condition: str, status: str = "") -> Manifest | None:
        found = self.client.get(path).get("status", {}).get("conditions", [])
        return next((each for each in found if each["type"] == condition and status in ("", each["status"])), None)


def is_complete(deployment: Manifest) -> bool:
    """Say whether a Deployment's rollout is over, as `kubectl rollout status` does."""
    status, wanted = deployment.get("status", {}), deployment["spec"]["replicas"]
    seen = status.get("observedGeneration", 0) >= deployment["metadata"]["generation"]
    counts = {status.get(key, 0) for key in ("replicas", "updatedReplicas", "availableReplicas")}
    return seen and counts == {wanted}


def stays(check: Callable[[], object], *, seconds: float) -> None:
    """Look again and again for a stated time that `check` stays true: for tests that show that nothing happens."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert check(), "it did not stay so"
        time.sleep(0.2)


def _is_ready(node: Manifest) -> bool:
    tainted = any(taint["key"].startswith("node.kubernetes.io/") for taint in node["spec"].get("taints", []))
    conditions = node["status"].get("conditions", [])
    return not tainted and any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
