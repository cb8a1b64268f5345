"""Writes polls, one transaction a chunk: rows, counts, rejects, first polls and the ledger commit together.

1. Weeks that this import made have no key yet. A poll for them goes straight in, unless it may have been delivered
   before (`SeenKeys` of the parser): then it waits in `import_pending`.
2. Polls for any other week are merged: compared with the table, counted, inserted or updated. Where this process
   knows the week (`KnownPolls`) it leaves to the server's statement only those that correct something.
3. At the end, or as soon as another import needs such a week, its key is built and what waits is merged.
So a week without key never holds a poll twice, whatever happens; no transaction of two imports overlaps (writer lock).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

import numpy as np
import psycopg
from numpy.typing import NDArray

from services.ingest.parse.polls import Polls
from services.ingest.write.binary_copy import copy_into, encode, instants
from services.ingest.write.corrections import turn_polls
from services.ingest.write.known_polls import KnownPolls
from services.ingest.write.last_wins import Deliveries
from services.ingest.write.ledger import Counts, ImportLedger, Stretch
from services.ingest.write.store_keys import StoreKeys
from services.ingest.write.week_indexes import ensure_keys
from shared.clock import from_us, to_us
from shared.db.queries import queries

_SQL = queries("ingest")
_STORES_AT_ONCE = 4096
_WEEK_US = 7 * 86_400_000_000
_FIRST_MONDAY_US = 4 * 86_400_000_000  # 1970-01-05


@dataclass(frozen=True)
class _Change:
    """What a write did for one import: counts, the extremes of the polls it changed, and first polls of stores."""

    import_id: UUID
    counts: Counts
    earliest: datetime | None = None
    latest: datetime | None = None
    first_keys: Sequence[int] = ()
    first_us: Sequence[int] = ()


class PollWriter:
    """Writes the chunks of one import, in order."""

    def __init__(self, conn: psycopg.Connection, ledger: ImportLedger) -> None:
        self._conn = conn
        self._ledger = ledger
        self._stores = StoreKeys()
        self._seq: int | None = (
            None  # of the last commit: what is known below holds while it is the newest of all
        )
        self._known = KnownPolls()
        self._keyless: dict[int, bool] = {}  # of the weeks met: whether it has no key
        self._made_weeks: set[int] = set()  # by this import; some may have got their key since
        conn.execute(_SQL["create_incoming"])

    def write(self, polls: Polls) -> None:
        """Commit one chunk."""
        with self._conn.transaction():
            self._ledger.lock_writers()
            self._trust()
            deliveries = self._keyed(polls)
            week = _week(deliveries.at_us)
            numbers = [
                int(number) for number in np.unique(week)
            ]  # a chunk may hold far days and none between
            keyless, changes = self._prepare_weeks(numbers)
            overtaken = Counts(
                0, polls.settled.duplicate, polls.settled.corrected, len(polls.rejects), polls.cut_fractions
            )
            changes.append(_Change(self._ledger.import_id, overtaken))
            straight = np.isin(week, [number for number in numbers if keyless[number]])
            if straight.any():
                changes.append(self._write_straight(deliveries.where(straight), polls.repeated[straight]))
            for number in numbers:
                if not keyless[number]:
                    changes.extend(self._write_merged(number, deliveries.where(week == number)))
            if polls.rejects:
                self._ledger.reject(polls.rejects)
            seq = self._commit(changes, polls.chunk.first_byte, polls.chunk.end_byte)
        self._seq, self._keyless = seq, keyless

    def finish(self, end_byte: int) -> None:
        """Build the keys that are missing, and settle what waits for them."""
        with self._conn.transaction():
            self._ledger.lock_writers()
            if changes := self._build_keys():
                self._commit(changes, end_byte, end_byte)

    def _trust(self) -> None:
        """Forget the tables if any other transaction changed data since the last commit, or that was rolled back."""
        ((seq,),) = self._conn.execute(_SQL["seq"])
        if seq != self._seq:
            self._known, self._keyless = KnownPolls(), {}
        self._seq = None

    def _keyed(self, polls: Polls) -> Deliveries:
        """The settled polls, by the keys of their stores."""
        keys = self._stores.by_number(self._conn, polls.stores, polls.stores_met)
        return replace(polls.settled.deliveries, store=keys[polls.settled.deliveries.store])

    def _prepare_weeks(self, numbers: Sequence[int]) -> tuple[dict[int, bool], list[_Change]]:
        """Make the partitions of these weeks: whether they and those met before have no key; and what had to be settled."""
        unknown = [number for number in numbers if number not in self._keyless]
        found: dict[int, bool] = {}
        if mondays := [from_us(_monday_us(number)) for number in unknown]:
            rows = self._conn.execute(_SQL["ensure_partitions"], {"mondays": mondays})
            for monday, created, is_keyless in rows:
                number = (to_us(monday) - _FIRST_MONDAY_US) // _WEEK_US
                found[number] = is_keyless
                if created:
                    self._made_weeks.add(number)
        keyless = self._keyless | found
        if all(number in self._made_weeks for number, is_keyless in found.items() if is_keyless):
            return keyless, []
        return dict.fromkeys(
            keyless, False
        ), self._build_keys()  # another import fills one, or was killed while it did

    def _write_straight(self, deliveries: Deliveries, repeated: NDArray[np.bool_]) -> _Change:
        """Into weeks of this import that have no key yet; what may be repeated waits for it."""
        if repeated.any():
            self._copy_incoming(deliveries.where(repeated))
            self._conn.execute(_SQL["keep_pending"], {"id": self._ledger.import_id})
            deliveries = deliveries.where(~repeated)
        return self._insert(deliveries)

    def _insert(self, deliveries: Deliveries) -> _Change:
        """Those that are not there yet, each store's together and in time order."""
        stream = encode(deliveries.store, instants(deliveries.at_us), deliveries.active)
        copy_into(self._conn, "observation", "store_key observed_at is_active", stream)
        first_keys, first_us = self._stores.first_polls(deliveries.store, deliveries.at_us)
        return _Change(
            self._ledger.import_id,
            Counts(accepted=len(deliveries)),
            from_us(int(deliveries.at_us.min())) if len(deliveries) else None,
            from_us(int(deliveries.at_us.max())) if len(deliveries) else None,
            first_keys.tolist(),
            first_us.tolist(),
        )

    def _write_merged(self, number: int, deliveries: Deliveries) -> list[_Change]:
        """Into a week that has its key."""
        changes = []
        compared = self._known.compare(self._conn, _monday_us(number), deliveries)
        if compared:
            same = Counts(duplicate=int(compared.is_same.sum()))
            changes.append(_Change(self._ledger.import_id, same))
            if compared.is_new.any():
                changes.append(self._insert(compared.deliveries.where(compared.is_new)))
            deliveries = compared.deliveries.where(~(compared.is_new | compared.is_same))
        if len(deliveries):
            self._copy_incoming(deliveries)
            earliest, latest = from_us(int(deliveries.at_us.min())), from_us(int(deliveries.at_us.max()))
            changes.append(self._merge_incoming(self._ledger.import_id, earliest, latest))
        return changes

    def _copy_incoming(self, deliveries: Deliveries) -> None:
        columns = "store_key observed_at first_active is_active"
        stream = encode(
            deliveries.store, instants(deliveries.at_us), deliveries.first_active, deliveries.active
        )
        copy_into(self._conn, "incoming", columns, stream)

    def _merge_incoming(self, import_id: UUID, earliest: datetime, latest: datetime) -> _Change:
        bounds = {"earliest": earliest, "latest": latest}
        # Planned anew each time: a generic plan would visit every week of the table.
        cursor = self._conn.execute(_SQL["merge_incoming"], bounds, prepare=False)
        ((accepted, duplicate, corrected, *rest, wrong_keys, wrong_at),) = cursor
        turn_polls(self._conn, wrong_keys, wrong_at)
        self._conn.execute(_SQL["empty_incoming"])
        return _Change(import_id, Counts(accepted, duplicate, corrected), *rest)

    def _build_keys(self) -> list[_Change]:
        """Give every week its key and merge all that waits, of any import: from here on nothing does."""
        partitions = [name for (name,) in self._conn.execute(_SQL["keyless_partitions"])]
        ensure_keys(self._conn, partitions)
        # A change also where nothing waits: whoever knows that a week has no key must hear that it has.
        changes = [_Change(self._ledger.import_id, Counts())] if partitions else []
        for (import_id,) in self._conn.execute(_SQL["pending_imports"]).fetchall():
            ((duplicate, corrected, earliest, latest),) = self._conn.execute(
                _SQL["take_pending"], {"id": import_id}
            )
            changes.append(_Change(import_id, Counts(0, duplicate, corrected)))
            changes.append(self._merge_incoming(import_id, earliest, latest))
        return changes

    def _commit(self, changes: Sequence[_Change], first_byte: int, end_byte: int) -> int:
        """Count, then take the ledger number, whose lock lasts until COMMIT, and return it."""
        counts = {change.import_id: Counts() for change in changes}
        for change in changes:
            counts[change.import_id] += change.counts
        own = counts.pop(self._ledger.import_id, Counts())
        for import_id, count in counts.items():
            self._ledger.count(import_id, count)
        earliest = min((change.earliest for change in changes if change.earliest), default=None)
        latest = max((change.latest for change in changes if change.latest), default=None)
        stretch = Stretch(first_byte, end_byte, earliest, latest)
        seq = self._ledger.advance(stretch, own, changed=earliest is not None)
        for change in changes:
            for start in range(0, len(change.first_keys), _STORES_AT_ONCE):
                part = slice(start, start + _STORES_AT_ONCE)
                firsts = {"store_keys": change.first_keys[part], "instants_us": change.first_us[part]}
                self._conn.execute(_SQL["record_first_polls"], {"seq": seq, **firsts})
        return seq


def _week(at_us: NDArray[np.int64]) -> NDArray[np.int64]:
    """The number of the week since 1970-01-05."""
    return (at_us - _FIRST_MONDAY_US) // _WEEK_US


def _monday_us(week: int) -> int:
    """When it begins, in microseconds since 1970."""
    return week * _WEEK_US + _FIRST_MONDAY_US
