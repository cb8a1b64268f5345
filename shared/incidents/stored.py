"""Incidents as callers see them: list, get, acknowledge, note.

A caller who is limited to some stores sees their incidents. Of an incident about several stores, only those that it may see.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from shared.audit import record_async
from shared.channels.notice import Notice
from shared.channels.queue_message import QueuedEvent, queue_message_async
from shared.db.queries import queries
from shared.errors import ForbiddenError, IncidentHasEnded, IncidentNotFound, LimitReached
from shared.incidents.machine import EventKind
from shared.incidents.stored_rules import list_rules
from shared.keys import EVERY_STORE, StoreScope

_SQL = queries("alert_rules")
MOST_SHOWN: Final = 1_000
MAX_NOTES: Final = 200  # of an incident
_NO_FILTER: Final[Mapping[str, Any]] = dict.fromkeys(
    ("id", "before_id", "states", "kinds", "rule", "store_id", "text"), None
)


@dataclass(frozen=True)
class StoredIncident:
    """An incident. `is_whole`: the caller may see all of its stores. `members` are the stores that it is about now."""

    id: UUID
    rule: str
    kind: str
    subject: str
    store_id: str | None
    state: str
    opened_at: datetime
    since_earliest: datetime | None
    since_latest: datetime
    calm_at: datetime | None
    ended_at: datetime | None
    cause: str | None
    flaps: int
    evidence: Mapping[str, Any]
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    members: int
    is_whole: bool


@dataclass(frozen=True)
class Member:
    """A store of an incident about several. `left_at` None: it still belongs to it."""

    store_id: str
    joined_at: datetime
    left_at: datetime | None
    cause: str | None


@dataclass(frozen=True)
class StoredEvent:
    """What happened to an incident. `actor` is the prefix of a key; None: an evaluation."""

    at: datetime
    kind: str
    actor: str | None
    details: Mapping[str, Any]


async def list_incidents(
    conn: AsyncConnection, visible: StoreScope, *, limit: int, **chosen: Any
) -> list[StoredIncident]:
    """Return incidents, newest first. `chosen`: before_id, states, kinds, rule, store_id, and text in a rule, subject or store id."""
    asked = {**_NO_FILTER, **chosen, "limit": limit, "scope": _scope(visible)}
    async with conn.cursor(row_factory=class_row(StoredIncident)) as cursor:
        return await (await cursor.execute(_SQL["list_incidents"], asked)).fetchall()


async def count_open_incidents(conn: AsyncConnection, visible: StoreScope) -> int:
    """Return how many incidents have not ended, of those that the caller may see."""
    row = await (await conn.execute(_SQL["count_open"], {"scope": _scope(visible)})).fetchone()
    return row[0] if row else 0


async def get_incident(conn: AsyncConnection, incident_id: UUID, visible: StoreScope) -> StoredIncident:
    """Return one incident. Raises `IncidentNotFound`."""
    found = await list_incidents(conn, visible, limit=1, id=incident_id)
    if not found:
        raise IncidentNotFound(
            f"incident {incident_id} does not exist, or this key may not see it: check the id"
        )
    return found[0]


async def list_members(
    conn: AsyncConnection, incident: StoredIncident, visible: StoreScope
) -> Sequence[Member]:
    """Return up to `MOST_SHOWN` stores: those that still belong to the incident first."""
    asked = {"id": incident.id, "scope": _scope(visible), "limit": MOST_SHOWN}
    async with conn.cursor(row_factory=class_row(Member)) as cursor:
        return await (await cursor.execute(_SQL["members"], asked)).fetchall()


async def list_events(conn: AsyncConnection, incident: StoredIncident) -> Sequence[StoredEvent]:
    """Return the newest `MOST_SHOWN` events, oldest first. A caller who does not see the whole incident sees none: they count its stores."""
    if not incident.is_whole:
        return []
    async with conn.cursor(row_factory=class_row(StoredEvent)) as cursor:
        asked = {"id": incident.id, "limit": MOST_SHOWN}
        return await (await cursor.execute(_SQL["events"], asked)).fetchall()


async def change_incident(
    conn: AsyncConnection,
    incident_id: UUID,
    visible: StoreScope,
    *,
    by: str,
    acknowledged: bool,
    note: str | None,
) -> StoredIncident:
    """Acknowledge an incident, or add a note, or both. To acknowledge twice changes nothing.

    Raises `IncidentNotFound`, `IncidentHasEnded`, `LimitReached` if it has `MAX_NOTES` notes, and `ForbiddenError` if it is
    also about stores of others.
    """
    async with conn.transaction():
        incident = await get_incident(conn, incident_id, visible)
        if not incident.is_whole:
            raise ForbiddenError("the incident is also about stores that this key may not see: only read it")
        if acknowledged:
            await _acknowledge(conn, incident, by)
        if note is not None:
            await _add_note(conn, incident, by, note)
        return await get_incident(conn, incident_id, visible)


async def _acknowledge(conn: AsyncConnection, incident: StoredIncident, by: str) -> None:
    if not (await conn.execute(_SQL["acknowledge"], {"id": incident.id, "by": by})).rowcount:
        now = await get_incident(conn, incident.id, EVERY_STORE)
        if now.ended_at is not None:
            raise IncidentHasEnded(f"incident {incident.id} was {now.state}: it needs no acknowledgement")
        return
    await _add_event(conn, incident, by, EventKind.ACKNOWLEDGED, {})
    await record_async(conn, by, "incident.acknowledged", str(incident.id))
    for rule in await list_rules(conn, EVERY_STORE, incident.rule):
        for channel in rule.delivery["channels"]:
            await queue_message_async(conn, _acknowledgement(channel, incident))


async def _add_note(conn: AsyncConnection, incident: StoredIncident, by: str, note: str) -> None:
    cursor = await conn.execute(_SQL["count_notes"], {"id": incident.id})
    ((count,),) = await cursor.fetchall()
    if count >= MAX_NOTES:
        raise LimitReached(f"incident {incident.id} has {count} notes, and the limit is {MAX_NOTES}")
    await _add_event(conn, incident, by, EventKind.NOTED, {"note": note})


def _acknowledgement(channel: str, incident: StoredIncident) -> QueuedEvent:
    notice = Notice(
        event="incident.acknowledged",
        what=f"acknowledged: {incident.kind.replace('_', ' ')}",
        where=incident.store_id or incident.subject,
        since_after=incident.since_earliest,
        since_by=incident.since_latest,
        link=f"/incidents/{incident.id}",
        subject_id=incident.id,
    )
    return QueuedEvent(
        channel=channel, topic=incident.rule, idempotency_id=f"{incident.id} acknowledged", notice=notice
    )


async def _add_event(
    conn: AsyncConnection, incident: StoredIncident, by: str, kind: EventKind, details: Mapping[str, Any]
) -> None:
    row = {"id": incident.id, "by": by, "kind": kind.value, "details": Jsonb(dict(details))}
    await conn.execute(_SQL["add_event"], row)


def _scope(visible: StoreScope) -> Jsonb | None:
    return None if visible.labels is None else Jsonb(dict(visible.labels))
