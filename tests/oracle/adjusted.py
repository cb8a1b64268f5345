"""Runs the engine on stores with dated hours, special days, lifetimes and closures; answers in the oracle's form."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import NamedTuple

import numpy as np

from shared.uptime.adjustments import Adjustments, adjusted_schedule
from shared.uptime.batch import StoreHistory, measure_batch, measure_outages
from shared.uptime.bounds import bounds_us
from shared.uptime.calendar import Hours
from shared.uptime.closures import NEVER_US, Closures, Lifetimes, Treatment
from shared.uptime.dates import EARLIEST_DAY, DatedHours, SpecialDays
from shared.uptime.intervals import Int64s
from shared.uptime.outage_reasons import reason_numbers
from shared.uptime.outages import NO_INSTANT, End, outages_of
from shared.uptime.policy import POLICIES, outage_history_us
from tests.oracle.accounting import Poll
from tests.oracle.calendars import Terms
from tests.oracle.engine import REASONS, Store, engine_window, hours_of, notes_of, numbers, polls_of
from tests.oracle.outages import Outage, ReasonTime

EPOCH_DAY = date(1970, 1, 1).toordinal()
WORDS = {number: word for word, number in REASONS.items()}


class TermsStore(NamedTuple):
    zone: str | None
    terms: Terms
    polls: Sequence[Poll]


def measured_terms(
    stores: Sequence[TermsStore],
    as_of_us: int,
    policy: str,
    windows: Mapping[str, int | str],
    *,
    detail: bool = True,
    excluded: Sequence[str] = (),
) -> list[dict[str, dict[str, int]]]:
    """For each store the same mapping that `account_terms` gives."""
    hours, adjustments = inputs_of(stores, excluded)
    measures = measure_batch(
        StoreHistory([store.zone for store in stores], hours, polls_of(plain(stores))),
        as_of_us,
        [engine_window(name, window) for name, window in windows.items()],
        POLICIES[policy],
        detail=detail,
        adjustments=adjustments,
    )
    return [
        {name: numbers(measures, store, window) for window, name in enumerate(windows)}
        for store in range(len(stores))
    ]


def engine_outages(
    stores: Sequence[TermsStore],
    as_of_us: int,
    policy: str,
    window: int | str,
    excluded: Sequence[str] = (),
) -> list[list[Outage]]:
    """For each store the list that `outages` gives."""
    zones = [store.zone for store in stores]
    hours, adjustments = inputs_of(stores, excluded)
    starts_us, ends_us = (
        edge[:, 0] for edge in bounds_us([engine_window("window", window)], as_of_us, zones)
    )
    first_us = int(starts_us.min()) - outage_history_us(POLICIES[policy])
    schedule = adjusted_schedule(zones, hours, adjustments, first_us, as_of_us)
    found = outages_of(schedule, polls_of(plain(stores)), as_of_us, (starts_us, ends_us), POLICIES[policy])
    of_store: list[list[Outage]] = [[] for _ in stores]
    rows = zip(*(getattr(found, name).tolist() for name in found.__slots__), strict=True)
    for store, started, ended, end, down, polls, began, starts, *polls_us, reasons in rows:
        last_up, first_down, last_down, first_up = map(instant, polls_us)
        of_store[store].append(
            Outage(
                started,
                instant(ended),
                End(end).name.lower(),
                down,
                polls,
                began,
                starts,
                last_up,
                first_down,
                last_down,
                first_up,
                tuple(WORDS[number] for number in reason_numbers(reasons)),
            )
        )
    return of_store


def engine_reason_times(
    stores: Sequence[TermsStore],
    as_of_us: int,
    policy: str,
    window: int | str,
    excluded: Sequence[str] = (),
) -> list[list[ReasonTime]]:
    """For each store the list that `reason_times` gives."""
    hours, adjustments = inputs_of(stores, excluded)
    history = StoreHistory([store.zone for store in stores], hours, polls_of(plain(stores)))
    asked = [engine_window("window", window)]
    [found] = measure_outages(
        history, as_of_us, asked, POLICIES[policy], adjustments=adjustments
    ).reason_times(1)
    of_store: list[list[ReasonTime]] = [[] for _ in stores]
    rows = zip(*(getattr(found, name).tolist() for name in found.__slots__), strict=True)
    for store, reason, down, outages in rows:
        of_store[store].append(ReasonTime(WORDS[reason], down, outages))
    return [sorted(times) for times in of_store]


def instant(at_us: int) -> int | None:
    return None if at_us == NO_INSTANT else at_us


def plain(stores: Sequence[TermsStore]) -> list[Store]:
    """The stores with the hours that `Hours` can hold: those of a single version without a date."""
    return [
        Store(store.zone, store.terms.versions[0].rows if is_undated(store.terms) else [], store.polls)
        for store in stores
    ]


def is_undated(terms: Terms) -> bool:
    return len(terms.versions) == 1 and terms.versions[0].effective_from is None


def inputs_of(stores: Sequence[TermsStore], excluded: Sequence[str] = ()) -> tuple[Hours, Adjustments]:
    terms = [store.terms for store in stores]
    return hours_of(plain(stores)), Adjustments(
        dated_hours_of(terms),
        special_days_of(terms),
        lifetimes_of(terms),
        closures_of(terms),
        notes_of([store.polls for store in stores], excluded),
    )


def dated_hours_of(terms: Sequence[Terms]) -> DatedHours:
    versions = [
        (number, version)
        for number, of_store in enumerate(terms)
        if not is_undated(of_store)
        for version in of_store.versions
    ]
    rows = [(number, *row) for number, (_, version) in enumerate(versions) for row in version.rows]
    dates = [(store, day_number(version.effective_from)) for store, version in versions]
    return DatedHours(*columns(dates, 2), *columns(rows, 4))


def special_days_of(terms: Sequence[Terms]) -> SpecialDays:
    dates = [
        (number, day, rows) for number, of_store in enumerate(terms) for day, rows in of_store.special.items()
    ]
    rows = [(number, *row) for number, (_, _, intervals) in enumerate(dates) for row in intervals]
    return SpecialDays(*columns(((store, day_number(day)) for store, day, _ in dates), 2), *columns(rows, 3))


def lifetimes_of(terms: Sequence[Terms]) -> Lifetimes:
    rows = [
        (
            number,
            -NEVER_US if of_store.opened_us is None else of_store.opened_us,
            NEVER_US if of_store.closed_us is None else of_store.closed_us,
        )
        for number, of_store in enumerate(terms)
        if (of_store.opened_us, of_store.closed_us) != (None, None)
    ]
    return Lifetimes(*columns(rows, 3))


def closures_of(terms: Sequence[Terms]) -> Closures:
    rows = [
        (
            number,
            closure.starts_us,
            NEVER_US if closure.ends_us is None else closure.ends_us,
            Treatment[closure.treatment.upper()],
        )
        for number, of_store in enumerate(terms)
        for closure in of_store.closures
    ]
    return Closures(*columns(rows, 4))


def day_number(day: date | None) -> int:
    return EARLIEST_DAY if day is None else day.toordinal() - EPOCH_DAY


def columns(rows: Iterable[Sequence[int]], width: int) -> list[Int64s]:
    return list(np.array(list(rows), dtype=np.int64).reshape(-1, width).T)
