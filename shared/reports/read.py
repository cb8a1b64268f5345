"""Read reports for callers."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import class_row, dict_row
from psycopg.types.json import Jsonb

from shared.db.queries import queries
from shared.errors import ReportNotFound
from shared.keys import EVERY_STORE, StoreScope
from shared.reports.model import FileOfReport, Report, ReportState, StoreFailure

_SQL = queries("reports")
_FILE = tuple(field.name for field in fields(FileOfReport))
_FAILED = tuple(field.name for field in fields(StoreFailure))


@dataclass(frozen=True)
class ReportChoice:
    """Which reports a list shows. None: no limit. `created_after` is inclusive, `created_before` is exclusive."""

    state: ReportState | None = None
    policy: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None


async def get_report(conn: AsyncConnection, report_id: UUID, visible: StoreScope = EVERY_STORE) -> Report:
    """Return a report with its progress. Raises `ReportNotFound`, also if it has stores that are not visible."""
    (report,) = await get_reports(conn, [report_id], [visible])
    if report is None:
        raise ReportNotFound(
            f"report {report_id} does not exist, or its stores are not visible to this key: check the id"
        )
    return report


async def get_reports(
    conn: AsyncConnection, report_ids: Sequence[UUID], visible: Sequence[StoreScope]
) -> list[Report | None]:
    """Return each report, or None if it does not exist or has stores that its caller may not see."""
    async with conn.cursor(row_factory=dict_row) as cursor:
        asked = {"ids": report_ids, "scopes": [scope_json(each) for each in visible]}
        await cursor.execute(_SQL["get_reports"], asked)
        found = {row.pop("place"): _make_report(row) for row in await cursor.fetchall()}
    return [found.get(place) for place in range(1, len(report_ids) + 1)]


async def list_reports(
    conn: AsyncConnection, chosen: ReportChoice, visible: StoreScope, *, before_id: UUID | None, limit: int
) -> list[Report]:
    """Return up to `limit` reports with ids below `before_id`, newest first. Ids grow with the time of creation."""
    async with conn.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(
            _SQL["list_reports"],
            {**vars(chosen), "scope": scope_json(visible), "before_id": before_id, "limit": limit},
        )
        return [_make_report(row) for row in await cursor.fetchall()]


async def list_failed_stores(
    conn: AsyncConnection, report_id: UUID, *, after_id: str | None, limit: int
) -> list[StoreFailure]:
    """Return up to `limit` stores that the report was made without, by id, beginning after `after_id`."""
    async with conn.cursor(row_factory=class_row(StoreFailure)) as cursor:
        await cursor.execute(
            _SQL["list_failed_stores"], {"report_id": report_id, "after_id": after_id, "limit": limit}
        )
        return await cursor.fetchall()


def scope_json(visible: StoreScope) -> Jsonb | None:
    """Return the scope as a query parameter; null means every store."""
    return None if visible.labels is None else Jsonb(dict(visible.labels))


def _make_report(row: dict[str, Any]) -> Report:
    # The view shows whole rows, which may have more columns in a newer schema.
    files = [FileOfReport(**{name: file[name] for name in _FILE}) for file in row.pop("files")]
    # The view orders the files of one kind.
    files.sort(key=lambda file: row["file_kinds"].index(file.kind))
    failed = [StoreFailure(**{name: store[name] for name in _FAILED}) for store in row.pop("failed_stores")]
    return Report(**row, files=files, failed_stores=failed)
