"""Replaces, shows and removes calendars: named lists of special dates for all stores with certain labels."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from services.ingest.http.record_change import record_change
from services.ingest.http.unknown_labels import warn_of_labels
from services.ingest.write.adjustment_change import AdjustmentChange
from services.ingest.write.counts import RowCounts
from services.ingest.write.history_table import CALENDARS
from shared.db.queries import queries
from shared.errors import CalendarNotFound, InvalidRequest
from shared.texts import quoted

_SQL = queries("adjust")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}", re.ASCII)


@dataclass(frozen=True)
class CalendarRow:
    """A calendar that holds. `dates`: for each date its opening and closing seconds."""

    name: str
    labels: Mapping[str, str]
    dates: Mapping[str, Sequence[int]]
    changed_by: str | None
    changed_at: datetime


@dataclass(frozen=True)
class NewCalendar:
    """The labels and dates of a calendar, and what the sender should check in them."""

    labels: Mapping[str, str]
    dates: Mapping[date, Sequence[int]]
    warnings: Sequence[str] = ()


def replace_calendar(
    database_url: str, name: str, given: NewCalendar, created_by: str, *, dry_run: bool = False
) -> tuple[CalendarRow, Sequence[str]]:
    """Replace the labels and all dates of a calendar. Return what was given, and what the sender should check.

    A dry run changes nothing. Raise `InvalidRequest` and `DatabaseUnavailable`.
    """
    if not _NAME.fullmatch(name):
        raise InvalidRequest(
            "the name of a calendar has 1 to 100 letters, digits, _ . -, beginning with a letter, a digit or _",
            field="path.calendar",
        )
    stored = {str(day): list(seconds) for day, seconds in sorted(given.dates.items())}
    labels = Jsonb(dict(given.labels))
    row = {"name": name, "labels": labels, "dates": Jsonb(stored)}
    warnings = list(given.warnings)

    def replace(conn: psycopg.Connection, change: AdjustmentChange) -> RowCounts:
        warnings.extend(warn_of_labels(conn, given.labels))
        return change.merge_rows(CALENDARS, [row])

    record_change(database_url, "calendars", f"calendar {name}", created_by, replace, dry_run=dry_run)
    return CalendarRow(name, given.labels, stored, created_by, datetime.now(UTC)), warnings


def remove_calendar(database_url: str, name: str, created_by: str, *, dry_run: bool = False) -> None:
    """Remove a calendar. A dry run changes nothing. Raise `CalendarNotFound` and `DatabaseUnavailable`."""

    def remove(conn: psycopg.Connection, change: AdjustmentChange) -> RowCounts:
        if not conn.execute(_SQL["list_calendars"], {"name": name}).fetchall():
            raise _not_found(name)
        return change.merge_rows(CALENDARS, [], [{"name": name, "labels": Jsonb({}), "dates": Jsonb({})}])

    source = f"removal of calendar {name}"
    record_change(database_url, "calendars", source, created_by, remove, dry_run=dry_run)


async def list_calendars(conn: AsyncConnection) -> list[CalendarRow]:
    """Return all calendars by name."""
    return await _select_calendars(conn, None)


async def get_calendar(conn: AsyncConnection, name: str) -> CalendarRow:
    """Return one calendar. Raise `CalendarNotFound`."""
    found = await _select_calendars(conn, name)
    if not found:
        raise _not_found(name)
    return found[0]


async def _select_calendars(conn: AsyncConnection, name: str | None) -> list[CalendarRow]:
    async with conn.cursor(row_factory=class_row(CalendarRow)) as cursor:
        await cursor.execute(_SQL["list_calendars"], {"name": name})
        return await cursor.fetchall()


def _not_found(name: str) -> CalendarNotFound:
    return CalendarNotFound(f"calendar {quoted(name)} does not exist: GET /v1/calendars lists the calendars")
