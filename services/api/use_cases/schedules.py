"""Create, read, change and delete schedules. A caller sees only schedules within its stores."""

import re
import sys
from dataclasses import fields, replace
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from shared.audit import record_async
from shared.channels.stored import refuse_unknown_channels
from shared.db.queries import queries
from shared.errors import InvalidRequest, LimitReached, ScheduleNotFound
from shared.ids import new_id
from shared.keys import EVERY_STORE, StoreScope
from shared.reports.excluded_reasons import refuse_unknown_reasons
from shared.reports.insert_report import refuse_unknown
from shared.reports.read import scope_json
from shared.schedules.cron import next_due
from shared.schedules.model import Run, ScheduleState, ScheduleTerms, StoredSchedule
from shared.texts import quoted
from shared.webhooks.endpoints import require_secret

MAX_PREFIX = 200
OWNERS_PREFIX = "keys/"  # below it, each line of limited keys has its own prefix
_RUNS_SHOWN = 20
_SEGMENTS = re.compile(r"[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*")
_SQL = queries("schedules")
T = TypeVar("T", bound=ScheduleTerms)
_TERMS = tuple(field.name for field in fields(ScheduleTerms))


def check_prefix(prefix: str) -> str:
    """Return the prefix. Raises `InvalidRequest` if it is malformed or could escape its folder."""
    if len(prefix) > MAX_PREFIX or not _SEGMENTS.fullmatch(prefix) or {".", ".."} & set(prefix.split("/")):
        raise InvalidRequest(
            f"invalid s3_prefix {quoted(prefix)}: use letters, digits, `.`, `_`, `-` and `/` between parts; no part may be `.` or `..`",
            field="deliver.s3_prefix",
        )
    return prefix


async def create_schedule(
    conn: AsyncConnection,
    terms: ScheduleTerms,
    *,
    created_by: str,
    visible: StoreScope,
    most: int = sys.maxsize,
) -> StoredSchedule:
    """Create a schedule. It is first due at the next time its cron expression matches.

    Raises `InvalidRequest`, `LimitReached` if the key has `most` schedules, and `WebhookSecretMissing` if it has a
    webhook URL but the key has no secret to sign calls.
    """
    ((made,),) = await _fetch_all(conn, "count_of_maker", {"created_by": created_by})
    if made >= most:
        raise LimitReached(f"this key has {made} schedules, and its limit is {most}: delete one first")
    schedule_id = new_id()
    terms = await _place_files(conn, terms, created_by, visible)
    await _check_delivery(conn, terms, created_by, visible)
    await _check_report(conn, terms, visible)
    await conn.execute(
        _SQL["insert"],
        {
            **_as_row(terms),
            "id": schedule_id,
            "scope": scope_json(visible),
            "created_by": created_by,
            "due_at": next_due(terms.cron, terms.timezone, await _read_clock(conn, schedule_id)),
        },
    )
    await record_async(conn, created_by, "schedule.created", str(schedule_id), name=terms.name)
    return await get_schedule(conn, schedule_id, EVERY_STORE)


async def list_schedules(
    conn: AsyncConnection, visible: StoreScope, *, before_id: UUID | None = None, limit: int
) -> list[StoredSchedule]:
    """Return up to `limit` schedules, newest first, beginning after `before_id`."""
    return await _select_schedules(conn, None, visible, before_id, limit)


async def get_schedule(conn: AsyncConnection, schedule_id: UUID, visible: StoreScope) -> StoredSchedule:
    """Return one schedule. Raises `ScheduleNotFound`, also if its stores are not all visible."""
    found = await _select_schedules(conn, schedule_id, visible, None, 1)
    if not found:
        raise _not_found(schedule_id)
    return found[0]


async def list_runs(conn: AsyncConnection, schedule_id: UUID) -> list[Run]:
    """Return the latest runs, newest first."""
    async with conn.cursor(row_factory=class_row(Run)) as cursor:
        await cursor.execute(_SQL["list_runs"], {"id": schedule_id, "limit": _RUNS_SHOWN})
        return await cursor.fetchall()


async def change_schedule(
    conn: AsyncConnection,
    schedule_id: UUID,
    visible: StoreScope,
    *,
    by: str,
    state: ScheduleState | None,
    **changes: Any,
) -> StoredSchedule:
    """Change the given terms. A resumed schedule skips the due times of its pause.

    Raises `ScheduleNotFound`, and what `create_schedule` raises.
    """
    await _lock_schedule(conn, schedule_id, visible)
    before = await get_schedule(conn, schedule_id, visible)
    after = replace(before, **changes, state=state or before.state)
    if after.state != "failed":
        after = replace(after, error=None)
    if after.s3_prefix != before.s3_prefix:
        after = await _place_files(conn, after, before.created_by, before.visible)
    await _check_delivery(conn, after, before.created_by, before.visible)
    if "report" in changes:
        await _check_report(conn, after, after.visible)
    timing = ("cron", "timezone", "state")
    if any(getattr(before, name) != getattr(after, name) for name in timing):
        now = await _read_clock(conn, schedule_id)
        after = replace(after, due_at=next_due(after.cron, after.timezone, now))
    await conn.execute(
        _SQL["change"], {**_as_row(after), "id": schedule_id, "state": after.state, "due_at": after.due_at}
    )
    named = [*changes, *(["state"] if state else [])]
    await record_async(conn, by, "schedule.changed", str(schedule_id), changed=sorted(named))
    return after


async def delete_schedule(conn: AsyncConnection, schedule_id: UUID, visible: StoreScope, *, by: str) -> None:
    """Delete a schedule; its reports and delivered files stay. Raises `ScheduleNotFound`."""
    await _lock_schedule(conn, schedule_id, visible)
    await conn.execute(_SQL["delete"], {"id": schedule_id})
    await record_async(conn, by, "schedule.deleted", str(schedule_id))


async def _place_files(conn: AsyncConnection, terms: T, maker: str, visible: StoreScope) -> T:
    """Return the terms, with the files of a limited key below its own prefix, which no other key can use.

    Raises `InvalidRequest` for a malformed prefix, or for one reserved for limited keys.
    """
    if terms.s3_prefix is None:
        return terms
    check_prefix(terms.s3_prefix)
    if visible.labels is None:
        if f"{terms.s3_prefix}/".startswith(OWNERS_PREFIX):
            raise InvalidRequest(
                f's3_prefix begins with "{OWNERS_PREFIX}", which is reserved for keys limited to some stores: use another prefix',
                field="deliver.s3_prefix",
            )
        return terms
    ((line,),) = await _fetch_all(conn, "line_of_maker", {"created_by": maker})
    own = f"{OWNERS_PREFIX}{line}"
    if f"{terms.s3_prefix}/".startswith(f"{own}/"):
        return terms
    return replace(terms, s3_prefix=check_prefix(f"{own}/{terms.s3_prefix}"))


async def _check_delivery(
    conn: AsyncConnection, terms: ScheduleTerms, maker: str, visible: StoreScope
) -> None:
    if terms.s3_prefix is not None:
        check_prefix(terms.s3_prefix)
    if terms.webhook_url is not None:
        await require_secret(conn, maker)
    if terms.channels and visible.labels is not None:
        raise InvalidRequest(
            "deliver.channels cannot be used by a key that is limited to some stores: use deliver.webhook_url or s3_prefix",
            field="deliver.channels",
        )
    if terms.channels:
        await refuse_unknown_channels(conn, terms.channels, field="deliver.channels")


async def _check_report(conn: AsyncConnection, terms: ScheduleTerms, visible: StoreScope) -> None:
    await refuse_unknown(conn, terms.stores, visible, "report.stores.ids")
    await refuse_unknown_reasons(conn, terms.report.get("exclude_reasons", ()), "report.exclude_reasons")


async def _lock_schedule(conn: AsyncConnection, schedule_id: UUID, visible: StoreScope) -> None:
    locked = await conn.execute(_SQL["lock"], {"id": schedule_id, "scope": scope_json(visible)})
    if locked.rowcount == 0:
        raise _not_found(schedule_id)


def _not_found(schedule_id: UUID) -> ScheduleNotFound:
    return ScheduleNotFound(
        f"schedule {schedule_id} does not exist, or its stores are not visible to this key: check the id"
    )


async def _read_clock(conn: AsyncConnection, schedule_id: UUID) -> datetime:
    ((now,),) = await _fetch_all(conn, "now", {"id": schedule_id})
    assert isinstance(now, datetime)  # noqa: S101  the clock of the database
    return now


async def _fetch_all(conn: AsyncConnection, name: str, parameters: dict[str, Any]) -> list[tuple[Any, ...]]:
    return await (await conn.execute(_SQL[name], parameters)).fetchall()


async def _select_schedules(
    conn: AsyncConnection, schedule_id: UUID | None, visible: StoreScope, before_id: UUID | None, limit: int
) -> list[StoredSchedule]:
    async with conn.cursor(row_factory=class_row(StoredSchedule)) as cursor:
        await cursor.execute(
            _SQL["list"],
            {"id": schedule_id, "scope": scope_json(visible), "before_id": before_id, "limit": limit},
        )
        return await cursor.fetchall()


def _as_row(terms: ScheduleTerms) -> dict[str, Any]:
    return {
        **{name: getattr(terms, name) for name in _TERMS},
        "report": Jsonb(terms.report),
        "channels": list(terms.channels),
    }
