"""Prints the progress of `uptill ingest`, the outcome of every file, and the quality of the data."""

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import PurePath
from typing import Any

import structlog
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.table import Table

from services.ingest.parse.reasons import ROW_REASONS
from services.ingest.quality_warnings import list_warnings
from services.ingest.run.progress import LoadProgress, OnProgress
from services.ingest.write.import_result import ImportResult
from shared.telemetry import configure_logging

_LOG_EVERY_S = 5.0
_SHOWN_BYTES = 80  # of a rejected line
_MINUTE_S, _HOUR_S = 60, 3600


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
            rate = progress.rows_read / max(time.monotonic() - since, 0.1)
            bar.update(task, completed=progress.bytes_done, rate=f"{rate:,.0f} rows/s")

        yield show_progress


@contextmanager
def show_progress_lines(level: str) -> Iterator[OnProgress]:
    """Log a line every few seconds, for logs and pipes."""
    configure_logging("ingest", level)
    log = structlog.get_logger("ingest")
    due = {"at": time.monotonic() + _LOG_EVERY_S}

    def show_progress(progress: LoadProgress) -> None:
        if time.monotonic() >= due["at"]:
            due["at"] = time.monotonic() + _LOG_EVERY_S
            log.info("ingesting", **vars(progress))

    yield show_progress


def print_results(stdout: Console, stderr: Console, results: Sequence[ImportResult]) -> None:
    """Print the counts of every file and the quality of the data; on `stderr`, errors and the first rejected rows."""
    if results:
        stdout.print(_make_table(results))
    if quality := describe_quality([result.quality for result in results if result.quality]):
        stdout.print()
        block = Table("data quality", "", box=None, padding=(0, 1), pad_edge=False)
        for label, text in quality:
            block.add_row(label, escape(text))
        stdout.print(block)
    for result in results:
        for line in _list_remarks(result):
            stderr.print(line, soft_wrap=True)


def describe_quality(reports: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Return labels and texts for the quality reports of one run's files, which describe the same tables."""
    rejects: Counter[str] = Counter()
    found: dict[str, Any] = {}
    for report in reports:
        rejects.update(report.get("rejects", {}))
        found |= report
    lines = []
    if rejects:
        lines.append(
            ("rejected", ", ".join(f"{count:,} {reason}" for reason, count in rejects.most_common()))
        )
    if "stores" in found:
        without = f"{found['stores_without_hours']:,} without hours (open 24x7), "
        without += f"{found['stores_without_timezone']:,} without time zone"
        lines.append(("stores", f"{found['stores']:,}; {without}"))
    if "hours_rows" in found:
        seams = (
            f"{found['seams_snapped']:,} end 23:59 (read as 24:00), {found['overlapping_hours']:,} overlap"
        )
        lines.append(("hours", f"{found['hours_rows']:,} rows; {seams}"))
    if "newest_poll" in found:
        lines.append(("newest poll", str(found["newest_poll"])))
        lines.append(("silent > 24 h", f"{found['stores_silent_24h']:,} stores"))
    if found.get("gap_median_s") is not None:
        gaps = f"median {_format_duration(found['gap_median_s'])}, p99 {_format_duration(found['gap_p99_s'])}"
        lines.append(("poll gap", f"{gaps} (sample of {found['sampled_stores']:,} stores, 8 days)"))
        lines.append(("outside hours", f"{found['share_outside_hours']:.1%} of their polls"))
    return lines


def _make_table(results: Sequence[ImportResult]) -> Table:
    """Return the counts by file, in at most 80 columns."""
    titles = ("file", "kind", "accepted", "duplicate", "corrected", "rejected", "seconds")
    table = Table(*titles, box=None, padding=(0, 1), pad_edge=False)
    for column in table.columns[2:]:
        column.justify = "right"
    for result in results:
        counts = (result.accepted, result.duplicate, result.corrected, result.rejected)
        name = escape(escape_unprintable(PurePath(result.source).name or result.source))
        cells = (f"{count:,}" for count in counts)
        table.add_row(name, result.kind or "refused", *cells, f"{result.seconds:.1f}")
    return table


def _list_remarks(result: ImportResult) -> Iterator[str]:
    source = escape_unprintable(result.source)
    if result.same_as:
        yield escape(f"{source}: the same bytes as import {result.same_as}; nothing changed")
    if result.resumed_at_byte:
        yield escape(f"{source}: resumed at byte {result.resumed_at_byte:,}, where it had stopped")
    if result.cut_fractions:
        yield escape(f"{source}: {result.cut_fractions:,} instants were cut to microseconds")
    if result.error:
        yield f"[bold red]error:[/] {escape(f'{source}: {result.error}')}"
    for reject in result.first_rejects:
        raw = reject.raw[:_SHOWN_BYTES].decode("utf-8", "backslashreplace")
        yield escape(f"{source} line {reject.line}: {reject.reason}: {ROW_REASONS[reject.reason]}: {raw!r}")
    if result.rejected > len(result.first_rejects):
        more = result.rejected - len(result.first_rejects)
        yield escape(f"{source}: {more:,} more rejected rows are in the table import_reject")
    for warning in list_warnings(result.quality or {}):
        yield f"[bold yellow]warning:[/] {escape(escape_unprintable(f'{source}: {warning}'))}"


def escape_unprintable(name: str) -> str:
    """Return a name that cannot forge lines or move the cursor."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in name)


def _format_duration(seconds: float) -> str:
    if seconds < _MINUTE_S:
        return f"{seconds:.0f} s"
    return f"{seconds / _MINUTE_S:.0f} min" if seconds < 2 * _HOUR_S else f"{seconds / _HOUR_S:.1f} h"
