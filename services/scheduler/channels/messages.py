"""The state machine of a message: formed of waiting events, leased by the database's clock, fenced, tried for a day."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Final

import psycopg
from psycopg.rows import class_row

from services.scheduler.channels.content import MAX_SHOWN, ToldEvents
from shared.channels.model import MessageLease, MessageState
from shared.channels.notice import Notice
from shared.db.queries import queries
from shared.webhooks.model import AttemptOutcome

_SQL = queries("channels")
_FIRST_PAUSE: Final = timedelta(seconds=10)
# Shorter than for webhooks: a message that is hours late is of little use.
_LONGEST_PAUSE: Final = timedelta(minutes=15)
_KEEP: Final = timedelta(days=30)


def claim_message(conn: psycopg.Connection, lease_s: float, gather_s: float) -> MessageLease | None:
    """Form the messages that are ready, and claim the one that has been due longest. Return None if none is due.

    The caller must end the transaction at once, because claims wait for each other.
    """
    if conn.execute(_SQL["anything_due"]).fetchone() != (True,):
        return None
    conn.execute(_SQL["take_turn"])
    conn.execute(_SQL["expire_leases"])
    conn.execute(_SQL["join_messages"])
    conn.execute(_SQL["form_messages"], {"gather": timedelta(seconds=gather_s)})
    with conn.cursor(row_factory=class_row(MessageLease)) as cursor:
        return cursor.execute(_SQL["claim_message"], {"lease": timedelta(seconds=lease_s)}).fetchone()


def read_events(conn: psycopg.Connection, lease: MessageLease) -> ToldEvents:
    """Return what a message tells. Its events do not change once it is leased."""
    ((stored, counts),) = conn.execute(_SQL["read_events"], {"id": lease.id, "limit": MAX_SHOWN}).fetchall()
    return ToldEvents(lease.topic, [Notice.from_json(each) for each in stored or ()], counts or {})


def record_outcome(
    conn: psycopg.Connection, lease: MessageLease, outcome: AttemptOutcome
) -> MessageState | None:
    """Record an attempt and return the message's state. Return None if the lease was lost."""
    fence = {"id": lease.id, "attempt": lease.attempt, "status": outcome.status}
    if outcome.is_success:
        return "delivered" if conn.execute(_SQL["record_delivered"], fence).rowcount else None
    recorded = conn.execute(
        _SQL["record_failure"],
        {
            **fence,
            "error": outcome.error,
            "final": outcome.is_gone,
            "first_pause": _FIRST_PAUSE,
            "longest_pause": _LONGEST_PAUSE,
        },
    ).fetchone()
    return None if recorded is None else recorded[0]


def release_messages(conn: psycopg.Connection, leases: Iterable[MessageLease]) -> None:
    """Make these messages due again at once."""
    held = list(leases)
    conn.execute(
        _SQL["release_messages"],
        {"ids": [lease.id for lease in held], "attempts": [lease.attempt for lease in held]},
    )


def forget_messages(conn: psycopg.Connection) -> None:
    """Delete messages that ended a month ago."""
    conn.execute(_SQL["forget_messages"], {"keep": _KEEP})
