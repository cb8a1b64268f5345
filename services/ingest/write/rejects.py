"""Stores rejected rows: the first of each import are listed, and the rest are counted by reason."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb

from services.ingest.parse.reasons import Reject
from shared.db.queries import queries
from shared.db.ragged_rows import copy_ragged

# Of an import; an archive's files share them. Measured: 12 MB of Postgres. A hook lists 10,000 a day.
MOST_LISTED: Final = 100_000
_SQL = queries("rejects")
_TYPES: Final = {
    "import_id": "uuid",
    "line": "bigint",
    "byte_offset": "bigint",
    "reason": "text",
    "raw": "bytea",
    "source": "text",
}


def store_rejects(conn: psycopg.Connection, import_id: UUID, rejects: Iterable[Reject]) -> None:
    """List the rejected rows of an import as far as there is room, and count the others."""
    found = list(rejects)
    if not found:
        return
    (room,) = _find_rooms(conn, [import_id])
    listed = found[:room]
    columns = {name: [getattr(one, name) for one in listed] for name in _TYPES if name != "import_id"}
    copy_ragged(conn, "import_reject", _TYPES, {"import_id": [import_id.bytes] * len(listed), **columns})
    if unlisted := Counter(reject.reason for reject in found[room:]):
        conn.execute(_SQL["count_unlisted"], {"id": import_id, "reasons": Jsonb(unlisted)})


def reject_staged(
    conn: psycopg.Connection, statement: Any, values: Mapping[str, Any], ids: Sequence[UUID]
) -> Iterator[tuple[UUID, int]]:
    """Run a statement that rejects staged rows of imports. Yield each import with its number of rejected rows.

    The statement takes `ids`, and as `rooms`, how many more rows each may list. It returns rows of an import, a reason, the
    number of rejected rows and how many of them it did not list.
    """
    each = list(dict.fromkeys(ids))  # rows of an import may be staged in two ways
    given = {**values, "ids": each, "rooms": _find_rooms(conn, each)}
    for import_id, reason, rejected, unlisted in conn.execute(statement, given).fetchall():
        if unlisted:
            conn.execute(_SQL["count_unlisted"], {"id": import_id, "reasons": Jsonb({reason: unlisted})})
        yield import_id, rejected


def _find_rooms(conn: psycopg.Connection, ids: Sequence[UUID]) -> list[int]:
    """Return how many more rejected rows each of the imports may list."""
    values = {"ids": list(ids), "most": MOST_LISTED}
    return [room for (room,) in conn.execute(_SQL["rooms"], values)]
