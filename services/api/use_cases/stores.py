"""Read stores: a page, or one. Stores that the caller may not see count as missing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from shared.db.queries import queries
from shared.errors import StoreNotFound
from shared.keys import StoreScope
from shared.store_ids import require_store_id
from shared.texts import quoted

_SQL = queries("stores")
_DAY = timedelta(days=1)
# Nearly all stores were polled in this time before the newest poll.
_LATELY = timedelta(weeks=5)
_ALWAYS = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class StoreRow:
    """A store and its latest poll. If `timezone` is None, the default applies."""

    store_key: int
    store_id: str
    name: str | None
    timezone: str | None
    labels: Mapping[str, str]
    first_polled_at: datetime | None
    last_polled_at: datetime | None
    is_active: bool | None


async def list_stores(
    conn: AsyncConnection,
    labels: Mapping[str, str],
    visible: StoreScope,
    *,
    after_id: str | None,
    limit: int,
    text: str | None = None,
) -> list[StoreRow]:
    """Return up to `limit` stores that have all the labels, by id, beginning after `after_id`.

    With `text`, only stores whose id or name has it in it, in upper or lower case.
    """
    chosen = {"labels": Jsonb(dict(labels)) if labels else None, "text": text}
    return await _select_stores(conn, visible, **chosen, after_id=after_id, limit=limit)


async def find_store(conn: AsyncConnection, store_id: str, visible: StoreScope) -> StoreRow:
    """Return one store. Raises `InvalidRequest` for text that cannot be an id, and `StoreNotFound`."""
    store_id = check_store_id(store_id)
    found = await _select_stores(conn, visible, store_id=store_id, limit=1)
    if not found:
        raise missing_store(store_id)
    return found[0]


def check_store_id(store_id: str) -> str:
    """Return the store id in a path. Raises `InvalidRequest` for text that cannot be an id."""
    # A path that ends in a slash names no store.
    return require_store_id(store_id, allow_odd=True) if store_id else ""


def missing_store(store_id: str) -> StoreNotFound:
    """Return the error for a store that does not exist, or that the caller may not see."""
    return StoreNotFound(
        f"store {quoted(store_id)} does not exist, or is not visible to this key: check the id"
    )


async def read_hours(conn: AsyncConnection, store: StoreRow) -> list[tuple[int, int, int]]:
    """Return the store's hours without a date as (day, opens, closes)."""
    cursor = await conn.execute(_SQL["hours_of_store"], {"store_key": store.store_key})
    return await cursor.fetchall()


async def read_latest_poll(conn: AsyncConnection) -> datetime | None:
    """Return the newest accepted poll of any store, which `latest` stands for in reports."""
    row = await (await conn.execute(_SQL["latest_poll"])).fetchone()
    return row[0] if row else None


async def read_names(conn: AsyncConnection, store_ids: Sequence[str]) -> Mapping[str, str]:
    """Return the names of stores that have one, by id. The caller may see all of these stores."""
    rows = await (await conn.execute(_SQL["names_of"], {"store_ids": list(store_ids)})).fetchall()
    return dict(rows)


async def _select_stores(conn: AsyncConnection, visible: StoreScope, **chosen: Any) -> list[StoreRow]:
    scope = None if visible.labels is None else Jsonb(dict(visible.labels))
    unset = dict.fromkeys(("store_id", "after_id", "labels", "text", "store_keys"))
    given = {**unset, **chosen, "scope": scope}
    latest = await read_latest_poll(conn)
    since = latest - _LATELY if latest else _ALWAYS
    stores = await _search(conn, given, since)
    silent = [store for store in stores if _may_have_older(store, since)]
    if silent:
        keys = [store.store_key for store in silent]
        first = min(store.first_polled_at for store in silent if store.first_polled_at)
        older = {
            store.store_key: store for store in await _search(conn, {**given, "store_keys": keys}, first)
        }
        stores = [older.get(store.store_key, store) for store in stores]
    return stores


def _may_have_older(store: StoreRow, since: datetime) -> bool:
    first, last = store.first_polled_at, store.last_polled_at
    return first is not None and first < since and (last is None or last < since)


async def _search(conn: AsyncConnection, given: Mapping[str, Any], since: datetime) -> list[StoreRow]:
    """Return stores with their last polls if these are not before an instant. A range of a few weeks is planned for these weeks alone."""
    async with conn.cursor(row_factory=class_row(StoreRow)) as cursor:
        await cursor.execute(_SQL["list_stores"], {**given, "since": since}, prepare=False)
        return await cursor.fetchall()
