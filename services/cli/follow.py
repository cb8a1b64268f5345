"""Show the progress of a job on standard error until it has ended."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from services.cli.console import say, shows_progress, stderr
from shared.exit_codes import INTERRUPTED

PROGRESS_EVERY_S = 0.5
Job = TypeVar("Job")


@contextmanager
def telling_that_it_goes_on(what: str) -> Iterator[None]:
    """On Ctrl-C say that the work continues without this command. Exit with status 130."""
    try:
        yield
    except KeyboardInterrupt:
        say(f"stopped waiting: {what} continues without this command")
        raise typer.Exit(INTERRUPTED) from None


def show_progress(
    what: str, states: Iterable[Job], measure: Callable[[Job], tuple[int, int]], unit: str = "stores"
) -> Job:
    """Return the last of a job's states. `measure` returns how much of it is done, and of how much."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=stderr, transient=True, disable=not shows_progress()) as progress:
        task = progress.add_task(what, total=None)
        for state in states:
            done, total = measure(state)
            progress.update(task, completed=done, total=total)
    return state
