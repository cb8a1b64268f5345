"""Reads the dates, times, durations and time zones of iCalendar.

Opening hours are local times of each store, so a time is kept as it is written, without its zone. Zones only serve to
find the local time of an instant in UTC.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from typing import Final
from zoneinfo import ZoneInfo

from icalendar.prop import vDDDTypes

from services.ingest.parse.ical_lines import Property
from services.ingest.parse.zones import Zone, find_zone
from shared.texts import quoted

UTC_NAME: Final = "UTC"
FIRST_YEAR: Final = 1900
LAST_YEAR: Final = 2200
_FORMS: Final = "20241224 for a date, or 20241224T100000 for a time"


@dataclass(frozen=True)
class WrittenTime:
    """A date, or a time without its zone. `zone` names the zone: empty for a floating time, `UTC` for one with Z."""

    at: date
    zone: str = ""

    @property
    def is_date(self) -> bool:
        return not isinstance(self.at, datetime)


@dataclass(frozen=True)
class DefinedZone:
    """A zone that the file itself defines (VTIMEZONE): from each instant on, the offset from UTC."""

    onsets: Sequence[datetime]
    offsets: Sequence[timedelta]
    first_offset: timedelta

    def find_local(self, instant: datetime) -> datetime:
        """Return the local time of an instant in UTC, both without a zone."""
        place = bisect_right(self.onsets, instant) - 1
        return instant + (self.offsets[place] if place >= 0 else self.first_offset)

    def occurs_before(self, instant: datetime) -> bool:
        """Return whether clocks have shown the local time of an instant once before, because they went back."""
        local = self.find_local(instant)
        earlier = (local - offset for offset in self._distinct_offsets)
        return any(other < instant and self.find_local(other) == local for other in earlier)

    @cached_property
    def _distinct_offsets(self) -> frozenset[timedelta]:
        return frozenset((*self.offsets, self.first_offset))


@dataclass(frozen=True)
class Zones:
    """The zones of one file. `defined`: those of its own, by TZID."""

    defined: Mapping[str, DefinedZone]

    def require_known(self, time: WrittenTime, source: Property) -> None:
        """Raise `InvalidRequest` if the zone of a time is neither known nor defined in the file."""
        if time.zone and time.zone != UTC_NAME and time.zone not in self.defined and not _find(time.zone):
            source.refuse(
                f"the time zone {quoted(time.zone)} is unknown: use an IANA name such as America/New_York, or include its"
                " VTIMEZONE"
            )

    def convert(self, time: WrittenTime, zone: str, source: Property) -> date:
        """Return the time as it is written in another zone. Dates and floating times are the same in every zone."""
        if time.is_date or time.zone == zone or not (time.zone and zone):
            return time.at
        assert isinstance(time.at, datetime)  # noqa: S101 - it is not a date
        return self._find_local(self._find_instant(time.at, time.zone, source), zone, source)

    def convert_exactly(self, time: WrittenTime, zone: str, source: Property) -> date:
        """Like `convert`, for the start or the end of opening hours. Raise `InvalidRequest` if local time cannot say it."""
        local = self.convert(time, zone, source)
        if not isinstance(local, datetime) or zone in ("", time.zone, UTC_NAME) or not time.zone:
            return local
        assert isinstance(time.at, datetime)  # noqa: S101 - its local time is not a date
        if self._occurs_before(self._find_instant(time.at, time.zone, source), zone):
            source.refuse(
                f"clocks in {zone} go back on {local:%Y-%m-%d} and show {local:%H:%M} twice, and this means the second time:"
                " opening hours can only mean the first; begin and end before or after that hour"
            )
        return local

    def _occurs_before(self, instant: datetime, zone: str) -> bool:
        if defined := self.defined.get(zone):
            return defined.occurs_before(instant)
        name = _find(zone)
        return name is not None and instant.replace(tzinfo=UTC).astimezone(ZoneInfo(name)).fold == 1

    def _find_instant(self, at: datetime, zone: str, source: Property) -> datetime:
        if zone == UTC_NAME:
            return at
        if not (name := _find(zone)):
            source.refuse(f"write it in UTC or in the zone of its event, not in {quoted(zone)}")
        return at.replace(tzinfo=ZoneInfo(name)).astimezone(UTC).replace(tzinfo=None)

    def _find_local(self, instant: datetime, zone: str, source: Property) -> datetime:
        if zone == UTC_NAME:
            return instant
        if defined := self.defined.get(zone):
            return defined.find_local(instant)
        if not (name := _find(zone)):
            source.refuse(
                f"the time zone {quoted(zone)} is unknown: use an IANA name such as America/New_York"
            )
        return instant.replace(tzinfo=UTC).astimezone(ZoneInfo(name)).replace(tzinfo=None)


def read_time(source: Property) -> WrittenTime:
    """Return the one time of a property. Raise `InvalidRequest`."""
    return _require_year(read_any_time(source, source.value), source)


def read_times(source: Property) -> list[WrittenTime]:
    """Return the times of a property, which may be several. Raise `InvalidRequest`."""
    texts = source.value.split(",")
    return [_require_year(read_any_time(source, text.strip()), source) for text in texts]


def read_duration(source: Property) -> timedelta:
    """Return a duration. Raise `InvalidRequest`."""
    found = _parse(source.value)
    if not isinstance(found, timedelta):
        source.refuse("this is not a duration: write it as PT4H or P1D")
    return found


def read_any_time(source: Property, text: str) -> WrittenTime:
    """Return a time of any year. Raise `InvalidRequest`."""
    found = _parse(text)
    if isinstance(found, tuple):
        source.refuse("periods are not read: write an event for each")
    if not isinstance(found, date):
        source.refuse(f"{quoted(text[:20])} is not a date or a time: write {_FORMS}")
    if not isinstance(found, datetime):
        return WrittenTime(found)
    zone = UTC_NAME if found.tzinfo else source.parameters.get("TZID", "")
    return WrittenTime(found.replace(tzinfo=None), zone)


def _require_year(time: WrittenTime, source: Property) -> WrittenTime:
    if not FIRST_YEAR <= time.at.year <= LAST_YEAR:
        source.refuse(f"the year must be {FIRST_YEAR} to {LAST_YEAR}")
    return time


def _parse(text: str) -> object:
    try:
        return vDDDTypes.from_ical(text)
    except (ValueError, OverflowError, TypeError):
        return None


def _find(name: str) -> str | None:
    """Return the IANA name. Programs put a prefix before it: /example.org/20240101/America/New_York."""
    words = name.split("/")
    for first in range(min(len(words), 6)):
        found = find_zone("/".join(words[first:]))
        if isinstance(found, Zone):
            return found.name
    return None
