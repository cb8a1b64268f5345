"""The input of batches, remembered for the next report about the same stores: only what has changed is read again.

Whatever comes from here is what a read of everything in the caller's snapshot would give. The import ledger says whether
what was read at an earlier moment still holds: hours, zones, and the polls that are older than the oldest change.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Self

import numpy as np
import psycopg
from numpy.typing import NDArray

from services.worker.load import (
    Changes,
    Moment,
    Stores,
    changes_since,
    read_hours,
    read_polls,
    read_polls_after,
    read_stores,
)
from shared.clock import to_us
from shared.metrics.registry import BATCH_INPUTS
from shared.reports.agree import DataRange, data_range
from shared.reports.model import Batch
from shared.uptime.calendar import Hours
from shared.uptime.intervals import Int64s, Line
from shared.uptime.policy import POLICIES, history_us
from shared.uptime.remembered import Remembered
from shared.uptime.states import Polls, in_order

# A store's last poll before the others is looked for as far back as any policy asks: it costs the same, and serves all.
_HISTORY: Final = timedelta(microseconds=max(history_us(policy) for policy in POLICIES.values()))
_INSTANT: Final = timedelta(microseconds=1)
_MOST_CHANGES: Final = 100_000  # an hour of live polls; to look through more takes longer than to read anew
_TEXT_BYTES: Final = 80  # of an id: a string of some characters

_Name = tuple[str | None, str | None, int, tuple[int, ...] | None]


@dataclass(frozen=True)
class BatchInput:
    """Stores in the order of the file, and what the accounting needs of them."""

    store_ids: Sequence[str]
    zones: Sequence[str | None]
    hours: Hours
    polls: Polls


@dataclass(frozen=True)
class _PackedPolls:
    """Polls by (store, at_us), 8 bytes each: twice the instant, and one more where active; and how many each store has."""

    instants: Int64s
    counts: NDArray[np.int32]

    @classmethod
    def of(cls, polls: Polls, stores: int) -> Self:
        """Pack polls that are in order."""
        counts = np.bincount(polls.store, minlength=stores).astype(np.int32)
        return cls((polls.at_us << 1) | polls.active, counts)

    def unpacked(self) -> Polls:
        """The same polls."""
        store = np.repeat(np.arange(len(self.counts)), self.counts)
        return Polls(store, self.instants >> 1, (self.instants & 1).astype(np.bool_))

    def followed_by(self, later: Self) -> Self:
        """With later polls, each after the ones of its store."""
        places = np.repeat(np.cumsum(self.counts), later.counts)
        return type(self)(np.insert(self.instants, places, later.instants), self.counts + later.counts)

    def within(self, held: DataRange, wanted: DataRange) -> Self:
        """Of polls that hold one range, those of a range within it."""
        if held.every_from >= wanted.every_from and held.to_time <= wanted.to_time:
            return self
        ends = np.cumsum(self.counts)
        before = self.instants < to_us(wanted.every_from) << 1
        superseded = np.zeros_like(before)
        superseded[:-1] = before[1:]
        superseded[ends[self.counts > 0] - 1] = False  # by nothing of the same store
        kept = np.flatnonzero(~superseded & (self.instants < (to_us(wanted.to_time) + 1) << 1))
        counts = np.diff(np.searchsorted(kept, ends), prepend=0)
        return type(self)(self.instants[kept], counts.astype(np.int32))


@dataclass(frozen=True)
class _Known:
    """What a moment held: hours, and in `range` each poll and of each store the last one before."""

    moment: Moment
    stores: Stores
    hours: Hours
    range: DataRange
    polls: _PackedPolls

    @property
    def size_bytes(self) -> int:
        hours, polls = self.hours, self.polls
        arrays = (hours.store, hours.day_of_week, hours.opens_s, hours.closes_s, polls.instants, polls.counts)
        return (
            self.stores.keys.nbytes
            + sum(array.nbytes for array in arrays)
            + len(self.stores.ids) * _TEXT_BYTES
        )


class InputCache:
    """At most `most_bytes` of what batches were computed from. Thread-safe."""

    def __init__(self, most_bytes: int) -> None:
        self._known = Remembered[_Name, _Known](most_bytes)

    def load(self, conn: psycopg.Connection, batch: Batch, moment: Moment) -> BatchInput:
        """Return the input of a batch as the snapshot of the caller's transaction, which is `moment`, sees it.

        Raises RuntimeError where its stores are not as many as it was made of.
        """
        asked = data_range(batch.as_of, batch.policy, batch.windows)
        needed = _range(asked.every_from, asked.to_time)
        name = _name(batch)
        known = self._known.get(name)
        changes = _changes(conn, known, moment) if known else None
        if known and changes:
            now = _renewed(conn, batch, moment, needed, known, changes)
        else:
            stores = read_stores(conn, batch)
            now = _with_polls(conn, moment, needed, stores, read_hours(conn, stores))
        # A report on the past is no reason to forget the present.
        is_past = known and changes and now.range.to_time < known.range.to_time
        if moment.import_id is not None and not is_past:
            self._known.keep(name, now, now.size_bytes)
        polls = now.polls.within(now.range, needed).unpacked()
        return BatchInput(now.stores.ids, now.stores.zones, now.hours, polls)


def _name(batch: Batch) -> _Name:
    """The stores of a batch: none is ever taken away, so a range of ids that holds as many as before holds the same."""
    keys = None if batch.store_keys is None else tuple(batch.store_keys)
    return batch.first_id, batch.last_id, batch.stores, keys


def _range(every_from: datetime, to_time: datetime) -> DataRange:
    return DataRange(every_from - _HISTORY, every_from, to_time)


def _changes(conn: psycopg.Connection, known: _Known, moment: Moment) -> Changes | None:
    if known.moment == moment:
        return Changes(hours=False, zones=False, polls_from=None)
    if not 0 < moment.seq - known.moment.seq <= _MOST_CHANGES:
        return None
    return changes_since(conn, known.moment, known.range)


def _renewed(
    conn: psycopg.Connection, batch: Batch, moment: Moment, needed: DataRange, known: _Known, changes: Changes
) -> _Known:
    """What was known, with what has changed or was added since read from Postgres."""
    stores = read_stores(conn, batch) if changes.zones else known.stores
    hours = read_hours(conn, stores) if changes.hours else known.hours
    holds = known.range
    if changes.polls_from:
        holds = holds._replace(to_time=min(holds.to_time, changes.polls_from - _INSTANT))
    if not holds.every_from <= needed.every_from <= holds.to_time:
        return _with_polls(conn, moment, needed, stores, hours)
    until = min(needed.to_time, moment.newest_poll or needed.to_time)
    is_in_memory = until <= holds.to_time
    BATCH_INPUTS.labels("memory" if is_in_memory else "both").inc()
    polls = known.polls.within(known.range, holds)
    if is_in_memory:
        return _Known(moment, stores, hours, holds, polls)
    joined = _range(holds.every_from, until)
    newer = _in_order(read_polls_after(conn, stores, holds.to_time, until), stores, joined)
    # It moves on with the time, and stays as long as it was.
    passed = max(until - known.range.to_time, timedelta(0))
    kept = _range(min(holds.every_from + passed, needed.every_from), until)
    return _Known(moment, stores, hours, kept, polls.followed_by(newer).within(joined, kept))


def _with_polls(
    conn: psycopg.Connection, moment: Moment, needed: DataRange, stores: Stores, hours: Hours
) -> _Known:
    BATCH_INPUTS.labels("database").inc()
    # Until the newest poll: those that come later are new, however far ahead a report looks.
    until = min(needed.to_time, max(moment.newest_poll or needed.to_time, needed.every_from))
    held = _range(needed.every_from, until)
    polls = _in_order(read_polls(conn, stores, held), stores, held)
    return _Known(moment, stores, hours, held, polls)


def _in_order(polls: Polls, stores: Stores, held: DataRange) -> _PackedPolls:
    last_us = to_us(held.to_time)
    line = Line.covering(to_us(held.from_time), last_us, len(stores.ids))
    ordered, _ = in_order(polls, line, last_us)
    return _PackedPolls.of(ordered, len(stores.ids))
