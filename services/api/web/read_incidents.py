"""Read what the views of incidents show, through the use cases that serve `/v1/incidents`, `/v1/alert-rules` and channels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Final
from uuid import UUID

from psycopg import AsyncConnection

from services.api.context import ApiContext
from services.api.use_cases.stores import find_store
from services.api.web.incident_view import IncidentLine, IncidentSpan
from shared.channels.model import StoredMessage
from shared.channels.topic_messages import WaitingEvents, list_topic_messages, list_waiting
from shared.db.connect import borrowed_async
from shared.errors import AlertRuleNotFound, StoreNotFound
from shared.http.cursors import cut_page, id_cursor, read_id_cursor
from shared.incidents.stored import (
    Member,
    StoredIncident,
    get_incident,
    list_events,
    list_incidents,
    list_members,
)
from shared.incidents.stored_rules import StoredAlertRule, get_rule, list_rules
from shared.keys import ApiKey, StoreScope
from shared.uptime.zones import DEFAULT_TIMEZONE
from shared.zone_names import zone_or_utc

PAGE: Final = 50
_ENDED_FIRST: Final = 20  # of those that have ended, below the open ones
_MOST_MESSAGES: Final = 50
_TOLD_AFTER_END: Final = timedelta(days=1)
NOT_ENDED: Final = ("open", "acknowledged")
ENDED: Final = ("resolved", "withdrawn")


@dataclass(frozen=True)
class IncidentChoice:
    """Which incidents: of these states in one page, or with None, the open ones and the latest of the others."""

    states: Sequence[str] | None
    kind: str | None
    rule: str | None
    text: str | None
    cursor: str | None

    @property
    def filters(self) -> dict[str, Any]:
        """The filters of `list_incidents` besides the states."""
        return {"kinds": [self.kind] if self.kind else None, "rule": self.rule, "text": self.text}


@dataclass(frozen=True)
class IncidentPart:
    """Some of the incidents in some states, newest first. `next` leads on; None: these are all."""

    states: Sequence[str]
    lines: Sequence[IncidentLine]
    next: str | None


@dataclass(frozen=True)
class WholeView:
    """One incident: its life, its stores, and for admins what was told about its rule meanwhile."""

    line: IncidentLine
    span: IncidentSpan
    members: Sequence[Member]
    rule: StoredAlertRule | None
    messages: Sequence[StoredMessage]
    waiting: Sequence[WaitingEvents]


async def read_incident_parts(
    context: ApiContext, key: ApiKey, choice: IncidentChoice
) -> tuple[Sequence[IncidentPart], Sequence[StoredAlertRule]]:
    """Return the lists to show, and the rules that the caller may see."""
    async with borrowed_async(context.pools.reading) as conn:
        rules = await list_rules(conn, key.visible)
        asked = (
            [(NOT_ENDED, PAGE), (ENDED, _ENDED_FIRST)] if choice.states is None else [(choice.states, PAGE)]
        )
        by = {rule.name: str(rule.parameters.get("by", "")) for rule in rules}
        parts = [await _read_part(conn, key.visible, choice, states, most, by) for states, most in asked]
    return parts, rules


async def _read_part(
    conn: AsyncConnection,
    visible: StoreScope,
    choice: IncidentChoice,
    states: Sequence[str],
    most: int,
    by: Mapping[str, str],
) -> IncidentPart:
    found = await list_incidents(
        conn,
        visible,
        limit=most + 1,
        states=list(states),
        before_id=read_id_cursor(choice.cursor),
        **choice.filters,
    )
    page, last = cut_page(found, most)
    now = datetime.now(UTC)
    lines = [IncidentLine(each, now, by.get(each.rule, "")) for each in page]
    return IncidentPart(states, lines, None if last is None else id_cursor(last.id))


async def read_whole_incident(context: ApiContext, key: ApiKey, incident_id: UUID) -> WholeView:
    """Return one incident. Raises `IncidentNotFound`."""
    async with borrowed_async(context.pools.reading) as conn, conn.transaction():
        incident = await get_incident(conn, incident_id, key.visible)
        members = await list_members(conn, incident, key.visible)
        events = await list_events(conn, incident)
        rule = await _find_rule(conn, incident, key.visible)
        messages, waiting = await _read_messages(conn, incident) if key.allows("admin") else ((), ())
        zone = await _zone_of(conn, incident, key.visible)
    by = str(rule.parameters.get("by", "")) if rule else ""
    line = IncidentLine(incident, datetime.now(UTC), by, zone)
    return WholeView(line, IncidentSpan.of(line, events), members, rule, messages, waiting)


async def _find_rule(
    conn: AsyncConnection, incident: StoredIncident, visible: StoreScope
) -> StoredAlertRule | None:
    try:
        return await get_rule(conn, incident.rule, visible)
    except AlertRuleNotFound:
        return None


async def _read_messages(
    conn: AsyncConnection, incident: StoredIncident
) -> tuple[Sequence[StoredMessage], Sequence[WaitingEvents]]:
    """Return what was told about the rule from the incident's begin to a day after its end, and what still waits."""
    until = datetime.now(UTC) if incident.ended_at is None else incident.ended_at + _TOLD_AFTER_END
    sent = await list_topic_messages(conn, incident.rule, incident.opened_at, until, _MOST_MESSAGES)
    return sent, () if incident.ended_at else await list_waiting(conn, incident.rule)


async def _zone_of(conn: AsyncConnection, incident: StoredIncident, visible: StoreScope) -> tzinfo:
    """Return the zone of the incident's store, or UTC."""
    if incident.store_id is None:
        return UTC
    try:
        store = await find_store(conn, incident.store_id, visible)
        return zone_or_utc(store.timezone or DEFAULT_TIMEZONE)
    except StoreNotFound:
        return UTC
