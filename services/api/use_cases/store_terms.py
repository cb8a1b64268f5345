"""Read what decides when one store is open and asked about, at a ledger number, with the names of its sources."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from psycopg import AsyncConnection
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


class _ClosureOfStore(NamedTuple):
    id: str
    starts_us: int
    ends_us: int | None
    treatment: str
    reason: str
    note: str
    labels: Mapping[str, str] | None


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
    plain = store.plain_terms()
    if not adjusted:
        return plain
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
    opened_us, closed_us = next(iter(await _fetch(conn, "lifetime", given)), (None, None))
    terms = StoreTerms(
        store.zone,
        await _read_versions(conn, given, plain.versions[0]),
        await _read_special(conn, given),
        opened_us,
        closed_us,
        await _read_closures(conn, given),
    )
    return _refuse_faulty(store.store_id, terms)


async def _read_versions(
    conn: AsyncConnection, given: Mapping[str, Any], undated: HoursVersion
) -> list[HoursVersion]:
    dated = [
        HoursVersion(effective_from, _in_groups(intervals, 3))
        for effective_from, intervals in await _fetch(conn, "dated_hours", given)
    ]
    # Dated hours of a store without others also hold before the first date.
    return dated if dated and not undated.rows else [undated, *dated]


async def _read_special(conn: AsyncConnection, given: Mapping[str, Any]) -> Mapping[date, SpecialDay]:
    of_calendars = {
        day: SpecialDay(_in_groups(intervals, 2), name)
        for day, intervals, name in await _fetch(conn, "calendar_dates", given)
    }
    own = {
        day: SpecialDay(_in_groups(intervals, 2))
        for day, intervals in await _fetch(conn, "special_hours", given)
    }
    return of_calendars | own


def _refuse_faulty(store_id: str, terms: StoreTerms) -> StoreTerms:
    for fault in find_faults([terms.zone], terms.hours, terms.adjustments).values():
        raise StoreFailed(f"store {quoted(store_id)} cannot be computed: {fault.detail}")
    return terms


async def _read_closures(conn: AsyncConnection, given: Mapping[str, Any]) -> list[StoreClosure]:
    async with conn.cursor(row_factory=class_row(_ClosureOfStore)) as cursor:
        await cursor.execute(_SQL["closures"], given)
        return [
            StoreClosure(**{**row._asdict(), "treatment": Treatment[row.treatment.upper()]})
            for row in await cursor.fetchall()
        ]


async def _fetch(conn: AsyncConnection, name: str, given: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    return await (await conn.execute(_SQL[name], given)).fetchall()


def _in_groups(numbers: Sequence[int], size: int) -> list[Any]:
    return list(zip(*(iter(numbers),) * size, strict=True))
