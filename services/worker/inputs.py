"""The input of batches, cached for the next report about the same stores: only what has changed is read again.

An input from the cache equals a full read in the caller's snapshot. The import ledger tells which hours, zones,
adjustments and polls of an earlier snapshot still hold: all polls before the oldest change do.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Final

import psycopg

from services.worker.batch_tables import BatchTables
from services.worker.cache_entry import BatchStores, CacheEntry, CacheLookup, cache_key, with_history
from services.worker.earlier_polls import add_earlier_polls
from services.worker.facts.known_days import can_use_facts, load_with_facts
from services.worker.load import (
    Changes,
    Snapshot,
    changes_since,
    read_hours,
    read_names,
    read_polls,
    read_polls_after,
    read_stores,
)
from services.worker.load_past import read_past_input, read_past_labels, read_past_stores
from services.worker.next_polls import add_next_polls
from services.worker.packed_polls import PackedPolls
from services.worker.slices import MOST_STORE_DAYS, TooManyPolls, slice_batch
from shared.clock import to_us
from shared.inputs.adjustments import NOTHING_STORED, StoredAdjustments, read_adjustments
from shared.inputs.batch_input import BatchInput
from shared.inputs.data_range import DataRange
from shared.inputs.notes import read_notes, read_reason_words
from shared.inputs.stores import Stores
from shared.metrics.registry import BATCH_INPUTS
from shared.reports.batch import Batch
from shared.reports.consistency import data_range
from shared.uptime.bounded_cache import BoundedCache
from shared.uptime.bounds import bounds_us
from shared.uptime.policy import POLICIES
from shared.uptime.states import Polls
from shared.uptime.window import parse_windows

_INSTANT: Final = timedelta(microseconds=1)
# An hour of live polls. To look through more changes takes longer than a full read.
_MOST_CHANGES: Final = 100_000


class InputCache:
    """Up to `most_bytes` of batch inputs. Thread-safe. With `uses_facts`, long windows are read from daily facts."""

    def __init__(self, most_bytes: int, *, uses_facts: bool = True) -> None:
        self._uses_facts = uses_facts
        self._entries = BoundedCache[BatchStores, CacheEntry](most_bytes)

    def load_input(self, conn: psycopg.Connection, batch: Batch, snapshot: Snapshot) -> BatchInput:
        """Return the input of a batch as the caller's transaction sees it; `snapshot` is that transaction's.

        A batch with a pinned cut is read as it was then, and not cached. Raises `DataForgotten` if that is impossible, and
        RuntimeError unless the batch has as many stores as when it was made. Raises `TooManyPolls` if it must be computed in
        slices.
        """
        given = self._load_times(conn, batch, snapshot)
        if batch.detail:
            given = replace(given, names=read_names(conn, batch))
        if batch.finds_outages and len(given.adjustments.notes):
            given = replace(given, reasons=read_reason_words(conn))
        if "summary" not in batch.files:
            return given
        return replace(given, labels=read_past_labels(conn, batch, batch.read_seq(snapshot.seq)))

    def find_days_input(
        self, conn: psycopg.Connection, batch: Batch, snapshot: Snapshot, needed: DataRange, ends_us: int
    ) -> tuple[BatchTables, Polls] | None:
        """Return what the cache has of a batch's stores, brought up to date, with the polls that days need.

        `needed` is the range of these polls, and `ends_us` the end of the last day. None if the range begins before what the
        cache has, or before a change of it. Then nothing is remembered either.
        """
        cached = self._entries.get(cache_key(batch))
        if cached is None or needed.every_from < cached.range.every_from:
            return None
        lookup = self._look_up(conn, batch, snapshot)
        if lookup.changes is None or (
            lookup.changes.polls_from is not None and lookup.changes.polls_from <= needed.every_from
        ):
            return None
        known_to = _valid_range(cached, lookup.changes).to_time
        if to_us(known_to) < ends_us:
            return lookup.tables, self._read_polls(lookup, needed)
        polls = self._read_polls(lookup, needed._replace(to_time=min(needed.to_time, known_to)))
        unread = known_to, min(needed.to_time, snapshot.newest_poll or needed.to_time)
        stores = lookup.tables.stores
        return lookup.tables, add_next_polls(conn, stores, polls, ends_us, unread, snapshot.sealed)

    def find_stores(self, conn: psycopg.Connection, batch: Batch, snapshot: Snapshot) -> Stores | None:
        """Return the stores of a batch if the cache has them as the snapshot does."""
        cached = self._entries.get(cache_key(batch))
        changes = _find_changes(conn, cached, snapshot) if cached else None
        return cached.tables.stores if cached and changes and not changes.zones else None

    def _load_times(self, conn: psycopg.Connection, batch: Batch, snapshot: Snapshot) -> BatchInput:
        """Return the input without labels and names, as `load_input` says."""
        asked = data_range(
            batch.as_of,
            batch.policy,
            batch.measured_windows,
            finds_outages=batch.finds_outages,
            excludes_reasons=bool(batch.exclude_reasons),
        )
        needed = with_history(asked.every_from, asked.to_time)
        if batch.pinned_cut is not None:
            # Outages need older polls too, which are searched for in the present otherwise.
            from_time = asked.from_time if batch.finds_outages else asked.every_from
            past = with_history(from_time, asked.to_time)
            _refuse_too_many(batch, past, partial(read_past_stores, conn, batch, batch.pinned_cut))
            return read_past_input(conn, batch, batch.pinned_cut, past, snapshot.sealed)
        lookup = self._look_up(conn, batch, snapshot)
        if self._uses_facts and batch.kind == "report" and can_use_facts(batch):
            given = load_with_facts(
                conn, batch, lookup.tables, lambda recent: self._read_polls(lookup, recent), snapshot
            )
            if given is not None:
                BATCH_INPUTS.labels("facts").inc()
                return given
        _refuse_too_many(batch, needed, lambda: lookup.tables.stores)
        polls = self._read_polls(lookup, needed)
        stores, hours, adjustments = lookup.tables
        touched = needed._replace(from_time=min(needed.from_time, asked.from_time))
        within = touched.from_time, touched.to_time
        notes = read_notes(conn, stores, within, snapshot.seq, batch.exclude_reasons)
        given = BatchInput(
            stores.ids, stores.zones, hours, polls, adjustments.in_range(hours, touched, notes)
        )
        if not batch.finds_outages:
            return given
        policy, as_of_us, windows = (
            POLICIES[batch.policy],
            to_us(batch.as_of),
            parse_windows(batch.measured_windows),
        )
        return add_earlier_polls(
            conn,
            stores,
            given,
            policy,
            lambda zones: (bounds_us(windows, as_of_us, zones)[0].min(axis=1), as_of_us),
            snapshot.sealed,
        )

    def _look_up(self, conn: psycopg.Connection, batch: Batch, snapshot: Snapshot) -> CacheLookup:
        """Find what the cache has of the batch's stores, and read of their tables what has changed since."""
        cached = self._entries.get(cache_key(batch))
        changes = _find_changes(conn, cached, snapshot) if cached else None
        if cached and changes:
            old = cached.tables
            stores = read_stores(conn, batch) if changes.zones else old.stores
            hours = read_hours(conn, stores) if changes.hours else old.hours
            adjustments = (
                _read_adjustments(conn, stores, snapshot) if changes.adjustments else old.adjustments
            )
            return CacheLookup(
                conn, batch, snapshot, BatchTables(stores, hours, adjustments), cached, changes
            )
        stores = read_stores(conn, batch)
        tables = BatchTables(stores, read_hours(conn, stores), _read_adjustments(conn, stores, snapshot))
        return CacheLookup(conn, batch, snapshot, tables, None, None)

    def _read_polls(self, lookup: CacheLookup, needed: DataRange) -> Polls:
        """Return the polls of a range, from the cache where it still holds, and remember them."""
        cached = lookup.cached
        entry = _update_entry(lookup, cached, needed) if cached else _read_entry(lookup, needed)
        # A report on the past must not displace an entry about the present.
        is_past = cached and entry.range.to_time < cached.range.to_time
        if lookup.snapshot.import_id is not None and not is_past:
            self._entries.put(cache_key(lookup.batch), entry, entry.size_bytes)
        return entry.polls.narrowed(entry.range, needed).unpacked()


def _refuse_too_many(batch: Batch, needed: DataRange, read: Callable[[], Stores]) -> None:
    """Raise `TooManyPolls` if a batch that was made large for its daily facts needs all polls of its windows."""
    days = (needed.to_time - needed.every_from).days + 1
    if not batch.needs_every_poll and batch.stores > 1 and batch.stores * days > MOST_STORE_DAYS:
        raise TooManyPolls(slice_batch(batch, read(), days))


def _find_changes(conn: psycopg.Connection, cached: CacheEntry, snapshot: Snapshot) -> Changes | None:
    if cached.snapshot == snapshot:
        return Changes(hours=False, zones=False, adjustments=False, polls_from=None)
    if not 0 < snapshot.seq - cached.snapshot.seq <= _MOST_CHANGES:
        return None
    return changes_since(conn, cached.snapshot, cached.range)


def _valid_range(cached: CacheEntry, changes: Changes | None) -> DataRange:
    """Return the range whose cached polls still hold."""
    if not changes or not changes.polls_from:
        return cached.range
    return cached.range._replace(to_time=min(cached.range.to_time, changes.polls_from - _INSTANT))


def _update_entry(lookup: CacheLookup, cached: CacheEntry, needed: DataRange) -> CacheEntry:
    """Return the cached entry with everything that changed since, read from Postgres."""
    valid, snapshot, tables = _valid_range(cached, lookup.changes), lookup.snapshot, lookup.tables
    if not valid.every_from <= needed.every_from <= valid.to_time:
        return _read_entry(lookup, needed)
    until = min(needed.to_time, snapshot.newest_poll or needed.to_time)
    is_in_memory = until <= valid.to_time
    BATCH_INPUTS.labels("memory" if is_in_memory else "both").inc()
    polls = cached.polls.narrowed(cached.range, valid)
    if is_in_memory:
        return CacheEntry(snapshot, tables, valid, polls)
    joined = with_history(valid.every_from, until)
    stores = tables.stores
    later = read_polls_after(lookup.conn, stores, valid.to_time, until, snapshot.sealed)
    newer = PackedPolls.in_order(later, stores, joined)
    # The entry moves on with time and keeps its length.
    passed = max(until - cached.range.to_time, timedelta(0))
    moved = with_history(min(valid.every_from + passed, needed.every_from), until)
    moved_polls = polls.followed_by(newer).narrowed(joined, moved)
    return CacheEntry(snapshot, tables, moved, moved_polls)


def _read_adjustments(conn: psycopg.Connection, stores: Stores, snapshot: Snapshot) -> StoredAdjustments:
    """Return the adjustments of stores. Most databases never had any, and then nothing is read."""
    return read_adjustments(conn, stores, snapshot.seq) if snapshot.adjusted_seq else NOTHING_STORED


def _read_entry(lookup: CacheLookup, needed: DataRange) -> CacheEntry:
    BATCH_INPUTS.labels("database").inc()
    snapshot, stores = lookup.snapshot, lookup.tables.stores
    # Up to the newest poll: later polls are new, however far ahead a report looks.
    until = min(needed.to_time, max(snapshot.newest_poll or needed.to_time, needed.every_from))
    held = with_history(needed.every_from, until)
    polls = PackedPolls.in_order(read_polls(lookup.conn, stores, held, snapshot.sealed), stores, held)
    return CacheEntry(snapshot, lookup.tables, held, polls)
