"""Errors of the database driver, translated into the domain's errors."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg_pool import PoolTimeout

from shared.db.own_sessions import refuse_pooled
from shared.errors import DatabaseFull, DatabaseUnavailable, TableLocked

# Faults to be fixed outside Uptill: connection faults (08), resources (53), shutdown and recovery (57P), a read-only
# server (25006), I/O errors (58). Also a session that was ended because its process was frozen (25P03).
_OUTAGE_SQLSTATES = ("08", "53", "57P", "58", "25006", "25P03")
# lock_timeout: another transaction works on the table. The statement is not at fault.
_LOCKED = "55P03"
_DISK_FULL = "53100"
_OUTAGES = (psycopg.OperationalError, psycopg.InterfaceError, psycopg.InternalError, PoolTimeout)


@contextmanager
def translated_errors() -> Iterator[None]:
    """Turn driver errors that mean "the database is away" into `DatabaseUnavailable`. Other errors pass through.

    A lock that was not granted in time becomes `TableLocked`, a kind of `DatabaseUnavailable`.
    """
    try:
        yield
    except _OUTAGES as error:
        if not is_outage(error):
            raise
        if isinstance(error, psycopg.Error) and error.sqlstate == _LOCKED:
            raise TableLocked("another transaction holds a lock on a table that is needed here") from error
        if isinstance(error, psycopg.Error) and error.sqlstate == _DISK_FULL:
            raise DatabaseFull("the disk of the database is full: free space on it") from error
        if isinstance(error, PoolTimeout):
            refuse_pooled()
        raise DatabaseUnavailable("the database did not answer") from error


def is_outage(error: BaseException) -> bool:
    """Return whether a driver error means that the database is away or locked, and not that a statement is wrong."""
    if isinstance(error, psycopg.Error) and error.sqlstate is not None:
        return error.sqlstate.startswith((*_OUTAGE_SQLSTATES, _LOCKED))
    return isinstance(error, _OUTAGES)
