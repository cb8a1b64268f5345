"""Make the file of service levels of a report, in one snapshot, when its parts are merged."""

from collections.abc import Callable, Iterator
from typing import Any, Final
from uuid import UUID

from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from services.worker.context import WorkerContext
from services.worker.levels.file_lines import level_lines
from services.worker.load import one_snapshot
from shared.db.connect import borrowed
from shared.db.queries import queries
from shared.reports.formats import STORED_CSV_TYPE
from shared.reports.model import ReportFacts
from shared.storage import StoredObject

_SQL = queries("service_levels")
_ROWS_AT_ONCE: Final = 5_000


def write_level_file(
    context: WorkerContext,
    report_id: UUID,
    key: str,
    facts: ReportFacts,
    on_rows: Callable[[], None],
) -> tuple[StoredObject, int]:
    """Write the CSV to `key`; return it and how many rows it has. `on_rows` is called often, and may raise to stop."""
    asked = {"report_id": report_id, "scope": facts.scope and Jsonb(dict(facts.scope))}
    written = 0

    def read_rows() -> Iterator[dict[str, Any]]:
        nonlocal written
        with (
            borrowed(context.pool) as conn,
            one_snapshot(conn),
            conn.cursor("service_levels", row_factory=dict_row) as cursor,
        ):
            cursor.execute(_SQL["of_report"], asked)
            while rows := cursor.fetchmany(_ROWS_AT_ONCE):
                on_rows()
                written += len(rows)
                yield from rows

    stored = context.storage.put_stream(key, level_lines(read_rows()), STORED_CSV_TYPE)
    return stored, written
