"""Print a store's timeline in its local time: each segment, its length, the poll behind it and the rules of its ends."""

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from zoneinfo import ZoneInfo

from rich.text import Text

from services.cli.console import instant, note, stdout, table_lines
from uptill_client import Segment, Timeline

COLOURS = {
    "up": "green",
    "down": "red",
    "unknown": "yellow",
    "as_up": "green",
    "excluded": "blue",
    "closed": "dim",
}
_TITLES = ("from", "to", "length", "state", "poll or closure", "begins there because", "ends there because")
# The reason for the begin, and for the end. docs/how-to/stores.md explains each rule.
_RULES = {
    "edge": ("the store opens", "the store closes"),
    "lifetime": ("the store opens for the first time", "the store closes for good"),
    "closure": ("a closure begins or ends", "a closure begins or ends"),
    "midpoint": ("halfway from last poll", "halfway to next poll"),
    "poll": ("a poll", "a poll"),
    "slot": ("rounded to the grid", "rounded to the grid"),
    "stale": ("limit of a poll's reach", "limit of a poll's reach"),
    "as_of": ("nothing known after this", "nothing known after this"),
    "window": ("the window begins", "the window ends"),
}


def show_timeline(timeline: Timeline) -> None:
    """Print one line per segment, then the totals."""
    zone = ZoneInfo(timeline.timezone)
    stdout.print(Text(f"store {timeline.store_id}, local time of {timeline.timezone}"), soft_wrap=True)
    _show_segments(timeline.segments, zone)
    totals = timeline.totals
    times = (
        ("open", totals.open_us),
        ("up", totals.up_us),
        ("down", totals.down_us),
        ("unknown", totals.unknown_us),
        *((("excluded", totals.excluded_us),) if totals.excluded_us else ()),
    )
    # In a pipe, lines are whole.
    whole = not stdout.is_terminal
    stdout.print(
        "  ".join(f"[{COLOURS.get(name, 'bold')}]{name} {format_length(us)}[/]" for name, us in times),
        soft_wrap=whole,
    )
    stdout.print(
        f"up at least {format_length(totals.up_min_us)}, at most {format_length(totals.up_max_us)};"
        f" availability {_format_percent(totals.up_us, totals.up_us + totals.down_us)} from {totals.polls} polls",
        soft_wrap=whole,
    )
    ignored = sum(not poll.counts for poll in timeline.polls)
    if ignored:
        note(f"{ignored} polls were taken while the store was closed or a closure applied, and do not count")
    note(
        f"{timeline.begin.astimezone(zone).isoformat()} to {timeline.end.astimezone(zone).isoformat()},"
        f" policy {timeline.policy} (version {timeline.policy_version}), as of {instant(timeline.as_of)}"
    )
    note("Times of segments are cut to whole seconds; --json has the microseconds.")


def _show_segments(segments: Sequence[Segment], zone: ZoneInfo) -> None:
    titles, *lines = table_lines(_TITLES, [_make_row(segment, zone) for segment in segments])
    stdout.print(Text(titles, "dim"), soft_wrap=True)
    days = groupby(zip(segments, lines, strict=True), key=lambda pair: pair[0].begin.astimezone(zone).date())
    for day, pairs in days:
        stdout.print(f"[bold]{day:%a %Y-%m-%d}")
        for segment, line in pairs:
            stdout.print(Text(line, COLOURS[segment.state]), soft_wrap=True)


def _make_row(segment: Segment, zone: ZoneInfo) -> tuple[str, ...]:
    length_s = int(segment.end.timestamp()) - int(segment.begin.timestamp())
    return (
        _format_clock(segment.begin, zone),
        _format_clock(segment.end, zone),
        format_length(length_s * 1_000_000),
        segment.state,
        _format_cause(segment, zone),
        _RULES[segment.begin_rule][0],
        _RULES[segment.end_rule][1],
    )


def _format_cause(segment: Segment, zone: ZoneInfo) -> str:
    if segment.closure is not None:
        return segment.closure.reason
    return _format_clock(segment.poll, zone) if segment.poll else "none"


def _format_clock(at: datetime, zone: ZoneInfo) -> str:
    return f"{at.astimezone(zone):%H:%M:%S}"


def format_length(us: int) -> str:
    """Format a duration as hours, minutes and seconds; exact."""
    seconds, rest_us = divmod(us, 1_000_000)
    exact = f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return f"{exact}.{rest_us:06}" if rest_us else exact


def _format_percent(part_us: int, whole_us: int) -> str:
    """Format a share with two decimals, never rounded up."""
    return f"{part_us * 10_000 // whole_us / 100:.2f} %" if whole_us else "not known"
