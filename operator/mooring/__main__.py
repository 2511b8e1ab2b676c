"""`python -m mooring`: the command line, also where its script is not on the path."""

from mooring.cli import app

app()
