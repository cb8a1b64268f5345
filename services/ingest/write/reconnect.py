"""Keeps one import alive through an outage: reconnects, asks the ledger what was committed, and resumes."""

import time
from collections.abc import Callable
from typing import TypeVar

from services.ingest.write.claim import wait_to_hold
from services.ingest.write.ledger import ImportLedger
from shared.db.driver_errors import translated_errors
from shared.db.own_sessions import OwnConnection
from shared.db.several_hosts import address_like
from shared.errors import DatabaseUnavailable, TableLocked

T = TypeVar("T")
PATIENCE_S = 60.0  # longer than a restart or fail-over of the database
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 5.0


class Lifeline:
    """The connection of one import, which is the ledger's `conn`. After an outage it is a new one."""

    def __init__(self, ledger: ImportLedger, lock_patience_s: float = 0.0) -> None:
        self._ledger = ledger
        self._lock_patience_s = lock_patience_s
        self._given = ledger.conn
        self._address = address_like(ledger.conn)

    def run_until_done(self, work: Callable[[], T]) -> T:
        """Do the work, and again after an outage. It must ask the ledger what is done, and use the ledger's connection.

        Raise `DatabaseUnavailable` if the database stays away for `PATIENCE_S`, and its subclass `TableLocked` if a table
        stays locked for `lock_patience_s`.
        """
        began_s, pause_s = None, _FIRST_PAUSE_S
        while True:
            try:
                with translated_errors():
                    if self._ledger.conn.closed:
                        self._open_connection()
                    return work()
            except DatabaseUnavailable as outage:
                self._ledger.conn.close()
                began_s = began_s or time.monotonic()
                patience_s = self._lock_patience_s if isinstance(outage, TableLocked) else PATIENCE_S
                if time.monotonic() + pause_s > began_s + patience_s:
                    raise type(outage)(
                        f"{outage}, for {time.monotonic() - began_s:.0f} seconds; load the file again later:"
                        " the import resumes where it stopped"
                    ) from outage
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    def close(self) -> None:
        """Close the connection, unless the import was started with it."""
        if self._ledger.conn is not self._given:
            self._ledger.conn.close()

    def _open_connection(self) -> None:
        self._ledger.conn = OwnConnection.connect(self._address, autocommit=True)
        if not wait_to_hold(self._ledger):
            raise DatabaseUnavailable(
                "another process has taken over the import, or the database keeps a dead session"
            )
        self._ledger.reload()
