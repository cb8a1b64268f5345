"""Check that the database has the schema of this release, or a later one."""

from collections.abc import Callable
from functools import cache

import structlog
from psycopg import AsyncConnection, errors
from psycopg_pool import ConnectionPool

from shared.db.connect import borrowed
from shared.db.migrate import known_migrations
from shared.errors import InfrastructureError, SchemaBehind
from shared.explain import explain

_APPLIED = "select coalesce(max(version), 0) from schema_migration"
# The table does not exist, or the migration that lets roles read it was not applied.
_NOT_THERE = (errors.UndefinedTable, errors.InsufficientPrivilege)
_CHECK_AGAIN_S = 0.5
_log = structlog.get_logger()


async def require_schema(conn: AsyncConnection) -> None:
    """Raise `SchemaBehind` while migrations of this release are missing."""
    try:
        row = await (await conn.execute(_APPLIED)).fetchone()
    except _NOT_THERE:
        row = None
    _require_newest(row)


def await_schema(pool: ConnectionPool, wait: Callable[[float], bool]) -> None:
    """Return once the database has the schema, or once `wait(seconds)` returns True."""
    logged = ""
    while True:
        try:
            with borrowed(pool) as conn:
                try:
                    row = conn.execute(_APPLIED).fetchone()
                except _NOT_THERE:
                    row = None
            _require_newest(row)
        except InfrastructureError as error:
            if logged != str(error):
                logged = str(error)
                _log.warning("waiting_for_schema", error=explain(error))
        else:
            return
        if wait(_CHECK_AGAIN_S):
            return


def _require_newest(row: tuple[int] | None) -> None:
    applied, needed = row[0] if row else 0, _newest_version()
    if applied < needed:
        raise SchemaBehind(
            f"the database's schema is {applied:04}, and this release needs {needed:04}: run `uptill migrate`"
        )


@cache
def _newest_version() -> int:
    return known_migrations()[-1].version
