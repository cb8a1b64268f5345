"""Print the explanation of a store's row in its local time: a line per segment, with the reason for its state."""

import textwrap
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import groupby
from typing import Final

from rich.cells import cell_len
from rich.text import Text

from services.cli.because import Reasons, format_offset
from services.cli.console import instant, note, print_warning, stdout, table_lines
from services.cli.timeline import COLOURS, format_length
from uptill_client import ExplainedSegment, ExplainedWindow, Explanation

# A reason in a narrower column than this is hard to read, so it gets lines of its own.
_NARROWEST: Final = 36
_INDENT: Final = 2


def show_explanation(found: Explanation) -> None:
    """Print each window of the report: its cells, its segments and its totals."""
    title = f"store {found.store_id} in report {found.report_id}, local time of {found.timezone}"
    _print(title)
    reasons = Reasons(found)
    for window in found.windows:
        _show_window(window, reasons)
    _print("")
    for line in reasons.notes():
        _print(line)
    _print(
        f"policy {found.policy} (version {found.policy_version}), as of {instant(found.as_of)}, data cut {found.data_cut}"
    )
    note("Times are cut to whole seconds; --json has all digits.")
    if not found.is_exact:
        print_warning(
            f"the report was made with another time zone database than {found.tzdata_version}, so its row may differ"
        )


def _show_window(window: ExplainedWindow, reasons: Reasons) -> None:
    cells = ", ".join(f"{name} {value:.4f}" for name, value in window.row.items())
    _print("")
    stdout.print(Text(f"{window.window}: {cells} {window.unit}", "bold"), soft_wrap=not stdout.is_terminal)
    lines = table_lines(
        ("from", "to", "length", "state"), [_make_row(segment) for segment in window.segments]
    )
    titles, *rows = lines
    width = max(map(cell_len, lines))
    stdout.print(Text(f"{' ' * _INDENT}{titles:{width}}  because", "dim"), soft_wrap=True)
    shown = list(zip(window.segments, rows, strict=True))
    for day, pairs in groupby(shown, key=lambda pair: _heading(pair[0].begin_local)):
        _print(day)
        for segment, row in pairs:
            for line in _lay_out(row, width, reasons.reason_of(segment)):
                stdout.print(Text(line, COLOURS[segment.state]), soft_wrap=True)
    totals = window.totals
    _print(
        f"open {format_length(totals.open_us)} = up {format_length(totals.up_us)} + down {format_length(totals.down_us)}"
        f" + unknown {format_length(totals.unknown_us)}; excluded {format_length(totals.excluded_us)}"
    )


def _lay_out(row: str, width: int, reason: str) -> Iterator[str]:
    """Yield the lines of a segment. In a pipe it is one line."""
    begin = " " * _INDENT + row.ljust(width) + "  "
    if not stdout.is_terminal:
        yield begin + reason
        return
    room = stdout.width - cell_len(begin)
    if room >= _NARROWEST:
        first, *rest = textwrap.wrap(reason, room)
        yield begin + first
        yield from (" " * cell_len(begin) + line for line in rest)
    else:
        yield begin.rstrip()
        indent = " " * 2 * _INDENT
        yield from textwrap.wrap(reason, stdout.width, initial_indent=indent, subsequent_indent=indent)


def _make_row(segment: ExplainedSegment) -> Sequence[str]:
    length_s = int(segment.end.timestamp()) - int(segment.begin.timestamp())
    begin, end = segment.begin_local, segment.end_local
    day = f"{end:%a} " if end.date() != begin.date() else ""
    offset = format_offset(end) if end.utcoffset() != begin.utcoffset() else ""
    return (
        f"{begin:%H:%M:%S}",
        f"{day}{end:%H:%M:%S}{offset}",
        format_length(length_s * 1_000_000),
        segment.state,
    )


def _heading(at: datetime) -> str:
    return f"{at:%a %Y-%m-%d} UTC{format_offset(at)}"


def _print(text: str) -> None:
    stdout.print(Text(text), soft_wrap=not stdout.is_terminal)
