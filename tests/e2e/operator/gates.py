"""What tests of pods on their way to a node share: the gate, nodes that are closed to them, and what became of them."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from itertools import chain, count, groupby
from typing import Any, Final

from tests.e2e.manifests import HOSTNAME, Manifest
from tests.e2e.stage import VOLUME_LOCAL, Stage
from tests.e2e.support import eventually

GATE: Final = "mooring.dev/placement"
GATED_BY: Final = "mooring.dev/gated-by"


def gates_of(pod: Manifest) -> list[str]:
    """Give the names of a pod's scheduling gates."""
    return [gate["name"] for gate in pod["spec"].get("schedulingGates", [])]


def is_held(pod: Manifest) -> bool:
    """Say whether Mooring's gate keeps schedulers away from a pod."""
    return GATE in gates_of(pod)


def is_given_up(pod: Manifest) -> bool:
    """Say whether a scheduler has tried to place a pod, in vain."""
    conditions = pod["status"].get("conditions", [])
    return any(each["type"] == "PodScheduled" and each.get("reason") == "Unschedulable" for each in conditions)


def cordon(stage: Stage, node: str, *, scheduler: str, **tolerating: Any) -> None:
    """Close a node to new pods, and return when the scheduler knows: it refuses a pod that can run nowhere else."""
    stage.patch(f"/api/v1/nodes/{node}", {"spec": {"unschedulable": True}})
    numbers = count(1)

    def refuses() -> bool:
        probe = f"probe-{next(numbers)}"
        stage.pod(probe, schedulerName=scheduler, **{**tolerating, "nodeSelector": {HOSTNAME: node}})
        path = stage.path("pods", probe)
        eventually(lambda: "nodeName" in (pod := stage.client.get(path))["spec"] or is_given_up(pod))
        refused = "nodeName" not in stage.client.get(path)["spec"]
        stage.delete(path)
        return refused

    eventually(refuses)


class History:
    """What becomes of the pods of a stage from now on."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        listed = stage.client.get(stage.path("pods"))
        self._version = listed["metadata"]["resourceVersion"]
        self._seen = {_version(pod) for pod in listed["items"]}
        self._since = stage.sandbox.audit_offset()

    def versions(self) -> dict[str, list[Manifest]]:
        """Give each pod as it was after every write by anybody so far, the first one first; this takes a second."""
        return eventually(self._versions_until_now)

    def _versions_until_now(self) -> dict[str, list[Manifest]]:
        now = {_version(pod) for pod in self._stage.client.get(self._stage.path("pods"))["items"]}
        path = f"{self._stage.path('pods')}?watch=1&timeoutSeconds=1&resourceVersion={self._version}"
        found: defaultdict[str, list[Manifest]] = defaultdict(list)
        for line in self._stage.sandbox.kubectl("get", "--raw", path).splitlines():
            pod = json.loads(line)["object"]
            found[pod["metadata"]["name"]].append(pod)
        # A second may be too short for all of it to arrive.
        missing = now - self._seen - {_version(pod) for pod in chain.from_iterable(found.values())}
        assert not missing, f"the versions {missing} of pods did not arrive"
        return found

    def nominations(self) -> dict[str, list[str]]:
        """Give the nodes that were nominated for each pod so far, one after another; this takes a second."""
        return {pod: _changes(map(_nominated, versions)) for pod, versions in self.versions().items()}

    def conditions(self) -> dict[str, list[str]]:
        """Give the reasons of each pod's `VolumeLocal` so far, one after another; this takes a second."""
        return {pod: _changes(map(_reason, versions)) for pod, versions in self.versions().items()}

    def writes(self, pod: str) -> Counter[str]:
        """Count Mooring's own writes to a pod so far: each is a `nomination`, a `release` or a `condition`."""
        events = self._stage.sandbox.audit(user=self._stage.user, since=self._since)
        return Counter(_purpose(each) for each in events if _writes(each, self._stage.path("pods", pod)))

    def await_writes(self, pod: str, **counts: int) -> None:
        """Wait until Mooring has written to a pod exactly so often, of the kinds that are named.

        A write is logged after it was answered.
        """

        def written() -> bool:
            found = self.writes(pod)
            assert {kind: found[kind] for kind in counts} == counts, f"{pod} was written by {dict(found)}"
            return True

        eventually(written)


def _version(pod: Manifest) -> str:
    return str(pod["metadata"]["resourceVersion"])


def _reason(pod: Manifest) -> str:
    conditions = pod.get("status", {}).get("conditions", [])
    return next((str(each["reason"]) for each in conditions if each["type"] == VOLUME_LOCAL), "")


def _nominated(pod: Manifest) -> str:
    return str(pod.get("status", {}).get("nominatedNodeName", ""))


def _changes(values: Iterable[str]) -> list[str]:
    """Give what is not empty, but not twice where it stayed the same."""
    return [value for value, _ in groupby(values) if value]


def _writes(event: dict[str, Any], path: str) -> bool:
    asked = str(event["requestURI"]).partition("?")[0]
    return event["verb"] == "patch" and asked.removesuffix("/status") == path


def _purpose(event: dict[str, Any]) -> str:
    if event["objectRef"].get("subresource") != "status":
        return "release"
    # Conditions are applied, by force; a nomination is merged.
    return "condition" if "force=true" in event["requestURI"] else "nomination"
