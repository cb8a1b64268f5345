"""Writes a group of live calls in one transaction, through the same poll table as files.

Polls count as if the calls were files that are loaded one after the other. The live polls of one UTC day are one import.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

import numpy as np
import psycopg
from numpy.typing import NDArray

from services.ingest.http.hook_delivery import AlreadyReceived
from services.ingest.http.live_polls import LivePolls
from services.ingest.http.refuse_live import (
    refuse_future,
    refuse_many_weeks,
    refuse_reasons,
    refuse_sealed,
)
from services.ingest.http.write_hooks import HookTable, Storable, sift_call
from services.ingest.parse.last_polls import LastPolls, deduplicate
from services.ingest.parse.parsed import GivenNotes
from services.ingest.parse.poll_notes import encode_notes
from services.ingest.write.attribution import count_by_call, count_repeats
from services.ingest.write.changes import PollChange, record_changes
from services.ingest.write.counts import NO_ROWS, RowCounts
from services.ingest.write.database_clock import FUTURE_TOLERANCE_US
from services.ingest.write.ledger import ImportLedger
from services.ingest.write.note_table import NotedPolls, NoteTable, read_reasons
from services.ingest.write.poll_table import PollTable, find_bounds, make_mask
from services.ingest.write.polls import PollWriter
from services.ingest.write.sealed_weeks import find_sealed, want_weeks
from services.ingest.write.store_keys import add_stores
from services.ingest.write.weeks import ensure_weeks, monday_us, number_weeks
from shared import failpoints
from shared.clock import from_us, to_us
from shared.db.queries import queries
from shared.ids import new_id

LOCK_PATIENCE = "20s"  # then the caller is asked to send the polls again
_SQL, _INGEST = queries("live"), queries("ingest")


class UnindexedWeek(Exception):
    """A file import is still filling a week of these polls."""


class LiveWriter:
    """Writes through one connection in autocommit mode. After a database error, make a new one."""

    def __init__(self, conn: psycopg.Connection) -> None:
        self._conn = conn
        self._table = PollTable(conn)
        self._notes = NoteTable(conn)
        self._hooks = HookTable(conn)
        self._store_keys: dict[str, int] = {}

    def write_calls(self, calls: Sequence[LivePolls]) -> list[RowCounts | Exception]:
        """Commit all calls except those with a poll in the future or in a sealed week. Return the outcome of each call.

        Of calls of hooks, polls that cannot be stored are rejected one by one. Sealed weeks are opened soon. Raise
        `UnindexedWeek` if nothing could be written yet.
        """
        has_hooks = any(polls.hook for polls in calls)
        try:
            with self._conn.transaction():
                outcomes = self._write_valid(calls)
                if has_hooks:
                    failpoints.hit("hooks.before_commit")
        except BaseException:
            # Keys of stores that were rolled back must not be used again.
            self._store_keys = {}
            self._hooks.end(committed=False)
            raise
        if has_hooks:
            failpoints.hit("hooks.after_commit")
            self._hooks.end(committed=True)
        return outcomes

    def _write_valid(self, calls: Sequence[LivePolls]) -> list[RowCounts | Exception]:
        ((_, _, now_us),) = self._conn.execute(_SQL["begin_change"], {"patience": LOCK_PATIENCE})
        latest_us = now_us + FUTURE_TOLERANCE_US
        reasons = read_reasons(self._conn) if any(polls.notes for polls in calls) else {}
        calls = self._sift_hooks(calls, latest_us, reasons)
        sealed = self._find_sealed(calls)
        refusals: list[Exception | None] = [
            _refuse_parts(polls, latest_us, reasons) or refuse_sealed(polls, sealed) for polls in calls
        ]
        self._refuse_replays(calls, refusals)
        valid = [polls for polls, refusal in zip(calls, refusals, strict=True) if refusal is None]
        counts = iter(self._write_polls(valid, reasons) if valid else ())
        return [next(counts) if refusal is None else refusal for refusal in refusals]

    def _sift_hooks(
        self, calls: Sequence[LivePolls], latest_us: int, reasons: Mapping[str, int]
    ) -> Sequence[LivePolls]:
        """Reject polls of hooks that cannot be stored."""
        strict = [polls for polls in calls if polls.hook and not polls.hook.adds_stores]
        if unknown := {store_id for polls in strict for store_id in polls.ids} - self._store_keys.keys():
            self._store_keys |= self._hooks.find_stores(list(unknown))
        storable = Storable(latest_us, reasons, self._store_keys)
        return [sift_call(polls, polls.hook, storable) if polls.hook else polls for polls in calls]

    def _refuse_replays(self, calls: Sequence[LivePolls], refusals: list[Exception | None]) -> None:
        """Refuse messages that were received before, or twice among these calls."""
        sent = [
            (place, polls.hook)
            for place, polls in enumerate(calls)
            if polls.hook and polls.hook.message and refusals[place] is None
        ]
        fresh = self._hooks.remember_messages([hook for _, hook in sent])
        for place, hook in sent:
            if hook.message in fresh:
                fresh.remove(hook.message)
            else:
                refusals[place] = AlreadyReceived()

    def _find_sealed(self, calls: Sequence[LivePolls]) -> Mapping[int, datetime]:
        """Return the sealed weeks of the calls, by number, and have them opened."""
        weeks = np.unique(number_weeks(np.concatenate([polls.at_us for polls in calls]))).tolist()
        sealed = find_sealed(self._conn, [from_us(monday_us(week)) for week in weeks]) if weeks else []
        if sealed:
            want_weeks(self._conn, sealed)
        return {int(number_weeks(np.array([to_us(monday)]))[0]): monday for monday in sealed}

    def _write_polls(self, calls: Sequence[LivePolls], reasons: Mapping[str, int]) -> list[RowCounts]:
        """Write the polls and the rejected items of calls. Return the counts of each call."""
        filled = [polls for polls in calls if len(polls)]
        deliveries = [call.hook for call in calls if call.hook]
        self._hooks.count_calls(deliveries)
        if not filled and not any(one.rejects for one in deliveries):
            return [NO_ROWS] * len(calls)
        ledger = ImportLedger(self._conn, get_live_import(self._conn))
        changes, counts = self._write_filled(ledger, filled, reasons) if filled else ([], [])
        if rejected := self._hooks.add_rejects(ledger.import_id, deliveries):
            changes.append(PollChange(ledger.import_id, RowCounts(rejected=rejected)))
        if changes:
            record_changes(ledger, changes)
        counted = iter(counts)
        return [
            (next(counted) if len(polls) else NO_ROWS)
            + RowCounts(rejected=len(polls.hook.rejects) if polls.hook else 0)
            for polls in calls
        ]

    def _write_filled(
        self, ledger: ImportLedger, calls: Sequence[LivePolls], reasons: Mapping[str, int]
    ) -> tuple[list[PollChange], list[RowCounts]]:
        call = np.repeat(np.arange(len(calls)), [len(polls) for polls in calls])
        keys = self._get_keys([store_id for polls in calls for store_id in polls.ids])
        deduped = deduplicate(
            keys,
            np.concatenate([polls.at_us for polls in calls]),
            np.concatenate([polls.active for polls in calls]),
        )
        polls = deduped.polls
        weeks = ensure_weeks(self._conn, np.unique(number_weeks(polls.at_us)).tolist(), indexed=True)
        if any(week.is_unindexed for week in weeks.values()):
            raise UnindexedWeek
        self._table.stage_polls(polls, numbered=True)
        ((seq,),) = self._conn.execute(_INGEST["next_seq"])
        merged = self._table.merge_staged(ledger.import_id, *find_bounds(polls.at_us), seq)
        is_new, is_contradicting = (
            make_mask(numbers, len(polls)) for numbers in (merged.new, merged.contradicting)
        )
        changes = [merged.change, PollChange(ledger.import_id, count_repeats(deduped))]
        if notes := _collect_notes(calls, keys, reasons):
            noted = self._notes.add_notes(notes, seq)
            if len(noted):
                # A poll that only gets another note is a correction.
                known = _leave_out(noted, polls.pick(is_new))
                is_noted = _is_among(polls, self._notes.find_repeated(known, seq)) & ~is_contradicting
                is_contradicting |= is_noted
                corrected = int(is_noted.sum())
                counted = RowCounts(duplicate=-corrected, corrected=corrected)
                changes.append(PollChange(ledger.import_id, counted, *find_bounds(noted.at_us)))
        return changes, count_by_call(call, deduped, is_new, is_contradicting)

    def _get_keys(self, ids: Sequence[str]) -> NDArray[np.int32]:
        known = self._store_keys
        if unknown := {store_id for store_id in ids if store_id not in known}:
            known |= {store_id: key for store_id, (key, _) in add_stores(self._conn, list(unknown)).items()}
        return np.fromiter((known[store_id] for store_id in ids), np.int32, len(ids))


def index_all_weeks(conn: psycopg.Connection) -> None:
    """Index every unindexed week, as any writer must that needs one. `conn` must not belong to a `LiveWriter`."""
    with conn.transaction():
        conn.execute(_SQL["begin_change"], {"patience": LOCK_PATIENCE})
        ledger = ImportLedger(conn, get_live_import(conn))
        ledger.reload()
        PollWriter(conn, ledger).finish_table(0)


def get_live_import(conn: psycopg.Connection) -> UUID:
    """Return the import of today's live polls. The first call of a day creates it and closes those of earlier days."""
    for (import_id,) in conn.execute(_SQL["live_import"]):
        return UUID(str(import_id))
    import_id = new_id()
    conn.execute(_SQL["close_live_imports"])
    conn.execute(_SQL["insert_live_import"], {"id": import_id})
    return import_id


def _refuse_parts(polls: LivePolls, latest_us: int, reasons: Mapping[str, int]) -> Exception | None:
    """Return the refusal of a call with a poll that cannot be stored. Calls of hooks have lost such polls before."""
    if polls.hook:
        return refuse_many_weeks(polls)
    return refuse_future(polls, latest_us) or refuse_reasons(polls, reasons) or refuse_many_weeks(polls)


def _collect_notes(
    calls: Sequence[LivePolls], keys: NDArray[np.int32], reasons: Mapping[str, int]
) -> GivenNotes | None:
    """Return the notes of all calls, in the order of the calls, or None if there are none."""
    if not any(polls.notes for polls in calls):
        return None
    active = np.concatenate([polls.active for polls in calls])
    event = np.concatenate(
        [polls.notes.event if polls.notes else np.zeros_like(polls.active) for polls in calls]
    )
    words = [word for polls in calls for word in (polls.notes.reasons if polls.notes else [""] * len(polls))]
    numbers = np.array([reasons.get(word, 0) for word in words], np.int16)
    code = encode_notes(event, numbers) + active
    given = np.flatnonzero(code > 1)
    at_us = np.concatenate([polls.at_us for polls in calls])
    return GivenNotes(keys[given], at_us[given], code[given]) if given.size else None


def _leave_out(noted: NotedPolls, some: LastPolls) -> NotedPolls:
    """Return the polls that are not among some others."""
    others = set(zip(some.store.tolist(), some.at_us.tolist(), strict=True))
    pairs = zip(noted.store.tolist(), noted.at_us.tolist(), strict=True)
    return noted.pick(np.array([pair not in others for pair in pairs], np.bool_))


def _is_among(polls: LastPolls, some: NotedPolls) -> NDArray[np.bool_]:
    """Return which polls are among some others. Both are sorted by store and instant."""
    wanted = set(zip(some.store.tolist(), some.at_us.tolist(), strict=True))
    pairs = zip(polls.store.tolist(), polls.at_us.tolist(), strict=True)
    return np.array([pair in wanted for pair in pairs], np.bool_)
