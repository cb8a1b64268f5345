"""The import ledger: one row an import, one a committed chunk, one a rejected row. Knows no polls.

All times are the database's.
"""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Self
from uuid import UUID

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from services.ingest.header import Kind
from services.ingest.reasons import Reject
from shared.db.queries import queries
from shared.ids import new_id

FUTURE_TOLERANCE_US = 5 * 60_000_000
_SQL = queries("ingest")
_FIRST_REJECTS = 5


@dataclass(frozen=True)
class Counts:
    """What became of rows; every row read is in exactly one of them."""

    accepted: int = 0
    duplicate: int = 0
    corrected: int = 0
    rejected: int = 0

    @property
    def rows_read(self) -> int:
        return self.accepted + self.duplicate + self.corrected + self.rejected

    def __add__(self, other: Self) -> Self:
        return type(self)(
            self.accepted + other.accepted,
            self.duplicate + other.duplicate,
            self.corrected + other.corrected,
            self.rejected + other.rejected,
        )


@dataclass(frozen=True)
class Stretch:
    """What one transaction took from the file, and the first and the last of the polls it changed."""

    first_byte: int
    end_byte: int
    earliest: datetime | None = None
    latest: datetime | None = None


class DatabaseClock:
    """The database's clock, asked once and carried on by this process's monotonic one."""

    def __init__(self, conn: psycopg.Connection) -> None:
        ((self._asked_us,),) = conn.execute(_SQL["database_clock_us"])
        self._asked_at_ns = time.monotonic_ns()

    def latest_valid_us(self) -> int:
        """The latest instant, in microseconds since 1970, that a poll may have now."""
        elapsed_us = (time.monotonic_ns() - self._asked_at_ns) // 1000
        return int(self._asked_us) + elapsed_us + FUTURE_TOLERANCE_US


class ImportLedger:
    """The ledger of one running import. `open` commits nothing, nor does any method: transactions are the caller's."""

    def __init__(self, conn: psycopg.Connection, import_id: UUID) -> None:
        self.conn = conn
        self.import_id = import_id
        self._chunk_no = 0

    @classmethod
    def open(cls, conn: psycopg.Connection, kind: Kind, source: str) -> Self:
        """A new import in state `running`."""
        import_id = new_id()
        conn.execute(_SQL["insert_import"], {"id": import_id, "kind": kind, "source": source})
        return cls(conn, import_id)

    def lock_writers(self) -> None:
        """Keep every other import from changing data until this transaction ends."""
        self.conn.execute(_SQL["lock_writers"])

    def count(self, counts: Counts, import_id: UUID | None = None) -> None:
        """Add to the counts of this import, or of another one."""
        self.conn.execute(_SQL["count_import"], {"id": import_id or self.import_id, **vars(counts)})

    def reject(self, rejects: Iterable[Reject]) -> None:
        """Keep rejected rows; they are counted by `count`."""
        with self.conn.cursor().copy(_SQL["copy_rejects"]) as copy:
            for reject in rejects:
                copy.write_row((self.import_id, reject.line, reject.byte_offset, reject.reason, reject.raw))

    def advance(self, stretch: Stretch) -> int:
        """Record the stretch under the next ledger number, and return that. From here to COMMIT no other commits."""
        ((seq,),) = self.conn.execute(_SQL["advance_ledger"], {"latest": stretch.latest})
        self.conn.execute(
            _SQL["insert_chunk"],
            {"id": self.import_id, "chunk_no": self._chunk_no, "seq": seq, **vars(stretch)},
        )
        self._chunk_no += 1
        return int(seq)

    def finish(
        self,
        state: Literal["succeeded", "failed"],
        *,
        sha256: bytes | None = None,
        size_bytes: int | None = None,
        error: Mapping[str, str] | None = None,
    ) -> None:
        """Close the import."""
        values = {"state": state, "sha256": sha256, "size_bytes": size_bytes}
        self.conn.execute(
            _SQL["finish_import"],
            {"id": self.import_id, "error": Jsonb(error) if error else None, **values},
        )

    def result(self) -> dict[str, Any]:
        """State, counts and seconds, as the database has them."""
        with self.conn.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(_SQL["import_result"], {"id": self.import_id}).fetchall()[0]

    def first_rejects(self) -> list[Reject]:
        """The first few rejected rows."""
        values = {"id": self.import_id, "limit": _FIRST_REJECTS}
        return [Reject(*row) for row in self.conn.execute(_SQL["first_rejects"], values)]
