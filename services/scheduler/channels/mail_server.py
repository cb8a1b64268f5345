"""Send an e-mail by SMTP, over TLS unless told otherwise, within a time limit that no server can stretch."""

import smtplib
import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Literal, Self

import structlog

from shared.errors import ConfigurationError
from shared.settings import Settings
from shared.webhooks.model import AttemptOutcome

TlsMode = Literal["starttls", "tls", "none"]
_PORTS = {"starttls": 587, "tls": 465, "none": 25}
_log = structlog.get_logger()
_READY, _ACCEPTED = 220, 250


@dataclass(frozen=True)
class MailServer:
    """The server that takes the e-mails. `authorities` is a file of CA certificates instead of the system's."""

    host: str
    port: int
    tls: TlsMode
    sender: str
    user: str = ""
    password: str = field(default="", repr=False)
    timeout_s: float = 30.0
    authorities: str | None = None

    @classmethod
    def of(cls, settings: Settings) -> Self | None:
        """Return the server of the settings, or None if they name none. Raises `ConfigurationError`."""
        if not settings.smtp_host:
            return None
        if not settings.smtp_from:
            raise ConfigurationError("UPTILL_SMTP_FROM is not set: give the address that e-mails come from")
        password = settings.smtp_password.get_secret_value()
        if password and settings.smtp_tls == "none":
            raise ConfigurationError(
                "UPTILL_SMTP_PASSWORD would be sent without TLS: set UPTILL_SMTP_TLS to starttls or tls"
            )
        return cls(
            host=settings.smtp_host,
            port=settings.smtp_port or _PORTS[settings.smtp_tls],
            tls=settings.smtp_tls,
            sender=settings.smtp_from,
            user=settings.smtp_user,
            password=password,
        )


def send_mail(server: MailServer, mail: EmailMessage, to: Sequence[str]) -> AttemptOutcome:
    """Send an e-mail once. Errors name no address, no password, and nothing that the server said."""
    try:
        with _session(server) as session:
            refused = session.send_message(mail, from_addr=server.sender, to_addrs=list(to))
    except smtplib.SMTPNotSupportedError:
        return AttemptOutcome(
            None, "the mail server lacks TLS or the login: check UPTILL_SMTP_TLS and UPTILL_SMTP_USER"
        )
    except smtplib.SMTPRecipientsRefused as error:
        status = min(code for code, _ in error.recipients.values())
        return AttemptOutcome(status, f"the mail server refused every recipient ({status})")
    except smtplib.SMTPAuthenticationError as error:
        return AttemptOutcome(error.smtp_code, f"the mail server refused the login ({error.smtp_code})")
    except smtplib.SMTPResponseException as error:
        return AttemptOutcome(
            error.smtp_code, f"the mail server refused {_refused_part(error)} ({error.smtp_code})"
        )
    except (OSError, smtplib.SMTPException) as error:
        return AttemptOutcome(None, f"no answer of the mail server: {type(error).__name__}")
    if refused:
        # Not a failure: a repetition would reach those again who have it.
        _log.warning("recipients_refused", refused=len(refused), of=len(to))
    return AttemptOutcome(_ACCEPTED)


def _refused_part(error: smtplib.SMTPResponseException) -> str:
    if isinstance(error, smtplib.SMTPConnectError):
        return "the connection"
    return "the sender" if isinstance(error, smtplib.SMTPSenderRefused) else "the message"


@contextmanager
def _session(server: MailServer) -> Iterator[smtplib.SMTP]:
    """Yield a session that is cut off after `timeout_s`, even if the server sends a byte now and then."""
    context = ssl.create_default_context(cafile=server.authorities)
    name = socket.gethostname()
    session = (
        smtplib.SMTP_SSL(local_hostname=name, timeout=server.timeout_s, context=context)
        if server.tls == "tls"
        else smtplib.SMTP(local_hostname=name, timeout=server.timeout_s)
    )
    # Certificates are checked for this name. The constructor sets it only if it may connect at once.
    session._host = server.host  # type: ignore[attr-defined]
    # A socket's timeout restarts with each byte; this one does not.
    limit = threading.Timer(server.timeout_s, _shut_down, [session])
    limit.daemon = True
    limit.start()
    try:
        _open_session(session, server, context)
        yield session
        # The message is accepted: whether the server says goodbye does not matter.
        with suppress(OSError, smtplib.SMTPException):
            session.quit()
    finally:
        limit.cancel()
        session.close()


def _open_session(session: smtplib.SMTP, server: MailServer, context: ssl.SSLContext) -> None:
    status, _ = session.connect(server.host, server.port)
    if status != _READY:
        raise smtplib.SMTPConnectError(status, b"")
    if server.tls == "starttls":
        session.starttls(context=context)
    if server.user:
        session.login(server.user, server.password)


def _shut_down(session: smtplib.SMTP) -> None:
    with suppress(OSError):
        if session.sock is not None:
            session.sock.shutdown(socket.SHUT_RDWR)
