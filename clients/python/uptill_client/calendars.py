"""Calls for calendars: named lists of special dates for all stores with certain labels."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from uptill_client.closures import SpecialDate
from uptill_client.ingest_calls import IngestCalls, dry_run_params
from uptill_client.paths import encode_segment

_PATH = "/v1/calendars"


@dataclass(frozen=True)
class Calendar:
    """A calendar. In a list, `dates` is empty. `warnings`: what to check after a change."""

    name: str
    labels: Mapping[str, str]
    date_count: int
    first_date: str | None
    last_date: str | None
    changed_by: str | None
    changed_at: datetime
    dates: Sequence[SpecialDate] = ()
    warnings: Sequence[str] = ()


@dataclass(frozen=True)
class _Calendars:
    calendars: Sequence[Calendar]


class CalendarCalls(IngestCalls):
    """Calls for calendars. They go to the ingest service, need the scope admin, and raise `ApiError` on failure."""

    def calendars(self) -> Sequence[Calendar]:
        """Return all calendars by name, without their dates."""
        return self._ingest.call(_Calendars, "GET", _PATH).calendars

    def get_calendar(self, name: str) -> Calendar:
        """Return a calendar with its dates. Raises `ApiError` with code `calendar_not_found`."""
        return self._ingest.call(Calendar, "GET", _calendar_path(name))

    def set_calendar(
        self, name: str, labels: Mapping[str, str], dates: Sequence[SpecialDate], *, dry_run: bool = False
    ) -> Calendar:
        """Replace the labels and all dates of a calendar. It is for all stores that have these labels.

        A dry run returns what would be set, and changes nothing.
        """
        body = {"labels": dict(labels), "dates": [asdict(one) for one in dates]}
        params = dry_run_params(dry_run=dry_run)
        return self._ingest.call(Calendar, "PUT", _calendar_path(name), json=body, params=params)

    def set_calendar_from_ical(
        self, name: str, labels: Mapping[str, str], body: bytes, *, dry_run: bool = False
    ) -> Calendar:
        """Replace a calendar by the events of an iCalendar file. Otherwise like `set_calendar`."""
        chosen = [f"{label}:{value}" for label, value in labels.items()]
        return self._ingest.call(
            Calendar,
            "PUT",
            _calendar_path(name),
            params={"label": chosen, **dry_run_params(dry_run=dry_run)},
            headers={"Content-Type": "text/calendar"},
            body=lambda: iter([body]),
        )

    def remove_calendar(self, name: str, *, dry_run: bool = False) -> Calendar | None:
        """Remove a calendar. The weekly hours of its dates apply again.

        A dry run returns the calendar that would be removed, and changes nothing.
        """
        path, params = _calendar_path(name), dry_run_params(dry_run=dry_run)
        return self._ingest.call_or_none(Calendar, "DELETE", path, params=params)


def _calendar_path(name: str) -> str:
    return f"{_PATH}/{encode_segment(name)}"
