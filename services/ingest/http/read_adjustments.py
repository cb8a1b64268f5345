"""Reads the special hours and the lifetime of one store as they are now."""

from datetime import date, datetime
from typing import Any

from psycopg import AsyncConnection

from shared.db.queries import queries
from shared.errors import StoreNotFound
from shared.texts import quoted

_SQL = queries("adjust")


async def read_special_hours(conn: AsyncConnection, store_id: str) -> list[tuple[date, list[int]]]:
    """Return each special date with its opening and closing seconds. Raise `StoreNotFound`."""
    rows = await _read_store(conn, "special_hours_of_store", store_id)
    return [(day, seconds) for day, seconds in rows if day is not None]


async def read_lifetime(conn: AsyncConnection, store_id: str) -> tuple[datetime | None, datetime | None]:
    """Return when the store begins and ceases to exist. Raise `StoreNotFound`."""
    ((opened_at, closed_at),) = await _read_store(conn, "lifetime_of_store", store_id)
    return opened_at, closed_at


async def _read_store(conn: AsyncConnection, query: str, store_id: str) -> list[tuple[Any, ...]]:
    """Run a query that returns at least one row for a known store."""
    found = await (await conn.execute(_SQL[query], {"store_id": store_id})).fetchall()
    if not found:
        raise StoreNotFound(f"store {quoted(store_id)} does not exist: check the id")
    return found
