"""Loads what lies in the spool, oldest upload first, one at a time, in a thread of its own.

The spool is the queue: an upload leaves it when its import has ended, so a restart goes on with whatever is there.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from threading import Event, Thread
from uuid import UUID

import psycopg
import structlog
from psycopg.types.json import Jsonb

from services.ingest.archive_import import finish_archive, queue_members
from services.ingest.http.spool import Spool, SpooledFile
from services.ingest.limits import Limits
from services.ingest.outcome import Progress
from services.ingest.run import ingest_source
from services.ingest.sources import FileSource, Source, is_archive, unpack
from shared.db.connect import connect, is_outage
from shared.db.queries import queries
from shared.errors import ImportBusy, InfrastructureError

_SQL = queries("imports")
_STATEMENT_TIMEOUT_S = 900.0  # as for files from the command line
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 15.0
_FINAL = frozenset({"succeeded", "stopped", "failed"})
_log = structlog.get_logger()


class _Stopping(Exception):
    """The service ends; the import goes on at its next start."""


class Importer:
    """Start it, `notify` it of each new upload, `close` it: the chunk being written is finished, the rest stays."""

    def __init__(self, database_url: str, spool: Spool, limits: Limits) -> None:
        self._database_url = database_url
        self._limits = limits
        self._spool = spool
        self._unannounced = set(spool.uploads())  # nobody is about to write their import
        self._wake, self._stop = Event(), Event()
        self._thread = Thread(target=self._run, name="importer", daemon=True)

    @property
    def is_alive(self) -> bool:
        """Whether uploads are being loaded."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Begin with what an earlier process left."""
        self._thread.start()

    def notify(self) -> None:
        """Say that there is a new upload."""
        self._wake.set()

    def doubt(self, import_id: UUID) -> None:
        """Say that it is not known whether the import was written: load the upload if so, else forget it."""
        self._unannounced.add(import_id)
        self._wake.set()

    def stop(self) -> None:
        """Ask for the end after the current chunk."""
        self._stop.set()
        self._wake.set()

    def close(self) -> None:
        """Stop, and return when nothing is written any more."""
        self.stop()
        self._thread.join()

    def _run(self) -> None:
        pause_s = _FIRST_PAUSE_S
        while not self._stop.is_set():
            self._wake.clear()
            try:
                for import_id in self._spool.uploads():
                    self._load_upload(import_id)
                pause_s = _FIRST_PAUSE_S
                self._wake.wait()
            except _Stopping:
                return
            except Exception as error:  # noqa: BLE001 (the spool keeps the upload; tried again)
                _log.warning("import_interrupted", error=str(error), retry_s=pause_s)
                self._stop.wait(pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    def _load_upload(self, import_id: UUID) -> None:
        with self._connect() as conn:
            state = next((row[0] for row in conn.execute(_SQL["import_state"], {"id": import_id})), None)
        if state is None and import_id not in self._unannounced:
            return  # received, its import is about to be written
        if state is not None and state not in _FINAL:
            self._load_files(import_id, self._spool.files(import_id))
        self._spool.remove(import_id)

    def _load_files(self, import_id: UUID, files: Sequence[SpooledFile]) -> None:
        sources = [source for file in files for source in unpack(FileSource(file.path, label=file.name))]
        if len(files) == 1 and not is_archive(sources):
            self._load(import_id, sources[0])
            return
        with self._connect() as conn:
            members = queue_members(conn, import_id, sources)
        for source, member_id in members:
            self._load(member_id, source)
        with self._connect() as conn:
            finish_archive(conn, import_id)

    def _load(self, import_id: UUID, source: Source) -> None:
        if self._stop.is_set():
            raise _Stopping
        try:
            with self._connect() as conn:
                ingest_source(conn, source, on_progress=self._go_on, limits=self._limits, import_id=import_id)
        except _Stopping:
            with self._connect() as conn:
                conn.execute(_SQL["requeue_import"], {"id": import_id})
            raise
        except Exception as error:
            if isinstance(error, InfrastructureError | ImportBusy) or (
                isinstance(error, psycopg.Error) and is_outage(error)
            ):
                raise  # tried again
            _log.exception("import_failed", import_id=str(import_id))
            self._fail(import_id, {"reason": "internal", "message": "The failure was logged."})

    def _fail(self, import_id: UUID, error: dict[str, str]) -> None:
        with self._connect() as conn:
            conn.execute(_SQL["fail_import"], {"id": import_id, "error": Jsonb(error)})

    def _go_on(self, progress: Progress) -> None:
        del progress  # the database has it
        if self._stop.is_set():
            raise _Stopping

    def _connect(self) -> AbstractContextManager[psycopg.Connection]:
        return connect(
            self._database_url,
            application_name="uptill-ingest import",
            statement_timeout_s=_STATEMENT_TIMEOUT_S,
            autocommit=True,
        )
