"""The files in policies/: each parses, fits its CRD, and says when to use it."""

from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from tests.unit.api.schemas import REPOSITORY

from mooring.api.policy import parse_policy
from mooring.lint.own_kinds import problems

_POLICIES = sorted((REPOSITORY / "policies").glob("*.yaml"))
_EXAMPLES = sorted((REPOSITORY / "policies" / "examples").glob("*.yaml"))


def _load(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return loaded


def test_there_is_a_policy_for_the_usual_wishes() -> None:
    """The policies that people ask for first are there."""
    assert {path.stem for path in _POLICIES} >= {
        "audit-only",
        "cluster-default",
        "databases-near-data",
        "namespace-rule",
        "opt-out",
        "shared-zone",
        "spread-volumes",
        "strict-local",
        "volumes-apart",
    }


@pytest.mark.parametrize("path", _POLICIES, ids=lambda path: path.stem)
def test_a_policy_parses_under_its_own_name(path: Path) -> None:
    """A file holds one policy, named like the file."""
    assert parse_policy(_load(path)).name == path.stem


@pytest.mark.parametrize("path", _POLICIES, ids=lambda path: path.stem)
def test_a_policy_says_when_to_use_it(path: Path) -> None:
    """Each file starts with its purpose."""
    assert path.read_text(encoding="utf-8").startswith("# Use it ")


@pytest.mark.parametrize("path", _POLICIES, ids=lambda path: path.stem)
def test_a_policy_fits_its_crd(path: Path) -> None:
    """The schema and its CEL rules hold, as the API server would check them."""
    manifest = _load(path)

    assert problems(manifest["kind"], manifest) == []


@pytest.mark.parametrize("path", _EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_valid_for_kubernetes(path: Path) -> None:
    """Every document of an example is a valid Kubernetes object."""
    for manifest in yaml.safe_load_all(path.read_text(encoding="utf-8")):
        kubernetes_validate.validate(manifest, kubernetes_validate.latest_version(), strict=True)


def test_mysql_claims_the_volume_that_it_mounts() -> None:
    """The example's Deployment and its claim belong together, and it opts in as STORK's users do."""
    claim, deployment = yaml.safe_load_all((REPOSITORY / "policies/examples/mysql.yaml").read_text(encoding="utf-8"))
    pod = deployment["spec"]["template"]["spec"]

    assert pod["volumes"][0]["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"] == "mysql-data"
    assert claim["spec"]["accessModes"] == ["ReadWriteOnce"]
    assert pod["schedulerName"] == "stork"
