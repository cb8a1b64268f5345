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
    found = list(rejects)
    columns = {name: [getattr(one, name) for one in found] for name in _TYPES if name != "import_id"}
    copy_ragged(conn, "import_reject", _TYPES, {"import_id": [import_id.bytes] * len(found), **columns})
