"""The ways to ask for locality that are compared, and the pods that ask."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tests.bench import world
from tests.bench.webhook import NOT_ASKED
from tests.bench.world import HOSTNAME, Manifest

_STRICT_TIER: Final = "strict"


@dataclass(frozen=True, kw_only=True)
class Way:
    """A way to ask for locality.

    Attributes:
        tier: label by which a policy finds the pods, if there is one for it.
        affinity: what the client itself writes for a pod whose data is on this node.
        mooring: Mooring runs.
        admitted: the API server asks Mooring about the pods.
        trickles: it is measured at a steady rate, too.
    """

    name: str
    scheduler: str = "default-scheduler"
    tier: str = "none"
    affinity: Callable[[str], Manifest] | None = None
    mooring: bool = True
    admitted: bool = True
    trickles: bool = False

    def pod(self, number: int, *, data_on: str) -> Manifest:
        """Give the pod with the claim of this number: a small one, as the API server has to share the machine."""
        container = {
            "name": "main",
            "image": "registry.example/team/main:1",
            "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}},
            "volumeMounts": [{"name": "data", "mountPath": "/data"}],
        }
        spec = {
            "schedulerName": self.scheduler,
            # Else kwok takes half a minute to let it go.
            "terminationGracePeriodSeconds": 0,
            "containers": [container],
            "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": world.claim_name(number)}}],
        }
        labels = {"app": f"db-{number % 100}", "tier": self.tier} | ({} if self.admitted else NOT_ASKED)
        return {
            "metadata": {"name": f"db-{number}", "namespace": world.NAMESPACE, "labels": labels},
            "spec": spec | ({"affinity": {"nodeAffinity": self.affinity(data_on)}} if self.affinity else {}),
        }


def _preferred(node: str) -> Manifest:
    preference = {"matchExpressions": [{"key": HOSTNAME, "operator": "In", "values": [node]}]}
    return {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 100, "preference": preference}]}


def _required(node: str) -> Manifest:
    term = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}
    return {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}


REFERENCE: Final = Way(name="no locality at all", mooring=False, admitted=False, trickles=True)
STRICT: Final = Way(name="Mooring, strict", tier=_STRICT_TIER, trickles=True)
WAYS: Final = (
    REFERENCE,
    Way(name="preferred node affinity, by hand", affinity=_preferred, mooring=False, admitted=False),
    Way(name="required matchFields, by hand", affinity=_required, mooring=False, admitted=False),
    Way(name="extender scores, as STORK's", scheduler="stork", admitted=False),
    STRICT,
    Way(name="Mooring, soft", tier="database", trickles=True),
    Way(name="Mooring, soft, Mooring's scheduler", tier="database", scheduler="mooring"),
)
"""All of them. The soft ones fall under the policy that every benchmark's cluster has."""

STRICT_POLICY: Final[Manifest] = {
    "apiVersion": "mooring.dev/v1alpha1",
    "kind": "VolumePlacementPolicy",
    "metadata": {"name": _STRICT_TIER, "namespace": world.NAMESPACE},
    "spec": {"podSelector": {"matchLabels": {"tier": _STRICT_TIER}}, "whenUnsatisfiable": "DoNotSchedule"},
}
