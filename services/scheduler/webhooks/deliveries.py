"""The state machine of a webhook delivery: leased by the database's clock, fenced by its attempt, tried for a day."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import psycopg
from psycopg.rows import class_row

from shared.db.queries import queries
from shared.webhooks.model import AttemptOutcome, DeliveryLease

_SQL = queries("webhooks")
_FIRST_PAUSE = timedelta(seconds=10)
_LONGEST_PAUSE = timedelta(hours=2)
_DISABLE_AFTER = timedelta(days=5)
_KEEP = timedelta(days=30)


@dataclass(frozen=True)
class DeliveryLimits:
    """How many deliveries of one line of keys, and to one receiver (host and port), may be sent at the same time."""

    per_key: int = 2
    per_receiver: int = 2


USUAL_LIMITS = DeliveryLimits()


def claim_delivery(
    conn: psycopg.Connection, lease_s: float, limits: DeliveryLimits = USUAL_LIMITS
) -> DeliveryLease | None:
    """Claim the delivery whose turn it is: of the key, then of the receiver, with the fewest being sent.

    Return None if nothing is due within the limits. The caller must end the transaction at once, because claims wait
    for each other.
    """
    conn.execute(_SQL["take_turn"])
    conn.execute(_SQL["expire_leases"])
    values = {"lease": timedelta(seconds=lease_s), **vars(limits)}
    with conn.cursor(row_factory=class_row(DeliveryLease)) as cursor:
        return cursor.execute(_SQL["claim_delivery"], values).fetchone()


def record_outcome(conn: psycopg.Connection, lease: DeliveryLease, outcome: AttemptOutcome) -> UUID | None:
    """Record an attempt, unless its lease was lost. Return the endpoint if this attempt disabled it.

    An endpoint is disabled if it answers 410, or if it has failed for five days without a success.
    """
    fence = {"id": lease.id, "attempt": lease.attempt, "status": outcome.status}
    if outcome.is_success:
        conn.execute(_SQL["record_delivered"], fence)
        return None
    recorded = conn.execute(
        _SQL["record_failure"],
        {
            **fence,
            "error": outcome.error,
            "final": outcome.is_gone,
            "first_pause": _FIRST_PAUSE,
            "longest_pause": _LONGEST_PAUSE,
            "disable_after": _DISABLE_AFTER,
        },
    ).fetchone()
    return recorded[0] if recorded is not None and recorded[1] == "disabled" else None


def release_deliveries(conn: psycopg.Connection, leases: Iterable[DeliveryLease]) -> None:
    """Make these deliveries due again at once."""
    held = list(leases)
    conn.execute(
        _SQL["release_deliveries"],
        {"ids": [lease.id for lease in held], "attempts": [lease.attempt for lease in held]},
    )


def tidy_deliveries(conn: psycopg.Connection) -> None:
    """Give up deliveries that waited too long for a disabled endpoint; delete those that ended a month ago."""
    conn.execute(_SQL["give_up_deliveries"])
    conn.execute(_SQL["forget_deliveries"], {"keep": _KEEP})
    conn.execute(_SQL["forget_subscriptions"], {"keep": _KEEP})
