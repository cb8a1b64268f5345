"""Reads and cancels imports in the database: one import, a page of them, their rejected rows."""

import csv
import io
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.rows import class_row
from psycopg_pool import AsyncConnectionPool

from services.ingest.http.receive import Received
from services.ingest.parse.reading import Reading
from services.ingest.write.stored_reading import store_reading
from shared.audit import record_async
from shared.clock import from_us
from shared.db.connect import borrowed_async
from shared.db.queries import queries
from shared.errors import ImportEnded, ImportNotFound
from shared.formulas import inert_cells
from shared.http.cursors import cut_page, id_cursor, read_id_cursor
from shared.texts import UNSEEN

_SQL = queries("imports")
_REJECTS_PAGE = 2000
_LAST_BYTE = 0xFF
_MAX_MEMBERS = 1000
_FIRST_ID = UUID(int=0)
_REJECTS_HEADER = ("line", "byte_offset", "reason", "raw", "source")
_CANCELABLE = frozenset({"upload", "command"})
_ORIGINS = {
    "live": "a day's live polls",
    "kafka": "a day's messages of Kafka",
    "change": "a change of a store",
    "retention": "a removal of old polls",
}


@dataclass(frozen=True)
class ImportRow:
    """One import with its counts. Those of an archive are the sums of its members'."""

    id: UUID
    parent_id: UUID | None
    state: Any
    kind: Any
    origin: Any
    source: str
    sha256: str | None
    size_bytes: int | None
    same_as: UUID | None
    reading: dict[str, Any] | None
    quality: dict[str, Any] | None
    error: dict[str, Any] | None
    started_at: datetime
    finished_at: datetime | None
    bytes_done: int
    rows_read: int
    accepted: int
    duplicate: int
    corrected: int
    rejected: int

    @property
    def created_at(self) -> datetime:
        """Return when it was accepted, to the millisecond. The id contains it (RFC 9562)."""
        return from_us((self.id.int >> 80) * 1000)


@dataclass(frozen=True)
class AcceptedUpload:
    """An upload whose bytes are in the spool: its import, how to read it, its name and sender."""

    import_id: UUID
    received: Received
    reading: Reading
    name: str
    created_by: str


async def queue_import(pool: AsyncConnectionPool, upload: AcceptedUpload, spool_id: UUID) -> None:
    """Insert the import of a received upload, in state `queued`."""
    received = upload.received
    values = {
        "id": upload.import_id,
        "source": received.names[0] if len(received.names) == 1 else upload.name,
        "sha256": received.sha256,
        "size_bytes": received.size_bytes,
        "created_by": upload.created_by,
        "spool_id": spool_id,
        "reading": store_reading(upload.reading),
    }
    async with borrowed_async(pool) as conn:
        await conn.execute(_SQL["queue_import"], values)


async def cancel_import(pool: AsyncConnectionPool, import_id: UUID, canceled_by: str) -> None:
    """Cancel an import with its members. What they have committed stays. Raise `ImportNotFound` and `ImportEnded`."""
    async with borrowed_async(pool) as conn:
        row = await (await conn.execute(_SQL["import_to_cancel"], {"id": import_id})).fetchone()
        if row is None:
            raise ImportNotFound(f"there is no import {import_id}")
        origin, is_open, state = row
        if origin not in _CANCELABLE:
            raise ImportEnded(
                f"import {import_id} cannot be canceled: it is {_ORIGINS[origin]}, not a load of files"
            )
        if not is_open:
            raise ImportEnded(f"import {import_id} cannot be canceled: it has already ended ({state})")
        await conn.execute(_SQL["cancel_import"], {"id": import_id})
        await record_async(conn, canceled_by, "import.canceled", str(import_id))


async def oldest_wait_s(pool: AsyncConnectionPool) -> float:
    """Return how many seconds the oldest waiting upload has waited for its next chunk, or 0 if none waits."""
    async with borrowed_async(pool) as conn:
        row = await (await conn.execute(_SQL["oldest_wait_s"])).fetchone()
    return float(row[0]) if row else 0.0


async def get_import(pool: AsyncConnectionPool, import_id: UUID) -> tuple[ImportRow, list[ImportRow]]:
    """Return the import and its members. Raise `ImportNotFound`."""
    found = await _select_imports(pool, 1, id=import_id)
    if not found:
        raise ImportNotFound(f"there is no import {import_id}")
    is_archive = found[0].kind == "archive"
    return found[0], await _select_imports(pool, _MAX_MEMBERS, parent_id=import_id) if is_archive else []


async def list_imports(
    pool: AsyncConnectionPool, cursor: str | None, limit: int
) -> tuple[list[ImportRow], str | None]:
    """Return a page of imports without members, newest first, and the next cursor. Raise `InvalidRequest`."""
    found = await _select_imports(pool, limit + 1, before_id=read_id_cursor(cursor))
    page, last = cut_page(found, limit)
    return list(page), None if last is None else id_cursor(last.id)


async def stream_rejects(pool: AsyncConnectionPool, import_id: UUID) -> AsyncIterator[bytes]:
    """Yield the rejected rows of an import or an archive's members as CSV. Spreadsheets find no formula in it."""
    after_id, after_line = _FIRST_ID, 0
    yield _format_lines([_REJECTS_HEADER])
    while True:
        async with borrowed_async(pool) as conn:
            bounds = {"id": import_id, "after_id": after_id, "after_line": after_line, "limit": _REJECTS_PAGE}
            rows = await (await conn.execute(_SQL["rejects_page"], bounds)).fetchall()
        if not rows:
            return
        yield _format_lines(
            [
                (line, at, reason, inert_cells(_decode_raw(raw)), inert_cells(source))
                for _, line, at, reason, raw, source in rows
            ]
        )
        after_id, after_line = rows[-1][:2]


async def _select_imports(pool: AsyncConnectionPool, limit: int, **bounds: object) -> list[ImportRow]:
    unset = dict.fromkeys(("id", "parent_id", "before_id"))
    async with borrowed_async(pool) as conn, conn.cursor(row_factory=class_row(ImportRow)) as cursor:
        await cursor.execute(_SQL["get_imports"], {**unset, **bounds, "limit": limit})
        return await cursor.fetchall()


def _format_lines(rows: list[tuple[object, ...]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def _decode_raw(raw: bytes) -> str:
    """Return the text, with everything escaped that is not printable UTF-8."""
    text = raw.decode("utf-8", "backslashreplace")
    return UNSEEN.sub(lambda found: found[0] if found[0] == "\t" else _escape_character(ord(found[0])), text)


def _escape_character(code: int) -> str:
    return f"\\x{code:02x}" if code <= _LAST_BYTE else f"\\u{code:04x}"
