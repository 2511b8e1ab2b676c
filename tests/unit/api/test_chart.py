"""The generated part of the chart: what Python says, with the release's own names in it."""

from pathlib import Path

import pytest
import yaml
from tests.unit.api.schemas import REPOSITORY

from mooring.api.chart import chart_files, main
from mooring.api.crd import crd_files
from mooring.api.permissions import (
    NAMESPACED_RULES,
    RULES,
    UNINSTALL_NAMESPACED_RULES,
    UNINSTALL_RULES,
    PolicyRule,
)
from mooring.api.webhook import webhooks

LOCATORS = REPOSITORY / "policies/locators"
NAME = '{{ include "mooring.fullname" . }}'
NAMESPACE = "{{ .Release.Namespace }}"


def files_below(directory: Path) -> dict[str, str]:
    """Give the texts of all files in a directory, by their paths in it."""
    return {
        path.relative_to(directory).as_posix(): path.read_text(encoding="utf-8")
        for path in directory.rglob("*")
        if path.is_file()
    }


def test_the_files_are_what_python_says() -> None:
    """`helm/mooring/files` is generated; after a change of models, rights, webhooks or locators run `make generate`."""
    assert files_below(REPOSITORY / "helm/mooring/files") == chart_files(LOCATORS)


def test_the_command_writes_the_files(tmp_path: Path) -> None:
    """`python -m mooring.api.chart LOCATORS DIRECTORY` writes all of them and nothing else."""
    main([str(LOCATORS), str(tmp_path)])

    assert files_below(tmp_path) == chart_files(LOCATORS)


def test_the_chart_has_the_crds() -> None:
    """They are those of `crds/`, to the letter."""
    assert {name: text for name, text in chart_files(LOCATORS).items() if name.startswith("crds/")} == {
        f"crds/{name}": text for name, text in crd_files().items()
    }


def test_the_chart_has_the_locators() -> None:
    """They and their roles are those of `policies/locators`, to the letter; what tests them is not shipped."""
    shipped = {name: text for name, text in chart_files(LOCATORS).items() if name.startswith("locators/")}

    assert shipped == {
        f"locators/{path.relative_to(LOCATORS).as_posix()}": path.read_text(encoding="utf-8")
        for name in ("locator.yaml", "clusterrole.yaml")
        for path in LOCATORS.glob(f"*/{name}")
    }
    assert len(shipped) == 2 * len(list(LOCATORS.iterdir()))


@pytest.mark.parametrize(
    ("file", "rules"),
    [
        ("clusterrole.yaml", RULES),
        ("role.yaml", NAMESPACED_RULES),
        ("uninstall-clusterrole.yaml", UNINSTALL_RULES),
        ("uninstall-role.yaml", UNINSTALL_NAMESPACED_RULES),
    ],
)
def test_roles_are_for_the_release(file: str, rules: list[PolicyRule]) -> None:
    """Rights on single objects ask the chart for the release's name, and nothing else differs."""
    text = chart_files(LOCATORS)[file]

    assert yaml.safe_load(text.replace(NAME, "mooring")) == {"rules": rules}
    assert text.count(NAME) == sum(len(rule.get("resourceNames", [])) for rule in rules)


def test_webhooks_are_for_the_release() -> None:
    """The webhooks ask the chart for the release's namespace, and nothing else differs."""
    text = chart_files(LOCATORS)["webhooks.yaml"]

    assert yaml.safe_load(text.replace(NAMESPACE, "storage")) == webhooks("storage")


@pytest.mark.parametrize("rules", [RULES, NAMESPACED_RULES, UNINSTALL_RULES, UNINSTALL_NAMESPACED_RULES])
def test_rights_on_single_objects_are_those_of_the_release(rules: list[PolicyRule]) -> None:
    """Each name begins with the release's, for which the chart puts its own; nothing is granted by wildcard."""
    for rule in rules:
        assert all(name.split("-")[0] == "mooring" for name in rule.get("resourceNames", []))
        assert "*" not in [*rule["apiGroups"], *rule["resources"], *rule["verbs"]]
