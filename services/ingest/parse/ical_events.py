"""Reads the events of an iCalendar file: when each one is, how it recurs, and what is left out of it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from services.ingest.parse.ical_lines import Component, Property, read_components, refuse_line
from services.ingest.parse.ical_rules import RecurrenceRule
from services.ingest.parse.ical_times import WrittenTime, Zones, read_duration, read_time, read_times
from services.ingest.parse.ical_zones import ZONE_PROPERTIES, define_zones

MAX_EVENTS: Final = 10_000
MAX_RULES: Final = 1_000
MAX_VALUES: Final = 200_000
_MAX_OTHERS: Final = 1_000
TOO_LONG: Final = (
    "opening hours last up to 24 hours: an event with times ends after it begins and within a day; write closed days as"
    " events of whole days, with VALUE=DATE"
)
_DAY: Final = timedelta(days=1)
_LONGEST: Final = timedelta(days=36_525)
_WANTED: Final[Mapping[str, frozenset[str]]] = {
    "VCALENDAR": frozenset({"X-WR-TIMEZONE"}),
    "VEVENT": frozenset(
        {
            "DTSTART",
            "DTEND",
            "DURATION",
            "RRULE",
            "RDATE",
            "EXDATE",
            "EXRULE",
            "RECURRENCE-ID",
            "UID",
            "STATUS",
        }
    ),
    **ZONE_PROPERTIES,
}
# Of two, one would be dropped without a word.
_ONCE: Final = frozenset({"DTSTART", "DTEND", "DURATION", "RECURRENCE-ID", "STATUS", "UID"})


@dataclass(frozen=True)
class Event:
    """An event. `start` and `length` are of its first occurrence; `replaces` is the occurrence that it stands in for.

    `more` are further starts, `dropped` starts that do not take place, in the zone of the event, each with its line.
    """

    source: Property
    uid: str
    start: WrittenTime
    length: timedelta
    is_canceled: bool
    rules: Sequence[RecurrenceRule]
    more: Mapping[date, int]
    dropped: Mapping[date, int]
    replaces: Property | None


@dataclass(frozen=True)
class IcalFile:
    """The events of a file. `zone` is the calendar's own, in which times with Z are shown."""

    events: Sequence[Event]
    zones: Zones
    zone: str


def read_file(body: bytes) -> IcalFile:
    """Read a file with bounded work. Raise `InvalidRequest`, which names the line."""
    found = list(_read_bounded(body))
    zones = Zones(define_zones(found))
    events = [
        _read_event(one, zones, place)
        for place, one in enumerate(found)
        if one.path[-1] == "VEVENT" and len(one.path) == 2  # noqa: PLR2004 - in VCALENDAR
    ]
    own = [each.value for one in found if one.path == ("VCALENDAR",) for each in one.properties]
    return IcalFile(events, zones, own[0] if own else "")


def _read_bounded(body: bytes) -> Iterator[Component]:
    events = rules = values = others = 0
    for one in read_components(body, _WANTED):
        events += one.path[-1] == "VEVENT"
        others += one.path[-1] != "VEVENT"
        rules += sum(each.name == "RRULE" for each in one.properties)
        values += sum(each.value.count(",") + 1 for each in one.properties)
        for found, most, what in (
            (events, MAX_EVENTS, "events"),
            (rules, MAX_RULES, "recurrence rules"),
            (values, MAX_VALUES, "values"),
            (others, _MAX_OTHERS, "parts of time zones"),
        ):
            if found > most:
                refuse_line(one.line, f"the file has more than {most:,} {what}: leave out what is long past")
        yield one


def _read_event(found: Component, zones: Zones, place: int) -> Event:
    single = {each.name: each for each in found.properties}
    for each in found.properties:
        if each.name in _ONCE and single[each.name] is not each:
            single[each.name].refuse("the event has this twice: leave out one of them")
    if "DTSTART" not in single:
        refuse_line(found.line, "the event has no DTSTART: add the date or time at which it begins")
    if "EXRULE" in single:
        single["EXRULE"].refuse("exception rules are not read: write the dates as EXDATE")
    rules = [each for each in found.properties if each.name == "RRULE"]
    if len(rules) > 1:
        rules[1].refuse("an event has one rule: write an event for each")
    start = read_time(single["DTSTART"])
    zones.require_known(start, single["DTSTART"])
    replaces = single.get("RECURRENCE-ID")
    if replaces and replaces.parameters.get("RANGE"):
        replaces.refuse(
            "RANGE is not read: end the series with UNTIL, and write the rest as a series of its own"
        )
    uid, status = single.get("UID"), single.get("STATUS")
    return Event(
        single["DTSTART"],
        uid.value if uid else f"line {place}",
        start,
        _read_length(single, start, zones),
        status is not None and status.value.upper() == "CANCELLED",
        [RecurrenceRule.parse(each) for each in rules],
        _list_times(found, "RDATE", start, zones),
        _list_times(found, "EXDATE", start, zones),
        replaces,
    )


def _list_times(found: Component, name: str, start: WrittenTime, zones: Zones) -> Mapping[date, int]:
    return {
        zones.convert(time, start.zone, each): each.line
        for each in found.properties
        if each.name == name
        for time in read_times(each)
    }


def _read_length(single: Mapping[str, Property], start: WrittenTime, zones: Zones) -> timedelta:
    """Return how long the event is: whole days, or at most 24 hours for opening hours."""
    source = single.get("DTEND") or single.get("DURATION") or single["DTSTART"]
    if source.name == "DTSTART" and not start.is_date:
        source.refuse(
            "the event has neither DTEND nor DURATION: add the time at which it ends, or write a closed day with VALUE=DATE"
        )
    if source.name == "DTEND":
        end = read_time(source)
        if end.is_date != start.is_date:
            source.refuse("DTSTART and DTEND must both be dates or both be times")
        if bool(end.zone) != bool(start.zone):
            source.refuse("only one of DTSTART and DTEND has a time zone: give both one, or neither")
        length = _subtract(zones.convert_exactly(end, start.zone, source), start.at)
    elif source.name == "DURATION":
        length = read_duration(source)
    else:
        length = _DAY
    if start.is_date:
        # Some programs end an event of one day on the day itself.
        length = length or _DAY
        if not _DAY <= length <= _LONGEST or length % _DAY:
            source.refuse("an event of whole days ends on a later date than it begins, within 100 years")
    elif not timedelta() < length <= _DAY:
        source.refuse(TOO_LONG)
    return length


def _subtract(end: date, start: date) -> timedelta:
    if isinstance(end, datetime) and isinstance(start, datetime):
        return end - start
    return timedelta(days=end.toordinal() - start.toordinal())
