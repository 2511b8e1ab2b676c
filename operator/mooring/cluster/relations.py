"""Who has to do with whom: pods and workloads with claims, claims with volumes, pods with workloads."""

from collections import defaultdict
from collections.abc import Set as AbstractSet
from typing import Final

from mooring.cluster.records import Key, PersistentVolumeClaim, Pod, Workload
from mooring.cluster.topology import discard

_NONE: Final[frozenset[str]] = frozenset()
_NO_KEYS: Final[frozenset[Key]] = frozenset()


class Relations:
    """The lookups from what is named in an object back to the object, kept up to date object by object."""

    def __init__(self) -> None:
        self._pods_by_claim: Final[defaultdict[str, set[str]]] = defaultdict(set)
        self._pods_by_workload: Final[defaultdict[Key, set[str]]] = defaultdict(set)
        self._claims_by_volume: Final[defaultdict[str, set[str]]] = defaultdict(set)
        self._workloads_by_claim: Final[defaultdict[str, set[Key]]] = defaultdict(set)

    def pods_of_claim(self, claim: str) -> AbstractSet[str]:
        """Keys of the pods that mount a claim (namespace/name)."""
        return self._pods_by_claim.get(claim, _NONE)

    def pods_of_workload(self, workload: Key) -> AbstractSet[str]:
        """Keys of the pods that a workload made."""
        return self._pods_by_workload.get(workload, _NONE)

    def claims_of_volume(self, volume: str) -> AbstractSet[str]:
        """Keys of the claims that name a PersistentVolume; more than one only by mistake."""
        return self._claims_by_volume.get(volume, _NONE)

    def workloads_of_claim(self, claim: str) -> AbstractSet[Key]:
        """The workloads whose template, or first pod, mounts a claim (namespace/name)."""
        return self._workloads_by_claim.get(claim, _NO_KEYS)

    # What happens.

    def update_claim(self, old: PersistentVolumeClaim | None, new: PersistentVolumeClaim | None) -> None:
        """Learn of a claim that has come, changed or gone."""
        if old is not None and old.spec.volume_name:
            discard(self._claims_by_volume, old.spec.volume_name, old.key)
        if new is not None and new.spec.volume_name:
            self._claims_by_volume[new.spec.volume_name].add(new.key)

    def update_pod(self, old: Pod | None, new: Pod | None) -> None:
        """Learn of a pod that has come, changed or gone."""
        if old is not None:
            for claim in old.claims:
                discard(self._pods_by_claim, f"{old.metadata.namespace}/{claim}", old.key)
            if old.workload is not None:
                discard(self._pods_by_workload, old.workload, old.key)
        if new is not None:
            for claim in new.claims:
                self._pods_by_claim[f"{new.metadata.namespace}/{claim}"].add(new.key)
            if new.workload is not None:
                self._pods_by_workload[new.workload].add(new.key)

    def update_workload(self, old: Workload | None, new: Workload | None) -> None:
        """Learn of a workload that has come, changed or gone."""
        if old is not None:
            for claim in old.claims:
                discard(self._workloads_by_claim, f"{old.metadata.namespace}/{claim}", old.id)
        if new is not None:
            for claim in new.claims:
                self._workloads_by_claim[f"{new.metadata.namespace}/{claim}"].add(new.id)
