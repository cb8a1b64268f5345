"""Shows the progress of `uptill ingest`: a bar for each file in a terminal, else a line every few seconds."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePath

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from services.ingest.run.progress import LoadProgress, OnProgress
from services.ingest.show_plan import escape_unprintable

_LINE_EVERY_S = 5.0


@contextmanager
def show_progress_bar(console: Console) -> Iterator[OnProgress]:
    """Show one progress bar per file, for a terminal."""
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=console, transient=True) as bar:
        tasks: dict[str, tuple[TaskID, float]] = {}

        def show_progress(progress: LoadProgress) -> None:
            if progress.source not in tasks:
                name = PurePath(progress.source).name
                task = bar.add_task(name, total=progress.bytes_total, rate="")
                tasks[progress.source] = (task, time.monotonic())
            task, since = tasks[progress.source]
            rate = f"{progress.rows_read / max(time.monotonic() - since, 0.1):,.0f} rows/s"
            bar.update(task, completed=progress.bytes_done, rate=_describe_applied(progress) or rate)

        yield show_progress


@contextmanager
def show_progress_lines(console: Console) -> Iterator[OnProgress]:
    """Print a line every few seconds, for pipes and the logs of a job."""
    due_s = time.monotonic() + _LINE_EVERY_S

    def show_progress(progress: LoadProgress) -> None:
        nonlocal due_s
        if time.monotonic() >= due_s:
            due_s = time.monotonic() + _LINE_EVERY_S
            share = f", {progress.bytes_done / progress.bytes_total:.0%}" if progress.bytes_total else ""
            name = escape_unprintable(PurePath(progress.source).name)
            what = _describe_applied(progress) or f"{progress.rows_read:,} rows{share}"
            console.print(escape(f"{name}: {what}"), soft_wrap=True)

    yield show_progress


def _describe_applied(progress: LoadProgress) -> str:
    """Return how many rows have been compared and written, once all are read. Until then an empty text."""
    if not progress.rows_to_apply:
        return ""
    return f"{progress.rows_applied:,} of {progress.rows_to_apply:,} rows applied"
