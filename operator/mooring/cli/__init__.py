"""The command line: `mooring run`, `explain`, `lint`, `demo`, `sandbox` and what a cluster needs first."""

import typer

from mooring.cli.demo import demo
from mooring.cli.explain import explain_command
from mooring.cli.lint import lint_command
from mooring.cli.manifests import crds, permissions
from mooring.cli.run import run
from mooring.cli.sandbox import sandbox_app
from mooring.cli.uninstall import uninstall_command

app = typer.Typer(
    name="mooring",
    help="Keeps pods next to the data of their volumes.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command("run")(run)
app.command("explain")(explain_command)
app.command("lint")(lint_command)
app.command("demo")(demo)
app.command("crds")(crds)
app.command("permissions")(permissions)
app.command("uninstall")(uninstall_command)
app.add_typer(sandbox_app, name="sandbox")
