"""A worker's presence: an advisory lock on a session of its own, which Postgres drops the moment the process is gone."""

import selectors
import threading
import time
from typing import Any

import psycopg
import structlog

from shared.db.connect import session_arguments, translated_errors
from shared.db.queries import queries
from shared.errors import DatabaseUnavailable

_SQL = queries("presence")
_log = structlog.get_logger()
_CHECK_EVERY_S = 1.0
_LOCK_AGAIN_S = 0.2  # the server may not know yet that this worker's last session is gone
_RECONNECT_S = (0.0, 0.1, 0.2, 0.5, 1.0)
_STEADY_S = (
    10.0  # after a loss: a session that is cut again and again would cost the same work again and again
)
_STATEMENT_TIMEOUT_S = 5.0
# The server notices a host that vanished after 2 + 3 x 1 s, this worker a server that did after 5 s.
_SERVER_OPTIONS = " -c tcp_keepalives_idle=2 -c tcp_keepalives_interval=1 -c tcp_keepalives_count=3 -c tcp_user_timeout=5000"
_CLIENT_ARGUMENTS = {
    "keepalives_idle": 2,
    "keepalives_interval": 1,
    "keepalives_count": 3,
    "tcp_user_timeout": 5000,
}


class PooledSession(Exception):
    """The session is not this worker's own: a pooler lends it, and keeps it when the worker is gone."""


class Presence:
    """Keeps the lock in a thread, reconnecting as long as the process lives. Behind a pooler it stays off."""

    def __init__(self, database_url: str, worker: str) -> None:
        self._url = database_url
        self._worker = worker
        self._number: int | None = None  # the same for the whole life of the process
        self._held_since_s: float | None = None
        self._losses = 0
        self._first_look = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="presence", daemon=True)

    def start(self, wait_s: float = 1.0) -> None:
        """Start holding the lock; what is claimed before it is held has only its lease, so wait a moment for it."""
        self._thread.start()
        self._first_look.wait(wait_s)

    def stop(self) -> None:
        """End the session, within a second."""
        self._stopping.set()
        self._thread.join(_CHECK_EVERY_S + _STATEMENT_TIMEOUT_S)

    def number(self) -> int | None:
        """Return the number whose lock this process holds; None while the lock is not held steadily."""
        since_s = self._held_since_s
        if since_s is None or (self._losses and time.monotonic() - since_s < _STEADY_S):
            return None
        return self._number

    def _run(self) -> None:
        failures = 0
        while not self._stopping.wait(_RECONNECT_S[min(failures, len(_RECONNECT_S) - 1)]):
            try:
                with translated_errors(), psycopg.connect(self._url, **self._arguments()) as conn:
                    self._hold(conn)
            except PooledSession as error:
                _log.warning("presence_off", reason=str(error))
                return
            except (DatabaseUnavailable, psycopg.Error) as error:
                failures = self._note_failure(str(error.__cause__ or error).strip(), failures)
            finally:
                self._held_since_s = None
                self._first_look.set()

    def _note_failure(self, error: str, failures: int) -> int:
        """Count and log it, the first of a row only; returns how many there were since the lock was last held."""
        if self._held_since_s is not None:
            self._losses += 1
            failures = 0
            _log.warning("presence_lost", error=error)
        elif failures == 0:
            _log.warning("presence_not_held", error=error)
        return failures + 1

    def _arguments(self) -> dict[str, Any]:
        arguments = session_arguments(f"uptill-presence {self._worker}", _STATEMENT_TIMEOUT_S)
        arguments["options"] += _SERVER_OPTIONS
        return {**arguments, **_CLIENT_ARGUMENTS, "autocommit": True}

    def _hold(self, conn: psycopg.Connection) -> None:
        """Take the lock and keep the session until it ends or `stop` is called."""
        if self._number is None:
            ((self._number,),) = conn.execute(_SQL["new_number"])
        self._check(conn)
        while conn.execute(_SQL["take_lock"], {"number": self._number}).fetchone() != (True,):
            if self._stopping.wait(_LOCK_AGAIN_S):
                return
        with selectors.DefaultSelector() as selector:
            selector.register(conn.fileno(), selectors.EVENT_READ)
            while not self._stopping.is_set():
                self._check(conn, has_lock=True)
                if self._held_since_s is None:
                    self._held_since_s = time.monotonic()
                    _log.info("presence_held", presence=self._number)
                    self._first_look.set()
                selector.select(_CHECK_EVERY_S)  # an idle session hears only of its end

    def _check(self, conn: psycopg.Connection, *, has_lock: bool = False) -> None:
        """Raise `PooledSession` unless the backend that answers is the one that greeted us, and the lock is on it."""
        row = conn.execute(_SQL["own_session"], {"number": self._number}).fetchone()
        if row is None or row[0] != conn.info.backend_pid:
            raise PooledSession(
                "another backend answers than the one that was connected to: a connection pooler"
            )
        if has_lock and not row[1]:
            raise PooledSession("the lock was released by somebody else")
