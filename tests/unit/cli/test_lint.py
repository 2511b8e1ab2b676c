"""`mooring lint`: what it prints and where, and how it exits."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from mooring.cli import app

_POLICY = (
    "apiVersion: mooring.dev/v1alpha1\nkind: VolumePlacementPolicy\nmetadata: {name: a}\nspec: {podSelector: {}}\n"
)
_WARNING = _POLICY.replace("podSelector: {}", "podSelector: {matchLabels: {job-name: a}}")
_ERROR = _POLICY.replace("podSelector: {}", "podSelector: {}, placement: local")


def _lint(folder: Path, text: str, *options: str) -> Result:
    (folder / "m.yaml").write_text(text, encoding="utf-8")
    return CliRunner().invoke(app, ["lint", str(folder / "m.yaml"), *options])


@pytest.mark.parametrize(
    ("text", "options", "code", "summary"),
    [
        (_POLICY, [], 0, "1 object: 0 errors, 0 warnings\n"),
        (_WARNING, [], 0, "1 object: 0 errors, 1 warning\n"),
        (_WARNING, ["--strict"], 1, "1 object: 0 errors, 1 warning\n"),
        (_ERROR, [], 1, "1 object: 1 error, 0 warnings\n"),
        (f"{_ERROR}---\n{_ERROR}", [], 1, "2 objects: 2 errors, 0 warnings\n"),
        ("a: [", [], 2, "0 objects: 1 error, 0 warnings\n"),
    ],
)
def test_the_exit_code_says_how_it_went(tmp_path: Path, text: str, options: list[str], code: int, summary: str) -> None:
    """0 clean, 1 findings, 2 not readable; the summary goes to stderr, out of the way of pipes."""
    result = _lint(tmp_path, text, *options)

    assert (result.exit_code, result.stderr) == (code, summary)


def test_findings_are_plain_lines_where_there_is_no_terminal(tmp_path: Path) -> None:
    """However long they are, and without colours."""
    result = _lint(tmp_path, _ERROR)

    message = 'spec.placement: must be Local, Remote or Anywhere, not "local"; did you mean Local?'
    assert result.stdout == f"{tmp_path}/m.yaml:4: error: {message}\n"


def test_programs_get_json(tmp_path: Path) -> None:
    """A list, empty where nothing is wrong."""
    assert json.loads(_lint(tmp_path, _WARNING, "-o", "json").stdout) == [
        {
            "file": f"{tmp_path}/m.yaml",
            "line": 4,
            "field": "spec.podSelector.matchLabels.job-name",
            "message": "only live pods have the label job-name: it selects pods, but no workload",
            "severity": "warning",
        }
    ]
    assert json.loads(_lint(tmp_path, _POLICY, "-o", "json").stdout) == []


def test_github_gets_workflow_commands(tmp_path: Path) -> None:
    """Shown beside the line; what would end a part early is escaped."""
    folder = tmp_path / "50%, or so"
    folder.mkdir()
    result = _lint(folder, _WARNING, "--output", "github")

    assert result.stdout == (
        f"::warning file={tmp_path}/50%25%2C or so/m.yaml,line=4,title=spec.podSelector.matchLabels.job-name"
        "::only live pods have the label job-name: it selects pods, but no workload\n"
    )
    missing = CliRunner().invoke(app, ["lint", "nowhere.yaml", "-o", "github"])
    assert missing.stdout == "::error file=nowhere.yaml::No such file or directory\n"


def test_the_kubernetes_version_can_be_chosen(tmp_path: Path) -> None:
    """One that there are no schemas of is bad usage."""
    cronjob = "apiVersion: autoscaling/v2beta2\nkind: HorizontalPodAutoscaler\nmetadata: {name: a}\n"

    assert _lint(tmp_path, cronjob, "--kubernetes-version", "1.25").exit_code == 0
    assert _lint(tmp_path, cronjob).exit_code == 1
    assert _lint(tmp_path, cronjob, "--kubernetes-version", "1.2").exit_code == 2


def test_without_a_path_it_is_bad_usage() -> None:
    """Nothing to check is not the same as nothing wrong."""
    assert CliRunner().invoke(app, ["lint"]).exit_code == 2


def test_other_commands_do_not_load_what_only_lint_needs() -> None:
    """It would take memory in every replica; the schema libraries are loaded by Kubernetes' own client anyway."""
    program = "import sys, mooring.cli, mooring.cli.run; print(*sys.modules)"

    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()

    assert "mooring.cli.lint" in loaded
    assert not {"mooring.lint", "mooring.lint.linter"} & set(loaded)
