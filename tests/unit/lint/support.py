"""Short ways to lint a text, for tests that read like tables."""

from pathlib import Path
from textwrap import dedent

from mooring.lint.documents import Manifest, read_documents
from mooring.lint.kinds import versions
from mooring.lint.linter import lint

VERSION = versions()[-1]


def found(folder: Path, text: str, *, name: str = "m.yaml", version: str = VERSION) -> list[str]:
    """The lines that lint prints about a file with this text."""
    path = folder / name
    path.write_text(dedent(text).lstrip("\n"), encoding="utf-8")
    report = lint([str(path)], kubernetes_version=version)
    return [str(finding).removeprefix(f"{folder}/") for finding in report.findings]


def manifests(text: str) -> list[Manifest]:
    """The objects in a text."""
    documents, findings = read_documents(dedent(text).lstrip("\n"), file="m.yaml")
    assert findings == []
    return [each for document in documents for each in document.objects()]
