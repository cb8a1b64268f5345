"""Write the polls of a week as a Parquet file into the bucket, and read them back. Imports pyarrow."""

import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import psycopg

from services.worker.lease_renewal import LeaseRenewal
from services.worker.report_files import LeaseLost
from services.worker.seal.weeks import partition_of
from shared.db.arrays import key_array
from shared.db.queries import queries
from shared.errors import ObjectCorrupt
from shared.sealed.read_week import read_groups
from shared.sealed.sealed_rows import SealedRows
from shared.sealed.sealed_week import SealedWeek, WeekPiece
from shared.sealed.week_file import CONTENT_TYPE, WeekFileWriter
from shared.storage import Storage

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_SQL = queries("sealed")
# In a row group: 80,000 hourly polls of a week, 350 kB. A reader of one store reads so much.
STORES_IN_GROUP: Final = 1024
_GROUPS_AT_ONCE: Final = 8


@dataclass
class WeekContents:
    """What the file of a week has: SHA-256 of its polls in order, their number, and the last one of each store.

    `newest_seqs`: the newest ledger number of each store's polls.
    """

    digest: Any = field(default_factory=hashlib.sha256)
    rows: int = 0
    last: list[SealedRows] = field(default_factory=list)
    newest_seqs: list[np.ndarray] = field(default_factory=list)

    def add(self, rows: SealedRows) -> None:
        """Count the polls of whole stores, by store and time."""
        self.digest.update(rows.packed())
        self.rows += len(rows)
        first = np.flatnonzero(np.diff(rows.store_key, prepend=-1))
        self.last.append(rows.pick(np.append(first[1:], len(rows)) - 1))
        self.newest_seqs.append(np.maximum.reduceat(rows.seq, first))

    def store_rows(self, monday: datetime) -> dict[str, object]:
        """Return the parameters of `insert_stores`."""
        last = SealedRows.join(self.last)
        return {
            "monday": monday,
            "store_keys": last.store_key.tolist(),
            "at_us": last.at_us.tolist(),
            "active": last.active.tolist(),
            "seqs": np.concatenate([np.zeros(0, np.int64), *self.newest_seqs]).tolist(),
        }


class _PieceWriter(io.RawIOBase):
    """Passes bytes on, and knows the SHA-256 of those since the last cut."""

    def __init__(self, target: io.RawIOBase) -> None:
        self._target, self._first_byte, self._size_bytes = target, 0, 0
        self._digest = hashlib.sha256()

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._size_bytes

    def write(self, data: "ReadableBuffer") -> int:
        block = bytes(data)
        self._target.write(block)
        self._digest.update(block)
        self._size_bytes += len(block)
        return len(block)

    def cut(self, first_id: str | None = None, last_id: str | None = None) -> WeekPiece:
        """Return the piece that ends here. The next one begins."""
        length = self._size_bytes - self._first_byte
        piece = WeekPiece(self._first_byte, length, self._digest.hexdigest(), first_id, last_id)
        self._first_byte, self._digest = self._size_bytes, hashlib.sha256()
        return piece


def write_week(
    conn: psycopg.Connection, storage: Storage, monday: datetime, key: str, renewal: LeaseRenewal
) -> tuple[SealedWeek, WeekContents]:
    """Write the week as the caller's snapshot has it, by store id and time. Raises `LeaseLost` before it is complete."""
    contents, groups = WeekContents(), []
    with storage.writing(key, CONTENT_TYPE) as target:
        pieces = _PieceWriter(target)
        file = WeekFileWriter(pieces)
        for ids, rows in _read_groups(conn, monday):
            _require(renewal)
            with renewal.renewing():
                file.write_group(rows)
                contents.add(rows)
            groups.append(pieces.cut(ids[0], ids[-1]))
        file.close()
        footer = pieces.cut()
        _require(renewal)
    stored = target.stored()
    week = SealedWeek(monday, key, stored.size_bytes, stored.sha256, contents.rows, groups, footer)
    return week, contents


def check_week(
    conn: psycopg.Connection,
    storage: Storage,
    week: SealedWeek,
    contents: WeekContents,
    renewal: LeaseRenewal,
) -> None:
    """Read the whole file back, as readers do, and compare it with the caller's snapshot. Raises `ObjectCorrupt`."""
    ((in_table,),) = conn.execute(_of_week(_SQL["count_week"], week.starts_at)).fetchall()
    if in_table != week.rows:
        raise ObjectCorrupt(
            f"the week has {in_table:,} polls, and the object {week.key} was given {week.rows:,}"
        )
    digest, rows = hashlib.sha256(), 0
    for found in read_blocks(storage, week, renewal):
        digest.update(found.packed())
        rows += len(found)
    if (rows, digest.digest()) != (week.rows, contents.digest.digest()):
        raise ObjectCorrupt(f"the polls in the object {week.key} are not those of the week")


def read_blocks(storage: Storage, week: SealedWeek, renewal: LeaseRenewal) -> Iterator[SealedRows]:
    """Yield all polls of a week, some row groups at a time. Raises `LeaseLost`, and as `read_groups` does."""
    numbers = range(len(week.groups))
    for first in range(0, len(numbers), _GROUPS_AT_ONCE):
        _require(renewal)
        with renewal.renewing():
            found = read_groups(storage, week, numbers[first : first + _GROUPS_AT_ONCE])
        yield found


def _of_week(statement: bytes, monday: datetime) -> bytes:
    """Return the statement for the partition of a week."""
    return statement.replace(b"observation", partition_of(monday).encode())


def _require(renewal: LeaseRenewal) -> None:
    if not renewal.is_held():
        raise LeaseLost


def _read_groups(conn: psycopg.Connection, monday: datetime) -> Iterator[tuple[list[str], SealedRows]]:
    """Yield the polls of some stores at a time, by store id and time, with the ids of these stores. Not empty."""
    stores = conn.execute(_SQL["every_store"]).fetchall()
    ((head,),) = conn.execute(_SQL["head"]).fetchall()
    for first in range(0, len(stores), STORES_IN_GROUP):
        some = stores[first : first + STORES_IN_GROUP]
        keys = np.array([key for key, _ in some], np.int64)
        asked = {"store_keys": key_array(np.sort(keys)), "head": head}
        ((packed,),) = conn.execute(_of_week(_SQL["week_polls"], monday), asked, binary=True).fetchall()
        if packed:
            rows = SealedRows.unpack(packed)
            by_key = np.argsort(keys)
            place = by_key[np.searchsorted(keys, rows.store_key, sorter=by_key)]
            yield [store_id for _, store_id in some], rows.pick(np.lexsort((rows.at_us, place)))
