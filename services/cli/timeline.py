"""Print a store's timeline in its local time: each segment, its length, its state, and what makes it so."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import groupby
from zoneinfo import ZoneInfo

from rich.cells import cell_len
from rich.text import Text

from services.cli.because import describe_closure, note_more_closures, number_closures
from services.cli.console import instant, note, print_text, stdout
from services.cli.local_times import format_clock, format_day, zone_to_show
from services.cli.tables import fold_last, table_lines
from shared.border_words import name_borders
from shared.local_times import offset_text
from shared.texts import count_of
from uptill_client import Segment, Timeline, TimelineDay

COLOURS = {
    "up": "green",
    "down": "red",
    "unknown": "yellow",
    "as_up": "green",
    "excluded": "blue",
    "closed": "dim",
}
_TITLES = ("from", "to", "length", "state")
_INDENT = "  "


def show_timeline(timeline: Timeline) -> None:
    """Print one line per segment, then the totals, and the closures and special dates that apply."""
    zone = zone_to_show(timeline.timezone)
    print_text(f"store {timeline.store_id}, local time of {timeline.timezone}")
    numbers = number_closures(timeline.closures)
    print_segments(
        [(segment.begin.astimezone(zone), segment.end.astimezone(zone)) for segment in timeline.segments],
        [segment.state for segment in timeline.segments],
        [_name_cause(segment, numbers, zone) for segment in timeline.segments],
    )
    _show_totals(timeline)
    for closure in timeline.closures:
        print_text(describe_closure(closure, numbers[closure.id]))
    note_more_closures(timeline.closures_total - len(timeline.closures))
    for day in timeline.special_days:
        print_text(_describe_day(day))
    ignored = sum(not poll.counts for poll in timeline.polls)
    if ignored:
        why = "the store was closed, a closure applied, or their reason is excluded"
        if ignored == len(timeline.polls):
            note(f"none of {count_of(ignored, 'poll')} counts: {why}; check the hours and the zone")
        else:
            note(f"{count_of(ignored, 'poll')} {'does' if ignored == 1 else 'do'} not count: {why}")
    note(
        f"{timeline.begin.astimezone(zone).isoformat()} to {timeline.end.astimezone(zone).isoformat()},"
        f" policy {timeline.policy} (version {timeline.policy_version}), as of {instant(timeline.as_of)}"
    )
    note("Times of segments are cut to whole seconds; --json has the microseconds.")


def print_segments(
    times: Sequence[tuple[datetime, datetime]], states: Sequence[str], reasons: Sequence[str]
) -> None:
    """Print segments under the local date and the offset on which each begins. `times`: local start and end of each."""
    lines = table_lines(
        _TITLES, [_make_row(begin, end, state) for (begin, end), state in zip(times, states, strict=True)]
    )
    width = max(map(cell_len, lines))
    titles, *rows = (f"{_INDENT}{line:{width}}  " for line in lines)
    stdout.print(Text(f"{titles}because", "dim"), soft_wrap=True)
    shown = zip(times, states, reasons, rows, strict=True)
    for day, segments in groupby(shown, key=lambda each: format_day(each[0][0])):
        print_text(day, "bold")
        for _, state, reason, row in segments:
            for line in fold_last(row, reason, narrowest=36):
                stdout.print(Text(line, COLOURS[state]), soft_wrap=True)


def _make_row(begin: datetime, end: datetime, state: str) -> Sequence[str]:
    length_s = int(end.timestamp()) - int(begin.timestamp())
    day = f"{end:%a} " if end.date() != begin.date() else ""
    offset = offset_text(end) if end.utcoffset() != begin.utcoffset() else ""
    return f"{begin:%H:%M:%S}", f"{day}{end:%H:%M:%S}{offset}", format_length(length_s * 1_000_000), state


def _name_cause(segment: Segment, numbers: dict[str, str], zone: ZoneInfo) -> str:
    borders = name_borders(segment.begin_rule, segment.end_rule, of_closure=segment.closure is not None)
    if segment.closure is not None:
        cause = f"closure [{numbers.get(segment.closure.id, segment.closure.id)}]"
    elif segment.poll is None:
        cause = "no poll" + (", which counts as down" if segment.state == "down" else "")
    else:
        cause = f"poll at {format_clock(segment.poll.astimezone(zone), segment.begin.astimezone(zone))}"
        cause += f" ({segment.reason})" if segment.reason else ""
    return f"{cause}; {borders}"


def _show_totals(timeline: Timeline) -> None:
    totals = timeline.totals
    times = (
        ("open", totals.open_us),
        ("up", totals.up_us),
        ("down", totals.down_us),
        ("unknown", totals.unknown_us),
        *((("excluded", totals.excluded_us),) if totals.excluded_us else ()),
    )
    pieces = [(f"{name} {format_length(us)}", COLOURS.get(name, "bold")) for name, us in times]
    print_text(Text("  ").join(Text(*piece) for piece in pieces))
    print_text(
        f"up at least {format_length(totals.up_min_us)}, at most {format_length(totals.up_max_us)};"
        f" availability {format_percent(totals.up_us, totals.up_us + totals.down_us)} from {totals.polls} polls"
    )


def _describe_day(day: TimelineDay) -> str:
    origin = "special hours" if day.calendar is None else f"calendar {day.calendar}"
    return f"{day.date}: {', '.join(_list_hours(day)) or 'closed'}, by {origin}"


def _list_hours(day: TimelineDay) -> Iterator[str]:
    for each in day.intervals:
        yield f"{each.start_time_local}-{each.end_time_local}"


def format_length(us: int) -> str:
    """Format a duration as hours, minutes and seconds; exact."""
    seconds, rest_us = divmod(us, 1_000_000)
    exact = f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return f"{exact}.{rest_us:06}" if rest_us else exact


def format_percent(part_us: int, whole_us: int) -> str:
    """Format a share with two decimals, never rounded up."""
    return f"{part_us * 10_000 // whole_us / 100:.2f} %" if whole_us else "not known"
