"""Say why a store is in a state, in the words of `uptill explain`."""

from collections.abc import Mapping
from zoneinfo import ZoneInfo

from shared.border_words import name_borders
from shared.clock import from_us
from shared.outside_words import NO_POLL, NONE_IN_HOURS
from shared.pictures.words import clock, plain, short_moment
from shared.uptime.explanation import AccountedSegment, StateRule
from shared.uptime.store_terms import HoursKind, HoursSource
from shared.uptime.timeline import SeenPoll, State

STATE_NAMES: Mapping[State, str] = {
    State.UP: "up",
    State.DOWN: "down",
    State.UNKNOWN: "unknown",
    State.EXCLUDED: "excluded",
    State.AS_UP: "counted as up",
    State.CLOSED: "closed",
}


def reason_of(
    segment: AccountedSegment, polls: Mapping[int, SeenPoll], zone: ZoneInfo, words: Mapping[int, str]
) -> str:
    """Return the reason for a segment's state. `words` are those of the reasons of polls by their numbers."""
    if segment.rule is StateRule.LIFETIME:
        return "outside the store's lifetime"
    hours = ", ".join(filter(None, map(name_hours, segment.hours)))
    if segment.rule is StateRule.HOURS:
        return f"closed by {hours or 'weekly hours'}"
    given = f" ({words[segment.reason]})" if segment.reason in words else ""
    return _name_cause(segment, polls, zone) + given + (f"; opened by {hours}" if hours else "")


def borders_of(segment: AccountedSegment) -> str:
    """Say where a segment begins and ends."""
    return name_borders(segment.begin.rule, segment.end.rule, of_closure=segment.closure is not None)


def name_hours(source: HoursSource) -> str:
    """Return the name of hours that are not the usual ones, or an empty text."""
    match source.kind:
        case HoursKind.DATED:
            return f"hours from {source.effective_from}"
        case HoursKind.SPECIAL:
            return f"special hours of {source.day}"
        case HoursKind.CALENDAR:
            return f"calendar {plain(source.calendar)} of {source.day}"
        case _:
            return ""


def _name_cause(segment: AccountedSegment, polls: Mapping[int, SeenPoll], zone: ZoneInfo) -> str:
    if segment.closure is not None:
        return f"closure: {plain(segment.closure.reason)}"
    if not segment.polls_us:
        none = NONE_IN_HOURS if polls and not any(poll.counts for poll in polls.values()) else NO_POLL
        return none + (", which counts as down" if segment.state is State.DOWN else "")
    first_us, last_us = segment.polls_us[0], segment.polls_us[-1]
    status = "active" if polls[first_us].active else "inactive"
    moments = [_moment_beside(us, segment, zone) for us in (first_us, last_us)]
    if first_us == last_us:
        earlier = "earlier " if segment.rule is StateRule.CARRY else ""
        return f"{earlier}{status} poll at {moments[0]}"
    return f"{len(segment.polls_us)} {status} polls from {moments[0]} to {moments[1]}"


def _moment_beside(us: int, segment: AccountedSegment, zone: ZoneInfo) -> str:
    """Return the time of day, with its date unless the segment begins on it."""
    days = [from_us(each).astimezone(zone).date() for each in (us, segment.begin.at_us)]
    return clock(us, zone) if days[0] == days[1] else short_moment(us, zone)
