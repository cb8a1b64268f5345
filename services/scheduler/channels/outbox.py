"""The messages of channels, as the sender's threads see them: claim, send, record."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import psycopg
import structlog
from psycopg_pool import ConnectionPool

from services.scheduler.channels.chat import ChatTerms, send_chat
from services.scheduler.channels.content import Content, Letterhead, ToldEvents, compose_content
from services.scheduler.channels.mail import Attachment, Envelope, build_mail
from services.scheduler.channels.mail_server import MailServer, send_mail
from services.scheduler.channels.messages import (
    claim_message,
    forget_messages,
    read_events,
    record_outcome,
    release_messages,
)
from services.scheduler.channels.report_summary import (
    Facts,
    ReportedFiles,
    read_attachments,
    read_report,
    summarise,
)
from services.scheduler.channels.webhook import send_webhook
from services.scheduler.webhooks.dial import Dialer
from shared import failpoints
from shared.channels.model import MessageLease
from shared.channels.notice import Notice
from shared.db.connect import borrowed
from shared.errors import UptillError
from shared.metrics.registry import CHANNEL_ATTEMPTS
from shared.storage import Storage
from shared.webhooks.model import AttemptOutcome

_log = structlog.get_logger()
# Reading a report's files, and the longest attempt after that.
_LEASE_S: Final = 120.0


@dataclass(frozen=True)
class Outlets:
    """How each kind of channel is reached. `mail` is None if there is no mail server."""

    dialer: Dialer
    mail: MailServer | None
    chat: ChatTerms
    public_url: str


@dataclass(frozen=True)
class MessageOutbox:
    """Messages to channels."""

    pool: ConnectionPool
    storage: Storage
    outlets: Outlets
    gather_s: float

    def claim(self) -> MessageLease | None:
        """Claim the message that has been due longest. Return None if none is due."""
        with borrowed(self.pool) as conn:
            return claim_message(conn, _LEASE_S, self.gather_s)

    def send(self, lease: MessageLease) -> None:
        """Make one attempt and record it."""
        outcome = self._attempt(lease)
        failpoints.hit("channel.after_send")
        with borrowed(self.pool) as conn:
            state = record_outcome(conn, lease, outcome)
        result = "given_up" if state == "failed" else "delivered" if outcome.is_success else "failed"
        CHANNEL_ATTEMPTS.labels(lease.kind, result).inc()
        log = _log.bind(**lease.log_context)
        log.info("message_attempted", status=outcome.status, error=outcome.error)
        if state == "failed":
            log.error("message_given_up", error=outcome.error)

    def release(self, leases: Iterable[MessageLease]) -> None:
        """Make what was not finished due again at once."""
        with borrowed(self.pool) as conn:
            release_messages(conn, leases)

    def tidy(self) -> None:
        """Delete old messages."""
        with borrowed(self.pool) as conn:
            forget_messages(conn)

    def _attempt(self, lease: MessageLease) -> AttemptOutcome:
        """Send once. Never raises; an error of unknown origin is logged by its type only, since it may quote a secret."""
        try:
            with borrowed(self.pool) as conn:
                told = read_events(conn, lease)
                report = _find_report(conn, told.notices)
            return self._send_told(lease, told, report)
        except UptillError as error:
            return AttemptOutcome(None, f"it cannot be sent now: {error}")
        except Exception as error:  # noqa: BLE001 - one message must not stop the others
            _log.error("message_broken", **lease.log_context, error=type(error).__name__)
            return AttemptOutcome(None, f"it cannot be sent: {type(error).__name__}")

    def _send_told(
        self, lease: MessageLease, told: ToldEvents, report: ReportedFiles | None
    ) -> AttemptOutcome:
        facts: Facts = summarise(report, self.storage) if report else ()
        if report is not None:
            told = replace(told, notices=[replace(told.notices[0], link=f"/reports/{report.id}")])
        content = compose_content(
            told, Letterhead(lease.channel, str(lease.id), self.outlets.public_url), facts
        )
        match lease.kind:
            case "webhook":
                return send_webhook(self.outlets.dialer, lease, told, content)
            case "chat":
                return send_chat(self.outlets.chat, lease, content)
            case "email":
                attachments = read_attachments(report, self.storage) if report and lease.attach else ()
                return self._send_mail(lease, content, attachments)

    def _send_mail(
        self, lease: MessageLease, content: Content, attachments: Sequence[Attachment]
    ) -> AttemptOutcome:
        server, to = self.outlets.mail, lease.destination["to"]
        if server is None:
            return AttemptOutcome(None, "there is no mail server: set UPTILL_SMTP_HOST and UPTILL_SMTP_FROM")
        envelope = Envelope(server.sender, to, str(lease.id), lease.channel, lease.created_at)
        return send_mail(server, build_mail(content, envelope, attachments), to)


def _find_report(conn: psycopg.Connection, notices: Sequence[Notice]) -> ReportedFiles | None:
    """Return the report that a message is about; None if it is about something else."""
    if len(notices) != 1 or not notices[0].event.startswith("report.") or notices[0].subject_id is None:
        return None
    return read_report(conn, notices[0].subject_id)
