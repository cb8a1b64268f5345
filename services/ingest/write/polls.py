"""Writes a table of polls, one transaction per chunk: rows, counts, rejects, first polls and the ledger commit together.

1. A week that this import created has no index yet. Its polls are inserted directly, except those that an earlier chunk
   may have held (`SeenPolls` of the parser): they wait in `import_pending`. Once many wait, or the parser has forgotten
   earlier chunks, all weeks so far are indexed first.
2. Polls of any other week are merged with the stored ones. Those that only repeat what is stored are left out first if a
   few pages show them (`find_repeated`). If this process knows the week (`KnownPolls`), only corrections are left to the
   server.
3. At the end, or as soon as another import needs such a week, its index is built and the pending polls are merged.
An unindexed week therefore never holds a poll twice. The writer lock keeps transactions of two imports apart.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import psycopg
from numpy.typing import NDArray

from services.ingest.parse.last_polls import Bools, LastPolls
from services.ingest.parse.parsed import ParsedPolls
from services.ingest.write.attribution import count_repeats
from services.ingest.write.changes import PollChange, record_changes
from services.ingest.write.counts import NO_ROWS, RowCounts
from services.ingest.write.known_polls import KnownPolls
from services.ingest.write.ledger import ImportLedger
from services.ingest.write.note_table import NoteTable
from services.ingest.write.poll_table import PollTable, find_bounds
from services.ingest.write.repeated_polls import find_repeated
from services.ingest.write.sealed_weeks import WeekSealed, want_weeks
from services.ingest.write.store_keys import StoreKeys
from services.ingest.write.week_indexes import index_weeks
from services.ingest.write.weeks import ensure_weeks, list_weeks, monday_us, number_weeks
from shared.db.queries import queries

_SQL = queries("ingest")
# Merging them takes seconds, in which no other import writes. False alarms of the parser alone are fewer than the share.
MOST_PENDING, _PENDING_SHARE = 500_000, 0.05


class PollWriter:
    """Writes the chunks of one import, in order. An import without an end has the weeks that it creates `indexed` at once."""

    def __init__(self, conn: psycopg.Connection, ledger: ImportLedger, *, indexed: bool = False) -> None:
        self._conn = conn
        self._indexed = indexed
        self._ledger = ledger
        self._table = PollTable(conn)
        self._notes = NoteTable(conn)
        self._stores = StoreKeys()
        # The ledger number of the last commit: the caches below hold while no other import has committed since.
        self._seq: int | None = None
        # The ledger number of the transaction that is open.
        self._next_seq = 0
        self._known = KnownPolls()
        self._unindexed: dict[int, bool] = {}
        # Weeks created by this import. Some may have been indexed since.
        self._created_weeks: set[int] = set()
        self._pending = self._direct = 0

    def write_chunk(self, parsed: ParsedPolls) -> None:
        """Commit one chunk. Raise `WeekSealed` once its sealed weeks are wanted."""
        try:
            self._write_chunk(parsed)
        except WeekSealed as sealed:
            want_weeks(self._conn, sealed.mondays)
            raise

    def _write_chunk(self, parsed: ParsedPolls) -> None:
        with self._conn.transaction():
            self._ledger.lock_writers()
            self._take_seq()
            self._check_caches()
            polls = self._key_polls(parsed)
            week = number_weeks(polls.at_us)
            weeks = list_weeks(week)
            changes = self._index_weeks() if parsed.forgot_earlier or self._has_many_pending() else []
            unindexed, found = self._prepare_weeks(weeks)
            changes += found
            counts = count_repeats(parsed.deduped) + RowCounts(
                rejected=len(parsed.rejects),
                cut_fractions=parsed.cut_fractions,
                assumed_utc=parsed.assumed_utc,
            )
            changes.append(PollChange(self._ledger.import_id, counts))
            direct = _mark_weeks(week, [number for number in weeks if unindexed[number]])
            if direct.any():
                changes.append(self._insert_or_delay(polls, direct, parsed.maybe_repeated))
            for number in weeks:
                if not unindexed[number]:
                    changes.extend(self._merge_week(number, polls.pick(week == number)))
            if parsed.notes is not None:
                changes.append(self._add_notes(parsed, unindexed, sum(c.counts.duplicate for c in changes)))
            if parsed.rejects:
                self._ledger.add_rejects(parsed.rejects)
            seq = record_changes(self._ledger, changes, parsed.chunk.first_byte, parsed.chunk.end_byte)
        self._seq, self._unindexed = seq, unindexed

    def finish_table(self, end_byte: int) -> None:
        """Index the unindexed weeks, and merge the pending polls."""
        with self._conn.transaction():
            self._ledger.lock_writers()
            if changes := self._index_weeks():
                record_changes(self._ledger, changes, end_byte, end_byte)

    def _take_seq(self) -> None:
        """Find the number that this transaction will get. No other change gets one until it ends."""
        ((self._next_seq,),) = self._conn.execute(_SQL["next_seq"])

    def _check_caches(self) -> None:
        """Empty the caches if another transaction has committed since, or if the last one was rolled back."""
        if self._seq is None or self._next_seq != self._seq + 1:
            self._known, self._unindexed = KnownPolls(), {}
        self._seq = None

    def _key_polls(self, parsed: ParsedPolls) -> LastPolls:
        """Return the polls with the keys of their stores in place of the numbers."""
        keys = self._stores.get_keys(self._conn, parsed, self._next_seq)
        polls = parsed.deduped.polls
        return replace(polls, store=keys[polls.store])

    def _prepare_weeks(self, weeks: Sequence[int]) -> tuple[dict[int, bool], list[PollChange]]:
        """Create missing weeks. Return for all weeks so far whether they are unindexed, and what indexing changed."""
        unknown = [week for week in weeks if week not in self._unindexed]
        found = ensure_weeks(self._conn, unknown, indexed=self._indexed) if unknown else {}
        self._created_weeks |= {week for week, state in found.items() if state.is_created}
        unindexed = self._unindexed | {week: state.is_unindexed for week, state in found.items()}
        if all(week in self._created_weeks for week, state in found.items() if state.is_unindexed):
            return unindexed, []
        # Another import is filling a week, or was killed while it did.
        return dict.fromkeys(unindexed, False), self._index_weeks()

    def _has_many_pending(self) -> bool:
        return self._pending > max(MOST_PENDING, _PENDING_SHARE * self._direct)

    def _insert_or_delay(self, polls: LastPolls, direct: Bools, maybe_repeated: Bools) -> PollChange:
        """Insert the `direct` polls, those of unindexed weeks of this import. Ones that may be repeated wait for the index."""
        delayed = np.flatnonzero(direct & maybe_repeated)
        if delayed.size:
            self._table.keep_pending(self._ledger.import_id, polls.pick(delayed))
            self._pending += delayed.size
        if delayed.size or not direct.all():
            polls = polls.pick(direct & ~maybe_repeated)
        self._direct += len(polls)
        return self._insert_new(polls)

    def _insert_new(self, polls: LastPolls) -> PollChange:
        self._table.insert_polls(polls, self._next_seq)
        first_keys, first_us = self._stores.find_first_polls(polls.store, polls.at_us)
        earliest, latest = find_bounds(polls.at_us) if len(polls) else (None, None)
        return PollChange(
            self._ledger.import_id,
            RowCounts(accepted=len(polls)),
            earliest,
            latest,
            first_keys.tolist(),
            first_us.tolist(),
        )

    def _add_notes(self, parsed: ParsedPolls, unindexed: Mapping[int, bool], duplicates: int) -> PollChange:
        """Add the notes. A poll that only gets another note is a correction, not one of the `duplicates`.

        What a file repeats before its week is indexed stays a duplicate.
        """
        assert parsed.notes is not None  # noqa: S101 (the caller has looked)
        keys = self._stores.get_keys(self._conn, parsed, self._next_seq)
        notes = replace(parsed.notes, store=keys[parsed.notes.store])
        noted = self._notes.add_notes(notes, self._next_seq)
        if not len(noted):
            return PollChange(self._ledger.import_id, NO_ROWS)
        indexed = [week for week, is_unindexed in unindexed.items() if not is_unindexed]
        known = noted.pick(np.isin(number_weeks(noted.at_us), indexed))
        corrected = min(len(self._notes.find_repeated(known, self._next_seq)), duplicates)
        counts = RowCounts(duplicate=-corrected, corrected=corrected)
        return PollChange(self._ledger.import_id, counts, *find_bounds(noted.at_us))

    def _merge_week(self, week: int, polls: LastPolls) -> list[PollChange]:
        """Merge polls into an indexed week."""
        changes: list[PollChange] = []
        if not self._known.has_week(monday_us(week)):
            repeated = find_repeated(self._conn, monday_us(week), polls)
            changes.append(PollChange(self._ledger.import_id, RowCounts(duplicate=int(repeated.sum()))))
            polls = polls.pick(~repeated)
        compared = self._known.compare_week(self._conn, monday_us(week), polls) if len(polls) else None
        if compared:
            same = RowCounts(duplicate=int(compared.is_same.sum()))
            changes.append(PollChange(self._ledger.import_id, same))
            if compared.is_new.any():
                changes.append(self._insert_new(compared.polls.pick(compared.is_new)))
            polls = compared.polls.pick(~(compared.is_new | compared.is_same))
        if len(polls):
            self._table.stage_polls(polls)
            bounds = find_bounds(polls.at_us)
            merged = self._table.merge_staged(self._ledger.import_id, *bounds, self._next_seq)
            self._table.clear_staged()
            changes.append(merged.change)
        return changes

    def _index_weeks(self) -> list[PollChange]:
        """Index all weeks and merge all pending polls, of any import. Afterwards none are left."""
        indexed = index_weeks(self._conn)
        self._unindexed = dict.fromkeys(self._unindexed, False)
        self._pending = self._direct = 0
        # After the indexes, which take long: no other change gets a number from now on.
        self._take_seq()
        # Recorded even if nothing is pending: other imports must learn that their weeks are indexed.
        changes = [PollChange(self._ledger.import_id, NO_ROWS)] if indexed else []
        for (import_id,) in self._conn.execute(_SQL["pending_imports"]).fetchall():
            ((duplicate, corrected, earliest, latest),) = self._conn.execute(
                _SQL["take_pending"], {"id": import_id}
            )
            changes.append(PollChange(import_id, RowCounts(0, duplicate, corrected)))
            merged = self._table.merge_staged(import_id, earliest, latest, self._next_seq)
            changes.append(merged.change)
            self._table.clear_staged()
        return changes


def _mark_weeks(week: NDArray[np.int64], some: Sequence[int]) -> Bools:
    """Return which numbers of weeks are among `some`."""
    first = int(week.min(initial=0))
    wanted = np.zeros(int(week.max(initial=0)) - first + 1, np.bool_)
    wanted[np.array(some, np.int64) - first] = True
    return np.asarray(wanted[week - first])
