"""Say why a store is in a state: the sentence behind each segment of an explanation."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from services.cli.console import minute
from uptill_client import AppliedClosure, ExplainedHours, ExplainedPoll, ExplainedSegment

# Why a segment of open time begins, and why it ends. docs/how-to/explain.md explains each rule.
_BORDERS: Final = {
    "edge": ("the opening", "the closing"),
    "lifetime": ("the first opening", "the last closing"),
    "closure": ("the end of a closure", "the start of a closure"),
    "midpoint": ("halfway from the last poll", "halfway to the next poll"),
    "poll": ("a poll", "a poll"),
    "slot": ("the policy's grid", "the policy's grid"),
    "stale": ("the limit of a poll's reach", "the limit of a poll's reach"),
    "as_of": ("as_of", "as_of"),
    "window": ("the start of the window", "the end of the window"),
}


def reason_of(segment: ExplainedSegment, numbers: Mapping[str, int], zone: ZoneInfo) -> str:
    """Return the reason for a segment's state, where it begins and ends, and unusual hours. `numbers` are the closures'."""
    if segment.rule == "lifetime":
        return "outside the store's lifetime"
    if segment.rule == "hours":
        return f"closed by {_list_hours(segment) or 'weekly hours'}"
    return "; ".join(_open_reasons(segment, numbers, zone))


def closure_line(closure: AppliedClosure, number: int) -> str:
    """Return what a closure is, under its number."""
    end = f"{minute(closure.ends_at)} UTC" if closure.ends_at else "no end"
    note = f": {closure.note}" if closure.note else ""
    return (
        f"[{number}] closure {closure.id}, {closure.treatment}, {closure.reason},"
        f" {minute(closure.starts_at)} to {end}{note}"
    )


def _open_reasons(segment: ExplainedSegment, numbers: Mapping[str, int], zone: ZoneInfo) -> Iterator[str]:
    if segment.closure_id is not None:
        yield f"closure [{numbers[segment.closure_id]}]"
    elif segment.polls:
        yield _describe_polls(segment, zone)
    else:
        yield "no poll covers it" + (", which counts as down" if segment.state == "down" else "")
    begin, end = _BORDERS[segment.begin_rule][0], _BORDERS[segment.end_rule][1]
    if segment.closure_id is not None:
        # Its own edges are those of the closure.
        begin, end = begin.replace("the end of", "the start of"), end.replace("the start of", "the end of")
    yield f"from {begin} to {end}"
    if hours := _list_hours(segment):
        yield f"opened by {hours}"


def _describe_polls(segment: ExplainedSegment, zone: ZoneInfo) -> str:
    first, last = segment.polls[0], segment.polls[-1]
    origin = _describe_origin(first, last)
    begin, end = (_format_clock(poll.at.astimezone(zone), segment.begin_local) for poll in (first, last))
    if segment.poll_count == 1:
        carried = ", from before" if segment.rule == "carry" else ""
        return f"{first.status} poll at {begin}{carried}{origin}"
    return f"{segment.poll_count} {first.status} polls from {begin} to {end}{origin}"


def _describe_origin(first: ExplainedPoll, last: ExplainedPoll) -> str:
    if first.source is None:
        return ""
    source = first.source if last.source == first.source else f"{first.source} to {last.source}"
    if first.first_line is None or last.last_line is None or first.import_id != last.import_id:
        return f" ({source})"
    return f" ({source}, lines {first.first_line}-{last.last_line})"


def _format_clock(at: datetime, beside: datetime) -> str:
    """Format a local time, with its date and offset unless another time has the same."""
    day = "" if at.date() == beside.date() else f"{at:%a %Y-%m-%d} "
    offset = "" if at.utcoffset() == beside.utcoffset() else format_offset(at)
    return f"{day}{at:%H:%M:%S}{offset}"


def format_offset(at: datetime) -> str:
    """Format the offset of a local time from UTC."""
    return at.isoformat()[-6:]


def _list_hours(segment: ExplainedSegment) -> str:
    """Return the hours that are not the usual ones."""
    names = (_name_hours(hours) for hours in segment.hours)
    return ", ".join(name for name in names if name)


def _name_hours(hours: ExplainedHours) -> str:
    if hours.kind == "dated":
        return f"hours from {hours.effective_from}"
    if hours.kind == "special":
        return f"special hours of {hours.date}"
    return f"calendar {hours.calendar} of {hours.date}" if hours.kind == "calendar" else ""
