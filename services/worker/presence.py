"""A worker's presence: an advisory lock on a database session of its own. Postgres drops it when the process dies."""

import selectors
import threading
import time
from typing import Any

import psycopg
import structlog

from shared.db.connect import session_arguments
from shared.db.driver_errors import translated_errors
from shared.db.own_sessions import OwnConnection
from shared.db.queries import queries
from shared.errors import DatabaseUnavailable, PooledSessions

_SQL = queries("presence")
_log = structlog.get_logger()
_CHECK_EVERY_S = 1.0
# The server may not know yet that this worker's last session is gone.
_LOCK_AGAIN_S = 0.2
_RECONNECT_S = (0.0, 0.1, 0.2, 0.5, 1.0)
# After a loss, until the presence counts again: a session that keeps being cut would cost the same work repeatedly.
_STEADY_S = 10.0
_STATEMENT_TIMEOUT_S = 5.0
# The server notices a vanished host after 2 + 3 x 1 s, and the worker a vanished server after 5 s.
_SERVER_OPTIONS = " -c tcp_keepalives_idle=2 -c tcp_keepalives_interval=1 -c tcp_keepalives_count=3 -c tcp_user_timeout=5000"
_CLIENT_ARGUMENTS = {
    "keepalives_idle": 2,
    "keepalives_interval": 1,
    "keepalives_count": 3,
    "tcp_user_timeout": 5000,
}


class PooledSession(Exception):
    """The session belongs to a connection pooler, which keeps it when the worker is gone."""


class Presence:
    """Holds the lock in a thread, and reconnects as long as the process lives. Turns itself off behind a pooler."""

    def __init__(self, database_url: str, worker: str) -> None:
        self._url = database_url
        self._worker = worker
        # The same for the whole life of the process.
        self._number: int | None = None
        self._held_since_s: float | None = None
        self._losses = 0
        self._first_try = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="presence", daemon=True)

    def start(self, wait_s: float = 1.0) -> None:
        """Start holding the lock, and wait up to `wait_s` for it. Earlier claims are protected only by their leases."""
        self._thread.start()
        self._first_try.wait(wait_s)

    def stop(self) -> None:
        """End the session within a second."""
        self._stopping.set()
        self._thread.join(_CHECK_EVERY_S + _STATEMENT_TIMEOUT_S)

    def number(self) -> int | None:
        """Return the number of the lock that this process holds. None while it is not held steadily."""
        since_s = self._held_since_s
        if since_s is None or (self._losses and time.monotonic() - since_s < _STEADY_S):
            return None
        return self._number

    def _run(self) -> None:
        failures = 0
        while not self._stopping.wait(_RECONNECT_S[min(failures, len(_RECONNECT_S) - 1)]):
            try:
                with (
                    translated_errors(),
                    OwnConnection.connect(self._url, **self._session_arguments()) as conn,
                ):
                    self._hold_lock(conn)
            except PooledSession as error:
                _log.warning("presence_off", reason=str(error))
                return
            except (DatabaseUnavailable, PooledSessions, psycopg.Error) as error:
                failures = self._note_failure(str(error.__cause__ or error).strip(), failures)
            finally:
                self._held_since_s = None
                self._first_try.set()

    def _note_failure(self, error: str, failures: int) -> int:
        """Count a failure, log the first of a series, and return the number since the lock was last held."""
        if self._held_since_s is not None:
            self._losses += 1
            failures = 0
            _log.warning("presence_lost", error=error)
        elif failures == 0:
            _log.warning("presence_not_held", error=error)
        return failures + 1

    def _session_arguments(self) -> dict[str, Any]:
        arguments = session_arguments(f"uptill-presence {self._worker}", _STATEMENT_TIMEOUT_S)
        arguments["options"] += _SERVER_OPTIONS
        return {**arguments, **_CLIENT_ARGUMENTS, "autocommit": True}

    def _hold_lock(self, conn: psycopg.Connection) -> None:
        """Take the lock and keep the session until it ends or `stop` is called."""
        if self._number is None:
            ((self._number,),) = conn.execute(_SQL["new_number"])
        self._check_session(conn)
        while conn.execute(_SQL["take_lock"], {"number": self._number}).fetchone() != (True,):
            if self._stopping.wait(_LOCK_AGAIN_S):
                return
        with selectors.DefaultSelector() as selector:
            selector.register(conn.fileno(), selectors.EVENT_READ)
            while not self._stopping.is_set():
                self._check_session(conn, has_lock=True)
                if self._held_since_s is None:
                    self._held_since_s = time.monotonic()
                    _log.info("presence_held", presence=self._number)
                    self._first_try.set()
                # An idle session receives nothing but its end.
                selector.select(_CHECK_EVERY_S)

    def _check_session(self, conn: psycopg.Connection, *, has_lock: bool = False) -> None:
        """Raise `PooledSession` unless the backend that answers is the one we connected to, and holds the lock."""
        row = conn.execute(_SQL["own_session"], {"number": self._number}).fetchone()
        if row is None or row[0] != conn.info.backend_pid:
            raise PooledSession(
                "the answers come from another backend than the connection: there is a connection pooler"
            )
        if has_lock and not row[1]:
            raise PooledSession("the lock was released by another session")
