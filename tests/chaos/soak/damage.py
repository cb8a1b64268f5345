"""Changes parts of reports under way in the bucket, in a thread of its own, as the store or the database may be away.

A report with several parts copies them into its file, so no file of a succeeded report is ever touched.
"""

from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from queue import SimpleQueue
from threading import Event, Thread

import httpx2
import psycopg

from shared.errors import InfrastructureError, ObjectLost
from shared.settings import Settings
from shared.storage import BRIEF, make_storage
from tests.fixtures.buckets import content_of
from tests.fixtures.damage import DAMAGES

_LOOK_EVERY_S = 0.02
_AGAIN_S = 0.2
_CONNECT_TIMEOUT_S = 2
_STATEMENT_TIMEOUT = "-c statement_timeout=2000"
_FAILURES = (psycopg.Error, httpx2.HTTPError, InfrastructureError, ObjectLost)
_ANY_PART = """
    select part, (select other.part from report_batch other
        where other.report_id = b.report_id and other.batch_no <> b.batch_no and other.state = 'done' limit 1)
    from report_batch b join report r on r.id = b.report_id
    where b.state = 'done' and r.state = 'running' and r.kind = 'report'
        and (select count(*) from report_batch where report_id = r.id) > 1
    order by random() limit 1
"""
_KINDS = {"garbage": "garbage of the same length", "half": "half", "empty": "empty"}


class PartDamage(Thread):
    """Counts in `counts` what it damaged."""

    def __init__(self, settings: Mapping[str, str], counts: Counter[str]) -> None:
        super().__init__(name="part-damage", daemon=True)
        self._url = settings["UPTILL_DATABASE_URL"]
        values = {name.removeprefix("UPTILL_").lower(): value for name, value in settings.items()}
        self._storage = make_storage(Settings.model_validate(values), BRIEF)
        self._counts = counts
        self._kinds: SimpleQueue[str] = SimpleQueue()
        self._is_over = Event()

    def begin(self, kind: str) -> None:
        """Damage a part as soon as a report under way has one."""
        self._kinds.put(kind)

    def end(self) -> None:
        """Damage nothing any more."""
        self._is_over.set()

    def run(self) -> None:
        while not self._is_over.is_set():
            kind = self._kinds.get()
            while not self._is_over.is_set() and not self._try(kind):
                self._is_over.wait(_AGAIN_S)

    def _try(self, kind: str) -> bool:
        """Look until one is damaged; False when a server is away."""
        with (
            suppress(*_FAILURES),
            psycopg.connect(
                self._url, autocommit=True, connect_timeout=_CONNECT_TIMEOUT_S, options=_STATEMENT_TIMEOUT
            ) as conn,
        ):
            while not self._is_over.wait(_LOOK_EVERY_S):
                row = conn.execute(_ANY_PART).fetchone()
                if row is not None and self._replace(kind, *row):
                    self._counts[f"parts {kind}"] += 1
                    return True
        return False

    def _replace(self, kind: str, part: str, other: str | None) -> bool:
        if kind == "exchanged":
            if other is None:
                return False
            data = content_of(self._storage, other)
        else:
            data = DAMAGES[_KINDS[kind]](content_of(self._storage, part))
        self._storage.put(part, data, "binary/octet-stream")
        return True
