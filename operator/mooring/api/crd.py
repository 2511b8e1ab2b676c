"""The CRDs, generated from the models: `python -m mooring.api.crd crds`."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from mooring.api.plain import plain_yaml
from mooring.api.policy import GROUP, SPEC_MODELS, VERSION, PolicyKind
from mooring.api.status import UNSEEN, PolicyStatus
from mooring.api.structural import structural_schema

_HEADER: Final = (
    "# Generated from operator/mooring/api by `python -m mooring.api.crd crds`: change the models, not this.\n"
)

_SHORT_NAMES: Final = {PolicyKind.NAMESPACED: "vpp", PolicyKind.CLUSTER: "cvpp"}

_DESCRIPTIONS: Final = {
    PolicyKind.NAMESPACED: (
        "VolumePlacementPolicy keeps pods of its namespace near the data of their volumes. One rule holds for a pod: "
        "policies of its namespace outrank cluster policies, then the highest priority wins, then the first name."
    ),
    PolicyKind.CLUSTER: (
        "ClusterVolumePlacementPolicy keeps pods of the selected namespaces near the data of their volumes, where no "
        "VolumePlacementPolicy of their own namespace selects them."
    ),
}


def crds() -> list[dict[str, Any]]:
    """Both CRDs (apiextensions.k8s.io/v1), as they are applied to a cluster."""
    return [_crd(kind) for kind in PolicyKind]


def openapi_schema(kind: PolicyKind) -> dict[str, Any]:
    """The schema in the CRD of a kind, structural as apiextensions.k8s.io/v1 wants it."""
    spec = SPEC_MODELS[kind]
    return {
        "description": _DESCRIPTIONS[kind],
        "type": "object",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string", "description": f"{GROUP}/{VERSION}, the version of this schema."},
            "kind": {"type": "string", "description": f"{kind}, the kind of this resource."},
            "metadata": {"type": "object"},
            "spec": structural_schema(spec, description=spec.__doc__ or ""),
            "status": structural_schema(PolicyStatus, description=PolicyStatus.__doc__ or "") | {"default": UNSEEN},
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


def _crd(kind: PolicyKind) -> dict[str, Any]:
    singular = kind.lower()
    plural = f"{singular.removesuffix('y')}ies"
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced" if kind is PolicyKind.NAMESPACED else "Cluster",
            "names": {
                "kind": str(kind),
                "listKind": f"{kind}List",
                "plural": plural,
                "singular": singular,
                "shortNames": [_SHORT_NAMES[kind]],
                "categories": ["mooring"],
            },
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": _columns(),
                    "schema": {"openAPIV3Schema": openapi_schema(kind)},
                }
            ],
        },
    }


def _columns() -> list[dict[str, Any]]:
    """What `kubectl get` prints, the wide ones only with `-o wide`."""
    return [
        _column("Placement", ".spec.placement"),
        _column("When", ".spec.whenUnsatisfiable"),
        _column("Mode", ".spec.updateMode"),
        _column("Ready", '.status.conditions[?(@.type=="Ready")].status'),
        _column("Matched", ".status.pods.matched", type_="integer"),
        _column("Local", ".status.pods.local", type_="integer"),
        _column("Remote", ".status.pods.remote", type_="integer"),
        _column("Age", ".metadata.creationTimestamp", type_="date"),
        _column("Topology", ".spec.topologyKey", wide=True),
        _column("Priority", ".spec.priority", type_="integer", wide=True),
        _column("Unknown", ".status.pods.unknown", type_="integer", wide=True),
        _column("Overridden", ".status.pods.overridden", type_="integer", wide=True),
    ]


def _column(name: str, path: str, *, type_: str = "string", wide: bool = False) -> dict[str, Any]:
    return {"name": name, "type": type_, "jsonPath": path, **({"priority": 1} if wide else {})}


if __name__ == "__main__":
    main(sys.argv[1:])
