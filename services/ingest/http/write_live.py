"""Writes a group of live calls in one transaction, through the same poll table as files.

Polls count as if the calls were files that are loaded one after the other. The live polls of one UTC day are one import.
"""

from collections.abc import Sequence
from uuid import UUID

import numpy as np
import psycopg
from numpy.typing import NDArray

from services.ingest.http.live_polls import LivePolls
from services.ingest.parse.last_polls import deduplicate
from services.ingest.parse.reasons import ROW_REASONS
from services.ingest.write.attribution import count_by_call, count_repeats
from services.ingest.write.changes import PollChange, record_changes
from services.ingest.write.counts import RowCounts
from services.ingest.write.database_clock import FUTURE_TOLERANCE_US
from services.ingest.write.ledger import ImportLedger
from services.ingest.write.poll_table import PollTable, find_bounds, make_mask
from services.ingest.write.polls import PollWriter
from services.ingest.write.store_keys import add_stores
from services.ingest.write.weeks import ensure_weeks, number_weeks
from shared.db.queries import queries
from shared.errors import InvalidRequest
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
        self._store_keys: dict[str, int] = {}

    def write_calls(self, calls: Sequence[LivePolls]) -> list[RowCounts | InvalidRequest]:
        """Commit all calls except those with a poll in the future. Return the outcome of each call.

        Raise `UnindexedWeek` if nothing could be written yet.
        """
        try:
            with self._conn.transaction():
                return self._write_valid(calls)
        except BaseException:
            # Keys of stores that were rolled back must not be used again.
            self._store_keys = {}
            raise

    def _write_valid(self, calls: Sequence[LivePolls]) -> list[RowCounts | InvalidRequest]:
        ((_, _, now_us),) = self._conn.execute(_SQL["begin_change"], {"patience": LOCK_PATIENCE})
        refusals = [_refuse_future(polls, now_us + FUTURE_TOLERANCE_US) for polls in calls]
        valid = [polls for polls, refusal in zip(calls, refusals, strict=True) if refusal is None]
        counts = iter(self._write_polls(valid) if valid else ())
        return [next(counts) if refusal is None else refusal for refusal in refusals]

    def _write_polls(self, calls: Sequence[LivePolls]) -> list[RowCounts]:
        call = np.repeat(np.arange(len(calls)), [len(polls) for polls in calls])
        deduped = deduplicate(
            self._get_keys([store_id for polls in calls for store_id in polls.ids]),
            np.concatenate([polls.at_us for polls in calls]),
            np.concatenate([polls.active for polls in calls]),
        )
        polls = deduped.polls
        weeks = ensure_weeks(self._conn, np.unique(number_weeks(polls.at_us)).tolist(), indexed=True)
        if any(week.is_unindexed for week in weeks.values()):
            raise UnindexedWeek
        ledger = ImportLedger(self._conn, get_live_import(self._conn))
        self._table.stage_polls(polls, numbered=True)
        ((seq,),) = self._conn.execute(_INGEST["next_seq"])
        merged = self._table.merge_staged(ledger.import_id, *find_bounds(polls.at_us), seq)
        is_new, is_contradicting = (
            make_mask(numbers, len(polls)) for numbers in (merged.new, merged.contradicting)
        )
        counts = count_by_call(call, deduped, is_new, is_contradicting)
        repeats = count_repeats(deduped)
        record_changes(ledger, [merged.change, PollChange(ledger.import_id, repeats)])
        return counts

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


def _refuse_future(polls: LivePolls, latest_us: int) -> InvalidRequest | None:
    late = np.flatnonzero(polls.at_us > latest_us)
    if not late.size:
        return None
    return InvalidRequest(
        f"poll {late[0]}: {ROW_REASONS['future']}", field=f"body.observations.{late[0]}.observed_at"
    )
