"""Servers and disks that do not do what Uptill needs. The same call may succeed later."""

from shared.errors.base import UptillError


class InfrastructureError(UptillError):
    """A server that Uptill needs did not answer. The same call may succeed later.

    `setting` is the variable with the server's address. Callers over HTTP see the text only; `explain` adds the rest.
    """

    setting = ""


class DatabaseUnavailable(InfrastructureError):
    """Postgres cannot be reached, is shutting down, or cannot write."""

    setting = "UPTILL_DATABASE_URL"


class DatabaseFull(DatabaseUnavailable):
    """The disk of Postgres is full."""


class TableLocked(DatabaseUnavailable):
    """Another transaction has held a lock on a table for long. Waiting for it does not count as a failed claim."""


class SchemaBehind(InfrastructureError):
    """The database lacks migrations of this release. They may be applied soon."""


class PooledSessions(InfrastructureError):
    """The database's sessions are shared through a pooler, so that settings, locks and LISTEN do not hold."""


class StatementTimedOut(DatabaseUnavailable):
    """Postgres did not finish a statement within the time limit of a call."""


class QueueUnavailable(InfrastructureError):
    """Redis cannot be reached, or refuses writes."""

    setting = "UPTILL_REDIS_URL"


class StorageUnavailable(InfrastructureError):
    """The object store cannot be reached, or answers with an error."""

    setting = "UPTILL_S3_ENDPOINT"


class SftpUnavailable(StorageUnavailable):
    """The SFTP server cannot be reached, or the connection was lost."""

    setting = ""


class DiskFull(InfrastructureError):
    """The disk has no room for temporary files of this process."""


class Overloaded(InfrastructureError):
    """The process already holds as much waiting work as it may. The same call may succeed later."""


class IngestUnavailable(InfrastructureError):
    """The ingest service cannot be reached, or answers with what is not its own."""

    setting = "UPTILL_INGEST_URL"


class SpoolUnavailable(InfrastructureError):
    """The spool folder cannot be read or written."""

    setting = "UPTILL_SPOOL_DIR"
