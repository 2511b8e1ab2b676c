"""`mooring lint`: manifests checked without a cluster."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

if TYPE_CHECKING:
    from mooring.lint.findings import Finding


class Format(StrEnum):
    """How findings are printed."""

    TEXT = "text"
    JSON = "json"
    GITHUB = "github"
    """Workflow commands: GitHub shows them beside the lines."""


def lint_command(
    paths: Annotated[list[str], typer.Argument(help="Manifests: files, folders, or - for standard input.")],
    *,
    kubernetes_version: Annotated[
        str | None, typer.Option(help="The version to check against, such as 1.33; by default the newest known.")
    ] = None,
    output: Annotated[Format, typer.Option("--output", "-o", help="How to print what is found.")] = Format.TEXT,
    strict: Annotated[bool, typer.Option("--strict", help="Let warnings count as errors.")] = False,
) -> None:
    """Check manifests: policies, locators, workloads, their annotations, and selectors that select nothing.

    Exits with 0 if nothing is wrong, 1 if something is, and 2 if a file cannot be read.
    """
    # Here, not above: schemas take memory that a running operator should not pay for.
    from mooring.lint.findings import Severity  # noqa: PLC0415
    from mooring.lint.kinds import versions  # noqa: PLC0415
    from mooring.lint.linter import lint  # noqa: PLC0415

    known = versions()
    if kubernetes_version is not None and kubernetes_version not in known:
        raise typer.BadParameter(
            f"{kubernetes_version} is none of {', '.join(known)}", param_hint="--kubernetes-version"
        )
    report = lint(paths, kubernetes_version=kubernetes_version or known[-1])
    _print(report.findings, output)
    errors, warnings = report.count(Severity.ERROR), report.count(Severity.WARNING)
    summary = f"{_count(report.objects, 'object')}: {_count(errors, 'error')}, {_count(warnings, 'warning')}"
    typer.echo(summary, err=True)
    if report.unreadable:
        raise typer.Exit(2)
    if errors or (strict and warnings):
        raise typer.Exit(1)


def _print(findings: Sequence["Finding"], output: Format) -> None:
    if output is Format.JSON:
        typer.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
        return
    console = Console(soft_wrap=True, highlight=False, markup=False)
    for finding in findings:
        if output is Format.GITHUB:
            typer.echo(_workflow_command(finding))
        else:
            text = Text(str(finding))
            text.highlight_words([f" {finding.severity}: "], "red" if finding.severity == "error" else "yellow")
            console.print(text)


def _workflow_command(finding: "Finding") -> str:
    title = f",title={_escaped(finding.field)}" if finding.field else ""
    line = f",line={finding.line}" if finding.line else ""
    message = _escaped(finding.message, keep=":,")
    return f"::{finding.severity} file={_escaped(finding.file)}{line}{title}::{message}"


def _escaped(text: str, *, keep: str = "") -> str:
    return "".join(f"%{ord(letter):02X}" if letter in "%\r\n:," and letter not in keep else letter for letter in text)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
