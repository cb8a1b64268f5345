"""Lists when the occurrences of an iCalendar event begin and end, in local time."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import MAXYEAR, date, datetime, timedelta
from typing import Final

from services.ingest.parse.ical_days import all_days
from services.ingest.parse.ical_events import Event, IcalFile
from services.ingest.parse.ical_rules import RecurrenceRule
from services.ingest.parse.ical_times import FIRST_YEAR, UTC_NAME, WrittenTime, read_time

_EPOCH: Final = date(1970, 1, 1)
# Zones move a time by less than this.
_MARGIN: Final = timedelta(days=2)


@dataclass(frozen=True)
class Occurrences:
    """The local start and end of each occurrence.

    Exceptions by their line: `dropped` are occurrences that were left out, `missed` match no occurrence.
    """

    times: Sequence[tuple[date, date]]
    dropped: Mapping[date, int]
    missed: Mapping[date, int]


def list_occurrences(
    event: Event, file: IcalFile, replaced: Mapping[date, int], within: tuple[date, date]
) -> Occurrences:
    """Return the occurrences of an event, of its rules only those that touch the range.

    `replaced` are the occurrences for which the file has events of their own, each with its line.
    """
    start = event.start
    starts = {start.at, *(_as_kind(more, start) for more in event.more)}
    for rule in event.rules:
        starts |= set(_expand_rule(rule, event, file, within))
    given = {**event.dropped, **({} if event.replaces else replaced)}
    if start.is_date:
        given = {_day_of(at): line for at, line in given.items()}
    kept = sorted(one for one in starts if not {one, _day_of(one)} & given.keys())
    named = starts | set(map(_day_of, starts))
    return Occurrences(
        [(_show_local(one, event, file), _show_local(one + event.length, event, file)) for one in kept],
        {at: line for at, line in given.items() if at in named},
        {at: line for at, line in given.items() if at not in named},
    )


def find_replaced(file: IcalFile) -> dict[str, dict[date, int]]:
    """Return the occurrences that another event of the file stands in for, by UID, in the zone of their series."""
    zones = {event.uid: event.start.zone for event in file.events if event.replaces is None}
    found: dict[str, dict[date, int]] = {}
    for event in file.events:
        if event.replaces:
            zone = zones.get(event.uid, event.start.zone)
            at = file.zones.convert(read_time(event.replaces), zone, event.replaces)
            found.setdefault(event.uid, {})[at] = event.replaces.line
    return found


def _expand_rule(
    rule: RecurrenceRule, event: Event, file: IcalFile, within: tuple[date, date]
) -> Iterator[date]:
    first, end = ((day - _EPOCH).days for day in (within[0] - event.length - _MARGIN, within[1]))
    days = rule.expand(_day_of(event.start.at), all_days(within[1].year - 1))
    last = _find_last(rule, event, file)
    for day in days[(days >= first) & (days < end)].tolist():
        one = _on_day(event.start.at, _EPOCH + timedelta(days=day))
        if last is None or _is_until(one, last):
            yield one


def _find_last(rule: RecurrenceRule, event: Event, file: IcalFile) -> date | None:
    """Return the end of a rule, in the zone of its event."""
    until = rule.until
    if not isinstance(until, datetime) or until.tzinfo is None:
        return until
    if not FIRST_YEAR <= until.year < MAXYEAR:
        return until.date()
    return file.zones.convert(
        WrittenTime(until.replace(tzinfo=None), UTC_NAME), event.start.zone, rule.source
    )


def _is_until(one: date, last: date) -> bool:
    if isinstance(one, datetime) and isinstance(last, datetime):
        return one <= last
    return _day_of(one) <= _day_of(last)


def _show_local(at: date, event: Event, file: IcalFile) -> date:
    """Return a start or an end as people read it. One with Z is shown in the calendar's own zone."""
    if event.start.zone != UTC_NAME or not isinstance(at, datetime):
        return at
    if not file.zone:
        event.source.refuse(
            "this is in UTC, and opening hours are local times: write it without Z, or with TZID"
        )
    return file.zones.convert_exactly(WrittenTime(at, UTC_NAME), file.zone, event.source)


def _day_of(at: date) -> date:
    return at.date() if isinstance(at, datetime) else at


def _on_day(start: date, day: date) -> date:
    return datetime.combine(day, start.time()) if isinstance(start, datetime) else day


def _as_kind(at: date, start: WrittenTime) -> date:
    """Return a further start as a date, or as a time of the event if only a date is given."""
    if start.is_date:
        return _day_of(at)
    return at if isinstance(at, datetime) else _on_day(start.at, at)
