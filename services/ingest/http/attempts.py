"""Attempts at loading an upload or a member: counted in the database before they begin, given back for faults of servers.

After `MAX_ATTEMPTS` without a committed chunk the import fails, and the next one has its turn. Knows no files.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from uuid import UUID

import psycopg
import structlog
from psycopg.types.json import Jsonb

from services.ingest.sources.file_names import escape_unstorable as storable
from shared.db.driver_errors import is_outage
from shared.db.queries import queries
from shared.errors import ImportBusy, InfrastructureError, UploadLost

MAX_ATTEMPTS = 5
_SQL = queries("imports")
# Outages to everybody else; but here they may be what this very import does to its session each time.
_OWN_DOING = frozenset({"25P03", "57014"})  # idle in a transaction, statement too long
_log = structlog.get_logger()
Connect = Callable[[], AbstractContextManager[psycopg.Connection]]


class TryLater(Exception):
    """An attempt came to nothing; there will be another."""


class Attempts:
    """Counts for one importer, through connections in autocommit mode."""

    def __init__(self, connect: Connect) -> None:
        self._connect = connect
        self._owed: set[UUID] = set()  # attempts to give back that the database did not take

    @contextmanager
    def attempt(self, import_id: UUID) -> Iterator[None]:
        """Run the block as one attempt at this import; when they are used up, fail it and go on behind the block.

        Raises `TryLater` if the attempt does not count. What is not an Exception, or stops the importer, passes through.
        """
        number = self._begin(import_id)
        if number > MAX_ATTEMPTS:  # the last one took the process with it
            self.fail(import_id, "attempts", "each ended the service's process")
            raise TryLater(f"the import {import_id} has used up its attempts")
        try:
            yield
        except UploadLost:
            raise  # nothing to try again
        except Exception as error:
            if is_passing(error):
                self.give_back(import_id)
                raise TryLater(f"{type(error).__name__}: {error}") from error
            _log.exception("import_failed", import_id=str(import_id), attempt=number)
            if number < MAX_ATTEMPTS:
                self._put_back("requeue_import", import_id)
                raise TryLater(f"{type(error).__name__}: {error}") from error
            self.fail(import_id, "attempts", f"the last one ended with {type(error).__name__}")
        except BaseException:
            self.give_back(import_id)
            raise

    def progressed(self, import_id: UUID) -> None:
        """Say that a chunk was committed, or members were queued: the attempts before that do not count any more."""
        with self._connect() as conn:
            conn.execute(_SQL["forget_attempts"], {"id": import_id})

    def give_back(self, import_id: UUID) -> None:
        """Do not count the attempt that was begun last; if the database is away, count the next one as this one."""
        self._put_back("requeue_import", import_id)
        if not self._put_back("give_back_attempt", import_id):
            self._owed.add(import_id)

    def fail(self, import_id: UUID, reason: str, cause: str) -> None:
        """Fail the import with its members. The text is ours, so that what broke the import cannot break this."""
        message = storable(cause)
        if reason == "attempts":
            message = (
                f"{MAX_ATTEMPTS} attempts to load it came to nothing, {message}; see the log of the ingest service,"
                " which keeps the upload's files for 7 days, and send it again"
            )
        with self._connect() as conn:
            conn.execute(
                _SQL["fail_import"], {"id": import_id, "error": Jsonb({"reason": reason, "message": message})}
            )

    def _put_back(self, query: str, import_id: UUID) -> bool:
        try:
            with self._connect() as conn:
                conn.execute(_SQL[query], {"id": import_id})
        except (InfrastructureError, psycopg.Error):
            return False
        return True

    def _begin(self, import_id: UUID) -> int:
        more = 0 if import_id in self._owed else 1
        with self._connect() as conn:
            row = conn.execute(_SQL["begin_attempt"], {"id": import_id, "more": more}).fetchone()
        self._owed.discard(import_id)
        return int(row[0]) if row else 0  # it has ended: there is nothing to count


def is_passing(error: BaseException) -> bool:
    """Whether this is the fault of a server or of another process, rather than of the import."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, psycopg.Error) and cause.sqlstate in _OWN_DOING:
            return False
        cause = cause.__cause__
    if isinstance(error, psycopg.Error):
        return is_outage(error)
    return isinstance(error, InfrastructureError | ImportBusy)
