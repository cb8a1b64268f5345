"""Refuse sessions that a connection pooler shares: settings, advisory locks and LISTEN would not hold in them."""

import time

import psycopg
import structlog

from shared.errors import PooledSessions

# A frozen process must not block others for longer.
IDLE_IN_TRANSACTION_S = 10
_ASK = "show idle_in_transaction_session_timeout"
_POOLED = (
    "the database's sessions lack the settings that Uptill asked for, so a connection pooler is between:"
    " set UPTILL_DATABASE_URL to Postgres itself, or to a pooler in session mode that passes on `options`"
)
# For this long, a pool that cannot get its own session raises the reason instead of waiting.
_REMEMBERED_S = 5.0
_log = structlog.get_logger()
_refused_until_s = 0.0


def configure(conn: psycopg.Connection) -> None:
    """Check a new connection. Raises `PooledSessions` if its session lacks the settings it was opened with."""
    _judge(conn.execute(_ASK).fetchone())
    conn.rollback()


async def configure_async(conn: psycopg.AsyncConnection) -> None:
    """Check a new connection, as `configure` does."""
    _judge(await (await conn.execute(_ASK)).fetchone())
    await conn.rollback()


def refuse_pooled() -> None:
    """Raise `PooledSessions` if a new connection of this process was refused a moment ago."""
    if time.monotonic() < _refused_until_s:
        raise PooledSessions(_POOLED)


def _judge(row: tuple[str] | None) -> None:
    global _refused_until_s  # noqa: PLW0603  one database per process
    if row == (f"{IDLE_IN_TRANSACTION_S}s",):
        _refused_until_s = 0.0
        return
    if time.monotonic() >= _refused_until_s:
        _log.error("sessions_refused", error=_POOLED)
    _refused_until_s = time.monotonic() + _REMEMBERED_S
    raise PooledSessions(_POOLED)
