"""Loads what lies in the spool, one upload at a time, in a thread of its own. Keys take turns.

The spool is the queue: an upload leaves it when its import has ended, so a restart goes on with whatever is there. One
that fails is tried again later, and the next one goes on meanwhile.
"""

import time
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from threading import Event, Thread
from uuid import UUID

import psycopg
import structlog

from services.ingest.http.attempts import Attempts, is_passing
from services.ingest.http.load_upload import FINAL_STATES, UploadLoader
from services.ingest.http.lost_uploads import LostUploads
from services.ingest.http.spool import Spool
from services.ingest.http.turns import Turns
from services.ingest.run import Limits
from shared.db.connect import connect
from shared.errors import InfrastructureError, TableLocked, UploadLost

_STATEMENT_TIMEOUT_S = 900.0  # as for files from the command line
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 15.0
_LOOK_S = 15.0  # until the next look for lost uploads, when nothing is sent
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
        self._loader = UploadLoader(
            self._connect,
            spool,
            self._limits,
            self._attempts,
            self._go_on,
            self._be_seen,
            self._others_wait,
        )
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

    def _others_wait(self, import_id: UUID) -> bool:
        due = [one for one in self._spooled() if one != import_id and self._is_due(one)]
        with suppress(InfrastructureError):
            return bool(due) and self._turns.lets_pass(import_id, due)
        return False

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
        state, gave_up = self._loader.read_state(import_id)
        if state is None and import_id not in self._unannounced:
            return  # received, its import is about to be written
        if state is not None and state not in FINAL_STATES:
            try:
                if not self._loader.load(import_id):
                    self._wake.set()
            except UploadLost as lost:
                self._lost.lose(import_id, str(lost))
                self._spool.remove(import_id)
                return
            state, gave_up = self._loader.read_state(import_id)
        if gave_up:
            aside = self._spool.put_aside(import_id)
            _log.error("upload_put_aside", import_id=str(import_id), folder=str(aside))
        elif state is None or state in FINAL_STATES:
            self._spool.remove(import_id)

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
