"""What storage itself says of where its pods should run: STORK's words on a claim, its volume and its StorageClass.

The nearer word wins: the claim's over the volume's over the class's. A volume that is served over the network to any
node (sharedv4 with a Service) wants to be remote, for its pods would otherwise fail together with its server.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from mooring.api.annotations import (
    PREFER_REMOTE_NODE,
    PREFER_REMOTE_NODE_ONLY,
    RESTORE_IN_PROGRESS,
    SHAREDV4,
    SHAREDV4_SERVICE,
    SKIP_SCHEDULER_SCORING,
    BooleanReading,
    parse_boolean,
)
from mooring.cluster.records import PersistentVolume, PersistentVolumeClaim, StorageClass

_WORDS: Final = frozenset(
    {
        SHAREDV4,
        *(
            spelling
            for word in (PREFER_REMOTE_NODE, PREFER_REMOTE_NODE_ONLY, RESTORE_IN_PROGRESS, SKIP_SCHEDULER_SCORING)
            for spelling in word.spellings
        ),
    }
)


class Wishes(msgspec.Struct, frozen=True, kw_only=True):
    """What storage says of where its pods should run.

    Attributes:
        remote: away from its replicas.
        remote_only: there and nowhere else; it matters where the former holds.
        skipped: wherever they like.
        restoring: nowhere yet, for its data is being restored.
        problems: values that are not booleans, a sentence each.
    """

    remote: bool = False
    remote_only: bool = False
    skipped: bool = False
    restoring: bool = False
    problems: tuple[str, ...] = ()


NO_WISHES: Final = Wishes()


def read_wishes(
    claim: PersistentVolumeClaim, volume: PersistentVolume | None, storage_class: StorageClass | None
) -> Wishes:
    """Read what a claim, its volume and its class say; nearly always that is nothing."""
    on_claim = claim.annotations
    on_volume = _said_by(volume) if volume is not None else {}
    on_class = (storage_class.parameters if storage_class is not None else None) or {}
    if _WORDS.isdisjoint(on_claim) and _WORDS.isdisjoint(on_volume) and _WORDS.isdisjoint(on_class):
        return NO_WISHES
    own = [(f"PersistentVolumeClaim {claim.key}: ", on_claim)]
    if volume is not None:
        own.append((f"PersistentVolume {volume.name}: ", on_volume))
    inherited = [(f"StorageClass {storage_class.name}: ", on_class)] if storage_class is not None else []
    remote = PREFER_REMOTE_NODE.read_nearest([*own, *inherited])
    remote_only = PREFER_REMOTE_NODE_ONLY.read_nearest([*own, *inherited])
    skipped = SKIP_SCHEDULER_SCORING.read_nearest(own)
    restoring = RESTORE_IN_PROGRESS.read_nearest(own[:1])
    return Wishes(
        remote=remote.value and _is_served(on_volume, on_class),
        remote_only=remote_only.value,
        skipped=skipped.value,
        restoring=restoring.value,
        problems=_problems(remote, remote_only, skipped, restoring),
    )


def _said_by(volume: PersistentVolume) -> Mapping[str, str]:
    """What a driver calls a volume's labels, wherever it puts them."""
    attributes = (volume.spec.csi.volume_attributes if volume.spec.csi else None) or {}
    if not attributes and not volume.annotations:
        return volume.labels
    return {**attributes, **volume.labels, **volume.annotations}


def _is_served(on_volume: Mapping[str, str], on_class: Mapping[str, str]) -> bool:
    shared, service = (on_volume.get(key, on_class.get(key, "")) for key in (SHAREDV4, SHAREDV4_SERVICE))
    return bool(parse_boolean(shared)) and bool(service)


def _problems(*readings: BooleanReading) -> tuple[str, ...]:
    return tuple(problem for reading in readings for problem in reading.problems)
