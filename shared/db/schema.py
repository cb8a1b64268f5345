"""The schema that a process needs before it works: that of its release, or a later one."""

from collections.abc import Callable
from functools import cache

import structlog
from psycopg import AsyncConnection, errors
from psycopg_pool import ConnectionPool

from shared.db.connect import borrowed
from shared.db.migrate import known_migrations
from shared.errors import InfrastructureError, SchemaBehind

_APPLIED = "select coalesce(max(version), 0) from schema_migration"
_NOT_THERE = (
    errors.UndefinedTable,
    errors.InsufficientPrivilege,
)  # it, or the migration that lets roles see it
_LOOK_AGAIN_S = 0.5
_log = structlog.get_logger()


async def require_schema(conn: AsyncConnection) -> None:
    """Raise `SchemaBehind` while migrations of this release are missing."""
    try:
        row = await (await conn.execute(_APPLIED)).fetchone()
    except _NOT_THERE:
        row = None
    _compare(row)


def await_schema(pool: ConnectionPool, wait: Callable[[float], bool]) -> None:
    """Return once the schema is there, or as soon as `wait(seconds)` says that the process is to stop."""
    told = ""
    while True:
        try:
            with borrowed(pool) as conn:
                try:
                    row = conn.execute(_APPLIED).fetchone()
                except _NOT_THERE:
                    row = None
            _compare(row)
        except InfrastructureError as error:
            if told != str(error):
                told = str(error)
                _log.warning("waiting_for_schema", error=told)
        else:
            return
        if wait(_LOOK_AGAIN_S):
            return


def _compare(row: tuple[int] | None) -> None:
    applied, needed = row[0] if row else 0, _newest()
    if applied < needed:
        raise SchemaBehind(
            f"the database's schema is {applied:04}, and this release needs {needed:04}: run `uptill migrate`"
        )


@cache
def _newest() -> int:
    return known_migrations()[-1].version
