"""One attempt at a webhook delivery: sign, send and judge the answer, within a time limit no receiver can stretch."""

import socket
import threading
from contextlib import closing, suppress
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

import structlog

from services.scheduler.webhooks.dial import AddressRefused, Dialer
from services.scheduler.webhooks.signing import signed_headers
from shared.webhooks.model import AttemptOutcome, DeliveryLease

_log = structlog.get_logger()
_MOST_ANSWER_BYTES = 64 << 10
_SHOWN_CHARACTERS = 200
_SUCCESS, _REDIRECTS = range(200, 300), range(300, 400)


def attempt_delivery(dialer: Dialer, lease: DeliveryLease) -> AttemptOutcome:
    """Send once. Never raises, so that a broken address or secret costs only its own delivery."""
    try:
        return post_signed(dialer, lease)
    except Exception as error:  # noqa: BLE001 - the row is wrong: it is recorded as a failed attempt
        _log.exception("delivery_broken", **lease.log_context)
        return AttemptOutcome(None, f"it cannot be sent: {_describe_error(error)}")


def post_signed(dialer: Dialer, lease: DeliveryLease) -> AttemptOutcome:
    """Send once. Raises only if the row is wrong: an address that cannot be parsed, or a secret that cannot sign."""
    try:
        connection = dialer.dial(lease.url)
    except AddressRefused as error:
        return AttemptOutcome(None, str(error), "it leads to an address that is not public")
    except OSError as error:
        return _outcome_without_answer("no connection", error)
    # A socket's timeout restarts with each byte; this one does not.
    limit = threading.Timer(dialer.timeout_s, _shut_down, [connection.sock])
    limit.daemon = True
    limit.start()
    try:
        with closing(connection):
            return _judge_answer(*_post_event(connection, lease))
    except (OSError, HTTPException) as error:
        return _outcome_without_answer("no answer", error)
    finally:
        limit.cancel()


def _post_event(connection: HTTPConnection, lease: DeliveryLease) -> tuple[int, str]:
    """Return the status of the answer and the beginning of its body."""
    body = lease.payload.encode()
    secrets = [secret for secret in (lease.secret, lease.previous_secret) if secret]
    parts = urlsplit(lease.url)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "Uptill-Webhooks/1",
        "Connection": "close",
        **signed_headers(str(lease.id), lease.sent_at_s, body, secrets),
    }
    connection.request("POST", path, body, headers)
    answer = connection.getresponse()
    return answer.status, answer.read(_MOST_ANSWER_BYTES)[:_SHOWN_CHARACTERS].decode("utf-8", "replace")


def _judge_answer(status: int, text: str) -> AttemptOutcome:
    if status in _SUCCESS:
        return AttemptOutcome(status)
    if status in _REDIRECTS:
        return AttemptOutcome(status, "redirects are not followed", "redirects are not followed")
    return AttemptOutcome(
        status, f"it answered {status}: {text}".rstrip(": ").replace("\0", ""), f"it answered {status}"
    )


def _outcome_without_answer(what: str, error: Exception) -> AttemptOutcome:
    kind = "the name of the host is unknown" if isinstance(error, socket.gaierror) else type(error).__name__
    return AttemptOutcome(None, f"{what}: {_describe_error(error)}", f"{what}: {kind}")


def _shut_down(sock: socket.socket) -> None:
    with suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)


def _describe_error(error: Exception) -> str:
    text = f"{type(error).__name__}: {error}".replace("\0", "")
    return text.encode(errors="backslashreplace").decode()[:_SHOWN_CHARACTERS]
