"""Where workloads keep the template of their pods."""

from collections.abc import Mapping
from typing import Final

from mooring.cluster.records import WORKLOADS
from mooring.lint.findings import FieldPath

TEMPLATES: Final[Mapping[str, FieldPath]] = {
    **{kind: record.template_path for kind, record in WORKLOADS.items()},
    "DaemonSet": ("spec", "template"),
}
"""The path of the template, by kind."""
