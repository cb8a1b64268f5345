"""`uptill ingest PATH…`: a progress bar on a terminal, log lines elsewhere, a table of what became of every row."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import structlog
import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.table import Table

from services.ingest.reasons import ROW_REASONS
from services.ingest.run import ImportResult, OnProgress, Progress, ingest_paths
from shared.errors import UptillError
from shared.settings import load_settings, stack_env_file
from shared.telemetry import configure_logging

_LOG_EVERY_S = 5.0
_SHOWN_BYTES = 80  # of a rejected line


def ingest(
    paths: Annotated[
        list[str],
        typer.Argument(metavar="PATH...", help="CSV files, folders of them, or - for standard input."),
    ],
) -> None:
    """Load polls, opening hours and time zones; every row is accepted, duplicate, corrected or rejected."""
    stderr = Console(stderr=True, highlight=False)
    try:
        settings = load_settings(stack_env_file()).require("database_url")
        with _bar(stderr) if stderr.is_terminal else _log_lines(settings.log_level) as on_progress:
            results = ingest_paths(settings.database_url.get_secret_value(), paths, on_progress=on_progress)
    except UptillError as error:
        stderr.print(f"[bold red]error:[/] {escape(str(error))}", soft_wrap=True)
        raise typer.Exit(1) from None
    _print_results(Console(highlight=False), stderr, results)
    if any(result.state != "succeeded" for result in results):
        raise typer.Exit(1)


@contextmanager
def _bar(console: Console) -> Iterator[OnProgress]:
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=console, transient=True) as bar:
        tasks: dict[str, tuple[TaskID, float]] = {}

        def show(progress: Progress) -> None:
            if progress.source not in tasks:
                name = Path(progress.source).name
                task = bar.add_task(name, total=progress.bytes_total, rate="")
                tasks[progress.source] = (task, time.monotonic())
            task, since = tasks[progress.source]
            rate = progress.rows_read / max(time.monotonic() - since, 0.1)
            bar.update(task, completed=progress.bytes_done, rate=f"{rate:,.0f} rows/s")

        yield show


@contextmanager
def _log_lines(level: str) -> Iterator[OnProgress]:
    configure_logging("ingest", level)
    log = structlog.get_logger("ingest")
    due = {"at": time.monotonic() + _LOG_EVERY_S}

    def show(progress: Progress) -> None:
        if time.monotonic() >= due["at"]:
            due["at"] = time.monotonic() + _LOG_EVERY_S
            log.info("ingesting", **vars(progress))

    yield show


def _print_results(stdout: Console, stderr: Console, results: Sequence[ImportResult]) -> None:
    titles = ("file", "kind", "accepted", "duplicate", "corrected", "rejected", "seconds")
    table = Table(*titles, box=None, padding=(0, 1), pad_edge=False)  # fits a terminal of 80 columns
    for column in table.columns[2:]:
        column.justify = "right"
    count: Callable[[int], str] = "{:,}".format
    for result in results:
        counts = (result.accepted, result.duplicate, result.corrected, result.rejected)
        name = escape(Path(result.source).name or result.source)
        table.add_row(name, result.kind or "refused", *map(count, counts), f"{result.seconds:.1f}")
    stdout.print(table)
    for result in results:
        if result.error:
            stderr.print(f"[bold red]error:[/] {escape(f'{result.source}: {result.error}')}", soft_wrap=True)
        for reject in result.first_rejects:
            raw = reject.raw[:_SHOWN_BYTES].decode("utf-8", "backslashreplace")
            message = (
                f"{result.source} line {reject.line}: {reject.reason}: {ROW_REASONS[reject.reason]}: {raw!r}"
            )
            stderr.print(escape(message), soft_wrap=True)
        if result.rejected > len(result.first_rejects):
            more = result.rejected - len(result.first_rejects)
            stderr.print(
                escape(f"{result.source}: {more:,} more rejected rows are in import_reject"), soft_wrap=True
            )
