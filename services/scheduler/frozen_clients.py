"""End database sessions whose process is frozen in the middle of a statement, so that their locks do not stay.

Postgres has time limits for sessions that are idle in a transaction and for statements, but neither applies while the server
waits for rows of a COPY, or for the client to take a result.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import structlog
from psycopg.rows import class_row
from psycopg_pool import ConnectionPool

from services.scheduler.duty import Duty, try_step
from shared.db.connect import borrowed
from shared.db.own_sessions import IDLE_IN_TRANSACTION_S
from shared.db.queries import queries
from shared.metrics.registry import FROZEN_CLIENTS_ENDED

_SQL = queries("frozen_clients")
_LOOK_EVERY_S: Final = 2.0
# A frozen client takes none of a result. So does one that is busy with what it has, but it takes more of it in between.
PATIENCE_S: Final[Mapping[str, float]] = {"ClientRead": float(IDLE_IN_TRANSACTION_S), "ClientWrite": 60.0}
_log = structlog.get_logger()


@dataclass(frozen=True)
class ClientWait:
    """A session in the middle of a statement that waits for its client. Equal to a later one if nothing moved in between."""

    pid: int
    backend_start: datetime
    query_start: datetime
    wait_event: str
    application_name: str
    copied_bytes: int


class FrozenClients(Duty):
    """Looks every two seconds which sessions wait for their client, and ends those that have waited for too long."""

    def __init__(self, pool: ConnectionPool, patience_s: Mapping[str, float] = PATIENCE_S) -> None:
        super().__init__("frozen clients")
        self._pool = pool
        self._patience_s = patience_s
        self._since_s: dict[ClientWait, float] = {}

    def perform(self) -> None:
        while not self._stopping.is_set():
            self._was_healthy = try_step(self.name, self._look)
            self._stopping.wait(_LOOK_EVERY_S)

    def _look(self) -> None:
        with borrowed(self._pool) as conn, conn.cursor(row_factory=class_row(ClientWait)) as cursor:
            waits = cursor.execute(_SQL["client_waits"]).fetchall()
            now_s = time.monotonic()
            self._since_s = {wait: self._since_s.get(wait, now_s) for wait in waits}
            for wait, since_s in self._since_s.items():
                if (
                    now_s - since_s > self._patience_s[wait.wait_event]
                    and cursor.execute(
                        _SQL["end_client_wait"], {"pid": wait.pid, "query_start": wait.query_start}
                    ).rowcount
                ):
                    FROZEN_CLIENTS_ENDED.inc()
                    _log.warning(
                        "frozen_client_ended", session=wait.application_name, waited_for=wait.wait_event
                    )
