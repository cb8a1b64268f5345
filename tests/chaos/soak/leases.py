"""How long a batch lies still whose worker was killed: from the kill to the next claim."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg

_HELD = "select report_id, batch_no, attempt from report_batch where state = 'leased' and worker like '%%/' || %s::text"
_NOW = "select r.state, b.state, b.attempt from report_batch b join report r on r.id = b.report_id where r.id = %s and batch_no = %s"


@dataclass(frozen=True)
class _Orphan:
    report_id: UUID
    batch_no: int
    attempt: int
    since_s: float


class LeaseWatch:
    """`orphaned` right after a kill, `look` often; `waits_s` holds what was measured."""

    def __init__(self, database_url: str) -> None:
        self._database_url = database_url
        self._conn: psycopg.Connection | None = None
        self._orphans: list[_Orphan] = []
        self.waits_s: list[float] = []

    def close(self) -> None:
        if self._conn is not None:
            self._conn.close()

    @property
    def waiting(self) -> int:
        return len(self._orphans)

    def are_at_work(self, pids: Sequence[int]) -> bool:
        """Whether one of these processes has claimed a batch."""
        return any(self._rows(_HELD, [pid]) for pid in pids)

    def orphaned(self, pids: Sequence[int]) -> None:
        """Note the batches that these processes, killed just now, had claimed."""
        since_s = time.monotonic()
        for pid in pids:
            for report_id, batch_no, attempt in self._rows(_HELD, [pid]):
                self._orphans.append(_Orphan(report_id, batch_no, attempt, since_s))

    def is_over(self) -> bool:
        """Look once more; whether nothing is waited for."""
        self.look()
        return not self._orphans

    def look(self) -> None:
        """Ask which of them were claimed again. One whose report ended meanwhile is not waited for."""
        for orphan in list(self._orphans):
            for report_state, state, attempt in self._rows(_NOW, [orphan.report_id, orphan.batch_no]):
                if attempt > orphan.attempt:
                    self.waits_s.append(time.monotonic() - orphan.since_s)
                if attempt > orphan.attempt or state == "done" or report_state not in {"queued", "running"}:
                    self._orphans.remove(orphan)

    def _rows(self, query: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
        try:
            if self._conn is None or self._conn.closed:
                self._conn = psycopg.connect(self._database_url, autocommit=True, connect_timeout=1)
            return self._conn.execute(query.encode(), values).fetchall()
        except psycopg.OperationalError:
            self._conn = None
            return []
