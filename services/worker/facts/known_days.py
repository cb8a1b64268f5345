"""The input of a report's batch from facts: sums of whole days where they hold, and the polls around them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Final

import numpy as np
import psycopg

from services.worker.batch_tables import BatchTables
from services.worker.facts.day_ranges import DayRanges, find_days
from services.worker.facts.day_sums import COLUMNS, sum_days
from services.worker.load import Snapshot, read_polls
from services.worker.slices import MOST_STORE_DAYS, TooManyPolls, slice_batch
from shared.clock import from_us, to_us
from shared.facts.changes import TouchedDays
from shared.facts.marks import NEVER, Marks, find_touched_since, first_computable_day, read_marks
from shared.inputs.batch_input import BatchInput
from shared.inputs.data_range import DataRange
from shared.inputs.notes import read_notes
from shared.inputs.stores import Stores, find_places
from shared.reports.batch import Batch
from shared.reports.consistency import data_range
from shared.sealed.reader import SealedPolls
from shared.uptime.bounds import bounds_us
from shared.uptime.faults import find_faults
from shared.uptime.intervals import Bools, Int64s
from shared.uptime.notes import PollNotes
from shared.uptime.policy import DAY_US, POLICIES, Policy, can_add_days, every_poll_us, history_us, later_us
from shared.uptime.states import Polls
from shared.uptime.whole_days import NEAR_TAIL_US, WholeDays
from shared.uptime.window import parse_windows

# Fewer days are read from polls, which workers remember.
_LONG: Final = timedelta(days=10)
_LEAST_DAYS: Final = 3
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
_NO_POLLS: Final = Polls(
    np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.bool_)
)
ReadPolls = Callable[[DataRange], Polls]


def can_use_facts(batch: Batch) -> bool:
    """Return whether facts can give the numbers of a batch: times alone, in the present, in a long window."""
    asked = data_range(batch.as_of, batch.policy, batch.windows)
    return (
        not batch.needs_every_poll
        and batch.pinned_cut is None
        and can_add_days(POLICIES[batch.policy])
        and asked.to_time - asked.every_from >= _LONG
    )


def load_with_facts(
    conn: psycopg.Connection,
    batch: Batch,
    tables: BatchTables,
    read_recent: ReadPolls,
    snapshot: Snapshot,
) -> BatchInput | None:
    """Return the input of a batch in the caller's snapshot, or None if no fact can be used.

    The known days of a window are its first whole days, up to one that has no fact, is not final at `as_of`, or can have
    been touched by a change after the store's mark. `read_recent` returns the polls of all stores in a recent range.
    """
    policy, stores = POLICIES[batch.policy], tables.stores
    marks = read_marks(conn, policy, stores.keys)
    latest = int(marks.last_day.max(initial=NEVER))
    if latest == NEVER:
        return None
    asked = data_range(batch.as_of, batch.policy, batch.windows)
    adjustments = tables.adjustments.in_range(tables.hours, asked)
    given = BatchInput(stores.ids, stores.zones, tables.hours, _NO_POLLS, adjustments)
    # Nothing can touch earlier days: they can no longer be computed.
    computable = first_computable_day(conn, policy)
    days = _find_known(conn, batch, given, stores, marks, computable)
    known, days = _sum_known(conn, batch, stores, days, latest)
    facts_only = days.before(computable)
    if not known.has_any.any():
        return None
    _refuse_too_many(batch, stores, known)
    polls, ranges = _read_around(conn, batch, stores, known, read_recent, snapshot.sealed)
    notes = [read_notes(conn, stores, (within.from_time, within.to_time), snapshot.seq) for within in ranges]
    if any(map(len, notes)):
        given = replace(given, adjustments=replace(adjustments, notes=PollNotes.join(notes)))
    return replace(given, polls=polls, whole_days=known, facts_only=facts_only)


def _find_known(
    conn: psycopg.Connection,
    batch: Batch,
    given: BatchInput,
    stores: Stores,
    marks: Marks,
    first_computable: int,
) -> DayRanges:
    """Return the days of each window whose facts hold, provided that they have one."""
    policy = POLICIES[batch.policy]
    faulty = list(find_faults(given.zones, given.hours, given.adjustments))
    zones = list(stores.zones)
    for place in faulty:
        zones[place] = None
    days = find_days(batch, zones)
    computable = np.maximum(first_computable, days.first)
    place_of = {key: place for place, key in enumerate(stores.keys.tolist())}
    last_day = np.full(len(zones), NEVER)
    is_valid = np.zeros(len(zones), dtype=np.bool_)
    marked = find_places(stores, marks.store_keys)
    last_day[marked], is_valid[marked] = marks.last_day, marks.is_valid
    last_day[faulty] = NEVER
    days = days.capped(last_day[:, None] + 1)
    days = days.capped(np.where(is_valid[:, None], days.until, computable))
    touched = find_touched_since(conn, policy, stores, marks.keep(marks.is_valid))
    days = days.capped(_first_touched(days, computable, touched, place_of))
    is_worth = (days.until - days.first >= _LEAST_DAYS) | (days.first < computable)
    return days.capped(np.where(is_worth, days.until, days.first))


def _first_touched(
    days: DayRanges, computable: Int64s, touched: Sequence[TouchedDays], place_of: Mapping[int, int]
) -> Int64s:
    """Return the first computable day of each range that a change can have touched, or the range's end."""
    places = [
        np.array([place_of[change.store_key]]) if change.store_key else np.arange(len(days.first))
        for change in touched
    ]
    if not places:
        return days.until
    number = np.repeat(np.arange(len(places)), [len(some) for some in places])
    place = np.concatenate(places)
    bounds = np.array([(change.first, change.last) for change in touched])
    begin = np.maximum(bounds[number, :1], computable[place])
    is_hit = (begin <= bounds[number, 1:]) & (begin < days.until[place])
    until = days.until.copy()
    np.minimum.at(until, place, np.where(is_hit, begin, days.until[place]))
    return until


def _sum_known(
    conn: psycopg.Connection, batch: Batch, stores: Stores, days: DayRanges, latest: int
) -> tuple[WholeDays, DayRanges]:
    """Return the sums of the days of the stores that have a fact for each of them, in all windows; and these days."""
    sums = np.zeros((*days.first.shape, COLUMNS), dtype=np.int64)
    for window in range(days.first.shape[1]):
        first, until = days.first[:, window], days.until[:, window]
        some = np.flatnonzero(first < until)
        if len(some):
            keys = stores.keys[some]
            sums[some, window] = sum_days(conn, batch.policy, keys, first[some], until[some], latest)
    complete = (sums[:, :, 0] == days.until - days.first).all(axis=1)
    sums[~complete] = 0
    days = days.capped(np.where(complete[:, None], days.until, days.first))
    from_us, until_us = days.midnights_us(days.first), days.midnights_us(days.until)
    return WholeDays(from_us, until_us, *(sums[:, :, column] for column in range(1, COLUMNS))), days


def _refuse_too_many(batch: Batch, stores: Stores, known: WholeDays) -> None:
    """Raise `TooManyPolls` if the stores without facts, or whose facts end early, have too many polls for a batch."""
    as_of_us = to_us(batch.as_of)
    starts_us, ends_us = bounds_us(parse_windows(batch.windows), as_of_us, stores.zones)
    rest_us = ends_us.max(axis=1) - known.tails_us(starts_us, ends_us)
    longest = int(rest_us.max()) // DAY_US + 1
    if len(stores.ids) > 1 and int(rest_us.sum()) // DAY_US > max(MOST_STORE_DAYS, longest):
        raise TooManyPolls(slice_batch(batch, stores, longest))


def _read_around(
    conn: psycopg.Connection,
    batch: Batch,
    stores: Stores,
    known: WholeDays,
    read_recent: ReadPolls,
    sealed: SealedPolls,
) -> tuple[Polls, Sequence[DataRange]]:
    """Read the polls that the rest of each window needs, before the known days and after them. Return the ranges too.

    Stores without known days need all polls of their windows. Those are read for them alone.
    """
    policy, as_of_us = POLICIES[batch.policy], to_us(batch.as_of)
    windows = parse_windows(batch.windows)
    starts_us, ends_us = bounds_us(windows, as_of_us, stores.zones)
    tails_us, last_us = known.tails_us(starts_us, ends_us), ends_us.max(axis=1)
    has, is_near = known.has_any, tails_us >= as_of_us - NEAR_TAIL_US
    read, ranges = [_NO_POLLS], list[DataRange]()

    def needed(first_us: Int64s, until_us: Int64s) -> DataRange:
        ranges.append(_range(int(first_us.min()), int(until_us.max()), policy, batch.as_of))
        return ranges[-1]

    rest = has & (tails_us < last_us)
    near = rest & is_near
    if near.any():
        recent = read_recent(needed(tails_us[near], last_us[near]))
        read.append(_select(recent, near))
    read += [
        _read(conn, stores, chosen, needed(tails_us[chosen], last_us[chosen]), sealed)
        for chosen in (rest & ~is_near, ~has)
        if chosen.any()
    ]
    heads = (known.from_us < known.until_us) & (starts_us < known.from_us)
    for number in np.flatnonzero(heads.any(axis=0)).tolist():
        head = heads[:, number]
        within = needed(starts_us[head, number], known.from_us[head, number])
        read.append(_read(conn, stores, head, within, sealed))
    columns = ("store", "at_us", "active")
    return Polls(*(np.concatenate([getattr(polls, name) for polls in read]) for name in columns)), ranges


def _range(first_us: int, last_us: int, policy: Policy, as_of: datetime) -> DataRange:
    """Return the range of the polls that a stretch needs."""
    return DataRange(
        from_us(first_us - history_us(policy)),
        from_us(first_us - every_poll_us(policy)),
        min(as_of, from_us(last_us + later_us(policy))),
    )


def _select(polls: Polls, chosen: Bools) -> Polls:
    if chosen.all():
        return polls
    of_store = chosen[polls.store]
    return Polls(polls.store[of_store], polls.at_us[of_store], polls.active[of_store])


def _read(
    conn: psycopg.Connection, stores: Stores, chosen: Bools, needed: DataRange, sealed: SealedPolls
) -> Polls:
    places = np.flatnonzero(chosen)
    polls = read_polls(conn, stores.choose(places), needed, sealed)
    return Polls(places[polls.store], polls.at_us, polls.active)
