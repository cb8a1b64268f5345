"""Read live state: a page of stores, one store, counts, and changes. Stores that the caller may not see are not there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from psycopg import AsyncConnection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from services.api.use_cases.stores import check_store_id, missing_store
from shared.db.queries import queries
from shared.keys import StoreScope

_SQL = queries("live_reads")
# Label values of a summary.
MOST_VALUES = 1_000
# Stores whose labels are looked at for names, and names.
_LABELED_STORES, _NAMES = 2_000, 50


@dataclass(frozen=True)
class LiveChoice:
    """Which stores: with all of the labels, in one of the states, with `text` in the id or the name. None: any."""

    visible: StoreScope
    labels: Mapping[str, str]
    states: Sequence[str] | None = None
    text: str | None = None

    def as_parameters(self) -> dict[str, Any]:
        """Return the parameters of the statements."""
        return {
            "scope": None if self.visible.labels is None else Jsonb(dict(self.visible.labels)),
            "labels": Jsonb(dict(self.labels)) if self.labels else None,
            "states": list(self.states) if self.states else None,
            "text": self.text,
        }


@dataclass(frozen=True)
class LiveStore:
    """What a store is, with its times at `refreshed_at`. `place` is its position in the order that was asked for."""

    store_id: str
    name: str | None
    timezone: str | None
    labels: Mapping[str, str]
    state: str
    since_earliest: datetime | None
    since_latest: datetime | None
    last_poll_at: datetime | None
    last_poll_active: bool | None
    open_from: datetime | None
    open_until: datetime | None
    opens_at: datetime | None
    up_us: int
    down_us: int
    down_open_us: int
    inactive_polls: int
    usual_gap_us: int | None
    fault: str | None
    day_from: datetime
    refreshed_at: datetime
    place: int


class LivePosition(NamedTuple):
    """The last store of a page."""

    place: int
    store_id: str


class Refresh(NamedTuple):
    """When the oldest part of the live state was refreshed, and how many seconds ago. None: not yet."""

    refreshed_at: datetime | None
    lag_s: float | None


@dataclass(frozen=True)
class LiveCounts:
    """Stores by state: of all, and of each value of a label. `more`: there are more values than are counted here."""

    refresh: Refresh
    every: Mapping[str, int]
    values: Mapping[str, Mapping[str, int]]
    more: bool


class LiveGroup(NamedTuple):
    """The stores with one value of a label (None: without it), by id, and the state of each."""

    value: str | None
    store_ids: Sequence[str]
    states: Sequence[str]


@dataclass(frozen=True)
class LiveChange:
    """A store that went from one state to another, found by the refresh at `at`."""

    id: int
    at: datetime
    store_id: str
    was: str
    state: str
    since_earliest: datetime | None
    since_latest: datetime | None


async def list_live(
    conn: AsyncConnection, choice: LiveChoice, *, sort: str, after: LivePosition | None, limit: int
) -> list[LiveStore]:
    """Return up to `limit` stores in the order `sort`, beginning after a position."""
    place, store_id = after or (None, None)
    return await _select(conn, choice, sort=sort, after_place=place, after_id=store_id, limit=limit)


async def get_live(conn: AsyncConnection, store_id: str, visible: StoreScope) -> LiveStore:
    """Return one store. Raises `StoreNotFound`, also for a store whose first refresh is yet to come."""
    store_id = check_store_id(store_id)
    found = await _select(conn, LiveChoice(visible, {}), store_id=store_id, limit=1)
    if not found:
        raise missing_store(store_id)
    return found[0]


async def count_live(conn: AsyncConnection, choice: LiveChoice, by: str | None) -> LiveCounts:
    """Count the stores by state, and if `by` names a label, for each of its values."""
    found = await conn.execute(_SQL["summary"], {**choice.as_parameters(), "by": by}, prepare=False)
    every: dict[str, int] = {}
    values: dict[str, dict[str, int]] = {}
    for value, state, stores in await found.fetchall():
        every[state] = every.get(state, 0) + stores
        if value is not None:
            values.setdefault(value, {})[state] = stores
    largest = sorted(values, key=lambda value: (-sum(values[value].values()), value))[:MOST_VALUES]
    return LiveCounts(
        await read_refresh(conn),
        every,
        {value: values[value] for value in largest},
        more=len(values) > MOST_VALUES,
    )


async def list_groups(conn: AsyncConnection, choice: LiveChoice, by: str | None) -> list[LiveGroup]:
    """Return the states of all stores of a choice, grouped by a label. Count them first: there is no limit."""
    rows = await conn.execute(_SQL["squares"], {**choice.as_parameters(), "by": by}, prepare=False)
    return [LiveGroup(*row) for row in await rows.fetchall()]


async def list_label_names(conn: AsyncConnection, visible: StoreScope) -> list[str]:
    """Return names of labels to group by, those that form the fewest groups first."""
    given = {**LiveChoice(visible, {}).as_parameters(), "limit": _LABELED_STORES, "names": _NAMES}
    return [name for (name,) in await (await conn.execute(_SQL["label_names"], given)).fetchall()]


async def read_refresh(conn: AsyncConnection) -> Refresh:
    """Return the oldest refresh."""
    row = await (await conn.execute(_SQL["refresh"])).fetchone()
    return Refresh(*row) if row else Refresh(None, None)


async def list_changes(
    conn: AsyncConnection, choice: LiveChoice, *, after_id: int, until_id: int, limit: int
) -> list[LiveChange]:
    """Return up to `limit` changes after one id, up to and including another."""
    within = {"after_id": after_id, "until_id": until_id, "limit": limit}
    async with conn.cursor(row_factory=class_row(LiveChange)) as cursor:
        await cursor.execute(_SQL["changes"], {**choice.as_parameters(), **within})
        return await cursor.fetchall()


async def _select(conn: AsyncConnection, choice: LiveChoice, **chosen: Any) -> list[LiveStore]:
    unset = dict.fromkeys(("store_id", "after_place", "after_id"))
    async with conn.cursor(row_factory=class_row(LiveStore)) as cursor:
        await cursor.execute(
            _SQL["list"], {**unset, "sort": "store_id", **choice.as_parameters(), **chosen}, prepare=False
        )
        return await cursor.fetchall()
