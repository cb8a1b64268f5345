"""`python -m services.cli.sample DIR`: `uptill sample` where the rest of the command is not installed."""

import typer

from services.cli.sample.command import sample

typer.run(sample)
