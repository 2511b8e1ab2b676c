"""The programs of `tests/tools` and `tests/argo`, called as people call them."""

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml

from mooring.sandbox.build import build_program
from mooring.sandbox.progress import Progress

TOOLS: Final = Path(__file__).parent / "tools"
ARGO: Final = Path(__file__).parent / "argo"
CHART: Final = Path(__file__).parents[1] / "helm" / "mooring"
HEALTH_CHECK: Final = Path(__file__).parents[1] / "policies" / "argocd" / "health.lua"
KUBERNETES: Final = "v1.36.3"

Manifest = dict[str, Any]


class HelmError(Exception):
    """Helm ended with an error; the message is what it said."""


class Helm:
    """The helm command, with an empty home and nothing of the user's."""

    def __init__(self, binary: Path, home: Path) -> None:
        self._binary = binary
        others = {name: value for name, value in os.environ.items() if not name.startswith(("HELM_", "KUBECONFIG"))}
        homes = {f"HELM_{kind}_HOME": str(home / kind.lower()) for kind in ("CACHE", "CONFIG", "DATA")}
        self._environment = others | homes | {"KUBECONFIG": os.devnull}

    def __call__(self, *arguments: str, values: Mapping[str, Any] | None = None, timeout: float = 300) -> str:
        """Run helm, with these values if any are given, and give what it printed.

        Raises:
            HelmError: it failed.
        """
        given = () if values is None else ("--values", "-")
        done = subprocess.run(
            [self._binary, *arguments, *given],
            input=json.dumps(values or {}),
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
            env=self._environment,
        )
        if done.returncode != 0:
            raise HelmError(done.stderr + done.stdout)
        return done.stdout

    def template(self, *, release: str = "mooring", namespace: str = "mooring-system", **values: Any) -> list[Manifest]:
        """Give what the chart makes of these values, hooks too."""
        where = ("--namespace", namespace, "--kube-version", KUBERNETES)
        text = self("template", release, str(CHART), *where, values=values)
        return [manifest for manifest in yaml.safe_load_all(text) if manifest is not None]


class Judgement(NamedTuple):
    """How kstatus judges an object: `Current`, `InProgress`, `Failed` or another of its words."""

    kind: str
    namespace: str
    name: str
    status: str
    message: str


class Kstatus:
    """The library by which Flux and helm judge objects."""

    def __init__(self, binary: Path) -> None:
        self._binary = binary

    def __call__(self, manifests: Sequence[Manifest]) -> list[Judgement]:
        """Judge objects as they were read from the API server."""
        done = subprocess.run(
            [self._binary], input=yaml.safe_dump_all(manifests), capture_output=True, text=True, check=True
        )
        return [Judgement(**json.loads(line)) for line in done.stdout.splitlines()]


class Health(NamedTuple):
    """What Argo CD says of an object: `Healthy`, `Progressing`, `Degraded` or another of its words."""

    status: str
    message: str


class ArgoHealth:
    """Our health check for policies, run by the interpreter that Argo CD has."""

    def __init__(self, binary: Path) -> None:
        self._binary = binary

    def __call__(self, manifest: Manifest) -> Health:
        """Judge an object as it was read from the API server."""
        done = subprocess.run(
            [self._binary, HEALTH_CHECK], input=json.dumps(manifest), capture_output=True, text=True, check=True
        )
        return Health(**json.loads(done.stdout))


def build_helm(progress: Progress) -> Path:
    """Give the path of helm, building it first if there is none: minutes, the first time."""
    return build_program("helm", progress, module=TOOLS, package="helm.sh/helm/v4/cmd/helm")


def build_kstatus(progress: Progress) -> Path:
    """Give the path of kstatus, building it first if there is none."""
    return build_program("kstatus", progress, module=TOOLS, package="./kstatus")


def build_argo_health(progress: Progress) -> Path:
    """Give the path of the interpreter of Argo CD's health checks, building it first if there is none."""
    return build_program("argohealth", progress, module=ARGO)
