"""Find the outages of some stores: read one snapshot, run the accounting for stores that it can compute."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from psycopg import AsyncConnection, IsolationLevel
from psycopg.types.json import Jsonb

from services.api.use_cases.day_part import DayPart
from services.api.use_cases.sealed_polls import SealedReads, StoreNames, lock_polls
from shared.clock import from_us, to_us
from shared.db.queries import queries
from shared.errors import InvalidRequest
from shared.inputs.adjustments import NOTHING_STORED, read_adjustments_async
from shared.inputs.batch_input import BatchInput
from shared.inputs.data_range import DataRange
from shared.inputs.notes import read_notes_async, read_reason_words_async
from shared.inputs.stores import Stores, find_places, parse_hours, parse_polls
from shared.keys import StoreScope
from shared.reports.excluded_reasons import refuse_unknown_reasons
from shared.reports.insert_report import refuse_future, refuse_unknown
from shared.reports.model import StoreFailure
from shared.reports.parameters import StoreFilter
from shared.reports.read import scope_json
from shared.uptime.adjustments import adjusted_schedule
from shared.uptime.bounds import bounds_us
from shared.uptime.calendar import Spans
from shared.uptime.closures import Schedule
from shared.uptime.faults import find_faults
from shared.uptime.intervals import Int64s
from shared.uptime.outages import Outages, find_downtime, find_outages, outage_states
from shared.uptime.policy import DAY_US, POLICIES, outage_history_us
from shared.uptime.poll_history import PollHistory
from shared.uptime.states import Polls
from shared.uptime.window import NAMED_WINDOWS, Window

# Measured: a week of 1,000 stores takes 0.03 s of one core here, and a few tenths of a second in Postgres.
MAX_STORES = 1_000
MAX_POLLS = 500_000
MAX_RANGE = timedelta(days=62)
_LOAD, _SQL = queries("load"), queries("outages")
_AS_A_REPORT = 'or request a report with "files": ["report", "outages"]'


@dataclass(frozen=True)
class OutageSearch:
    """Whose outages to find, and in which time: a window, from and to, or a part of a day; polls after `as_of` are ignored.

    `as_of` defaults to the end, and everything else to the last day before the newest poll of any store. `part` comes alone; its
    outages are seen from a day after it. `most_stores` replaces `MAX_STORES` as the limit. `excluded` are the words of reasons
    whose time is left out, and `word` is one that the outages are chosen by.
    """

    policy: str
    store_ids: Sequence[str] | None = None
    labels: Mapping[str, str] | None = None
    window: Window | None = None
    from_time: datetime | None = None
    to_time: datetime | None = None
    as_of: datetime | None = None
    part: DayPart | None = None
    most_stores: int | None = None
    excluded: Sequence[str] = ()
    word: str | None = None


@dataclass(frozen=True)
class FoundOutages:
    """The outages of `store_ids`, by their index, and the stores that could not be computed.

    `reasons`: the words of reasons by their numbers.
    """

    as_of_us: int
    store_ids: Sequence[str]
    zones: Sequence[str | None]
    outages: Outages
    failed: Sequence[StoreFailure]
    reasons: Mapping[int, str]


@dataclass(frozen=True)
class FoundDowntime:
    """Outages, the stretches of downtime in each store's window, and its opening hours in parts. `store` is the same index."""

    found: FoundOutages
    down: Spans
    open: Sequence[Spans]


@dataclass(frozen=True)
class OutageInput:
    """The input of the accounting, read in one snapshot. `range_us` holds the same for all stores, unless `local` has bounds."""

    given: BatchInput
    policy: str
    as_of_us: int
    local: Window | DayPart | None
    range_us: tuple[int, int]

    def find_outages(self) -> FoundOutages:
        """Compute the outages. It takes hundredths of a second of processor time and no I/O."""
        return self._find()[0]

    def find_downtime(self) -> FoundDowntime:
        """Compute the outages, and where the downtime and the opening hours lie."""
        found, schedule, history, window_us = self._find()
        downtime = find_downtime(history, outage_states(history), window_us)
        return FoundDowntime(found, downtime, (schedule.measured, schedule.excluded, schedule.as_up))

    def _find(self) -> tuple[FoundOutages, Schedule, PollHistory, tuple[Int64s, Int64s]]:
        given, policy = self.given, POLICIES[self.policy]
        faults = find_faults(given.zones, given.hours, given.adjustments)
        failed = [
            StoreFailure(given.store_ids[place], fault.reason, fault.detail)
            for place, fault in sorted(faults.items())
        ]
        given = given.keep([place for place in range(len(given.store_ids)) if place not in faults])
        starts_us, ends_us = self._bounds_us(given.zones)
        first_us = int(starts_us.min(initial=self.as_of_us)) - outage_history_us(policy)
        schedule = adjusted_schedule(given.zones, given.hours, given.adjustments, first_us, self.as_of_us)
        history = PollHistory(schedule, given.polls, first_us, self.as_of_us, len(starts_us), policy)
        window_us = starts_us, ends_us
        outages = find_outages(history, outage_states(history), window_us)
        found = FoundOutages(self.as_of_us, given.store_ids, given.zones, outages, failed, given.reasons)
        return found, schedule, history, window_us

    def _bounds_us(self, zones: Sequence[str | None]) -> tuple[Int64s, Int64s]:
        if isinstance(self.local, DayPart):
            starts_us, ends_us = self.local.bounds_us(zones)
            return np.minimum(starts_us, self.as_of_us), np.minimum(ends_us, self.as_of_us)
        if self.local is not None:
            starts_us, ends_us = bounds_us([self.local], self.as_of_us, zones)
            return starts_us[:, 0], ends_us[:, 0]
        start_us, end_us = self.range_us
        return np.full(len(zones), start_us), np.full(len(zones), end_us)


async def read_outage_input(
    conn: AsyncConnection, sealed: SealedReads, search: OutageSearch, visible: StoreScope
) -> OutageInput:
    """Read the stores and their polls. `conn` must be outside a transaction.

    Raises `InvalidRequest`, also for unknown ids, and for more stores or polls than a call may have, and
    `StorageUnavailable`.
    """
    await conn.set_isolation_level(IsolationLevel.REPEATABLE_READ)
    try:
        async with conn.transaction():
            await lock_polls(conn)
            await refuse_unknown(conn, StoreFilter.of(search.store_ids, None), visible, "query.store")
            await refuse_unknown_reasons(conn, search.excluded, "query.exclude_reason")
            await refuse_unknown_reasons(conn, [search.word] if search.word else (), "query.reason")
            snapshot = await (await conn.execute(_LOAD["snapshot"])).fetchone()
            seq, _, _, newest, adjusted_seq, _ = snapshot or (0, None, None, None, 0, None)
            as_of_us, local, range_us = _resolve_time(search, newest)
            stores = await _read_stores(conn, search, visible)
            history_us = outage_history_us(POLICIES[search.policy])
            needed = DataRange(*map(from_us, (range_us[0] - history_us, range_us[0], as_of_us)))
            keys = {"store_keys": stores.keys.tolist()}
            hours = parse_hours(stores, await _read_packed(conn, _LOAD["hours"], keys))
            polls = await _read_polls(conn, sealed, stores, needed)
            stored = await read_adjustments_async(conn, stores, seq) if adjusted_seq else NOTHING_STORED
            within = needed.from_time, needed.to_time
            notes = await read_notes_async(conn, stores, within, seq, search.excluded)
            words = await read_reason_words_async(conn) if len(notes) else {}
    finally:
        await conn.set_isolation_level(None)
    adjustments = stored.in_range(hours, needed, notes)
    given = BatchInput(stores.ids, stores.zones, hours, polls, adjustments, reasons=words)
    return OutageInput(given, search.policy, as_of_us, local, range_us)


def _resolve_time(
    search: OutageSearch, newest: datetime | None
) -> tuple[int, Window | DayPart | None, tuple[int, int]]:
    """Return as_of, the window or part of a day if one was given, and the range that holds it. Raises `InvalidRequest`."""
    if search.part is not None and newest is not None:
        start_us, end_us = search.part.reach_us
        as_of_us = min(to_us(newest), end_us + DAY_US)
        return as_of_us, search.part, (min(start_us, as_of_us), as_of_us)
    as_of = search.as_of or search.to_time or newest
    if as_of is None:
        raise InvalidRequest(
            "no polls yet, so there is no last day: load some, or give from and to", field="query.to"
        )
    as_of_us = to_us(as_of)
    has_range = search.from_time is not None or search.to_time is not None
    if search.window is not None and has_range:
        raise InvalidRequest(
            "window was given together with from or to: give either window, or from and to",
            field="query.window",
        )
    window = None if has_range else search.window or NAMED_WINDOWS["last_day"]
    if window is not None:
        refuse_future([window], as_of_us, "query.window")
        start_us, end_us = as_of_us - window.reach_from_us(as_of_us), as_of_us
    else:
        end_us = to_us(search.to_time or as_of)
        start_us = to_us(search.from_time) if search.from_time else end_us - DAY_US
    if not start_us <= end_us <= as_of_us:
        raise InvalidRequest(
            "from, to and as_of are out of order: from must not be after to, and to not after as_of",
            field="query.from",
        )
    if as_of_us - start_us > MAX_RANGE // timedelta(microseconds=1) + DAY_US:
        raise InvalidRequest(
            f"the window is too long, or too long ago: outages are listed for at most {MAX_RANGE.days} days up to as_of"
            f" ({as_of:%Y-%m-%d}); choose a shorter one, give an as_of soon after it, {_AS_A_REPORT}",
            field="query.from" if window is None else "query.window",
        )
    return as_of_us, window, (start_us, end_us)


async def _read_stores(conn: AsyncConnection, search: OutageSearch, visible: StoreScope) -> Stores:
    most = search.most_stores or MAX_STORES
    chosen = {
        "ids": None if search.store_ids is None else list(search.store_ids),
        "labels": Jsonb(dict(search.labels)) if search.labels else None,
        "scope": scope_json(visible),
        "limit": most + 1,
    }
    rows = await (await conn.execute(_SQL["stores"], chosen)).fetchall()
    if len(rows) > most:
        raise InvalidRequest(
            f"more than {most:,} stores match, the limit of this call: choose fewer with store or label, {_AS_A_REPORT}",
            field="query.label",
        )
    keys, ids, zones = zip(*rows, strict=True) if rows else ((), (), ())
    return Stores(np.array(keys, dtype=np.int64), ids, zones)


async def _read_polls(conn: AsyncConnection, sealed: SealedReads, stores: Stores, needed: DataRange) -> Polls:
    within = {"from_time": needed.from_time, "to_time": needed.to_time}
    asked = {"store_keys": stores.keys.tolist(), **within, "limit": MAX_POLLS + 1}
    polls = parse_polls(stores, await _read_packed(conn, _SQL["polls"], asked))
    old = await sealed.read(conn, StoreNames(asked["store_keys"], stores.ids), **within)
    if len(polls.at_us) + len(old) > MAX_POLLS:
        raise InvalidRequest(
            f"the stores have more than {MAX_POLLS:,} polls in the window and the days before it, the limit of this call:"
            f" choose fewer stores or a shorter window, {_AS_A_REPORT}",
            field="query.from",
        )
    return Polls(
        np.concatenate((find_places(stores, old.store_key), polls.store)),
        np.concatenate((old.at_us, polls.at_us)),
        np.concatenate((old.active, polls.active)),
    )


async def _read_packed(conn: AsyncConnection, query: Any, parameters: Mapping[str, Any]) -> bytes:
    row = await (await conn.execute(query, parameters, binary=True)).fetchone()
    return row[0] if row and row[0] else b""
