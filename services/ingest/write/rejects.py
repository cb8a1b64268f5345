"""Stores rejected rows."""

from collections.abc import Iterable
from typing import Final
from uuid import UUID

import psycopg

from services.ingest.parse.reasons import Reject
from shared.db.ragged_rows import copy_ragged

_TYPES: Final = {
    "import_id": "uuid",
    "line": "bigint",
    "byte_offset": "bigint",
    "reason": "text",
    "raw": "bytea",
    "source": "text",
}


def store_rejects(conn: psycopg.Connection, import_id: UUID, rejects: Iterable[Reject]) -> None:
    """Store the rejected rows of an import."""
    rows = [(import_id, one.line, one.byte_offset, one.reason, one.raw, one.source) for one in rejects]
    copy_ragged(conn, "import_reject", _TYPES, rows)
