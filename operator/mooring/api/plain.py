"""YAML as people read it, for the manifests that are generated."""

from typing import Any

import yaml


def plain_yaml(data: Any) -> str:
    """Give data as YAML in its own order, with every part written out."""
    return yaml.dump(data, Dumper=_PlainDumper, sort_keys=False, width=120, allow_unicode=True)


class _PlainDumper(yaml.SafeDumper):
    """Writes no anchors and aliases: those are for programs."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002  # the signature is PyYAML's
        return True
