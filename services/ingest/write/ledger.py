"""The import ledger: one row an import, one a committed chunk, one a rejected row. Knows no polls.

All times are the database's.
"""

import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Self
from uuid import UUID

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from services.ingest.parse.chunks import Checkpoint, Chunk
from services.ingest.parse.header import Kind
from services.ingest.parse.reasons import Reject
from services.ingest.sources.file_names import storable, stored_name
from shared.db.queries import queries
from shared.errors import ImportCanceled
from shared.ids import new_id

FUTURE_TOLERANCE_US = 5 * 60_000_000
_SQL = queries("ingest")
FIRST_REJECTS = 5  # shown
FAULT = "fault"  # reason of an import whose process or database failed, not its data
UPLOAD_LOST = "upload_lost"  # reason of an upload whose files are gone; should they come back, it goes on
State = Literal["queued", "running", "succeeded", "stopped", "failed", "canceled"]


@dataclass(frozen=True)
class Counts:
    """What became of rows; every row read is in exactly one of the first four.

    `cut_fractions` are valid polls whose instant was finer than a microsecond.
    """

    accepted: int = 0
    duplicate: int = 0
    corrected: int = 0
    rejected: int = 0
    cut_fractions: int = 0

    @property
    def rows_read(self) -> int:
        return self.accepted + self.duplicate + self.corrected + self.rejected

    def __add__(self, other: Self) -> Self:
        return type(self)(
            self.accepted + other.accepted,
            self.duplicate + other.duplicate,
            self.corrected + other.corrected,
            self.rejected + other.rejected,
            self.cut_fractions + other.cut_fractions,
        )


_NO_ROWS = Counts()


@dataclass(frozen=True)
class Stretch:
    """What one transaction took from the file, and the first and the last of the polls it changed."""

    first_byte: int
    end_byte: int
    earliest: datetime | None = None
    latest: datetime | None = None


def record_change(
    conn: psycopg.Connection,
    import_id: UUID,
    counts: Counts,
    stretch: Stretch,
    place: Checkpoint | None = None,
    *,
    changed: bool,
    settling: bool = False,
) -> int:
    """Count rows for an import and record the stretch under the next ledger number, which is returned.

    It becomes the data cut if the transaction `changed` data: duplicates and rejected rows leave the cut where it is.
    Raises `ImportCanceled`, unless `settling`; the caller's transaction must then not be committed.
    """
    values = {
        "id": import_id,
        "end_line": place.end_line if place else 0,
        "prefix_sha256": place.prefix_sha256 if place else None,
        "changed": changed,
        "settling": settling,
        **vars(counts),
        **vars(stretch),
    }
    for (seq,) in conn.execute(_SQL["commit_change"], values):
        return int(seq)
    raise ImportCanceled(f"the import {import_id} was canceled")


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
    """The ledger of one import. Its methods commit nothing: transactions are the caller's.

    `checkpoint` is the end of the last chunk written; after an outage `reload` asks which one was committed.
    """

    def __init__(self, conn: psycopg.Connection, import_id: UUID) -> None:
        self.conn = conn
        self.import_id = import_id
        self.state: State = "running"
        self.kind: Kind | None = None
        self.checkpoint: Checkpoint | None = None
        self._reading: Checkpoint | None = None
        self._settling = False

    @classmethod
    def open(
        cls, conn: psycopg.Connection, kind: Kind | None, source: str, size_bytes: int | None = None
    ) -> Self:
        """A new import in state `running`, held by this session; its kind may be told by `start`."""
        ledger = cls(conn, new_id())
        ledger.kind = kind
        ledger.hold()
        conn.execute(
            _SQL["insert_import"],
            {
                "id": ledger.import_id,
                "kind": kind,
                "source": stored_name(source),
                "size_bytes": size_bytes,
            },
        )
        return ledger

    def hold(self) -> bool:
        """Take the import for this session; false while another one, of a live process, has it."""
        ((_, held),) = self.conn.execute(_SQL["hold_import"], {"id": self.import_id})
        return bool(held)

    def release(self) -> None:
        """Let others take it; a connection that is broken holds nothing."""
        with suppress(psycopg.Error):
            self.conn.execute(_SQL["release_import"], {"id": self.import_id})

    def reload(self) -> bool:
        """Ask for the state, and which chunk was committed last; false when there is no such import."""
        rows = self.conn.execute(_SQL["import_progress"], {"id": self.import_id}).fetchall()
        if not rows:
            return False
        ((state, reason, chunk_no, *place),) = rows
        self.state = "running" if reason in {FAULT, UPLOAD_LOST} else state
        self.checkpoint = None if chunk_no is None else Checkpoint(*place)
        self._reading = self.checkpoint
        return True

    def start(self, kind: Kind) -> None:
        """Say what the import loads; also of one that was queued or interrupted."""
        self.conn.execute(_SQL["start_import"], {"id": self.import_id, "kind": kind})
        self.kind = kind

    def holds(self, chunk: Chunk) -> bool:
        """Whether the chunk is written."""
        return self.checkpoint is not None and chunk.end_byte <= self.checkpoint.end_byte

    def reading(self, chunk: Chunk) -> None:
        """Name the chunk that the next `advance` records."""
        self._reading = chunk.checkpoint

    def lock_writers(self) -> None:
        """Keep every other import from changing data until this transaction ends."""
        self.conn.execute(_SQL["lock_writers"])

    def count(self, import_id: UUID, counts: Counts) -> None:
        """Add to the counts of another import; to those of this one `advance` adds."""
        self.conn.execute(_SQL["count_import"], {"id": import_id, **vars(counts)})

    def reject(self, rejects: Iterable[Reject]) -> None:
        """Keep rejected rows; `advance` counts them."""
        with self.conn.cursor().copy(_SQL["copy_rejects"]) as copy:
            for reject in rejects:
                copy.write_row((self.import_id, reject.line, reject.byte_offset, reject.reason, reject.raw))

    def advance(self, stretch: Stretch, counts: Counts = _NO_ROWS, *, changed: bool) -> int:
        """Count, and record the stretch under the next ledger number, which is returned. To COMMIT no other commits."""
        place = self._reading
        seq = record_change(
            self.conn, self.import_id, counts, stretch, place, changed=changed, settling=self._settling
        )
        self.checkpoint = place
        return seq

    def settle(self) -> None:
        """Let a canceled import bring what it has committed to its end."""
        self._settling = True
        self._reading = self.checkpoint

    def finish(
        self,
        state: Literal["succeeded", "stopped", "failed"],
        *,
        sha256: bytes | None = None,
        size_bytes: int | None = None,
        error: Mapping[str, object] | None = None,
        quality: Mapping[str, object] | None = None,
    ) -> None:
        """Close the import. One that failed by a fault (`FAULT`) may go on later."""
        values = {
            "id": self.import_id,
            "state": state,
            "sha256": sha256,
            "size_bytes": size_bytes,
            "error": Jsonb(_storable(error)) if error else None,
            "quality": Jsonb(quality) if quality else None,
            "keep_staged": error is not None and error["reason"] == FAULT,
        }
        self.conn.execute(_SQL["finish_import"], values)

    def result(self) -> dict[str, Any]:
        """What `ImportResult` says of it, as the database has it."""
        with self.conn.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(_SQL["import_result"], {"id": self.import_id}).fetchall()[0]

    def first_rejects(self) -> list[Reject]:
        """The first few rejected rows."""
        values = {"id": self.import_id, "limit": FIRST_REJECTS}
        return [Reject(*row) for row in self.conn.execute(_SQL["first_rejects"], values)]


def _storable(error: Mapping[str, object]) -> dict[str, object]:
    return {name: storable(value) if isinstance(value, str) else value for name, value in error.items()}
