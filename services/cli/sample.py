"""`uptill sample`: writes the data set and shows its progress.

`python -m services.cli.sample DIR` does the same in an image that lacks the rest of the command.
"""

from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress

from services.cli.console import fail, note, shows_progress, stderr
from services.sample.write_sample import write_sample


def sample(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Folder for the three CSV files.")],
    stores: Annotated[int, typer.Option(help="Stores that are polled.")] = 3678,
    days: Annotated[int, typer.Option(help="Days of polls.")] = 45,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 7,
) -> None:
    """Write a realistic data set: polls, opening hours, time zones."""
    try:
        with Progress(console=stderr, transient=True, disable=not shows_progress()) as progress:
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


if __name__ == "__main__":
    typer.run(sample)
