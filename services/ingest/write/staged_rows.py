"""The rows of a delivery while they wait to take effect: all kinds except polls."""

from collections.abc import Iterator, Sequence
from typing import Final
from uuid import UUID

import numpy as np
import psycopg

from services.ingest.parse.days import NumbersUsed
from services.ingest.parse.parsed import Columns, HeldRow
from services.ingest.write.counts import RowCounts
from services.ingest.write.rejects import reject_staged
from shared.columns import RepeatedValues
from shared.db.queries import queries
from shared.db.ragged_rows import copy_ragged

_SQL = queries("ingest")
_TYPES: Final = {
    "import_id": "uuid",
    "store_id": "text",
    "line": "bigint",
    "byte_offset": "bigint",
    "raw": "bytea",
    "day_of_week": "smallint",
    "day_number": "smallint",
    "opens": "integer",
    "closes": "integer",
    "timezone": "text",
    "reason": "text",
    "date": "date",
    "begins": "timestamptz",
    "ends": "timestamptz",
    "details": "jsonb",
    "written_zone": "text",
}


def stage_rows(conn: psycopg.Connection, import_id: UUID, columns: Columns) -> None:
    """Let rows of an import wait, in the order given."""
    ids = RepeatedValues([import_id.bytes], np.zeros(len(columns["line"]), np.int64))
    copy_ragged(conn, "import_staged", _TYPES, {"import_id": ids, **columns})


def stage_held(conn: psycopg.Connection, import_id: UUID, held: Sequence[HeldRow]) -> None:
    """Remember rejected rows: nothing of their stores takes effect."""
    if held:
        stage_rows(conn, import_id, dict(zip(HeldRow._fields, zip(*held, strict=True), strict=True)))


def read_delivery(conn: psycopg.Connection, import_id: UUID) -> dict[UUID, str]:
    """Return the imports that take effect together with this one, and the names of their files."""
    return dict(conn.execute(_SQL["delivery"], {"id": import_id}).fetchall())


def read_numbers(conn: psycopg.Connection, ids: Sequence[UUID]) -> dict[UUID, NumbersUsed]:
    """Return how each of the imports that names days numbers them."""
    rows = conn.execute(_SQL["staged_numbers"], {"ids": list(ids)})
    return {import_id: NumbersUsed(*used) for import_id, *used in rows}


def list_held_ids(conn: psycopg.Connection, ids: Sequence[UUID]) -> list[str]:
    """Return the stores that have a rejected row in one of the imports."""
    return [store_id for (store_id,) in conn.execute(_SQL["held_ids"], {"ids": list(ids)})]


def reject_incomplete(conn: psycopg.Connection, ids: Sequence[UUID]) -> Iterator[tuple[UUID, RowCounts]]:
    """Reject the valid rows of stores that have a rejected row. Yield how many each import has."""
    if held := list_held_ids(conn, ids):
        for import_id, rejected in reject_staged(conn, _SQL["reject_incomplete"], {"held": held}, ids):
            yield import_id, RowCounts(rejected=rejected)
