"""Queue messages about incidents: one per rule, event and channel, however many incidents an evaluation changes."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple
from uuid import UUID

import psycopg

from services.scheduler.incidents.message import ToldIncident, ToldStore, make_notice
from services.scheduler.incidents.read import Evaluation, StoredRule
from shared.channels.notice import EventName
from shared.channels.queue_message import QueuedEvent, queue_message
from shared.clock import from_us
from shared.db.queries import queries
from shared.incidents.live_store import MINUTE_US
from shared.incidents.machine import Change, EventKind, OpenIncident
from shared.zone_names import NAMED_ZONES

_SQL = queries("incidents")
_DEFAULT_ZONE: Final = "UTC"
_EVENTS: Final[Mapping[EventKind, EventName]] = {
    EventKind.OPENED: "incident.opened",
    EventKind.FLAPPED: "incident.updated",
    EventKind.JOINED: "incident.updated",
    EventKind.RESOLVED: "incident.resolved",
    EventKind.WITHDRAWN: "incident.withdrawn",
}
# The incident of the group or the feed tells about these stores.
_UNTOLD: Final = frozenset({"grouped", "feed_silent"})


class Telling(NamedTuple):
    """Something to tell, to which channels."""

    rule: StoredRule
    event: EventName
    incident: OpenIncident
    evidence: Mapping[str, Any]
    channels: Sequence[str]


def tell_changes(
    conn: psycopg.Connection, rules: Mapping[str, StoredRule], changes: Sequence[Change], now_us: int
) -> int:
    """Queue messages about changes; return how many."""
    tellings = [
        Telling(rule, event, change.incident, change.evidence or {}, rule.delivery.channels)
        for change in changes
        if (event := told_as(change)) is not None and (rule := rules.get(change.incident.rule)) is not None
    ]
    return _tell(conn, tellings, now_us)


def told_as(change: Change) -> EventName | None:
    """Return the event that tells of a change; None if channels are not told of it."""
    return None if change.cause in _UNTOLD else _EVENTS.get(change.event)


def remind(conn: psycopg.Connection, found: Evaluation, ended: set[UUID], now_us: int) -> int:
    """Queue reminders and escalations of incidents that are not acknowledged; return how many messages."""
    tellings: list[Telling] = []
    rows: list[dict[str, Any]] = []
    for incident_id, incident in found.incidents.items():
        rule, progress = found.rules.get(incident.rule), found.progress[incident_id]
        if rule is None or incident_id in ended or progress.is_acknowledged:
            continue
        terms, minutes = rule.delivery, (now_us - incident.opened_us) // MINUTE_US
        reminders = minutes // terms.remind_minutes if terms.remind_minutes else 0
        if is_reminded := reminders > progress.reminders:
            tellings.append(Telling(rule, "incident.reminder", incident, {}, terms.channels))
        channel, after = terms.escalate_channel, terms.escalate_after_minutes
        if escalates := channel is not None and minutes >= after and not progress.is_escalated:
            tellings.append(Telling(rule, "incident.escalated", incident, {}, [channel] if channel else []))
        if is_reminded or escalates:
            escalated = escalates or progress.is_escalated
            rows.append(
                {"id": incident_id, "reminders": max(reminders, progress.reminders), "escalated": escalated}
            )
    if rows:
        with conn.cursor() as cursor:
            cursor.executemany(_SQL["note_reminder"], rows)
    return _tell(conn, tellings, now_us)


def _tell(conn: psycopg.Connection, tellings: Sequence[Telling], now_us: int) -> int:
    tellings = [each for each in tellings if each.channels]
    if not tellings:
        return 0
    now, stores = from_us(now_us), _read_stores(conn, (each.incident for each in tellings))
    bundles: dict[Any, list[Telling]] = defaultdict(list)
    for each in tellings:
        store = stores.get(each.incident.store_key or next(iter(each.incident.members), 0))
        at = each.rule.delivery.told_from(now, store.zone if store else _DEFAULT_ZONE)
        for channel in each.channels:
            bundles[each.rule.name, each.event, channel, at].append(each)
    messages = 0
    for (rule, event, channel, at), bundle in bundles.items():
        told = [ToldIncident(each.incident, each.evidence) for each in bundle]
        queued = QueuedEvent(
            channel=channel,
            topic=rule,
            idempotency_id=f"{rule} {event} {now_us} {at.isoformat()} {_names(bundle)}",
            notice=make_notice(event, bundle[0].rule, told, stores),
            not_before=at if at > now else None,
        )
        messages += queue_message(conn, queued)
    return messages


def _names(bundle: Sequence[Telling]) -> str:
    """Return what tells a bundle from one of the same instant: while a part of live state stands still, so does *now*."""
    return " ".join(sorted(f"{each.incident.id}/{each.incident.flaps}" for each in bundle))


def _read_stores(conn: psycopg.Connection, incidents: Iterable[OpenIncident]) -> Mapping[int, ToldStore]:
    keys = {key for each in incidents for key in (each.store_key, *each.members) if key is not None}
    if not keys:
        return {}
    rows = conn.execute(_SQL["store_names"], {"store_keys": sorted(keys)}).fetchall()
    # A zone that Python does not know must not keep anybody from being told.
    return {
        key: ToldStore(store_id, zone if zone in NAMED_ZONES else _DEFAULT_ZONE, name)
        for key, store_id, zone, name in rows
    }
