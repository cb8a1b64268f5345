"""Loads what lies in the spool, oldest upload first, one at a time, in a thread of its own.

The spool is the queue: an upload leaves it when its import has ended, so a restart goes on with whatever is there.
"""

from collections.abc import Generator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from threading import Event, Thread
from uuid import UUID

import psycopg
import structlog
from psycopg.types.json import Jsonb

from services.ingest.http.spool import Spool, SpooledFile
from services.ingest.run import Progress, ingest_source, load_order
from services.ingest.sources import Source, expand
from shared.db.connect import connect, is_outage
from shared.db.queries import queries
from shared.errors import BadInputFile, ImportBusy, InfrastructureError
from shared.ids import new_id

_SQL = queries("imports")
_STATEMENT_TIMEOUT_S = 900.0  # as for files from the command line
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 15.0
_FINAL = frozenset({"succeeded", "stopped", "failed"})
_log = structlog.get_logger()


class _Stopping(Exception):
    """The service ends; the import goes on at its next start."""


@dataclass(frozen=True)
class _Named:
    """A source under the name its sender gave it."""

    inner: Source
    name: str

    @property
    def size_bytes(self) -> int | None:
        return self.inner.size_bytes

    @property
    def rereadable(self) -> bool:
        return self.inner.rereadable

    def blocks(self) -> Generator[bytes]:
        return self.inner.blocks()


class Importer:
    """Start it, `notify` it of each new upload, `close` it: the chunk being written is finished, the rest stays."""

    def __init__(self, database_url: str, spool: Spool) -> None:
        self._database_url = database_url
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
        try:
            sources = [source for file in files for source in _sources(file)]
        except BadInputFile as refusal:
            self._fail(import_id, {"reason": refusal.reason, "message": str(refusal)})
            return
        if len(files) == 1 and sources[0].name == files[0].name:
            self._load(import_id, sources[0])
        else:
            self._load_archive(import_id, sources)

    def _load_archive(self, archive_id: UUID, sources: Sequence[Source]) -> None:
        with self._connect() as conn, conn.transaction():
            conn.execute(_SQL["begin_archive"], {"id": archive_id})
            known: dict[str, list[tuple[UUID, str]]] = {}
            for member_id, source, state in conn.execute(_SQL["members"], {"id": archive_id}):
                known.setdefault(source, []).append((member_id, state))
            members = [
                (
                    source,
                    *(known[source.name].pop() if known.get(source.name) else _add(conn, archive_id, source)),
                )
                for source in sorted(sources, key=load_order)
            ]
        for source, member_id, state in members:
            if state not in _FINAL:
                self._load(member_id, source)
        with self._connect() as conn:
            conn.execute(_SQL["finish_archive"], {"id": archive_id})

    def _load(self, import_id: UUID, source: Source) -> None:
        if self._stop.is_set():
            raise _Stopping
        try:
            with self._connect() as conn:
                ingest_source(conn, source, on_progress=self._go_on, import_id=import_id)
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


def _sources(file: SpooledFile) -> list[Source]:
    """The file, or the members of the archive that it is, under the sender's names."""
    path = str(file.path)
    return [_Named(source, file.name + source.name.removeprefix(path)) for source in expand([path])]


def _add(conn: psycopg.Connection, archive_id: UUID, source: Source) -> tuple[UUID, str]:
    member_id = new_id()
    values = {
        "id": member_id,
        "parent_id": archive_id,
        "source": source.name,
        "size_bytes": source.size_bytes,
    }
    conn.execute(_SQL["queue_import"], {**values, "sha256": None, "created_by": None})
    return member_id, "queued"
