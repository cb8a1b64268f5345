"""A timeline on a terminal, in the store's local time: each segment, how long it is, which poll and which rule made it."""

from datetime import datetime, timedelta
from itertools import groupby
from zoneinfo import ZoneInfo

from rich.markup import escape
from rich.table import Column, Table

from services.cli.console import note, stdout
from uptill_client import Segment, Timeline

_COLOURS = {"up": "green", "down": "red", "unknown": "yellow"}
_RULES = {
    "edge": ("the store opens", "the store closes"),
    "midpoint": ("halfway from the poll before", "halfway to the next poll"),
    "poll": ("a poll", "a poll"),
    "slot": ("rounded to the grid", "rounded to the grid"),
    "stale": ("a poll speaks back no farther", "a poll speaks on no farther"),
    "as_of": ("nothing later is known", "nothing later is known"),
    "window": ("the window begins", "the window ends"),
}


def show_timeline(timeline: Timeline) -> None:
    """Print one line a segment, then the totals."""
    zone = ZoneInfo(timeline.timezone)
    titles = ("from", "to", "length", "state", "poll", "because it begins at", "and ends at")
    table = Table(*(Column(title, overflow="fold") for title in titles), title_justify="left")
    table.title = f"{escape(timeline.store_id)}, local time of {timeline.timezone}"
    by_day = groupby(timeline.segments, key=lambda segment: segment.begin.astimezone(zone).date())
    for day, segments in by_day:
        table.add_row(f"[bold]{day:%a %Y-%m-%d}")
        for segment in segments:
            table.add_row(*_row(segment, zone))
        table.add_section()
    stdout.print(table)
    totals = timeline.totals
    shown = (
        ("open", totals.open_us),
        ("up", totals.up_us),
        ("down", totals.down_us),
        ("unknown", totals.unknown_us),
    )
    stdout.print("  ".join(f"[{_COLOURS.get(name, 'bold')}]{name} {_length(us)}[/]" for name, us in shown))
    stdout.print(
        f"surely up {_length(totals.up_min_us)} to {_length(totals.up_max_us)}; {totals.polls} polls count;"
        f" availability {_percent(totals.up_us, totals.up_us + totals.down_us)}"
    )
    left_out = sum(not poll.counts for poll in timeline.polls)
    if left_out:
        note(f"{left_out} polls were taken while the store was closed, and decide nothing")
    note(
        f"{timeline.begin.astimezone(zone).isoformat()} to {timeline.end.astimezone(zone).isoformat()},"
        f" policy {timeline.policy} (version {timeline.policy_version}), seen from {timeline.as_of.isoformat()}"
    )


def _row(segment: Segment, zone: ZoneInfo) -> tuple[str, ...]:
    return (
        _clock(segment.begin, zone),
        _clock(segment.end, zone),
        _length((segment.end - segment.begin) // timedelta(microseconds=1)),
        f"[{_COLOURS[segment.state]}]{segment.state}",
        _clock(segment.poll, zone) if segment.poll else "none",
        _RULES[segment.begin_rule][0],
        _RULES[segment.end_rule][1],
    )


def _clock(at: datetime, zone: ZoneInfo) -> str:
    """Time of day, with as much of the second as it has."""
    return at.astimezone(zone).time().isoformat()


def _length(us: int) -> str:
    """Hours, minutes, seconds; exact."""
    seconds, rest_us = divmod(us, 1_000_000)
    exact = f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return f"{exact}.{rest_us:06}" if rest_us else exact


def _percent(part_us: int, whole_us: int) -> str:
    """Two decimals, never rounded up."""
    return f"{part_us * 10_000 // whole_us / 100:.2f} %" if whole_us else "not known"
