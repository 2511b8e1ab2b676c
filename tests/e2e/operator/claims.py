"""Claims whose class, volume or own words say something, and claims that get their volume late."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from tests.e2e import manifests
from tests.e2e.stage import Stage
from tests.e2e.support import eventually

from mooring.sandbox.nodes import DRIVER

_CLASSES = "/apis/storage.k8s.io/v1/storageclasses"

Words = Mapping[str, str]

_NOTHING: Final[Words] = MappingProxyType({})


class Said(NamedTuple):
    """What is written where: on a claim, as labels or attributes of its volume, as parameters of its class."""

    claim: Words = _NOTHING
    volume: Words = _NOTHING
    attributes: Words = _NOTHING
    parameters: Words = _NOTHING


def create_claims(stage: Stage, claims: Mapping[str, Said], *nodes: str) -> None:
    """Create a bound claim of each name, with what is said of it; the data of all of them lies on `nodes`."""
    made = []
    for name, said in claims.items():
        chosen = storage_class(stage, name, parameters=said.parameters) if said.parameters else ""
        fields: dict[str, Any] = {"modes": ["ReadWriteMany"], "storage_class": chosen}
        volume = stage.volume_name(name)
        provided = manifests.volume(volume, name, stage.namespace, nodes=nodes, **fields)
        provided["metadata"]["labels"] = dict(said.volume)
        provided["spec"]["csi"]["volumeAttributes"] = dict(said.attributes)
        stage.create_in_cluster("/api/v1/persistentvolumes", provided)
        claim = manifests.claim(name, volume_name=volume, **fields)
        claim["metadata"]["annotations"] = dict(said.claim)
        made.append(claim)
    # A claim that its controller sees before its volume would wait for the next look at everything.
    for claim in made:
        stage.client.create(stage.path("persistentvolumeclaims"), claim)
    for name in claims:
        eventually(lambda name=name: phase_of(stage, name) == "Bound")  # type: ignore[misc]


def storage_class(stage: Stage, name: str, *, mode: str = "Immediate", parameters: Words = _NOTHING) -> str:
    """Create a class whose volumes somebody else makes, and give its name."""
    made = {
        "metadata": {"name": f"{name}-{stage.namespace}"},
        "provisioner": DRIVER,
        "volumeBindingMode": mode,
        "parameters": dict(parameters),
    }
    stage.create_in_cluster(_CLASSES, made)
    return f"{name}-{stage.namespace}"


def provide(stage: Stage, claim: str, node: str, *, storage_class: str) -> None:
    """Create the volume of a claim, as its provisioner does."""
    name = stage.volume_name(claim)
    made = manifests.volume(name, claim, stage.namespace, nodes=[node], storage_class=storage_class)
    # Else, too, the controller would find out with its next look at everything.
    made["spec"]["claimRef"]["uid"] = stage.client.get(stage.path("persistentvolumeclaims", claim))["metadata"]["uid"]
    stage.create_in_cluster("/api/v1/persistentvolumes", made)


def phase_of(stage: Stage, claim: str) -> str:
    """Give a claim's phase as it is now."""
    return str(stage.client.get(stage.path("persistentvolumeclaims", claim))["status"].get("phase", ""))
