"""Read what decides when one store is open and asked about, at a ledger number, with the names of its sources."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from psycopg import AsyncConnection, AsyncCursor
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from shared.clock import from_us
from shared.db.queries import queries
from shared.errors import StoreFailed
from shared.texts import quoted
from shared.uptime.closures import Treatment
from shared.uptime.faults import find_faults
from shared.uptime.store_terms import HoursVersion, SpecialDay, StoreClosure, StoreTerms

_SQL = queries("store_terms")
# An interval opens at most two local dates before the time that it touches.
_NEAR = timedelta(days=3)


class StoreAtCut(NamedTuple):
    """A store as it was at the ledger number `seq`: its zone, its hours without a date as (day, opens, closes), its labels."""

    store_key: int
    store_id: str
    zone: str | None
    hours: Sequence[tuple[int, int, int]]
    labels: Mapping[str, str]
    seq: int

    def plain_terms(self) -> StoreTerms:
        """Return the terms without adjustments. Raises `StoreFailed` if the zone or the hours are invalid."""
        return _refuse_faulty(self.store_id, StoreTerms(self.zone, [HoursVersion(None, self.hours)]))


class TermsRow(NamedTuple):
    """What adjusts the weekly hours of a store, as JSON values."""

    lifetime: Sequence[int | None] | None
    dated_hours: Sequence[tuple[str, Sequence[int]]]
    special_hours: Sequence[tuple[str, Sequence[int]]]
    calendar_dates: Sequence[tuple[str, Sequence[int], str]]
    closures: Sequence[tuple[str, int, int | None, str, str, str, Mapping[str, str] | None]]


class NewestChange(NamedTuple):
    """The newest poll, the ledger number of this snapshot, and that of the last adjustment; 0 if there never was one."""

    latest_observed_at: datetime | None
    seq: int
    adjusted_seq: int


async def read_newest_change(conn: AsyncConnection) -> NewestChange:
    """Return what the head of the import ledger holds."""
    row = await (await conn.execute(_SQL["newest_change"])).fetchone()
    return NewestChange(*row) if row else NewestChange(None, 0, 0)


async def read_terms(
    conn: AsyncConnection, store: StoreAtCut, range_us: tuple[int, int], *, adjusted: bool
) -> StoreTerms:
    """Read the terms that can matter in a range of time. `adjusted`: whether the database has any adjustment at all.

    Raises `StoreFailed` if the zone or any hours are invalid.
    """
    return await parse_terms(store, await request_terms(conn, store, range_us) if adjusted else None)


async def request_terms(
    conn: AsyncConnection, store: StoreAtCut, range_us: tuple[int, int]
) -> AsyncCursor[TermsRow]:
    """Send the query for what adjusts the weekly hours. In a pipeline it does not wait for the answer."""
    from_time, to_time = map(from_us, range_us)
    given = {
        "store_key": store.store_key,
        "labels": Jsonb(dict(store.labels)),
        "seq": store.seq,
        "from_time": from_time,
        "to_time": to_time,
        "first_day": from_time.date() - _NEAR,
        "last_day": to_time.date() + _NEAR,
    }
    return await conn.cursor(row_factory=class_row(TermsRow)).execute(_SQL["terms"], given)


async def parse_terms(store: StoreAtCut, answer: AsyncCursor[TermsRow] | None) -> StoreTerms:
    """Return the terms from what `request_terms` returned. Without that, only the weekly hours apply."""
    plain = store.plain_terms()
    row = await answer.fetchone() if answer else None
    if row is None:
        return plain
    opened_us, closed_us = row.lifetime or (None, None)
    dated = [HoursVersion(date.fromisoformat(day), _in_groups(rows, 3)) for day, rows in row.dated_hours]
    terms = StoreTerms(
        store.zone,
        # Dated hours of a store without others also hold before the first date.
        dated if dated and not plain.versions[0].rows else [plain.versions[0], *dated],
        _parse_special(row),
        opened_us,
        closed_us,
        [
            StoreClosure(closure_id, starts_us, ends_us, Treatment[treatment.upper()], reason, note, labels)
            for closure_id, starts_us, ends_us, treatment, reason, note, labels in row.closures
        ],
    )
    return _refuse_faulty(store.store_id, terms)


def _parse_special(row: TermsRow) -> Mapping[date, SpecialDay]:
    of_calendars = {
        date.fromisoformat(day): SpecialDay(_in_groups(intervals, 2), name)
        for day, intervals, name in row.calendar_dates
    }
    own = {
        date.fromisoformat(day): SpecialDay(_in_groups(intervals, 2)) for day, intervals in row.special_hours
    }
    return of_calendars | own


def _refuse_faulty(store_id: str, terms: StoreTerms) -> StoreTerms:
    for fault in find_faults([terms.zone], terms.hours, terms.adjustments).values():
        raise StoreFailed(f"store {quoted(store_id)} cannot be computed: {fault.detail}")
    return terms


def _in_groups(numbers: Sequence[int], size: int) -> list[Any]:
    return list(zip(*(iter(numbers),) * size, strict=True))
