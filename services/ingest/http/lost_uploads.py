"""Finds uploads whose files are gone, and fails them as `upload_lost`: their folder, or their whole spool, vanished."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from uuid import UUID

import psycopg
import structlog

from services.ingest.http.attempts import Attempts
from services.ingest.http.spool import Spool
from services.ingest.write.ledger import UPLOAD_LOST
from shared.db.queries import queries

SPOOL_SILENCE = timedelta(hours=1)  # after that a spool has vanished; should it come back, its uploads go on
_SQL = queries("imports")
_log = structlog.get_logger()


class LostUploads:
    """Looks after the uploads of one spool, and after those of spools that nobody has."""

    def __init__(
        self,
        connect: Callable[[], AbstractContextManager[psycopg.Connection]],
        spool: Spool,
        attempts: Attempts,
    ) -> None:
        self._connect = connect
        self._spool = spool
        self._attempts = attempts
        self._adopted = False

    def be_seen(self) -> None:
        """Say that this spool is there. Raises `DatabaseUnavailable`."""
        with self._connect() as conn:
            conn.execute(_SQL["see_spool"], {"id": self._spool.spool_id, "place": self._spool.place})

    def look(self, spooled: list[UUID]) -> None:
        """Fail what is lost. Raises `DatabaseUnavailable`."""
        here = {"spool_id": self._spool.spool_id, "place": self._spool.place, "silence": SPOOL_SILENCE}
        with self._connect() as conn:
            if not self._adopted:
                conn.execute(_SQL["adopt_uploads"], {**here, "ids": spooled})
                self._adopted = True
            mine = [upload for (upload,) in conn.execute(_SQL["open_uploads"], here)]
            orphans = [upload for (upload,) in conn.execute(_SQL["orphaned_uploads"], here)]
        # The folder of an upload is there before its row is, and until its row has ended.
        for upload in [*(upload for upload in mine if not self._spool.holds(upload)), *orphans]:
            self.lose(upload, "its files are gone from the spool")

    def lose(self, upload: UUID, cause: str) -> None:
        """Fail one upload."""
        _log.error("upload_lost", import_id=str(upload), cause=cause)
        try:
            self._attempts.fail(upload, UPLOAD_LOST, f"{cause}; send the upload again")
        except psycopg.Error as error:  # one that cannot be written must not keep the others
            _log.warning("upload_not_failed", import_id=str(upload), error=type(error).__name__)
