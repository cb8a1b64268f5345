"""`uptill sample`: write a sample data set and show the progress.

`python -m services.cli.sample DIR` does the same in images that do not have the other commands.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress

from services.cli.console import fail, note, shows_progress, stderr
from services.cli.instants import INSTANT_HELP, parse_instant
from services.sample.write_sample import write_sample
from shared.command import run_command
from shared.exit_codes import ExitCode
from shared.explain import name_os_error


def sample(
    directory: Annotated[
        Path,
        typer.Argument(metavar="DIR", help="Folder for the three CSV files; created if it does not exist."),
    ],
    stores: Annotated[int, typer.Option(help="Number of polled stores.")] = 3678,
    days: Annotated[int, typer.Option(help="Number of days of polls.")] = 45,
    seed: Annotated[int, typer.Option(help="Random seed; the same seed gives the same files.")] = 7,
    end: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help=f"No poll is at or after it: a time, {INSTANT_HELP}, or `now`.",
            show_default="2024-10-15T00:00Z",
        ),
    ] = None,
) -> None:
    """Write a realistic data set: polls, hours, time zones.

    It has the stores 0042 and 0043 of the documentation.
    """
    try:
        with Progress(console=stderr, transient=True, disable=not shows_progress()) as progress:
            task = progress.add_task("polls", total=None)
            summary = write_sample(
                directory,
                stores=stores,
                days=days,
                seed=seed,
                end=_parse_end(end),
                on_progress=lambda done, total: progress.update(task, completed=done, total=total),
            )
    except OSError as error:
        fail(name_os_error(error))
    except ValueError as error:
        fail(str(error), code=ExitCode.WRONG_USE)
    note(str(summary))


def _parse_end(text: str | None) -> datetime | None:
    if text is None:
        return None
    return datetime.now(UTC).replace(microsecond=0) if text == "now" else parse_instant(text)


if __name__ == "__main__":
    run_command(lambda: typer.run(sample))
