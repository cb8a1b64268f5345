"""Reads the time zones that an iCalendar file defines itself (VTIMEZONE)."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Final

from icalendar.prop import vUTCOffset

from services.ingest.parse.ical_days import all_days
from services.ingest.parse.ical_lines import Component, Property, refuse_line
from services.ingest.parse.ical_rules import RecurrenceRule
from services.ingest.parse.ical_times import FIRST_YEAR, DefinedZone, read_any_time, read_times

_LAST_YEAR: Final = 2100
_EPOCH: Final = date(1970, 1, 1)
_OBSERVANCE: Final = frozenset({"DTSTART", "TZOFFSETFROM", "TZOFFSETTO", "RRULE", "RDATE"})
ZONE_PROPERTIES: Final[Mapping[str, frozenset[str]]] = {
    "VTIMEZONE": frozenset({"TZID"}),
    "STANDARD": _OBSERVANCE,
    "DAYLIGHT": _OBSERVANCE,
}


def define_zones(found: Sequence[Component]) -> dict[str, DefinedZone]:
    """Return the zones that a file defines, by TZID. Raise `InvalidRequest`."""
    zones: dict[str, DefinedZone] = {}
    observances: list[Component] = []
    for one in found:
        if one.path[-1] in {"STANDARD", "DAYLIGHT"}:
            observances.append(one)
        elif one.path[-1] == "VTIMEZONE":
            names = [each.value for each in one.properties]
            if not names or not observances:
                refuse_line(one.line, "a VTIMEZONE needs a TZID, and a STANDARD or DAYLIGHT: export it again")
            zones[names[0]] = _define_zone(observances)
            observances = []
    return zones


def _define_zone(observances: Sequence[Component]) -> DefinedZone:
    changes = sorted(change for one in observances for change in _list_changes(one))
    onsets, after, before = zip(*changes, strict=True)
    return DefinedZone(onsets, after, before[0])


def _list_changes(observance: Component) -> Iterator[tuple[datetime, timedelta, timedelta]]:
    """Yield each instant in UTC from which the offset holds, with this offset and the one before."""
    single = {each.name: each for each in observance.properties}
    if missing := sorted({"DTSTART", "TZOFFSETFROM", "TZOFFSETTO"} - single.keys()):
        refuse_line(observance.line, f"{missing[0]} is missing: export the time zone again")
    before, after = (_read_offset(single[name]) for name in ("TZOFFSETFROM", "TZOFFSETTO"))
    start = read_any_time(single["DTSTART"], single["DTSTART"].value).at
    if not isinstance(start, datetime):
        single["DTSTART"].refuse("this is not a time: write it as 20070311T020000")
    # Programs begin their rules in 1601. No opening hours are that old.
    start = start.replace(year=max(start.year, FIRST_YEAR + 1)) if start.year <= FIRST_YEAR else start
    for local in (start, *_list_more(observance, start, before)):
        yield local - before, after, before


def _list_more(observance: Component, start: datetime, before: timedelta) -> Iterator[datetime]:
    for each in observance.properties:
        if each.name == "RDATE":
            times = (time.at for time in read_times(each))
            yield from (at for at in times if isinstance(at, datetime))
        elif each.name == "RRULE":
            rule = RecurrenceRule.parse(each)
            if rule.frequency != "YEARLY":
                each.refuse("clocks change YEARLY: export the time zone again")
            # In UTC, as RFC 5545 demands of zones.
            last = rule.until.replace(tzinfo=None) if isinstance(rule.until, datetime) else None
            for day in rule.expand(start.date(), all_days(_LAST_YEAR))[1:].tolist():
                local = datetime.combine(_EPOCH + timedelta(days=day), start.time())
                if last is None or local - before <= last:
                    yield local


def _read_offset(source: Property) -> timedelta:
    try:
        found: timedelta = vUTCOffset.from_ical(source.value)
    except (ValueError, TypeError):
        source.refuse("this is not an offset from UTC: write it as -0500")
    return found
