"""Send a message to a webhook: JSON, signed and posted as events about reports are."""

import json
from datetime import UTC, datetime

from services.scheduler.channels.content import Content, ToldEvents
from services.scheduler.webhooks.attempt import post_signed
from services.scheduler.webhooks.dial import Dialer
from shared.channels.model import MessageLease
from shared.webhooks.model import AttemptOutcome, DeliveryLease


def send_webhook(dialer: Dialer, lease: MessageLease, told: ToldEvents, content: Content) -> AttemptOutcome:
    """Send once. Errors name neither the address nor what the receiver said."""
    delivery = DeliveryLease(
        id=lease.id,
        attempt=lease.attempt,
        url=lease.destination["url"],
        secret=lease.secret or "",
        previous_secret=None,
        payload=json.dumps(_make_body(lease, told, content), ensure_ascii=False, separators=(",", ":")),
        sent_at_s=lease.sent_at_s,
        report_id=None,
        request_id=None,
    )
    outcome = post_signed(dialer, delivery)
    return AttemptOutcome(
        outcome.status, None if outcome.is_success else outcome.brief or "it was not accepted"
    )


def _make_body(lease: MessageLease, told: ToldEvents, content: Content) -> dict[str, object]:
    """Return the body. `type` is that of the newest event shown; `data.events` holds the first, oldest first."""
    return {
        "type": told.notices[-1].event if told.notices else "channel.test",
        "timestamp": lease.created_at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "data": {
            "channel": lease.channel,
            "topic": lease.topic,
            "title": content.title,
            "events": [
                {
                    **notice.to_json(),
                    "since_after": _utc(notice.since_after),
                    "since_by": _utc(notice.since_by),
                    "link": entry.link,
                    "facts": dict(entry.facts),
                }
                for notice, entry in zip(told.notices, content.entries, strict=True)
            ],
            "counts": told.counts,
        },
    }


def _utc(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).isoformat().replace("+00:00", "Z")
