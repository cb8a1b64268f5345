"""Find the outages of some stores: read one snapshot, run the accounting for stores that it can compute."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from psycopg import AsyncConnection, IsolationLevel
from psycopg.types.json import Jsonb

from services.api.use_cases.day_part import DayPart
from services.api.use_cases.outage_search import AS_A_REPORT, OutageSearch, resolve_time
from services.api.use_cases.sealed_polls import SealedReads, StoreNames, lock_polls
from shared.clock import from_us
from shared.db.queries import queries
from shared.errors import InvalidRequest
from shared.inputs.adjustments import NOTHING_STORED, read_adjustments_async
from shared.inputs.batch_input import BatchInput
from shared.inputs.data_range import DataRange
from shared.inputs.notes import read_notes_async, read_reason_words_async
from shared.inputs.stores import Stores, find_places, parse_hours, parse_polls
from shared.keys import StoreScope
from shared.reports.excluded_reasons import refuse_unknown_reasons
from shared.reports.insert_report import refuse_unknown
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
from shared.uptime.policy import POLICIES, outage_history_us
from shared.uptime.poll_history import PollHistory
from shared.uptime.states import Polls
from shared.uptime.window import Window

# Measured: a week of 1,000 stores takes 0.03 s of one core here, and a few tenths of a second in Postgres.
MAX_STORES = 1_000
MAX_POLLS = 500_000
_LOAD, _SQL = queries("load"), queries("outages")


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
            as_of_us, local, range_us = resolve_time(search, newest)
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
            f"more than {most:,} stores match, the limit of this call: choose fewer with store or label, {AS_A_REPORT}",
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
            f" choose fewer stores or a shorter window, {AS_A_REPORT}",
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
