"""Accept the report of one due schedule, in the transaction that moves the schedule on. So no run is lost or doubled."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import dict_row

from shared import failpoints
from shared.contracts import ComputeBatch
from shared.db.queries import queries
from shared.errors import InfrastructureError, UptillError
from shared.reports.acceptance import Accepted, BatchTerms, read_batches
from shared.reports.parameters import ReportCaller
from shared.reports.trigger import accept_report, in_one_snapshot
from shared.schedules.cron import newest_due, next_due
from shared.schedules.model import StoredSchedule

_SQL = queries("schedules")
_KEEP_RUNS = timedelta(days=90)
_SHOWN_CHARACTERS = 500
# Errors of the database that a schedule's own values cause. Others are outages, conflicts, or a wrong schema.
_OF_A_ROW = (psycopg.DataError, psycopg.IntegrityError)


@dataclass(frozen=True)
class FiredRun:
    """One run of a schedule: its report with the messages for workers, or the reason why there is no report.

    `has_failed`: the schedule cannot be run, and is `failed` from now on.
    """

    schedule_id: UUID
    due_at: datetime
    report_id: UUID | None
    wakes: tuple[ComputeBatch, ...]
    error: str | None
    has_failed: bool = False


async def fire_one(conn: AsyncConnection, terms: BatchTerms) -> FiredRun | None:
    """Fire the schedule that has been due longest, and commit. Return None if none is due.

    `conn` must be outside a transaction. If several due times were missed, only the newest one is run. A report that
    is refused (an unknown store, a revoked key) makes a run without a report, and the schedule goes on. A schedule that
    cannot be run (its zone is unknown, its parameters cannot be read) becomes `failed`, and the others go on.
    """

    async def fire_and_check() -> FiredRun | None:
        fired = await _fire_in_transaction(conn, terms)
        if fired is not None:
            failpoints.hit("schedule.before_commit")
        return fired

    return await in_one_snapshot(conn, fire_and_check)


async def _fire_in_transaction(conn: AsyncConnection, terms: BatchTerms) -> FiredRun | None:
    taken = await (await conn.execute(_SQL["take_due"])).fetchone()
    if taken is None:
        return None
    (schedule_id,) = taken
    try:
        # A savepoint: nothing of a schedule that cannot be run stays.
        async with conn.transaction():
            return await _fire_schedule(conn, schedule_id, terms)
    except (InfrastructureError, OSError, MemoryError):
        raise
    except Exception as error:
        # Whatever it is, other schedules must not wait for this one.
        if isinstance(error, psycopg.Error) and not isinstance(error, _OF_A_ROW):
            raise
        return await _mark_failed(conn, schedule_id, error)


async def _mark_failed(conn: AsyncConnection, schedule_id: UUID, error: Exception) -> FiredRun:
    cause = str(error) if isinstance(error, (UptillError, ValueError)) else f"{type(error).__name__}: {error}"
    cause = cause.replace("\0", "")[:_SHOWN_CHARACTERS]
    failed = await conn.execute(_SQL["mark_failed"], {"id": schedule_id, "error": cause})
    ((due_at,),) = await failed.fetchall()
    return FiredRun(schedule_id, due_at, None, (), cause, has_failed=True)


async def _fire_schedule(conn: AsyncConnection, schedule_id: UUID, terms: BatchTerms) -> FiredRun:
    async with conn.cursor(row_factory=dict_row) as cursor:
        (row,) = await (await cursor.execute(_SQL["read_due"], {"id": schedule_id})).fetchall()
    now, key_lives = row.pop("now"), row.pop("key_lives")
    schedule = StoredSchedule(**row)
    due_at = newest_due(schedule.cron, schedule.timezone, schedule.due_at, now)
    accepted, error = None, "the key that made the schedule was revoked or has expired"
    if key_lives:
        accepted, error = await _accept_report(conn, schedule, due_at, terms)
    delivers = accepted is not None and schedule.stem is not None
    run: dict[str, Any] = {
        "id": schedule.id,
        "due_at": due_at,
        "was_due_at": schedule.due_at,
        "next_due_at": next_due(schedule.cron, schedule.timezone, max(now, due_at)),
        "report_id": accepted and accepted.report_id,
        "error": None if accepted else error,
        "delivery": "waiting" if delivers else "none",
        "stem": schedule.stem,
        "keep": _KEEP_RUNS,
    }
    for statement in ("advance", "insert_run", "forget_runs"):
        await conn.execute(_SQL[statement], run)
    wakes = tuple(accepted.wakes) if accepted else ()
    return FiredRun(schedule.id, due_at, run["report_id"], wakes, run["error"])


async def _accept_report(
    conn: AsyncConnection, schedule: StoredSchedule, due_at: datetime, terms: BatchTerms
) -> tuple[Accepted | None, str]:
    caller = ReportCaller(schedule.created_by, None, schedule.visible)
    request = schedule.make_request(due_at)
    try:
        # A savepoint: nothing of a refused report stays.
        async with conn.transaction():
            return await read_batches(await accept_report(conn, request, caller, terms)), ""
    except InfrastructureError:
        raise
    except UptillError as refused:
        return None, str(refused)
