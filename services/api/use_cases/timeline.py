"""Explain the uptime of one store: resolve the window, read one snapshot, run the accounting."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np
from psycopg import AsyncConnection, IsolationLevel

from services.api.use_cases.sealed_polls import SealedReads, StoreNames, lock_polls
from services.api.use_cases.store_terms import read_newest_change, read_store_notes, read_terms
from services.api.use_cases.stores import StoreRow, find_store, read_hours
from shared.clock import from_us, to_us
from shared.db.queries import queries
from shared.errors import InvalidRequest
from shared.inputs.notes import read_reason_words_async
from shared.inputs.store_terms import StoreAtCut
from shared.keys import StoreScope
from shared.reports.excluded_reasons import refuse_unknown_reasons
from shared.reports.insert_report import refuse_future
from shared.uptime.adjustments import adjusted_schedule
from shared.uptime.bounds import bounds_us
from shared.uptime.kernel import Measures, measure
from shared.uptime.policy import POLICIES, history_us
from shared.uptime.states import Polls
from shared.uptime.store_terms import StoreTerms
from shared.uptime.timeline import StoreTimeline, timeline_of
from shared.uptime.window import NAMED_WINDOWS, Window

MAX_RANGE = timedelta(days=62)
MAX_POLLS = 50_000
_SQL = queries("stores")


@dataclass(frozen=True)
class TimelineRequest:
    """A window, or from and to; polls after `as_of` are ignored.

    `as_of` defaults to the window's end, and everything else to the last day before the newest poll of any store.
    `excluded` are the words of reasons whose time is left out.
    """

    policy: str
    window: Window | None = None
    from_time: datetime | None = None
    to_time: datetime | None = None
    as_of: datetime | None = None
    excluded: Sequence[str] = ()


@dataclass(frozen=True)
class TimelineInput:
    """The input of the accounting, read in one snapshot. `reasons`: the words of reasons by their numbers."""

    store: StoreRow
    policy: str
    as_of_us: int
    window_us: tuple[int, int]
    terms: StoreTerms
    polls: Polls
    reasons: Mapping[int, str]

    @property
    def weight(self) -> int:
        """What processor time grows with."""
        return len(self.polls.at_us) + len(self.terms.closures)

    def compute_timeline(self) -> StoreTimeline:
        """Compute the timeline. It takes 10 µs of processor time per poll and no I/O."""
        return timeline_of(self.terms, self.polls, self.as_of_us, self.window_us, POLICIES[self.policy])

    def measure_windows(self, windows_us: Sequence[tuple[int, int]]) -> Measures:
        """Compute the figures of windows that lie in this one: shape (1, windows). No I/O either."""
        policy, terms = POLICIES[self.policy], self.terms
        first_us = self.window_us[0] - history_us(policy)
        schedule = adjusted_schedule([terms.zone], terms.hours, terms.adjustments, first_us, self.as_of_us)
        bounds_us = np.array(windows_us, dtype=np.int64).T[:, np.newaxis]
        return measure(schedule, self.polls, self.as_of_us, (bounds_us[0], bounds_us[1]), policy)


async def read_timeline(
    conn: AsyncConnection, sealed: SealedReads, store_id: str, request: TimelineRequest, visible: StoreScope
) -> TimelineInput:
    """Read a store and its polls. `conn` must be outside a transaction.

    Raises `StoreNotFound`, `StoreFailed`, `InvalidRequest` and `StorageUnavailable`.
    """
    await conn.set_isolation_level(IsolationLevel.REPEATABLE_READ)
    try:
        async with conn.transaction():
            await lock_polls(conn)
            await refuse_unknown_reasons(conn, request.excluded, "query.exclude_reason")
            store = await find_store(conn, store_id, visible)
            newest, hours = await read_newest_change(conn), await read_hours(conn, store)
            at_cut = StoreAtCut(
                store.store_key, store.store_id, store.timezone, hours, store.labels, newest.seq
            )
            # An unknown zone has no midnights.
            at_cut.plain_terms()
            as_of_us, window_us = _resolve_window(request, store, newest.latest_observed_at)
            range_us = window_us[0] - history_us(POLICIES[request.policy]), as_of_us
            terms = await read_terms(conn, at_cut, range_us, adjusted=newest.adjusted_seq > 0)
            notes = await read_store_notes(conn, at_cut, range_us, request.excluded)
            words = await read_reason_words_async(conn) if len(notes) else {}
            polls = await _read_polls(conn, sealed, store, range_us)
    finally:
        await conn.set_isolation_level(None)
    terms = replace(terms, notes=notes)
    return TimelineInput(store, request.policy, as_of_us, window_us, terms, polls, words)


def _resolve_window(
    request: TimelineRequest, store: StoreRow, latest: datetime | None
) -> tuple[int, tuple[int, int]]:
    """Return as_of and the window in microseconds. Raises `InvalidRequest`."""
    as_of = request.as_of or request.to_time or latest
    if as_of is None:
        raise InvalidRequest(
            "no polls yet, so there is no last day: load some, or give from and to", field="to"
        )
    as_of_us = to_us(as_of)
    if request.window is not None or (request.from_time is None and request.to_time is None):
        if request.from_time is not None or request.to_time is not None:
            raise InvalidRequest(
                "window was given together with from or to: give either window, or from and to",
                field="window",
            )
        window = request.window or NAMED_WINDOWS["last_day"]
        refuse_future([window], as_of_us, "window")
        starts_us, ends_us = bounds_us([window], as_of_us, [store.timezone])
        start_us, end_us = int(starts_us[0, 0]), int(ends_us[0, 0])
    else:
        end_us = to_us(request.to_time or as_of)
        start_us = to_us(request.from_time) if request.from_time else end_us - 86_400_000_000
    if not start_us <= end_us <= as_of_us:
        raise InvalidRequest(
            "from, to and as_of are out of order: from must not be after to, and to not after as_of",
            field="from",
        )
    longest_us = MAX_RANGE // timedelta(microseconds=1)
    if end_us - start_us > longest_us or as_of_us - end_us > longest_us:
        raise InvalidRequest(
            f"the window is too long, or too long ago: it must lie within {MAX_RANGE.days} days up to as_of"
            f" ({as_of:%Y-%m-%d}); choose a shorter one, or give an as_of soon after it",
            field="window" if request.window else "from",
        )
    return as_of_us, (start_us, end_us)


async def _read_polls(
    conn: AsyncConnection, sealed: SealedReads, store: StoreRow, range_us: tuple[int, int]
) -> Polls:
    from_time, to_time = map(from_us, range_us)
    within = {
        "store_key": store.store_key,
        "from_time": from_time,
        "to_time": to_time,
        "limit": MAX_POLLS + 1,
    }
    row = await (await conn.execute(_SQL["polls_of_store"], within, prepare=False)).fetchone()
    at_us, active = map(np.array, row or ([], []))
    old = await sealed.read(conn, StoreNames([store.store_key], [store.store_id]), from_time, to_time)
    if len(at_us) + len(old) > MAX_POLLS:
        raise InvalidRequest(
            f"the window holds more than {MAX_POLLS:,} polls, the limit of a timeline: choose a shorter window",
            field="from",
        )
    at_us = np.concatenate((old.at_us, at_us.astype(np.int64)))
    active = np.concatenate((old.active, active.astype(np.bool_)))
    order = np.argsort(at_us)
    return Polls(np.zeros(len(at_us), dtype=np.int64), at_us[order], active[order])
