"""Keeps one import alive through an outage of the database: reconnects, asks the ledger what was committed, goes on."""

import time
from collections.abc import Callable
from typing import TypeVar

import psycopg
from psycopg.conninfo import make_conninfo

from services.ingest.write.claim import hold_patiently
from services.ingest.write.ledger import ImportLedger
from shared.db.connect import translated_errors
from shared.errors import DatabaseUnavailable, TableLocked

T = TypeVar("T")
PATIENCE_S = 60.0  # a restart or fail-over of the database fits in
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 5.0


class Lifeline:
    """The connection of one import, which is the ledger's `conn`; after an outage that is another one."""

    def __init__(self, ledger: ImportLedger, lock_patience_s: float = 0.0) -> None:
        self._ledger = ledger
        self._lock_patience_s = lock_patience_s
        self._given = ledger.conn
        info = ledger.conn.info
        self._conninfo = make_conninfo(**info.get_parameters(), password=info.password)

    def apply(self, work: Callable[[], T]) -> T:
        """Do the work, after an outage again. It must ask the ledger what is done, and use the ledger's connection.

        Raises `DatabaseUnavailable` when the database stays away for `PATIENCE_S`, and `TableLocked`, which is one, when a
        table stays locked for `lock_patience_s`.
        """
        began_s, pause_s = None, _FIRST_PAUSE_S
        while True:
            try:
                with translated_errors():
                    if self._ledger.conn.closed:
                        self._reconnect()
                    return work()
            except DatabaseUnavailable as outage:
                self._ledger.conn.close()
                began_s = began_s or time.monotonic()
                patience_s = self._lock_patience_s if isinstance(outage, TableLocked) else PATIENCE_S
                if time.monotonic() + pause_s > began_s + patience_s:
                    raise type(outage)(
                        f"{outage}, for {time.monotonic() - began_s:.0f} seconds; load the file again later: "
                        "the import goes on where it stopped"
                    ) from outage
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    def close(self) -> None:
        """Close the connection, unless it is the one the import was given."""
        if self._ledger.conn is not self._given:
            self._ledger.conn.close()

    def _reconnect(self) -> None:
        self._ledger.conn = psycopg.connect(self._conninfo, autocommit=True)
        if not hold_patiently(self._ledger):
            raise DatabaseUnavailable(
                "another process has taken the import over, or the database keeps a dead session"
            )
        self._ledger.reload()
