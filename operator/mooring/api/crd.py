"""The CRDs, generated from the models: `python -m mooring.api.crd crds`."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from mooring.api import locator
from mooring.api.locator import LocatorSpec
from mooring.api.locator_status import LocatorStatus
from mooring.api.plain import plain_yaml
from mooring.api.policy import GROUP, SPEC_MODELS, VERSION, PolicyKind
from mooring.api.selectors import ApiModel
from mooring.api.status import UNSEEN, PolicyStatus, StatusModel
from mooring.api.structural import structural_schema

_HEADER: Final = (
    "# Generated from operator/mooring/api by `python -m mooring.api.crd crds`: change the models, not this.\n"
)


@dataclass(frozen=True, kw_only=True)
class _Kind:
    """What a CRD says of its kind besides the fields.

    `columns` are what `kubectl get` prints. Objects that are `awaited` count as in progress until they have been read;
    others come with a release whose operator need not run yet, while somebody waits for the release.
    """

    description: str
    plural: str
    short_name: str
    namespaced: bool
    spec: type[ApiModel]
    status: type[StatusModel]
    columns: tuple[dict[str, Any], ...]
    awaited: bool = True


def _column(name: str, path: str, *, type_: str = "string", wide: bool = False) -> dict[str, Any]:
    """A column, which `kubectl get` prints only with `-o wide` if it is a wide one."""
    return {"name": name, "type": type_, "jsonPath": path, **({"priority": 1} if wide else {})}


_READY: Final = _column("Ready", '.status.conditions[?(@.type=="Ready")].status')
_AGE: Final = _column("Age", ".metadata.creationTimestamp", type_="date")

_OF_POLICIES: Final = (
    _column("Placement", ".spec.placement"),
    _column("When", ".spec.whenUnsatisfiable"),
    _column("Mode", ".spec.updateMode"),
    _READY,
    _column("Matched", ".status.pods.matched", type_="integer"),
    _column("Local", ".status.pods.local", type_="integer"),
    _column("Remote", ".status.pods.remote", type_="integer"),
    _AGE,
    _column("Topology", ".spec.topologyKey", wide=True),
    _column("Priority", ".spec.priority", type_="integer", wide=True),
    _column("Unknown", ".status.pods.unknown", type_="integer", wide=True),
    _column("Overridden", ".status.pods.overridden", type_="integer", wide=True),
)

_OF_LOCATORS: Final = (
    _column("Driver", ".spec.driver"),
    _READY,
    _column("Reason", '.status.conditions[?(@.type=="Ready")].reason'),
    _column("Volumes", ".status.volumes", type_="integer"),
    _column("Replicas", ".status.replicas.total", type_="integer"),
    _AGE,
    _column("Resource", ".status.resource", wide=True),
    _column("Usable", ".status.replicas.usable", type_="integer", wide=True),
    _column("Unknown", ".status.replicas.unknown", type_="integer", wide=True),
    _column("Failures", ".status.failuresTotal", type_="integer", wide=True),
)

_KINDS: Final[Mapping[str, _Kind]] = {
    PolicyKind.NAMESPACED: _Kind(
        description=(
            "VolumePlacementPolicy keeps pods of its namespace near the data of their volumes. One rule holds for a "
            "pod: policies of its namespace outrank cluster policies, then the highest priority wins, then the first "
            "name."
        ),
        plural="volumeplacementpolicies",
        short_name="vpp",
        namespaced=True,
        spec=SPEC_MODELS[PolicyKind.NAMESPACED],
        status=PolicyStatus,
        columns=_OF_POLICIES,
    ),
    PolicyKind.CLUSTER: _Kind(
        description=(
            "ClusterVolumePlacementPolicy keeps pods of the selected namespaces near the data of their volumes, where "
            "no VolumePlacementPolicy of their own namespace selects them."
        ),
        plural="clustervolumeplacementpolicies",
        short_name="cvpp",
        namespaced=False,
        spec=SPEC_MODELS[PolicyKind.CLUSTER],
        status=PolicyStatus,
        columns=_OF_POLICIES,
    ),
    locator.KIND: _Kind(
        description=(
            "VolumeLocator says where a storage system keeps the data of a CSI driver's volumes: the resource that "
            "tells, and CEL expressions that read its objects. Of several for one driver the first name that has "
            "replicas of a volume counts."
        ),
        plural="volumelocators",
        short_name="vl",
        namespaced=False,
        spec=LocatorSpec,
        status=LocatorStatus,
        columns=_OF_LOCATORS,
        awaited=False,
    ),
}

OWN_KINDS: Final = tuple(str(kind) for kind in _KINDS)
"""The kinds that there are CRDs of."""


def crds() -> list[dict[str, Any]]:
    """All CRDs (apiextensions.k8s.io/v1), as they are applied to a cluster."""
    return [_crd(kind) for kind in OWN_KINDS]


def openapi_schema(kind: str) -> dict[str, Any]:
    """The schema in the CRD of one of `OWN_KINDS`, structural as apiextensions.k8s.io/v1 wants it."""
    what = _KINDS[kind]
    unseen = {"default": UNSEEN} if what.awaited else {}
    return {
        "description": what.description,
        "type": "object",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string", "description": f"{GROUP}/{VERSION}, the version of this schema."},
            "kind": {"type": "string", "description": f"{kind}, the kind of this resource."},
            "metadata": {"type": "object"},
            "spec": structural_schema(what.spec, description=what.spec.__doc__ or ""),
            "status": structural_schema(what.status, description=what.status.__doc__ or "") | unseen,
        },
    }


def crd_yaml(crd: Mapping[str, Any]) -> str:
    """A CRD as the text of its file in `crds/`."""
    return f"{_HEADER}---\n{plain_yaml(dict(crd))}"


def crd_files() -> dict[str, str]:
    """File names in `crds/` and their texts."""
    return {f"{GROUP}_{crd['spec']['names']['plural']}.yaml": crd_yaml(crd) for crd in crds()}


def main(arguments: Sequence[str]) -> None:
    """Write the files to the directory that the only argument names."""
    (directory,) = arguments
    for name, text in crd_files().items():
        (Path(directory) / name).write_text(text, encoding="utf-8")


def _crd(kind: str) -> dict[str, Any]:
    what = _KINDS[kind]
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{what.plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced" if what.namespaced else "Cluster",
            "names": {
                "kind": kind,
                "listKind": f"{kind}List",
                "plural": what.plural,
                "singular": kind.lower(),
                "shortNames": [what.short_name],
                "categories": ["mooring"],
            },
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": list(what.columns),
                    "schema": {"openAPIV3Schema": openapi_schema(kind)},
                }
            ],
        },
    }


if __name__ == "__main__":
    main(sys.argv[1:])
