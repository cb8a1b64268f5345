"""What a worker knows of the rows of a batch before it writes: it remembers them, or reads them if others may have written."""

from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

import numpy as np
import psycopg

from services.worker.live.rows import STATE_NAMES, LiveTable
from shared.db.arrays import key_array
from shared.db.queries import queries
from shared.uptime.intervals import Int64s

_SQL = queries("now")
_KNOWN: Final = np.dtype([("store_key", ">i4"), ("digest", ">i8"), ("lasting", ">i8"), ("state", ">i4")])


class LastRefresh(NamedTuple):
    """The data of the last refresh of a batch, what computed it, and how long it holds."""

    seq: int
    import_id: UUID | None
    committed_at: datetime | None
    made_by: str
    changes_at: datetime


class KnownRows(NamedTuple):
    """Of each store the digests of its row, and the number of its state, from 1; 0: it has no row.

    `lasting` is the digest of the columns that last, xor the other one. If the release before wrote the row, it is wrong.
    """

    digest: Int64s
    lasting: Int64s
    state: Int64s

    @classmethod
    def of_table(cls, table: LiveTable) -> "KnownRows":
        """Return what the rows are once a table is written."""
        return cls(table.digests, table.digests ^ table.lasting, table.columns["state"] + 1)


class WrittenRows(NamedTuple):
    """The rows as an attempt of this process left them, and what it noted. They still are so if the next attempt finds its note.

    Every writer is an attempt. A server that has lost this one has another note, or the same for the same rows.
    """

    attempt: int
    noted: LastRefresh
    rows: KnownRows

    @property
    def size_bytes(self) -> int:
        return sum(values.nbytes for values in self.rows)

    def before(self, attempt: int, last: LastRefresh | None, stores: int) -> KnownRows | None:
        """Return the rows before an attempt that found this refresh. None: somebody else can have written them."""
        is_same = (attempt - 1, last, stores) == (self.attempt, self.noted, len(self.rows.digest))
        return self.rows if is_same else None


def read_rows(conn: psycopg.Connection, keys: Int64s) -> KnownRows:
    """Read the rows of stores, in the order of the keys."""
    asked = {"store_keys": key_array(keys), "states": STATE_NAMES}
    packed = conn.execute(_SQL["known_rows"], asked, binary=True).fetchone()
    records = np.frombuffer(packed[0] if packed and packed[0] else b"", dtype=_KNOWN)
    order = np.argsort(keys)
    place = order[np.searchsorted(keys[order], records["store_key"])]
    known = KnownRows(*np.zeros((3, len(keys)), dtype=np.int64))
    for name in known._fields:
        getattr(known, name)[place] = records[name]
    return known
