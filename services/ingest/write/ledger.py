"""The import ledger: a row for each import, each committed chunk and each rejected row. All times are the database's."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from typing import Any, Literal, Self
from uuid import UUID

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from services.ingest.import_result import FirstLoad
from services.ingest.parse.chunk import Checkpoint, Chunk
from services.ingest.parse.encodings import Encoding
from services.ingest.parse.kinds import Kind
from services.ingest.parse.reading import PLAIN, Reading
from services.ingest.parse.reasons import Reject
from services.ingest.sources.file_names import escape_unstorable, stored_name
from services.ingest.write.counts import NO_ROWS, RowCounts, Stretch
from services.ingest.write.named_stores import NO_STORES
from services.ingest.write.rejects import store_rejects
from services.ingest.write.stored_reading import store_reading
from shared.db.queries import queries
from shared.errors import ImportCanceled
from shared.ids import new_id

_SQL = queries("ingest")
FIRST_REJECTS = 5  # printed after a load
FAULT = "fault"  # the reason if the process or the database failed, rather than the data
UPLOAD_LOST = "upload_lost"  # the reason if an upload's files are gone; it resumes if they come back
_RESUMABLE_REASONS = frozenset({FAULT, UPLOAD_LOST})
State = Literal["queued", "running", "succeeded", "stopped", "failed", "canceled"]


class ImportLedger:
    """The ledger of one import. Its methods do not commit: transactions belong to the caller.

    `named`: the stores whose rows this process applied. `reading` is how the sender said that values are to be read. `checkpoint` is the end of the last chunk written, and
    `encoding` that of the file so far. After an outage, `reload` asks which chunk was committed. What is not `kept` will be
    rolled back: a dry run.
    """

    def __init__(self, conn: psycopg.Connection, import_id: UUID, *, kept: bool = True) -> None:
        self.conn = conn
        self.import_id = import_id
        self.is_kept = kept
        self.state: State = "running"
        self.kind: Kind | None = None
        self.reading = PLAIN
        self.checkpoint: Checkpoint | None = None
        self.encoding: Encoding | None = None
        self._chunk_end: Checkpoint | None = None
        self._chunk_encoding: Encoding | None = None
        self.named = NO_STORES
        self._early_seq: int | None = None
        # Of a dry run: the places of its changes, which all of its ledgers share.
        self.rehearsed = count()
        self._ignores_cancellation = False

    @classmethod
    def create(
        cls,
        conn: psycopg.Connection,
        kind: Kind | None,
        source: str,
        size_bytes: int | None = None,
        reading: Reading = PLAIN,
        *,
        kept: bool = True,
    ) -> Self:
        """Insert a new import in state `running`, held by this session. `start_loading` may set its kind later."""
        ledger = cls(conn, new_id(), kept=kept)
        ledger.kind = kind
        ledger.reading = reading
        ledger.try_hold()
        values = {
            "id": ledger.import_id,
            "kind": kind,
            "source": stored_name(source),
            "size_bytes": size_bytes,
            "reading": store_reading(reading),
        }
        conn.execute(_SQL["insert_import"], values)
        return ledger

    def try_hold(self) -> bool:
        """Take the import for this session. Return False if another live session has it."""
        ((_, held),) = self.conn.execute(_SQL["hold_import"], {"id": self.import_id})
        return bool(held)

    def release(self) -> None:
        """Let other sessions take the import. A broken connection holds nothing."""
        with suppress(psycopg.Error):
            self.conn.execute(_SQL["release_import"], {"id": self.import_id})

    def reload(self) -> bool:
        """Read the state and the last committed chunk. Return False if the import does not exist."""
        rows = self.conn.execute(_SQL["import_progress"], {"id": self.import_id}).fetchall()
        if not rows:
            return False
        ((state, reason, reading, self.encoding, chunk_no, *place),) = rows
        self.reading = Reading.from_stored(reading)
        self.state = "running" if reason in _RESUMABLE_REASONS else state
        self.checkpoint = None if chunk_no is None else Checkpoint(*place)
        self._chunk_end = self.checkpoint
        return True

    def start_loading(
        self, kind: Kind, size_bytes: int | None, remark: Mapping[str, Sequence[str]] | None = None
    ) -> None:
        """Record the kind, the size as far as it is known, a remark on the columns, and that the import runs.

        Also for one that was interrupted. The size is that of the rows, not of what they are packed in.
        """
        values = {"id": self.import_id, "kind": kind, "size_bytes": size_bytes, "remark": Jsonb(remark or {})}
        self.conn.execute(_SQL["start_import"], values)
        self.kind = kind

    def join_delivery(self, delivery_id: UUID | None) -> None:
        """Record that the import's rows take effect together with those of other imports; None: by themselves."""
        self.conn.execute(_SQL["join_delivery"], {"id": self.import_id, "delivery_id": delivery_id})

    def has_staged_rows(self) -> bool:
        """Return whether rows of this import wait to take effect."""
        ((staged,),) = self.conn.execute(_SQL["has_staged"], {"id": self.import_id})
        return bool(staged)

    def has_written(self, chunk: Chunk) -> bool:
        """Return whether the chunk is already written."""
        return self.checkpoint is not None and chunk.end_byte <= self.checkpoint.end_byte

    def begin_chunk(self, chunk: Chunk, encoding: Encoding | None = None) -> None:
        """Set the chunk that the next `record_progress` records, and the encoding of the file."""
        self._chunk_end = chunk.checkpoint
        self._chunk_encoding = encoding

    def lock_writers(self) -> None:
        """Keep every other import from changing data until this transaction ends. A dry run takes no lock."""
        if self.is_kept:
            self.conn.execute(_SQL["lock_writers"])

    @contextmanager
    def locked_local_data(self) -> Iterator[None]:
        """Keep all other changes of local data out while the block runs."""
        self.conn.execute(_SQL["lock_local"])
        try:
            yield
        finally:
            # A broken connection holds nothing.
            with suppress(psycopg.Error):
                self.conn.execute(_SQL["unlock_local"])

    def take_early_number(self, end_byte: int) -> int:
        """Commit and return a ledger number for rows that are written before the number of their commit is known.

        Later calls return the same one. Raise `ImportCanceled`.
        """
        if self._early_seq is None:
            with self.conn.transaction():
                seq = self.record_progress(Stretch(end_byte, end_byte), changed=False)
            # A dry run moves no number, so it counts on.
            self._early_seq = seq if self.is_kept else seq + next(self.rehearsed)
        return self._early_seq

    def count_for(self, import_id: UUID, counts: RowCounts) -> None:
        """Add to the counts of another import. `record_progress` adds to those of this one."""
        self.conn.execute(_SQL["count_import"], {"id": import_id, **vars(counts)})

    def add_rejects(self, rejects: Iterable[Reject]) -> None:
        """Store rejected rows. `record_progress` counts them."""
        store_rejects(self.conn, self.import_id, rejects)

    def record_progress(self, stretch: Stretch, counts: RowCounts = NO_ROWS, *, changed: bool) -> int:
        """Count rows, and record the stretch under the next ledger number. Return that number.

        The number becomes the data cut if the transaction `changed` data: duplicates and rejected rows do not move it.
        No other change commits between this call and COMMIT, except during a dry run. Raise `ImportCanceled`: then do not
        commit.
        """
        place = self._chunk_end
        if self._chunk_encoding != self.encoding and self._chunk_encoding:
            remark = Jsonb({"encoding": self._chunk_encoding})
            self.conn.execute(_SQL["note_quality"], {"id": self.import_id, "notes": remark})
            self.encoding = self._chunk_encoding
        values = {
            "id": self.import_id,
            "end_line": place.end_line if place else 0,
            "prefix_sha256": place.prefix_sha256 if place else None,
            "changed": changed,
            "even_if_canceled": self._ignores_cancellation,
            **vars(counts),
            **vars(stretch),
        }
        for (seq,) in self.conn.execute(_SQL["commit_change" if self.is_kept else "count_unkept"], values):
            self.checkpoint = place
            return int(seq)
        raise ImportCanceled(f"the import {self.import_id} was canceled")

    def ignore_cancellation(self) -> None:
        """Let a canceled import finish what it has committed."""
        self._ignores_cancellation = True
        self._chunk_end = self.checkpoint

    def finish(
        self,
        state: Literal["succeeded", "stopped", "failed"],
        *,
        sha256: bytes | None = None,
        size_bytes: int | None = None,
        error: Mapping[str, object] | None = None,
        quality: Mapping[str, object] | None = None,
    ) -> None:
        """Close the import. One that failed with the reason `FAULT` may resume later."""
        values = {
            "id": self.import_id,
            "state": state,
            "sha256": sha256,
            "size_bytes": size_bytes,
            "error": Jsonb(_escape_texts(error)) if error else None,
            "quality": Jsonb(quality) if quality else None,
            "keep_staged": error is not None and error["reason"] == FAULT,
        }
        self.conn.execute(_SQL["finish_import"], values)

    def read_result(self) -> dict[str, Any]:
        """Return the fields of `ImportResult` as the database has them."""
        with self.conn.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(_SQL["import_result"], {"id": self.import_id}).fetchall()[0]

    def read_first_load(self, import_id: UUID) -> FirstLoad | None:
        """Return the import that loaded the same bytes before, or None if the ledger has forgotten it."""
        row = self.conn.execute(_SQL["first_load"], {"id": import_id}).fetchone()
        return FirstLoad(*row) if row else None

    def sample_rejects(self, reasons: Sequence[str], limit: int) -> list[Reject]:
        """Return the first rows that were rejected for one of the reasons, by line."""
        values = {"id": self.import_id, "reasons": list(reasons), "limit": limit}
        return [Reject(*row) for row in self.conn.execute(_SQL["sample_rejects"], values)]

    def read_first_rejects(self) -> list[Reject]:
        """Return the first rejected rows: by line, but first those that say what is wrong."""
        values = {"id": self.import_id, "limit": FIRST_REJECTS}
        return [Reject(*row) for row in self.conn.execute(_SQL["first_rejects"], values)]


def _escape_texts(error: Mapping[str, object]) -> dict[str, object]:
    return {
        name: escape_unstorable(value) if isinstance(value, str) else value for name, value in error.items()
    }
