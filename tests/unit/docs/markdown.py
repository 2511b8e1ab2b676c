"""Just enough of Markdown to compare what is written with what is there."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

REPOSITORY: Final = Path(__file__).parents[3]
DOCS: Final = REPOSITORY / "docs"
PAGES: Final = (
    REPOSITORY / "README.md",
    REPOSITORY / "CONTRIBUTING.md",
    REPOSITORY / "helm" / "mooring" / "README.md",
    *sorted(DOCS.glob("*.md")),
)

_FENCED: Final = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SPAN: Final = re.compile(r"`([^`]+)`")
_LINK: Final = re.compile(r"\]\(([^)\s]+)\)")
_HEADING: Final = re.compile(r"^#+ (.+)$", re.MULTILINE)


class Block(NamedTuple):
    """A fenced block and its language."""

    language: str
    text: str


def read(page: Path) -> str:
    """Give a page's text."""
    return page.read_text(encoding="utf-8")


def blocks(text: str) -> list[Block]:
    """Give the fenced blocks."""
    return [Block(*found) for found in _FENCED.findall(text)]


def prose(text: str) -> str:
    """Give what is not in fenced blocks."""
    return _FENCED.sub("", text)


def spans(text: str) -> list[str]:
    """Give what is written as code within the prose, on one line each."""
    return [" ".join(found.split()) for found in _SPAN.findall(prose(text))]


def links(text: str) -> list[str]:
    """Give the targets of links that lead to other files or to headings."""
    return [target for target in _LINK.findall(prose(text)) if "://" not in target]


def anchors(text: str) -> set[str]:
    """Give the names by which headings can be linked to, as GitHub makes them."""
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in _HEADING.findall(prose(text)))
    return {heading.replace(" ", "-") for heading in plain}


def rows(text: str) -> Iterator[list[str]]:
    """Give the rows of all tables, cell by cell, headings too."""
    for line in prose(text).splitlines():
        if line.startswith("|"):
            yield [cell.strip() for cell in line.strip("|").split("|")]


def section(text: str, heading: str) -> str:
    """Give what follows a heading, up to the next one."""
    _, found, rest = text.partition(f"\n{heading}\n")
    assert found, f"there is no heading {heading!r}"
    return re.split(r"^#+ ", rest, maxsplit=1, flags=re.MULTILINE)[0]
