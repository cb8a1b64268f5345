"""What decides when one store is open and asked about, from the rows that say so. Must not know how these are read."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any, NamedTuple

from psycopg.types.json import Jsonb

from shared.clock import from_us
from shared.errors import StoreFailed
from shared.texts import quoted
from shared.uptime.closures import Treatment
from shared.uptime.faults import find_faults
from shared.uptime.store_terms import HoursVersion, SpecialDay, StoreClosure, StoreTerms

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


def terms_parameters(store: StoreAtCut, range_us: tuple[int, int]) -> dict[str, object]:
    """Return the parameters of the query `terms` for what can matter in a range of time."""
    from_time, to_time = map(from_us, range_us)
    return {
        "store_key": store.store_key,
        "labels": Jsonb(dict(store.labels)),
        "seq": store.seq,
        "from_time": from_time,
        "to_time": to_time,
        "first_day": from_time.date() - _NEAR,
        "last_day": to_time.date() + _NEAR,
    }


def parse_terms(store: StoreAtCut, row: TermsRow | None) -> StoreTerms:
    """Return the terms from a row of the query `terms`. Without one, only the weekly hours apply.

    Raises `StoreFailed` if the zone or any hours are invalid.
    """
    plain = store.plain_terms()
    if row is None:
        return plain
    opened_us, closed_us = row.lifetime or (None, None)
    terms = StoreTerms(
        store.zone,
        versions_of(store.hours, row.dated_hours),
        _parse_special(row),
        opened_us,
        closed_us,
        [
            StoreClosure(closure_id, starts_us, ends_us, Treatment[treatment.upper()], reason, note, labels)
            for closure_id, starts_us, ends_us, treatment, reason, note, labels in row.closures
        ],
    )
    return _refuse_faulty(store.store_id, terms)


def versions_of(
    undated: Sequence[tuple[int, int, int]], dated: Sequence[tuple[str, Sequence[int]]]
) -> Sequence[HoursVersion]:
    """Return the versions of a store's weekly hours: those without a date as rows, the others as JSON values."""
    versions = [HoursVersion(date.fromisoformat(day), _in_groups(rows, 3)) for day, rows in dated]
    # Dated hours of a store without others also hold before the first date.
    return versions if versions and not undated else [HoursVersion(None, undated), *versions]


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
