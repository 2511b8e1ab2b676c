"""The part of the chart that is generated: `python -m mooring.api.chart policies/locators helm/mooring/files`.

The texts are templates of Helm: where they depend on the release, they ask the chart's helpers. The locators and their
roles are copies, since Helm reads no file outside of a chart.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from mooring.api.crd import crd_files
from mooring.api.permissions import (
    NAMESPACED_RULES,
    RULES,
    UNINSTALL_NAMESPACED_RULES,
    UNINSTALL_RULES,
    PolicyRule,
)
from mooring.api.plain import plain_yaml
from mooring.api.webhook import webhooks

_HEADER: Final = "# Generated from operator/mooring/api by `make generate`: change that, not this.\n"
_RELEASE: Final = '{{ include "mooring.fullname" . }}'
_NAMESPACE: Final = "{{ .Release.Namespace }}"

_ROLES: Final = {
    "clusterrole.yaml": RULES,
    "role.yaml": NAMESPACED_RULES,
    "uninstall-clusterrole.yaml": UNINSTALL_RULES,
    "uninstall-role.yaml": UNINSTALL_NAMESPACED_RULES,
}
#: What of a driver's folder is shipped; the rest are its tests.
_OF_A_DRIVER: Final = ("clusterrole.yaml", "locator.yaml")


def chart_files(locators: Path) -> dict[str, str]:
    """File names below the chart's `files/` and their texts.

    Args:
        locators: the folder with a folder for each driver.
    """
    crds = {f"crds/{name}": text for name, text in crd_files().items()}
    roles = {name: _HEADER + plain_yaml({"rules": _of_the_release(rules)}) for name, rules in _ROLES.items()}
    shipped = {
        f"locators/{folder.name}/{name}": (folder / name).read_text(encoding="utf-8")
        for folder in sorted(locators.iterdir())
        for name in _OF_A_DRIVER
    }
    return crds | roles | shipped | {"webhooks.yaml": _HEADER + plain_yaml(webhooks(_NAMESPACE))}


def main(arguments: Sequence[str]) -> None:
    """Copy from the directory of locators that the first argument names, and write to the one that the second names."""
    locators, directory = arguments
    for name, text in chart_files(Path(locators)).items():
        path = Path(directory) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def _of_the_release(rules: Sequence[PolicyRule]) -> list[PolicyRule]:
    return [
        {**rule, "resourceNames": [name.replace("mooring", _RELEASE, 1) for name in rule["resourceNames"]]}
        if "resourceNames" in rule
        else rule
        for rule in rules
    ]


if __name__ == "__main__":
    main(sys.argv[1:])
