"""What tests of gated pods share: the gate's name, and what became of a pod on its way to a node."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from itertools import groupby
from typing import Any, Final

from tests.e2e.manifests import Manifest
from tests.e2e.stage import Stage
from tests.e2e.support import eventually

GATE: Final = "mooring.dev/placement"
GATED_BY: Final = "mooring.dev/gated-by"


def gates_of(pod: Manifest) -> list[str]:
    """Give the names of a pod's scheduling gates."""
    return [gate["name"] for gate in pod["spec"].get("schedulingGates", [])]


def is_held(pod: Manifest) -> bool:
    """Say whether Mooring's gate keeps schedulers away from a pod."""
    return GATE in gates_of(pod)


class History:
    """What becomes of the pods of a stage from now on."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._version = stage.client.get(stage.path("pods"))["metadata"]["resourceVersion"]
        self._since = stage.sandbox.audit_offset()

    def versions(self) -> dict[str, list[Manifest]]:
        """Give each pod as it was after every write by anybody, the first one first; this takes a second."""
        path = f"{self._stage.path('pods')}?watch=1&timeoutSeconds=1&resourceVersion={self._version}"
        found: defaultdict[str, list[Manifest]] = defaultdict(list)
        for line in self._stage.sandbox.kubectl("get", "--raw", path).splitlines():
            pod = json.loads(line)["object"]
            found[pod["metadata"]["name"]].append(pod)
        return found

    def nominations(self) -> dict[str, list[str]]:
        """Give the nodes that were nominated for each pod so far, one after another; this takes a second."""
        return {pod: _changes(map(_nominated, versions)) for pod, versions in self.versions().items()}

    def writes(self, pod: str) -> Counter[str]:
        """Count Mooring's own writes to a pod so far: each is a `nomination`, a `release` or a `condition`."""
        events = self._stage.sandbox.audit(user=self._stage.user, since=self._since)
        return Counter(_purpose(each) for each in events if _writes(each, self._stage.path("pods", pod)))

    def await_writes(self, pod: str, **counts: int) -> None:
        """Wait until Mooring has written to a pod exactly so often; a write is logged after it was answered."""

        def written() -> bool:
            found = self.writes(pod)
            assert found == counts, f"{pod} was written by {dict(found)}"
            return True

        eventually(written)


def _nominated(pod: Manifest) -> str:
    return str(pod.get("status", {}).get("nominatedNodeName", ""))


def _changes(values: Iterable[str]) -> list[str]:
    """Give what is not empty, but not twice where it stayed the same."""
    return [value for value, _ in groupby(values) if value]


def _writes(event: dict[str, Any], path: str) -> bool:
    return event["verb"] == "patch" and event["requestURI"].partition("?")[0].removesuffix("/status") == path


def _purpose(event: dict[str, Any]) -> str:
    if event["objectRef"].get("subresource") != "status":
        return "release"
    # Conditions are applied, by force; a nomination is merged.
    return "condition" if "force=true" in event["requestURI"] else "nomination"
