"""Say why a store is in a state: the reason behind each segment of an explanation, and the notes that it refers to."""

from collections.abc import Sequence

from services.cli.console import labels_text, minute, note
from services.cli.local_times import format_clock, zone_to_show
from shared.border_words import name_borders
from shared.outside_words import NO_POLL
from uptill_client import (
    AppliedClosure,
    ExplainedHours,
    ExplainedPoll,
    ExplainedSegment,
    Explanation,
)


class Reasons:
    """The reasons of one explanation. They refer to closures as [c1], and to the origins of polls as [p1]."""

    def __init__(self, found: Explanation) -> None:
        self._zone = zone_to_show(found.timezone)
        self._closures = number_closures(found.closures)
        self._notes = [describe_closure(closure, self._closures[closure.id]) for closure in found.closures]
        self._origins: dict[str, str] = {}

    def reason_of(self, segment: ExplainedSegment, none: str = NO_POLL) -> str:
        """Return the reason for a segment's state, where it begins and ends, and unusual hours. `none`: words for no poll."""
        if segment.rule == "lifetime":
            return "outside the store's lifetime"
        hours = ", ".join(filter(None, map(_name_hours, segment.hours)))
        if segment.rule == "hours":
            return f"closed by {hours or 'weekly hours'}"
        borders = name_borders(
            segment.begin_rule, segment.end_rule, of_closure=segment.closure_id is not None
        )
        opened = f"; opened by {hours}" if hours else ""
        return f"{self._name_cause(segment, none)}; {borders}{opened}"

    def notes(self) -> Sequence[str]:
        """Return what the reasons so far have referred to."""
        return [*(f"[{number}] {origin}" for origin, number in self._origins.items()), *self._notes]

    def _name_cause(self, segment: ExplainedSegment, none: str) -> str:
        if segment.closure_id is not None:
            return f"closure [{self._closures.get(segment.closure_id, segment.closure_id)}]"
        if not segment.polls:
            return none + (", which counts as down" if segment.state == "down" else "")
        first, last = segment.polls[0], segment.polls[-1]
        begin, end = (
            format_clock(poll.at.astimezone(self._zone), segment.begin_local) for poll in (first, last)
        )
        origin, of_last = self._refer(first), self._refer(last)
        why = f" ({segment.reason})" if segment.reason else ""
        if segment.poll_count == 1:
            earlier = "earlier " if segment.rule == "carry" else ""
            kind = "event" if first.event else "poll"
            return f"{earlier}{first.status} {kind} at {begin}{why}{origin}"
        between = "" if origin == of_last else origin
        return f"{segment.poll_count} {first.status} polls from {begin}{between} to {end}{why}{of_last}"

    def _refer(self, poll: ExplainedPoll) -> str:
        """Return the number of the poll's origin. Polls without lines, such as live ones, share one for each source."""
        if poll.source is None:
            return ""
        origin = poll.source
        if poll.first_line is not None:
            origin += f", lines {poll.first_line}-{poll.last_line}, import {poll.import_id}"
        return f" [{self._origins.setdefault(origin, f'p{len(self._origins) + 1}')}]"


def number_closures(closures: Sequence[AppliedClosure]) -> dict[str, str]:
    """Return the number of each closure by its id: c1, c2 and so on."""
    return {closure.id: f"c{number}" for number, closure in enumerate(closures, 1)}


def note_more_closures(more: int) -> None:
    """Say how many closures are not described, if any."""
    if more > 0:
        note(f"and {more:,} more closures: `uptill closures list` shows them")


def describe_closure(closure: AppliedClosure, number: str) -> str:
    """Say what a closure does, to which stores, when and why."""
    end = f"{minute(closure.ends_at)} UTC" if closure.ends_at else "no end"
    note = f": {closure.note}" if closure.note else ""
    return (
        f"[{number}] {closure.treatment}, {closure.reason}, {minute(closure.starts_at)} to {end},"
        f" closure {closure.id} of {_name_stores(closure)}{note}"
    )


def _name_stores(closure: AppliedClosure) -> str:
    if closure.labels:
        return f"stores with {labels_text(closure.labels)}"
    return "every store" if closure.store_id == "*" else "this store"


def _name_hours(hours: ExplainedHours) -> str:
    """Return the name of hours that are not the usual ones."""
    if hours.kind == "dated":
        return f"hours from {hours.effective_from}"
    if hours.kind == "special":
        return f"special hours of {hours.date}"
    return f"calendar {hours.calendar} of {hours.date}" if hours.kind == "calendar" else ""
