"""The input of batches, cached for the next report about the same stores: only what has changed is read again.

An input from the cache equals a full read in the caller's snapshot. The import ledger tells which hours, zones,
adjustments and polls of an earlier snapshot still hold: all polls before the oldest change do.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import psycopg

from services.worker.earlier_polls import add_earlier_polls
from services.worker.facts.known_days import load_with_facts
from services.worker.load import (
    Changes,
    Snapshot,
    changes_since,
    read_hours,
    read_polls,
    read_polls_after,
    read_stores,
)
from services.worker.load_past import (
    read_past_hours,
    read_past_polls,
    read_past_stores,
    refuse_forgotten,
)
from services.worker.packed_polls import PackedPolls
from shared.clock import to_us
from shared.inputs.adjustments import NOTHING_STORED, StoredAdjustments, read_adjustments
from shared.inputs.batch_input import BatchInput
from shared.inputs.stores import Stores
from shared.metrics.registry import BATCH_INPUTS
from shared.reports.batch import Batch
from shared.reports.consistency import DataRange, data_range
from shared.uptime.bounded_cache import BoundedCache
from shared.uptime.calendar import Hours
from shared.uptime.intervals import Line
from shared.uptime.policy import POLICIES, history_us
from shared.uptime.states import Polls, in_order

# The last poll before the others is looked up as far back as any policy needs. It costs the same and serves all.
_HISTORY: Final = timedelta(microseconds=max(history_us(policy) for policy in POLICIES.values()))
_INSTANT: Final = timedelta(microseconds=1)
# An hour of live polls. To look through more changes takes longer than a full read.
_MOST_CHANGES: Final = 100_000
# Memory of one store id, a short string.
_ID_BYTES: Final = 80

_BatchStores = tuple[str | None, str | None, int, tuple[int, ...] | None]


@dataclass(frozen=True)
class _CacheEntry:
    """What one snapshot held of some stores. In `range`: every poll, and the last one of each store before it."""

    snapshot: Snapshot
    stores: Stores
    hours: Hours
    range: DataRange
    polls: PackedPolls
    adjustments: StoredAdjustments

    @property
    def size_bytes(self) -> int:
        hours, polls = self.hours, self.polls
        arrays = (hours.store, hours.day_of_week, hours.opens_s, hours.closes_s, polls.instants, polls.counts)
        return (
            self.stores.keys.nbytes
            + sum(array.nbytes for array in arrays)
            + len(self.stores.ids) * _ID_BYTES
            + self.adjustments.size_bytes
        )


class InputCache:
    """Up to `most_bytes` of batch inputs. Thread-safe. With `uses_facts`, long windows are read from daily facts."""

    def __init__(self, most_bytes: int, *, uses_facts: bool = True) -> None:
        self._uses_facts = uses_facts
        self._entries = BoundedCache[_BatchStores, _CacheEntry](most_bytes)

    def load_input(self, conn: psycopg.Connection, batch: Batch, snapshot: Snapshot) -> BatchInput:
        """Return the input of a batch as the caller's transaction sees it; `snapshot` is that transaction's.

        A batch with a pinned cut is read as it was then, and not cached. Raises `DataForgotten` if that is impossible, and
        RuntimeError unless the batch has as many stores as when it was made.
        """
        asked = data_range(batch.as_of, batch.policy, batch.windows, finds_outages=batch.finds_outages)
        needed = _with_history(asked.every_from, asked.to_time)
        if batch.pinned_cut is not None:
            # Outages need older polls too, which are searched for in the present otherwise.
            from_time = asked.from_time if batch.finds_outages else asked.every_from
            return _read_past(conn, batch, batch.pinned_cut, _with_history(from_time, asked.to_time))
        if (
            self._uses_facts
            and batch.kind == "report"
            and (given := load_with_facts(conn, batch, snapshot)) is not None
        ):
            BATCH_INPUTS.labels("facts").inc()
            return given
        key = _cache_key(batch)
        cached = self._entries.get(key)
        changes = _find_changes(conn, cached, snapshot) if cached else None
        if cached and changes:
            entry = _update_entry(conn, batch, snapshot, needed, cached, changes)
        else:
            stores = read_stores(conn, batch)
            adjustments = _read_adjustments(conn, stores, snapshot)
            entry = _read_entry(conn, snapshot, needed, stores, read_hours(conn, stores), adjustments)
        # A report on the past must not displace an entry about the present.
        is_past = cached and changes and entry.range.to_time < cached.range.to_time
        if snapshot.import_id is not None and not is_past:
            self._entries.put(key, entry, entry.size_bytes)
        polls = entry.polls.narrowed(entry.range, needed).unpacked()
        stores, hours = entry.stores, entry.hours
        touched = needed._replace(from_time=min(needed.from_time, asked.from_time))
        given = BatchInput(stores.ids, stores.zones, hours, polls, entry.adjustments.in_range(hours, touched))
        return add_earlier_polls(conn, batch, stores, given) if batch.finds_outages else given


def _cache_key(batch: Batch) -> _BatchStores:
    """Identify the stores of a batch. Stores are never deleted, so a range of ids with an equal count is unchanged."""
    keys = None if batch.store_keys is None else tuple(batch.store_keys)
    return batch.first_id, batch.last_id, batch.stores, keys


def _with_history(every_from: datetime, to_time: datetime) -> DataRange:
    return DataRange(every_from - _HISTORY, every_from, to_time)


def _find_changes(conn: psycopg.Connection, cached: _CacheEntry, snapshot: Snapshot) -> Changes | None:
    if cached.snapshot == snapshot:
        return Changes(hours=False, zones=False, adjustments=False, polls_from=None)
    if not 0 < snapshot.seq - cached.snapshot.seq <= _MOST_CHANGES:
        return None
    return changes_since(conn, cached.snapshot, cached.range)


def _update_entry(
    conn: psycopg.Connection,
    batch: Batch,
    snapshot: Snapshot,
    needed: DataRange,
    cached: _CacheEntry,
    changes: Changes,
) -> _CacheEntry:
    """Return the cached entry with everything that changed since, read from Postgres."""
    stores = read_stores(conn, batch) if changes.zones else cached.stores
    hours = read_hours(conn, stores) if changes.hours else cached.hours
    adjustments = _read_adjustments(conn, stores, snapshot) if changes.adjustments else cached.adjustments
    valid = cached.range
    if changes.polls_from:
        valid = valid._replace(to_time=min(valid.to_time, changes.polls_from - _INSTANT))
    if not valid.every_from <= needed.every_from <= valid.to_time:
        return _read_entry(conn, snapshot, needed, stores, hours, adjustments)
    until = min(needed.to_time, snapshot.newest_poll or needed.to_time)
    is_in_memory = until <= valid.to_time
    BATCH_INPUTS.labels("memory" if is_in_memory else "both").inc()
    polls = cached.polls.narrowed(cached.range, valid)
    if is_in_memory:
        return _CacheEntry(snapshot, stores, hours, valid, polls, adjustments)
    joined = _with_history(valid.every_from, until)
    newer = _pack_in_order(read_polls_after(conn, stores, valid.to_time, until), stores, joined)
    # The entry moves on with time and keeps its length.
    passed = max(until - cached.range.to_time, timedelta(0))
    moved = _with_history(min(valid.every_from + passed, needed.every_from), until)
    moved_polls = polls.followed_by(newer).narrowed(joined, moved)
    return _CacheEntry(snapshot, stores, hours, moved, moved_polls, adjustments)


def _read_adjustments(conn: psycopg.Connection, stores: Stores, snapshot: Snapshot) -> StoredAdjustments:
    """Return the adjustments of stores. Most databases never had any, and then nothing is read."""
    return read_adjustments(conn, stores, snapshot.seq) if snapshot.adjusted_seq else NOTHING_STORED


def _read_entry(
    conn: psycopg.Connection,
    snapshot: Snapshot,
    needed: DataRange,
    stores: Stores,
    hours: Hours,
    adjustments: StoredAdjustments,
) -> _CacheEntry:
    BATCH_INPUTS.labels("database").inc()
    # Up to the newest poll: later polls are new, however far ahead a report looks.
    until = min(needed.to_time, max(snapshot.newest_poll or needed.to_time, needed.every_from))
    held = _with_history(needed.every_from, until)
    polls = _pack_in_order(read_polls(conn, stores, held), stores, held)
    return _CacheEntry(snapshot, stores, hours, held, polls, adjustments)


def _read_past(conn: psycopg.Connection, batch: Batch, seq: int, needed: DataRange) -> BatchInput:
    """Return the input of a batch as it was at a ledger number."""
    refuse_forgotten(conn, seq, needed)
    BATCH_INPUTS.labels("database").inc()
    stores = read_past_stores(conn, batch, seq)
    hours = read_past_hours(conn, stores, seq)
    polls = _pack_in_order(read_past_polls(conn, stores, needed, seq), stores, needed).unpacked()
    adjustments = read_adjustments(conn, stores, seq).in_range(hours, needed)
    return BatchInput(stores.ids, stores.zones, hours, polls, adjustments)


def _pack_in_order(polls: Polls, stores: Stores, held: DataRange) -> PackedPolls:
    last_us = to_us(held.to_time)
    line = Line.covering(to_us(held.from_time), last_us, len(stores.ids))
    ordered, _ = in_order(polls, line, last_us)
    return PackedPolls.pack(ordered, len(stores.ids))
