"""Loads what lies in the spool, one upload at a time, in a thread of its own. Keys take turns.

The spool is the queue: an upload leaves it when its import has ended, so a restart goes on with whatever is there. One
that fails is tried again later, and the next one goes on meanwhile.
"""

import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from threading import Event, Thread
from uuid import UUID

import psycopg
import structlog

from services.ingest.http.attempts import Attempts, is_passing
from services.ingest.http.lost_uploads import LostUploads
from services.ingest.http.spool import Spool
from services.ingest.http.turns import Turns
from services.ingest.run import Limits, LoadOptions, ingest_source
from services.ingest.run import LoadProgress as Progress
from services.ingest.run.delivery import plan_staging
from services.ingest.run.step import LOAD, Step
from services.ingest.sources.files import FileSource
from services.ingest.sources.resolve import has_members as is_archive
from services.ingest.sources.resolve import resolve_sources as unpack
from services.ingest.sources.source import ResolvedSource, Source
from services.ingest.sources.unpacking_limits import MAX_MEMBERS
from services.ingest.write.archive_imports import finish_archive, queue_members
from services.ingest.write.archive_imports import list_open_members as open_members
from shared.db.connect import connect
from shared.db.queries import queries
from shared.errors import TableLocked, UploadLost

_SQL = queries("imports")
_STATEMENT_TIMEOUT_S = 900.0  # as for files from the command line
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 15.0
TURN_S = 5.0  # an archive whose members take longer lets other uploads have their turns
_LOOK_S = 15.0  # until the next look for lost uploads, when nothing is sent
_FINAL = frozenset({"succeeded", "stopped", "failed", "canceled"})
_log = structlog.get_logger()


def _is_away(error: Exception) -> bool:
    return is_passing(error) and not isinstance(error, TableLocked)


class _Stopping(BaseException):
    """The service ends; the import goes on at its next start."""


class Importer:
    """Start it, `notify` it of each new upload, `close` it: the chunk being written is finished, the rest stays."""

    def __init__(self, database_url: str, spool: Spool, limits: Limits) -> None:
        self._database_url = database_url
        # A locked table keeps one upload, not the thread.
        self._limits = replace(limits, lock_patience_s=0.0)
        self._spool = spool
        self._unannounced = set(spool.uploads())  # nobody is about to write their import
        self._pauses: dict[UUID, tuple[float, float]] = {}  # of uploads to try again: pause, and when
        self._attempts = Attempts(self._connect)
        self._turns = Turns(self._connect)
        self._lost = LostUploads(self._connect, spool, self._attempts)
        self._seen_s = float("-inf")
        self._wake, self._stop = Event(), Event()
        self._pause_s = _FIRST_PAUSE_S
        self._thread = Thread(target=self._run, name="importer", daemon=True)

    @property
    def is_alive(self) -> bool:
        """Whether uploads are being loaded."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Begin with what an earlier process left."""
        self._thread.start()

    def notify(self) -> None:
        """Say that there is a new upload, or that one was canceled."""
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
        while not self._stop.is_set():
            self._wake.clear()
            try:
                self._round()
                self._pause_s = _FIRST_PAUSE_S
                self._wake.wait(self._idle_s())
            except _Stopping:
                return
            except Exception as error:  # noqa: BLE001 (the spool keeps the uploads; tried again)
                _log.warning("imports_wait", error=str(error), retry_s=self._pause_s)
                self._stop.wait(self._pause_s)
                self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)

    def _round(self) -> None:
        """Load each upload that is due, once. Raises `DatabaseUnavailable`, which concerns all of them."""
        self._look_after(self._spooled())
        tried: set[UUID] = set()
        # The spool is read again each time: an upload that arrives meanwhile takes its turn.
        while import_id := self._turns.next(
            [one for one in self._spooled() if one not in tried and self._is_due(one)]
        ):
            self._go_on()
            tried.add(import_id)
            self._try(import_id)
            # A round under load may not end before the next outage.
            self._pause_s = _FIRST_PAUSE_S

    def _is_due(self, import_id: UUID) -> bool:
        return self._pauses.get(import_id, (0.0, 0.0))[1] <= time.monotonic()

    def _look_after(self, spooled: list[UUID]) -> None:
        """Find lost uploads and drop old failed ones; what goes wrong here keeps no upload waiting."""
        try:
            self._be_seen()
            self._lost.look(spooled)
            self._spool.forget_failed()
        except Exception as error:
            if _is_away(error):
                raise
            _log.warning("spool_not_looked_after", error=str(error))

    def _spooled(self) -> list[UUID]:
        try:
            return self._spool.uploads()
        except OSError as error:
            _log.error("spool_unreadable", error=error.strerror)
            return []

    def _try(self, import_id: UUID) -> None:
        """Load one upload, and see to it that nothing of it keeps the next one waiting."""
        try:
            self._load_upload(import_id)
        except Exception as error:
            if _is_away(error):  # before an attempt began
                raise
            pause_s = min(2 * self._pauses.get(import_id, (_FIRST_PAUSE_S / 2, 0.0))[0], _LONGEST_PAUSE_S)
            _log.warning("import_interrupted", import_id=str(import_id), error=str(error), retry_s=pause_s)
            self._pauses[import_id] = pause_s, time.monotonic() + pause_s
        else:
            self._pauses.pop(import_id, None)

    def _idle_s(self) -> float:
        """Until the next upload is due, or the next look."""
        due_s = min((due_s for _, due_s in self._pauses.values()), default=float("inf"))
        return max(0.0, min(_LOOK_S, due_s - time.monotonic()))

    def _load_upload(self, import_id: UUID) -> None:
        state, gave_up = self._state(import_id)
        if state is None and import_id not in self._unannounced:
            return  # received, its import is about to be written
        if state is not None and state not in _FINAL:
            try:
                self._load_files(import_id)
            except UploadLost as lost:
                self._lost.lose(import_id, str(lost))
                self._spool.remove(import_id)
                return
            state, gave_up = self._state(import_id)
        if gave_up:
            aside = self._spool.put_aside(import_id)
            _log.error("upload_put_aside", import_id=str(import_id), folder=str(aside))
        elif state is None or state in _FINAL:
            self._spool.remove(import_id)

    def _state(self, import_id: UUID) -> tuple[str | None, bool]:
        """The state of an import, `queued` if it goes on, and whether any part of it used up its attempts."""
        with self._connect() as conn:
            row = conn.execute(_SQL["import_state"], {"id": import_id}).fetchone()
        return (row[0], row[1]) if row else (None, False)

    def _load_files(self, import_id: UUID) -> None:
        with self._attempts.attempt(import_id):
            files = self._spool.files(import_id, self._go_on)
            resolved = [unpack(FileSource(file.path, label=file.name)) for file in files]
            sources = [source for one in resolved for source in one.sources]
            left_out = [name for one in resolved for name in one.left_out]
            if len(files) == 1 and not is_archive(sources):
                self._load(import_id, sources[0])
                return
            if len(sources) > MAX_MEMBERS:
                self._attempts.fail(
                    import_id, "members", f"it holds more than {MAX_MEMBERS:,} files; split the upload"
                )
                return
            with self._connect() as conn:
                members = queue_members(conn, import_id, sources, left_out)
                still_open = open_members(conn, import_id)
            self._attempts.progressed(import_id)
        if self._state(import_id)[0] in _FINAL:
            return
        staging = plan_staging([source for source, _ in members], import_id)
        steps = [*((*members[place], step) for place, step in staging), *((*one, None) for one in members)]
        turn_ends_s = time.monotonic() + TURN_S
        for source, member_id, step in steps:
            if member_id not in still_open:
                continue
            if time.monotonic() > turn_ends_s and self._others_wait(import_id):
                self._wake.set()  # the archive goes on in its next turn
                return
            with self._attempts.attempt(member_id):
                self._load(member_id, source, step or Step(held_by=self._find_refused(members)))
        with self._attempts.attempt(import_id), self._connect() as conn:
            finish_archive(conn, import_id)

    def _find_refused(self, members: Sequence[tuple[ResolvedSource, UUID]]) -> str | None:
        """Return a file of the delivery that holds back all others but polls: it ended without being loaded."""
        ids = [member_id for source, member_id in members if source.kind != "polls"]
        with self._connect() as conn:
            row = conn.execute(_SQL["refused_member"], {"ids": ids}).fetchone()
        return row[0] if row else None

    def _others_wait(self, import_id: UUID) -> bool:
        return any(other != import_id for other in self._spooled())

    def _load(self, import_id: UUID, source: Source, step: Step = LOAD) -> None:
        self._go_on()
        begun = False

        def go_on(progress: Progress) -> None:
            nonlocal begun
            del progress  # the database has it
            if not begun:
                begun = True
                self._attempts.progressed(import_id)
            self._be_seen()
            self._go_on()

        with self._connect() as conn:
            options = LoadOptions(self._limits, on_progress=go_on)
            ingest_source(conn, source, import_id, step, options=options)

    def _go_on(self) -> None:
        """Raise `_Stopping` if the importer was asked to stop."""
        if self._stop.is_set():
            raise _Stopping

    def _be_seen(self) -> None:
        if time.monotonic() - self._seen_s > _LOOK_S:
            self._lost.be_seen()
            self._seen_s = time.monotonic()

    def _connect(self) -> AbstractContextManager[psycopg.Connection]:
        return connect(
            self._database_url,
            application_name="uptill-ingest import",
            statement_timeout_s=_STATEMENT_TIMEOUT_S,
            lock_timeout_s=self._limits.lock_timeout_s,
            autocommit=True,
        )
