"""One attempt at a delivery: signed, sent, and its answer judged, within a time limit that no receiver can stretch."""

import socket
import threading
from contextlib import closing, suppress
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

from services.scheduler.webhooks.dial import AddressRefused, Dialer
from shared.webhooks.model import DeliveryLease, Outcome
from shared.webhooks.signing import signed_headers

_MOST_ANSWER_BYTES = 64 << 10
_SHOWN_CHARACTERS = 200
_SUCCESS, _REDIRECTS = range(200, 300), range(300, 400)


def attempt_delivery(dialer: Dialer, lease: DeliveryLease) -> Outcome:
    """Send; never raises for what a receiver or the network does."""
    try:
        connection = dialer.dial(lease.url)
    except AddressRefused as error:
        return Outcome(None, str(error))
    except OSError as error:
        return Outcome(None, f"no connection: {_reason(error)}")
    # A timeout of a socket starts anew with each byte; this one does not.
    limit = threading.Timer(dialer.timeout_s, _cut, [connection.sock])
    limit.daemon = True
    limit.start()
    try:
        with closing(connection):
            return _judge(*_post(connection, lease))
    except (OSError, HTTPException) as error:
        return Outcome(None, f"no answer: {_reason(error)}")
    finally:
        limit.cancel()


def _post(connection: HTTPConnection, lease: DeliveryLease) -> tuple[int, str]:
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


def _judge(status: int, said: str) -> Outcome:
    if status in _SUCCESS:
        return Outcome(status)
    if status in _REDIRECTS:
        return Outcome(status, "redirects are not followed")
    return Outcome(status, f"it answered {status}: {said}".rstrip(": ").replace("\0", ""))


def _cut(sock: socket.socket) -> None:
    with suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:_SHOWN_CHARACTERS]
