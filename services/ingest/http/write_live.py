"""Writes a group of calls with live polls in one transaction: rows, counts, first polls and the ledger together.

Polls count as if the calls were files loaded one after the other. The polls of one UTC day are one import.
"""

from collections.abc import Sequence
from uuid import UUID

import numpy as np
import psycopg
from numpy.typing import NDArray

from services.ingest.http.attribution import Delivered
from services.ingest.http.live_polls import LivePolls
from services.ingest.parse.reasons import ROW_REASONS
from services.ingest.write.binary_copy import copy_into, encode, instants
from services.ingest.write.corrections import turn_polls
from services.ingest.write.ledger import FUTURE_TOLERANCE_US, Counts, ImportLedger, Stretch, record_change
from services.ingest.write.polls import PollWriter
from shared.clock import from_us
from shared.db.queries import queries
from shared.errors import InvalidRequest
from shared.ids import new_id

LOCK_PATIENCE = "20s"  # then the caller is told to come again
_SQL = queries("live")
_NOTHING = Stretch(0, 0)
_DAY_US = 86_400_000_000
_WEEK_US = 7 * _DAY_US
_FIRST_MONDAY_US = 4 * _DAY_US  # 1970-01-05


class WeekWithoutKey(Exception):
    """An import is filling a week that these polls belong to."""


class LiveWriter:
    """Writes through one connection in autocommit mode. After an error of the database, make another."""

    def __init__(self, conn: psycopg.Connection) -> None:
        self._conn = conn
        self._store_keys: dict[str, int] = {}  # committed ones
        conn.execute(_SQL["create_live_incoming"])

    def write(self, calls: Sequence[LivePolls]) -> list[Counts | InvalidRequest]:
        """Commit all calls but those with a poll in the future; says what became of each.

        Raises `WeekWithoutKey`, having changed nothing.
        """
        with self._conn.transaction():
            ((_, _, now_us),) = self._conn.execute(_SQL["begin_change"], {"patience": LOCK_PATIENCE})
            outcomes: list[Counts | InvalidRequest] = [Counts() for _ in calls]
            valid = []
            for number, polls in enumerate(calls):
                late = np.flatnonzero(polls.at_us > now_us + FUTURE_TOLERANCE_US)
                if late.size:
                    outcomes[number] = InvalidRequest(
                        f"poll {late[0]}: {ROW_REASONS['future']}",
                        field=f"observations.{late[0]}.observed_at",
                    )
                else:
                    valid.append(number)
            if not valid:
                return outcomes
            counts, learnt = self._merge([calls[number] for number in valid])
        self._store_keys.update(learnt)
        for number, count in zip(valid, counts, strict=True):
            outcomes[number] = count
        return outcomes

    def _merge(self, calls: Sequence[LivePolls]) -> tuple[list[Counts], dict[str, int]]:
        store_key, learnt = self._keys_of([store_id for polls in calls for store_id in polls.ids])
        delivered = Delivered.of(calls, store_key)
        keys, at_us = delivered.store_key[delivered.first], delivered.at_us[delivered.first]
        active = delivered.active[delivered.last]
        self._ensure_weeks(at_us)
        copy_into(
            self._conn,
            "live_incoming",
            "place store_key observed_at is_active",
            encode(np.arange(len(keys), dtype=np.int32), keys, instants(at_us), active),
        )
        bounds = {"earliest": from_us(int(at_us.min())), "latest": from_us(int(at_us.max()))}
        # Planned anew each time: a generic plan would visit every week of the table.
        known = self._conn.execute(_SQL["merge_live"], bounds, prepare=False).fetchall()
        places = np.array([place for place, _ in known], np.int64)
        was_active = np.array([status for _, status in known], np.bool_)
        wrong = places[was_active != active[places]]
        turn_polls(self._conn, keys[wrong].tolist(), [from_us(instant) for instant in at_us[wrong].tolist()])
        counts = delivered.counts(places, was_active)
        changed = at_us[delivered.changed(places, was_active)]
        stretch = (
            Stretch(0, 0, from_us(int(changed.min())), from_us(int(changed.max())))
            if changed.size
            else _NOTHING
        )
        import_id = live_import_id(self._conn)
        record_change(self._conn, import_id, sum(counts, Counts()), stretch, changed=changed.size > 0)
        return counts, learnt

    def _keys_of(self, ids: Sequence[str]) -> tuple[NDArray[np.int32], dict[str, int]]:
        unknown = {store_id for store_id in ids if store_id not in self._store_keys}
        learnt = store_keys_of(self._conn, list(unknown)) if unknown else {}
        known = self._store_keys | learnt if learnt else self._store_keys
        return np.fromiter((known[store_id] for store_id in ids), np.int32, len(ids)), learnt

    def _ensure_weeks(self, at_us: NDArray[np.int64]) -> None:
        weeks = np.unique((at_us - _FIRST_MONDAY_US) // _WEEK_US).tolist()
        mondays = [from_us(week * _WEEK_US + _FIRST_MONDAY_US) for week in weeks]
        ((has_no_key,),) = self._conn.execute(_SQL["ensure_weeks"], {"mondays": mondays})
        if has_no_key:
            raise WeekWithoutKey


def settle_weeks(conn: psycopg.Connection) -> None:
    """Build the keys of all weeks, as every writer must that finds one without; on a connection of its own."""
    with conn.transaction():
        conn.execute(_SQL["begin_change"], {"patience": LOCK_PATIENCE})
        ledger = ImportLedger(conn, live_import_id(conn))
        ledger.reload()
        PollWriter(conn, ledger).finish(0)


def live_import_id(conn: psycopg.Connection) -> UUID:
    """The import of today's live polls; the day's first call makes it and closes those of earlier days."""
    for (import_id,) in conn.execute(_SQL["live_import"]):
        return UUID(str(import_id))
    import_id = new_id()
    conn.execute(_SQL["close_live_imports"])
    conn.execute(_SQL["insert_live_import"], {"id": import_id})
    return import_id


def store_keys_of(conn: psycopg.Connection, ids: Sequence[str]) -> dict[str, int]:
    """The key of each store; new stores are added."""
    return dict(conn.execute(_SQL["store_keys_of"], {"ids": ids}).fetchall())
