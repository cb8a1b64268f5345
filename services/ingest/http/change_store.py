"""Changes the hours, special hours, lifetime, zone or labels of one store, counted like a file that names only this store."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb

from services.ingest.http.record_change import ChangeKind, record_change
from services.ingest.parse.adjustments import parse_lifetime, parse_special_hours
from services.ingest.parse.dates import parse_date
from services.ingest.parse.days import (
    DAY_NAMES,
    FROM_ZERO,
    NumbersUsed,
    is_first_number_unsaid,
    parse_day,
)
from services.ingest.parse.local_hours import parse_hours
from services.ingest.parse.reasons import ROW_REASONS
from services.ingest.parse.times_of_day import DAY_S, LONG_OPENING_S, describe_long_openings
from services.ingest.parse.zones import find_zone
from services.ingest.write.adjustment_change import AdjustmentChange
from services.ingest.write.counts import RowCounts
from services.ingest.write.history_table import DATED_HOURS, LIFETIMES, SPECIAL_HOURS
from services.ingest.write.store_keys import add_stores
from shared.db.queries import queries
from shared.diagnostics.find import warn_of_store
from shared.errors import InvalidRequest, StoreNotFound

_SQL, _ADJUST = queries("live"), queries("adjust")
_SHOWN = 60
_OTHER_DAY = "must be 0 (Monday) to 6 (Sunday), or an English name such as Monday"


@dataclass(frozen=True)
class StoreChange:
    """The change of one store: the import that records it, its counts, and what the sender should check.

    A dry run has no import.
    """

    store_id: str
    import_id: UUID | None
    counts: RowCounts
    warnings: Sequence[str] = ()


@dataclass(frozen=True)
class ChangeOptions:
    """Who makes a change, whether it adds an unknown store, and whether it is a dry run.

    `create` None: the call never adds one.
    """

    created_by: str
    create: bool | None = False
    dry_run: bool = False


@dataclass(frozen=True)
class LocalInterval:
    """One opening as text: the day, as an English name or as a number from 0 (Monday), and two times of day."""

    day_of_week: str
    opens: str
    closes: str


@dataclass(frozen=True)
class LocalDate:
    """A local date as text, with its openings as pairs of times of day. Without openings it is closed."""

    day: str
    intervals: Sequence[tuple[str, str]]


def replace_hours(
    database_url: str,
    store_id: str,
    intervals: Sequence[LocalInterval],
    options: ChangeOptions,
    *,
    effective_from: str | None = None,
) -> StoreChange:
    """Replace the hours that apply from a date on, or those without a date. Without intervals the store is open 24x7.

    Raise as `change_store` does.
    """
    start = _parse_start(effective_from)
    parsed = [_parse_interval(index, interval) for index, interval in enumerate(intervals)]
    days, opens, closes = ([fields[column] for fields in parsed] for column in range(3))

    def write_hours(conn: psycopg.Connection, store_key: int, change: AdjustmentChange) -> RowCounts:
        if start is not None:
            flat = [number for row in sorted(set(parsed)) for number in row]
            row = {"store_key": store_key, "effective_from": start, "intervals": flat}
            return change.merge_rows(DATED_HOURS, [row])
        values = {"store_key": store_key, "days": days, "opens": opens, "closes": closes, "seq": change.seq}
        ((added, change.weekly_changed),) = conn.execute(_SQL["replace_hours"], values)
        return RowCounts(accepted=added, duplicate=len(parsed) - added)

    change = change_store(database_url, store_id, "hours", options, write_hours)
    return replace(change, warnings=[*_warn_of_hours(intervals, parsed), *change.warnings])


def remove_dated_hours(
    database_url: str, store_id: str, effective_from: str, created_by: str, *, dry_run: bool = False
) -> StoreChange:
    """Remove the hours that apply from a date on. Raise `InvalidRequest`, and as `change_store` does."""
    start = _parse_start(effective_from)
    missing: list[str] = []

    def remove_hours(conn: psycopg.Connection, store_key: int, change: AdjustmentChange) -> RowCounts:
        held = [day for (day,) in conn.execute(_ADJUST["dated_hours_of_store"], {"store_key": store_key})]
        if start not in held:
            missing.append(_describe_missing(start, held))
        gone: dict[str, object] = {"store_key": store_key, "effective_from": start, "intervals": []}
        return change.merge_rows(DATED_HOURS, [], [gone])

    options = ChangeOptions(created_by, create=None, dry_run=dry_run)
    change = change_store(database_url, store_id, "hours", options, remove_hours)
    return replace(change, warnings=[*missing, *change.warnings])


def _parse_interval(index: int, interval: LocalInterval) -> tuple[int, int, int]:
    """Return the day (0 is Monday), and the opening and closing second. Raise `InvalidRequest`."""
    field = f"body.hours.{index}"
    fields = parse_hours(interval.day_of_week, interval.opens, interval.closes)
    day = parse_day(interval.day_of_week)
    if day is None or day.number == len(DAY_NAMES):
        field += ".day_of_week"
        raise InvalidRequest(f"{field} {_OTHER_DAY}, not {interval.day_of_week[:_SHOWN]}", field=field)
    if isinstance(fields, str):
        raise InvalidRequest(f"{field}: {ROW_REASONS[fields]}", field=field)
    # The body numbers the days from 0.
    number = day.number if day.named is None else day.named
    return number or 0, fields["opens"], fields["closes"]


def _warn_of_hours(
    intervals: Sequence[LocalInterval], parsed: Sequence[tuple[int, int, int]]
) -> Sequence[str]:
    """Return what files with these hours would be warned of."""
    warnings = []
    numbers = {interval.day_of_week for interval in intervals if interval.day_of_week.isdecimal()}
    if is_first_number_unsaid({0: NumbersUsed("0" in numbers, seven=False, distinct=len(numbers))}):
        warnings.append(FROM_ZERO)
    long = [
        interval
        for interval, (_, opens, closes) in zip(intervals, parsed, strict=True)
        if closes < opens and closes + DAY_S - opens > LONG_OPENING_S
    ]
    if long:
        warnings.append(describe_long_openings(len(long), f"{long[0].opens} to {long[0].closes}"))
    return warnings


def replace_timezone(
    database_url: str,
    store_id: str,
    timezone: str,
    options: ChangeOptions,
) -> StoreChange:
    """Set the time zone. Raise as `change_store` does."""
    zone = find_zone(timezone)
    if isinstance(zone, str):
        raise InvalidRequest(ROW_REASONS[zone], field="body.timezone")
    name = zone.name

    def write_timezone(conn: psycopg.Connection, store_key: int, change: AdjustmentChange) -> RowCounts:
        values = {"store_key": store_key, "timezone": name, "seq": change.seq}
        ((before,),) = conn.execute(_SQL["replace_timezone"], values)
        change.weekly_changed = before != name
        return RowCounts(int(before is None), int(before == name), int(before not in {None, name}))

    change = change_store(database_url, store_id, "timezones", options, write_timezone)
    return replace(change, warnings=[*zone.warnings, *change.warnings])


def replace_labels(
    database_url: str,
    store_id: str,
    labels: Mapping[str, str],
    options: ChangeOptions,
) -> StoreChange:
    """Replace all labels by these valid ones. Raise as `change_store` does."""

    def write_labels(conn: psycopg.Connection, store_key: int, change: AdjustmentChange) -> RowCounts:
        values = {"store_key": store_key, "labels": Jsonb(dict(labels)), "seq": change.seq}
        ((before,),) = conn.execute(_SQL["replace_labels"], values)
        same = sum(before.get(name) == value for name, value in labels.items())
        known = sum(name in before for name in labels)
        change.weekly_changed = before != dict(labels)
        return RowCounts(accepted=len(labels) - known, duplicate=same, corrected=known - same)

    return change_store(database_url, store_id, "labels", options, write_labels)


def replace_special_hours(
    database_url: str,
    store_id: str,
    dates: Sequence[LocalDate],
    options: ChangeOptions,
) -> StoreChange:
    """Replace all special hours of a store. Raise `InvalidRequest`, and as `change_store` does."""
    parsed = parse_special_dates(dates)

    def write_dates(conn: psycopg.Connection, store_key: int, change: AdjustmentChange) -> RowCounts:
        rows = [{"store_key": store_key, "date": day, "intervals": flat} for day, flat in parsed.items()]
        held = conn.execute(_ADJUST["special_dates_of_store"], {"store_key": store_key, "date": None})
        gone = [_closed_date(store_key, day) for (day,) in held if day not in parsed]
        return change.merge_rows(SPECIAL_HOURS, rows, gone)

    return change_store(database_url, store_id, "special_hours", options, write_dates)


def remove_special_hours(
    database_url: str, store_id: str, day: str | None, created_by: str, *, dry_run: bool = False
) -> StoreChange:
    """Remove the special hours of one date, or of all dates. Raise `InvalidRequest`, and as `change_store` does."""
    chosen = parse_date(day) if day is not None else None
    if day is not None and chosen is None:
        raise InvalidRequest(ROW_REASONS["date"], field="date")

    def remove_dates(conn: psycopg.Connection, store_key: int, change: AdjustmentChange) -> RowCounts:
        held = conn.execute(_ADJUST["special_dates_of_store"], {"store_key": store_key, "date": chosen})
        gone = [_closed_date(store_key, day) for (day,) in held]
        return change.merge_rows(SPECIAL_HOURS, [], gone)

    options = ChangeOptions(created_by, create=None, dry_run=dry_run)
    return change_store(database_url, store_id, "special_hours", options, remove_dates)


def replace_lifetime(
    database_url: str,
    store_id: str,
    opened_at: str | None,
    closed_at: str | None,
    options: ChangeOptions,
) -> StoreChange:
    """Set when a store begins and ceases to exist. Raise `InvalidRequest`, and as `change_store` does."""
    parsed = parse_lifetime(opened_at or "", closed_at or "")
    if isinstance(parsed, str):
        raise InvalidRequest(ROW_REASONS[parsed], field="closed_at" if parsed == "lifetime_order" else parsed)
    instants = {"opened_at": parsed["begins"], "closed_at": parsed["ends"]}

    def write_lifetime(_: psycopg.Connection, store_key: int, change: AdjustmentChange) -> RowCounts:
        return change.merge_rows(LIFETIMES, [{"store_key": store_key, **instants}])

    return change_store(database_url, store_id, "lifetimes", options, write_lifetime)


def parse_special_dates(dates: Sequence[LocalDate]) -> Mapping[date, list[int]]:
    """Return opening and closing seconds by date, as they are stored. Raise `InvalidRequest`."""
    found: dict[date, list[int]] = {}
    for index, given in enumerate(dates):
        day = parse_date(given.day)
        if day is None:
            raise InvalidRequest(ROW_REASONS["date"], field=f"dates.{index}.date")
        if day in found:
            raise InvalidRequest(
                f"the date {day} is given twice: put all its intervals into one entry",
                field=f"dates.{index}.date",
            )
        intervals = set()
        for place, (opens, closes) in enumerate(given.intervals):
            fields = parse_special_hours(given.day, opens, closes)
            if isinstance(fields, str) or "opens" not in fields:
                reason = fields if isinstance(fields, str) else "time"
                raise InvalidRequest(ROW_REASONS[reason], field=f"dates.{index}.intervals.{place}")
            intervals.add((fields["opens"], fields["closes"]))
        found[day] = [second for interval in sorted(intervals) for second in interval]
    return found


def _closed_date(store_key: int, day: date) -> Mapping[str, object]:
    return {"store_key": store_key, "date": day, "intervals": []}


def _parse_start(effective_from: str | None) -> date | None:
    if effective_from is None:
        return None
    start = parse_date(effective_from)
    if start is None:
        raise InvalidRequest(ROW_REASONS["date"], field="query.effective_from")
    return start


def _describe_missing(start: date | None, held: Sequence[date]) -> str:
    known = f"it has hours from {', '.join(map(str, held))} on" if held else "it has no hours with a date"
    return f"the store has no hours from {start} on, so nothing was removed: {known}"


def change_store(
    database_url: str,
    store_id: str,
    kind: ChangeKind,
    options: ChangeOptions,
    write_change: Callable[[psycopg.Connection, int, AdjustmentChange], RowCounts],
) -> StoreChange:
    """Make one change. `write_change` gets the store's key, and returns the counts.

    Raise `DatabaseUnavailable`, and `StoreNotFound` for an unknown store unless it may be created.
    """
    warnings: list[str] = []

    def write(conn: psycopg.Connection, change: AdjustmentChange) -> RowCounts:
        if not options.create and conn.execute(_SQL["store_exists"], {"store_id": store_id}).fetchone() != (
            True,
        ):
            hint = "" if options.create is None else ", or pass create=true (--create) to add the store"
            raise StoreNotFound(f"store {store_id!r} does not exist: check the id{hint}")
        store_key, _ = add_stores(conn, [store_id], kept=not options.dry_run)[store_id]
        counts = write_change(conn, store_key, change)
        warnings.extend(warn_of_store(conn, store_key))
        return counts

    import_id, counts = record_change(
        database_url, kind, f"store {store_id}", options.created_by, write, dry_run=options.dry_run
    )
    return StoreChange(store_id, import_id, counts, warnings)
