"""The `uptill` command: every subcommand is a module beside this one, or of the service that it runs."""

from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress

from services.cli import keys, reports
from services.cli.console import fail, note, stderr
from services.cli.demo import demo
from services.cli.doctor import doctor
from services.cli.environment import settings_for_command
from services.cli.report import report
from services.cli.sample import write_sample
from services.cli.up import up
from services.ingest.command import ingest
from shared.db import migrate as migrations
from shared.errors import UptillError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="How long was each store up and down within its opening hours?",
)
app.command()(up)
app.command()(ingest)
app.command()(report)
app.command()(doctor)
app.command()(demo)
app.add_typer(keys.app, name="keys")
app.add_typer(reports.app, name="reports")


@app.command()
def sample(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Folder for the three CSV files.")],
    stores: Annotated[int, typer.Option(help="Stores that are polled.")] = 3678,
    days: Annotated[int, typer.Option(help="Days of polls.")] = 45,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 7,
) -> None:
    """Write a realistic data set: polls, opening hours, time zones."""
    try:
        with Progress(console=stderr, transient=True, disable=not stderr.is_terminal) as progress:
            task = progress.add_task("polls", total=None)
            summary = write_sample(
                directory,
                stores=stores,
                days=days,
                seed=seed,
                on_progress=lambda done, total: progress.update(task, completed=done, total=total),
            )
    except (ValueError, OSError) as error:
        fail(str(error))
    note(str(summary))


@app.command()
def migrate() -> None:
    """Bring the database to this release's schema."""
    url = settings_for_command("database_url").database_url.get_secret_value()
    try:
        applied = migrations.migrate(url)
    except UptillError as error:
        fail(str(error))
    note(f"applied {', '.join(applied)}" if applied else "the schema is up to date")


def main() -> None:
    """Entry point."""
    app()
