"""What the command line prints for a cluster to have before Mooring runs in it."""

from pathlib import Path

import yaml
from typer.testing import CliRunner

from mooring.api.permissions import NAMESPACED_RULES, RULES
from mooring.cli import app

REPOSITORY = Path(__file__).parents[3]


def test_permissions_are_the_roles() -> None:
    """`mooring permissions` prints the role in the whole cluster, and the one in Mooring's own namespace."""
    printed = CliRunner().invoke(app, ["permissions"])

    assert printed.exit_code == 0
    cluster_role, role = yaml.safe_load_all(printed.stdout)
    assert (cluster_role["kind"], cluster_role["rules"]) == ("ClusterRole", RULES)
    assert (role["kind"], role["rules"]) == ("Role", NAMESPACED_RULES)
    assert role["metadata"] == {"name": "mooring", "namespace": "mooring-system"}


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
