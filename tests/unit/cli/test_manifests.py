"""What the command line prints for a cluster to have before Mooring runs in it."""

from pathlib import Path

import yaml
from typer.testing import CliRunner

from mooring.api.permissions import RULES
from mooring.cli import app

REPOSITORY = Path(__file__).parents[3]


def test_permissions_are_the_charts() -> None:
    """The chart's ClusterRole is generated; after a change of the rules run `make generate`."""
    printed = CliRunner().invoke(app, ["permissions"])

    assert printed.exit_code == 0
    assert (REPOSITORY / "helm/mooring/files/clusterrole.yaml").read_text(encoding="utf-8") == printed.stdout
    assert yaml.safe_load(printed.stdout)["rules"] == RULES


def test_crds_are_the_generated_files() -> None:
    """`mooring crds` prints the same definitions that `crds/` holds."""
    printed = CliRunner().invoke(app, ["crds"])

    files = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in (REPOSITORY / "crds").glob("*.yaml")]
    assert printed.exit_code == 0
    by_name = {crd["metadata"]["name"]: crd for crd in yaml.safe_load_all(printed.stdout)}
    assert by_name == {crd["metadata"]["name"]: crd for crd in files}


def test_operator_is_a_source_root() -> None:
    """A package named operator would hide Python's own module of that name."""
    assert not (REPOSITORY / "operator/__init__.py").exists()
