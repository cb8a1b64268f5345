"""Prints the outcome of every file of a load, and the quality of the data. Needs no package but those of the core."""

import textwrap
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC
from typing import Any

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.markup import escape

from services.ingest.import_result import NAMED_CULPRITS, ImportResult
from services.ingest.quality_warnings import HOURS_FIGURES, list_findings, list_warnings
from services.ingest.show_plan import escape_unprintable, list_plans, name_files
from shared.row_reasons import ROW_REASONS, by_frequency
from shared.texts import count_of, first_of, quoted

_SHOWN_BYTES = 80  # of a rejected line
_SHOWN_NAMES = 5
_MINUTE_S, _HOUR_S = 60, 3600
_TITLES = ("file", "kind", "accepted", "duplicate", "corrected", "rejected", "seconds")
_TEXT_COLUMNS = 2


def print_results(
    stdout: Console, stderr: Console, results: Sequence[ImportResult], *, dry_run: bool = False
) -> None:
    """Print the counts of every file and the quality of the data; on `stderr`, errors and the first rejected rows."""
    # In a pipe, lines are whole.
    width = stdout.width if stdout.file.isatty() else None
    lines = _list_counts(results, width) if results else []
    if dry_run and results:
        lines = ["dry run: nothing was changed. A load would do this:", *lines, *list_plans(results)]
    if quality := describe_quality([result.quality for result in results if result.quality]):
        lines += ["", "data quality", *_list_quality(quality, width)]
    for line in lines:
        stdout.print(escape(line), soft_wrap=True)
    for result in results:
        for line in _list_remarks(result):
            stderr.print(line, soft_wrap=True)
    for finding in list_findings(result.quality or {} for result in results):
        stderr.print(
            f"[bold yellow]warning:[/] stored data: {escape(escape_unprintable(finding))}", soft_wrap=True
        )
    if held := [result for result in results if result.is_held]:
        stderr.print(f"[bold red]error:[/] {escape(_describe_held(held, results))}", soft_wrap=True)


def _describe_held(held: Sequence[ImportResult], results: Sequence[ImportResult]) -> str:
    """Return the files of a delivery that do not take effect, the files that hold them back, and what to do."""
    names = name_files([result.source for result in results], with_archives=True)
    named = list(zip(names, results, strict=True))
    kept = first_of([name for name, result in named if result in held], _SHOWN_NAMES)
    missing = [
        name
        for name, result in named
        if result.kind != "polls" and not result.is_held and result.state not in {"succeeded", "stopped"}
    ]
    were, them = ("was", "it") if len(missing) == 1 else ("were", "them")
    culprits = first_of(missing, NAMED_CULPRITS)
    return (
        f"NOT APPLIED: {kept}, because {culprits} of the same delivery {were} not loaded. Stores keep what they had;"
        f" polls are not affected. Correct {culprits}, or leave {them} out, and load all files of the delivery again"
    )


def describe_quality(reports: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Return labels and texts for the quality reports of one run's files, which describe the same tables."""
    rejects: Counter[str] = Counter()
    found: dict[str, Any] = {}
    for report in reports:
        rejects.update(report.get("rejects", {}))
        # Each file of hours counts the rows of its stores.
        sums = {name: found.get(name, 0) + report[name] for name in HOURS_FIGURES & report.keys()}
        found |= {**report, **sums}
    lines = []
    if labels := dict.fromkeys(label for report in reports for label in report.get("labels", ())):
        lines.append(("labels", f"{', '.join(labels)} (columns that became labels)"))
    if rejects:
        lines.append(
            ("rejected", ", ".join(f"{count:,} {reason}" for reason, count in by_frequency(rejects)))
        )
    if "stores" in found:
        without = f"{found['stores_without_hours']:,} without hours (open 24x7), "
        without += f"{found['stores_without_timezone']:,} without time zone"
        never = found.get("stores_never_polled", 0)
        others = f"; {never:,} {'was' if never == 1 else 'were'} never polled" if never else ""
        lines.append(("stores", f"{found['stores']:,} polled; {without}{others}"))
    if "hours_rows" in found:
        seams = (
            f"{found['seams_snapped']:,} end 23:59 (read as 24:00), {found['overlapping_hours']:,} overlap"
        )
        lines.append(("hours", f"{count_of(found['hours_rows'], 'row')}; {seams}"))
    if "stores_silent_24h" in found:
        lines += _describe_newest(found)
    if found.get("gap_median_s") is not None:
        gaps = f"median {_format_duration(found['gap_median_s'])}, p99 {_format_duration(found['gap_p99_s'])}"
        lines.append(("poll gap", f"{gaps} (sample of {found['sampled_stores']:,} stores, 8 days)"))
        lines.append(("outside hours", f"{found['share_outside_hours']:.1%} of their polls"))
    return lines


def _describe_newest(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    newest, silent = found.get("newest_poll"), found["stores_silent_24h"]
    of_all = found.get("newest_poll_of_all", newest)
    own = f"{newest} in these files" if newest else "none is new in these files"
    stores = count_of(silent, "store")
    return [
        ("newest poll", newest if newest == of_all else f"{own}, {of_all} of all stores"),
        ("silent > 24 h", f"{stores}, up to the newest poll of all stores"),
    ]


def _list_counts(results: Sequence[ImportResult], width: int | None) -> list[str]:
    """Return the counts by file: a table, or two lines for each file if the table is wider than the terminal."""
    rows = [
        (name, result.kind or "refused", *_count(result))
        for name, result in zip(name_files([result.source for result in results]), results, strict=True)
    ]
    widths = [max(map(cell_len, column)) for column in zip(_TITLES, *rows, strict=True)]
    if width is None or sum(widths) + 2 * (len(widths) - 1) <= width:
        return [_align(row, widths) for row in (_TITLES, *rows)]
    return [
        line
        for name, kind, *counts, seconds in rows
        for line in (
            f"{name} ({kind}, {seconds} s)",
            "  " + ", ".join(f"{count} {title}" for count, title in zip(counts, _TITLES[2:-1], strict=True)),
        )
    ]


def _align(row: Sequence[str], widths: Sequence[int]) -> str:
    texts = map(set_cell_size, row[:_TEXT_COLUMNS], widths)
    numbers = (
        f"{cell:>{width}}" for cell, width in zip(row[_TEXT_COLUMNS:], widths[_TEXT_COLUMNS:], strict=True)
    )
    return "  ".join((*texts, *numbers))


def _count(result: ImportResult) -> tuple[str, ...]:
    counts = (result.accepted, result.duplicate, result.corrected, result.rejected)
    return (*(f"{count:,}" for count in counts), f"{result.seconds:.1f}")


def _list_quality(quality: Sequence[tuple[str, str]], width: int | None) -> Iterator[str]:
    column = max(len(label) for label, _ in quality) + 2
    for label, text in quality:
        line = f"{label:{column}}{text}"
        if width is None:
            yield line
        else:
            yield from textwrap.wrap(
                line, max(width, 2 * column), subsequent_indent=" " * column, break_long_words=False
            )


def _list_remarks(result: ImportResult) -> Iterator[str]:
    source = escape_unprintable(result.source)
    if result.same_as:
        yield escape(escape_unprintable(f"{source}: {_describe_same(result)}"))
    if result.resumed_at_byte:
        yield escape(f"{source}: resumed at byte {result.resumed_at_byte:,}, where it had stopped")
    if result.cut_fractions:
        yield escape(f"{source}: {result.cut_fractions:,} instants were cut to microseconds")
    if result.error and not result.is_held:
        yield f"[bold red]error:[/] {escape(escape_unprintable(f'{source}: {result.error}'))}"
    explained: set[str] = set()
    for reject in result.first_rejects:
        raw = reject.raw[:_SHOWN_BYTES].decode("utf-8", "backslashreplace")
        # A service of a later release may have more reasons.
        meaning = f"{ROW_REASONS.get(reject.reason, 'see the reference of reasons')}: "
        what = "" if reject.reason in explained else meaning
        explained.add(reject.reason)
        yield escape(f"{source} line {reject.line}: {reject.reason}: {what}{quoted(raw)}")
    if result.rejected > len(result.first_rejects):
        more = result.rejected - len(result.first_rejects)
        shown = "the first of them" if "rejects_unlisted" in (result.quality or {}) else "all"
        where = f": `uptill rejects {result.id}` shows {shown}" if result.id else ""
        yield escape(f"{source}: and {count_of(more, 'more rejected row')}{where}")
    for warning in list_warnings(result.quality or {}):
        yield f"[bold yellow]warning:[/] {escape(escape_unprintable(f'{source}: {warning}'))}"


def _describe_same(result: ImportResult) -> str:
    """Return when the same bytes were loaded before, and which rows were rejected then."""
    what = "nothing changed" if result.rows_read else "skipped"
    first = result.first_load
    if first is None:
        return f"{what}: the same bytes were loaded before (import {result.same_as})"
    text = f"{what}: the same bytes were loaded on {first.at.astimezone(UTC):%Y-%m-%d %H:%M} UTC as {first.source} (import {result.same_as})"
    if not first.rejected or result.rows_read:
        return text
    rows, them = ("1 row was", "it") if first.rejected == 1 else (f"{first.rejected:,} rows were", "them")
    return f"{text}; {rows} rejected then: `uptill rejects {result.same_as}` shows {them}"


def _format_duration(seconds: float) -> str:
    if seconds < _MINUTE_S:
        return f"{seconds:.0f} s"
    return f"{seconds / _MINUTE_S:.0f} min" if seconds < 2 * _HOUR_S else f"{seconds / _HOUR_S:.1f} h"
