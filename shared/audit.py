"""The audit log: who did what to what, in rows that are never updated. `actor` is the prefix of an API key, or `command`."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from shared.db.queries import queries

_SQL = queries("audit")

# Every action with its meaning. `docs/reference/audit.md` is generated from it.
ACTIONS: Mapping[str, str] = {
    "key.created": "A key was created; the details have its name and scopes.",
    "key.rotated": "A key got a successor, named in the details, and expires after the overlap.",
    "key.revoked": "A key was revoked.",
    "key.used": "A key was used for the first time on a UTC day.",
    "page.signed_in": "A browser signed in to the page with a key.",
    "page.signed_out_everywhere": "All sessions of a key on the page were ended; the details have their number.",
    "report.created": "A report was requested; `shared` is true if it existed already.",
    "report.canceled": "A report was canceled.",
    "report.withdrawn": "A key withdrew from a report, which continues because another key still wants it.",
    "report.retried": "A failed report was retried.",
    "report.linked": "Links to a report's files were given out, for the first time within an hour.",
    "facts.requested": "A job was requested that computes daily facts.",
    "facts.canceled": "A job that computes daily facts was canceled.",
    "insights.requested": "A run of insights was requested.",
    "insights.canceled": "A run of insights was canceled.",
    "service_level.set": "A service level was set; the details have its target and labels.",
    "service_level.removed": "A service level was removed.",
    "alert_rule.set": "An alert rule was set; the details have its kind, labels and channels.",
    "alert_rule.removed": "An alert rule was removed, and its incidents ended.",
    "incident.acknowledged": "An incident was acknowledged.",
    "facts.export_requested": "An export of daily facts as Parquet was requested.",
    "facts.export_canceled": "An export of daily facts was canceled.",
    "import.canceled": "An import was canceled.",
    "hours.adjusted": "Dated hours, special hours, lifetimes, closures or calendars were changed; the subject is the import that records it, the details have its kind and source, the tables, and the store if it is only one.",
    "stores.changed": "Weekly hours, time zones, names or labels of stores were changed; the subject is the import that records it, the details have its kind and its source: a file, or the store of a call.",
    "reason.set": "A word was added that polls may give as their reason, or its description was replaced.",
    "reason.removed": "A word was removed that polls could give as their reason.",
    "hook.set": "A hook was added or got another document; the details have its version and scheme.",
    "hook.secret_replaced": "A hook got another secret; the details say how long the old one stays valid.",
    "hook.removed": "A hook was removed.",
    "webhook.created": "A webhook endpoint was registered; the details have its address.",
    "webhook.deleted": "A webhook endpoint was deleted.",
    "webhook.enabled": "A disabled webhook endpoint was enabled.",
    "webhook.secret_made": "A key got a new webhook secret.",
    "webhook.resent": "A webhook delivery was sent again by hand.",
    "channel.set": "A channel was added or replaced; the details have its kind and its masked destination.",
    "channel.removed": "A channel was removed.",
    "channel.tested": "A test message was sent to a channel.",
    "schedule.created": "A report schedule was created; the details have its name.",
    "schedule.changed": "A report schedule was changed, paused or resumed; the details list what was changed.",
    "schedule.deleted": "A report schedule was deleted.",
}


@dataclass(frozen=True)
class AuditEntry:
    """One row."""

    id: int
    at: datetime
    actor: str
    action: str
    subject: str | None
    details: dict[str, Any]


def record(conn: psycopg.Connection, actor: str, action: str, subject: str, **details: Any) -> None:
    """Write a row in the caller's transaction, so it exists if and only if the action was committed."""
    conn.execute(_SQL["record"], _make_row(actor, action, subject, details))


async def record_async(
    conn: psycopg.AsyncConnection, actor: str, action: str, subject: str, **details: Any
) -> None:
    """Like `record`, for asyncio."""
    await conn.execute(_SQL["record"], _make_row(actor, action, subject, details))


async def list_entries(
    conn: psycopg.AsyncConnection, *, before: int | None, limit: int, actor: str | None, action: str | None
) -> list[AuditEntry]:
    """Return a page of rows with ids below `before`, newest first."""
    async with conn.cursor(row_factory=class_row(AuditEntry)) as cursor:
        values = {"before": before, "limit": limit, "actor": actor, "action": action}
        return await (await cursor.execute(_SQL["list_entries"], values)).fetchall()


def audit_reference() -> str:
    """Return the page `docs/reference/audit.md`."""
    rows = [f"| `{action}` | {meaning} |" for action, meaning in ACTIONS.items()]
    return "\n".join(
        [
            "# Audit",
            "",
            "`GET /v1/audit` shows who did what, newest first, to keys with the scope `admin`. The actor is the prefix of a",
            "key, or `command` for the `uptill` command. Each row is written in the transaction of the action itself.",
            "",
            "| action | meaning |",
            "|---|---|",
            *rows,
            "",
        ]
    )


def _make_row(actor: str, action: str, subject: str, details: Mapping[str, Any]) -> Mapping[str, Any]:
    if action not in ACTIONS:
        raise ValueError(f"{action!r} is not registered")
    return {"actor": actor, "action": action, "subject": subject, "details": Jsonb(dict(details))}
