"""What the other tests here rest on: the real csi-provisioner makes volumes where a scheduler says."""

from collections.abc import Iterator

import pytest
from tests.e2e import manifests
from tests.e2e.csi.disks import DRIVER, TOPOLOGY_KEY, segment
from tests.e2e.csi.storage import Storage, copy_of
from tests.e2e.manifests import HOSTNAME, Manifest
from tests.e2e.stage import stays
from tests.e2e.support import eventually

from mooring.sandbox.client import ApiClient
from mooring.sandbox.launcher import Sandbox


class Pods:
    """The pods of a namespace, which no operator looks after."""

    def __init__(self, client: ApiClient, namespace: str) -> None:
        self._client = client
        self._path = f"/api/v1/namespaces/{namespace}/pods"

    def create(self, name: str, *claims: str, **fields: object) -> None:
        """Create a pod."""
        self._client.create(self._path, manifests.pod(name, *claims, **fields))

    def node_of(self, name: str) -> str:
        """Wait until a pod is scheduled, and give its node."""
        return str(eventually(lambda: self._get(name)["spec"].get("nodeName")))

    def refused(self, name: str) -> str:
        """Wait until the scheduler has given a pod up, and give what it says; after another try that may change."""

        def said() -> str:
            conditions = self._get(name).get("status", {}).get("conditions", [])
            return next((each["message"] for each in conditions if each["type"] == "PodScheduled"), "")

        return eventually(said)

    def _get(self, name: str) -> Manifest:
        return dict(self._client.get(f"{self._path}/{name}"))


@pytest.fixture
def pods(sandbox: Sandbox, namespace: str) -> Iterator[Pods]:
    """Give the pods of the test's namespace."""
    with sandbox.client() as client:
        yield Pods(client, namespace)


@pytest.mark.parametrize("scheduler", ["default-scheduler", "mooring"])
def test_a_volume_is_made_where_its_pod_runs(storage: Storage, pods: Pods, scheduler: str) -> None:
    """The scheduler writes the node on the claim, csi-provisioner writes it into the volume's own affinity."""
    storage.claim("data", storage.storage_class())

    pods.create("web", "data", nodeSelector={HOSTNAME: "node-4"}, schedulerName=scheduler)

    volume = storage.volume("data")
    assert volume["spec"]["csi"]["driver"] == DRIVER
    assert volume["metadata"]["annotations"]["pv.kubernetes.io/provisioned-by"] == DRIVER
    expression = {"key": TOPOLOGY_KEY, "operator": "In", "values": [segment("node-4")]}
    assert volume["spec"]["nodeAffinity"]["required"] == {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}
    assert (pods.node_of("web"), storage.selected_node("data")) == ("node-4", "node-4")


def test_a_claim_waits_for_its_pod(storage: Storage) -> None:
    """Nobody makes a volume of a class that waits for the first consumer before there is one."""
    storage.claim("data", storage.storage_class())

    stays(lambda: not storage.volume_name("data"), seconds=2)


def test_capacity_shrinks_with_each_volume_and_grows_again(
    sandbox: Sandbox, storage: Storage, pods: Pods, namespace: str
) -> None:
    """CSIStorageCapacity says what is free on each node, a second after somebody takes or gives back some of it."""
    chosen = storage.storage_class(capacity="10Gi", sizes={"node-2": "4Gi"})
    whole = {f"node-{number}": "10Gi" for number in (1, 3, 4, 5, 6)} | {"node-2": "4Gi"}
    assert storage.free(chosen) == whole
    storage.claim("data", chosen, size="3Gi")

    pods.create("web", "data", nodeSelector={HOSTNAME: "node-2"})

    eventually(lambda: storage.free(chosen) == whole | {"node-2": "1Gi"})
    with sandbox.client() as client:
        for path in ("pods/web", "persistentvolumeclaims/data"):
            client.request("DELETE", f"/api/v1/namespaces/{namespace}/{path}", {"gracePeriodSeconds": 0})
    eventually(lambda: storage.free(chosen) == whole)


def test_a_pod_is_kept_off_nodes_without_room(storage: Storage, pods: Pods) -> None:
    """By the stock scheduler, which looks at each claim alone: two that fit only together with nothing are let in."""
    chosen = storage.storage_class(capacity="1Gi", sizes={"node-5": "4Gi"})
    storage.claim("one", chosen, size="3Gi")
    storage.claim("more", chosen, size="5Gi")

    pods.create("fits", "one")
    pods.create("large", "more")

    assert pods.node_of("fits") == "node-5"
    eventually(lambda: "did not have enough free storage" in pods.refused("large"))


def test_the_scheduler_alone_is_stuck_with_two_claims_of_a_pod(storage: Storage, pods: Pods) -> None:
    """It looks at each claim alone: on a node with room for either, not for both, one is made and binds the other."""
    chosen = storage.storage_class(capacity="4Gi")
    storage.claim("one", chosen, size="3Gi")
    storage.claim("two", chosen, size="3Gi")

    pods.create("web", "one", "two")

    made = eventually(lambda: [claim for claim in ("one", "two") if storage.volume_name(claim)])
    eventually(lambda: "didn't match PersistentVolume's node affinity" in pods.refused("web"))
    assert len(made) == 1


@pytest.mark.parametrize("kind", ["claim", "snapshot"])
def test_a_copy_lies_where_its_source_does(storage: Storage, pods: Pods, kind: str) -> None:
    """The driver copies nothing between nodes: until the scheduler happens on the source's node nothing is made."""
    chosen = storage.storage_class()
    storage.claim("data", chosen)
    pods.create("first", "data", nodeSelector={HOSTNAME: "node-3"})
    assert storage.place("data") == "node-3"
    source = copy_of("data") if kind == "claim" else storage.snapshot("saved", "data")
    for name in ("here", "away"):
        storage.claim(name, chosen, source=source)

    pods.create("second", "here", nodeSelector={HOSTNAME: "node-3"})
    pods.create("third", "away", nodeSelector={HOSTNAME: "node-6"})

    assert storage.place("here") == "node-3"
    assert pods.node_of("second") == "node-3"
    stays(lambda: not storage.volume_name("away"), seconds=2)
