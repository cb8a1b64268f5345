"""Leave a node of Postgres that stands still, once another node takes writes.

A frozen machine neither answers nor closes its connections: a session on it would wait until the machine goes on. So a
thread looks for sessions that have waited long for an answer. Only then it asks which node takes writes. If it is another
one, all sessions with the silent node are cut, and their work is done again as after any lost connection.
"""

import os
import socket
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final
from weakref import WeakKeyDictionary

import psycopg
import structlog
from psycopg.pq import TransactionStatus

from shared.db.several_hosts import CONNECT_TIMEOUT_S, AnyConnection, Node, remember

_LOOK_EVERY_S: Final = 1.0
_SILENT_S: Final = 4.0  # long statements wait longer: each time, this costs one connection
_log = structlog.get_logger()
_watches: dict[tuple[int, str], "PrimaryWatch"] = {}
_starting = threading.Lock()


def watch_session(address: str, arguments: Mapping[str, Any], conn: AnyConnection) -> None:
    """Cut the connection when its node stands still and another host of the address takes writes.

    `arguments` are those that the connection was opened with.
    """
    node = remember(address, conn)
    with _starting:
        key = (os.getpid(), address)
        if key not in _watches:
            _watches[key] = PrimaryWatch(address, arguments)
    _watches[key].add(conn, node)


class PrimaryWatch:
    """The sessions of this process on one address, and the thread that looks at them."""

    def __init__(self, address: str, arguments: Mapping[str, Any]) -> None:
        self._address = address
        self._arguments = {**arguments, "connect_timeout": CONNECT_TIMEOUT_S, "autocommit": True}
        self._sessions: WeakKeyDictionary[AnyConnection, Node] = WeakKeyDictionary()
        self._busy_since_s: WeakKeyDictionary[AnyConnection, float] = WeakKeyDictionary()
        self._changing = threading.Lock()
        threading.Thread(target=self._run, name="primary-watch", daemon=True).start()

    def add(self, conn: AnyConnection, node: Node) -> None:
        """Watch a new connection."""
        with self._changing:
            self._sessions[conn] = node

    def _run(self) -> None:
        while True:
            time.sleep(_LOOK_EVERY_S)
            if self._has_silent():
                with suppress(psycopg.Error):
                    self._leave_all_but(self._find_primary())

    def _has_silent(self) -> bool:
        """Return whether a session has waited for an answer all the while since several looks."""
        now_s = time.monotonic()
        is_silent = False
        for conn in self._list_sessions():
            if conn.pgconn.transaction_status != TransactionStatus.ACTIVE:
                self._busy_since_s.pop(conn, None)
            elif now_s - self._busy_since_s.setdefault(conn, now_s) >= _SILENT_S:
                is_silent = True
        return is_silent

    def _find_primary(self) -> Node:
        """Return the node that takes writes now. Raises the driver's error if there is none."""
        with psycopg.connect(self._address, **self._arguments) as conn:
            return remember(self._address, conn)

    def _leave_all_but(self, primary: Node) -> None:
        self._busy_since_s.clear()
        left = [conn for conn in self._list_sessions() if self._sessions[conn] != primary]
        cut = sum(map(shut_down, left))
        if cut:
            _log.warning("primary_left", sessions=cut, primary=f"{primary[0]}:{primary[1]}")

    def _list_sessions(self) -> list[AnyConnection]:
        with self._changing:
            return [conn for conn in self._sessions if not conn.closed]


def shut_down(conn: AnyConnection) -> bool:
    """Shut down the socket of a connection: its driver then sees a lost connection. Return False if it was closed already."""
    try:
        with socket.socket(fileno=os.dup(conn.fileno())) as same:
            same.shutdown(socket.SHUT_RDWR)
    except (OSError, psycopg.Error):
        return False
    return True
