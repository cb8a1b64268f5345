"""Service levels as callers see them: set, list, get, remove, and the stores of the last evaluation.

A caller that is limited to some stores sees only the levels whose stores it may all see.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, Final, Literal

from psycopg import AsyncConnection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from shared.audit import record_async
from shared.db.queries import queries
from shared.errors import ForbiddenError, InvalidRequest, LimitReached, ServiceLevelNotFound
from shared.keys import StoreScope
from shared.service_levels.terms import LevelTerms, check_level_name
from shared.texts import quoted

_SQL = queries("service_levels")
# Each costs the workers a pass over its stores every hour. Limited keys have a share of their own, so that none of them
# can use up what all others need.
MAX_LEVELS: Final = 100
MAX_LEVELS_OF_LABELS: Final = 10
PeriodName = Literal["current", "previous"]
StateName = Literal["ok", "at_risk", "missed", "no_data"]
_AGO: Final[Mapping[PeriodName, int]] = {"current": 0, "previous": 1}


@dataclass(frozen=True)
class StoredLevel:
    """A service level. `evaluation` has the columns of `service_level_result` and the stores by state; None: not made yet."""

    name: str
    profile: str
    target: float
    labels: Mapping[str, str]
    period: str
    policy: str
    unknown: str
    excluded: str
    caps: Mapping[str, float]
    changed_by: str | None
    changed_at: datetime
    evaluation: Mapping[str, Any] | None

    @property
    def target_ppm(self) -> int:
        """The target in parts per million."""
        return LevelTerms(self.target).target_ppm


@dataclass(frozen=True)
class LevelStore:
    """One store of an evaluation; times in microseconds."""

    store_id: str
    state: StateName
    counted_us: int
    down_us: int
    last_counted_us: int
    last_down_us: int
    ahead_us: int
    unknown_us: int
    excluded_us: int
    over_cap_us: int
    days_missing: int


async def set_level(
    conn: AsyncConnection, name: str, terms: LevelTerms, *, by: str, visible: StoreScope
) -> StoredLevel:
    """Add a level or replace its terms. A limited caller's level is for its stores only.

    Raises `InvalidRequest`, `LimitReached`, and `ForbiddenError` for a name that a level of other stores has.
    """
    check_level_name(name)
    terms = replace(terms, labels=_within(terms.labels, visible))
    async with conn.transaction():
        await _require_room(conn, name, visible)
        row = {**asdict(terms), "labels": Jsonb(dict(terms.labels)), "caps": Jsonb(dict(terms.caps))}
        asked = {**row, "name": name, "changed_by": by, "scope": _scope(visible)}
        if not (await conn.execute(_SQL["set"], asked)).rowcount:
            raise ForbiddenError(
                f"service level {quoted(name)} has stores that this key may not see: use another name"
            )
        details = {"target": terms.target, "labels": dict(terms.labels)}
        await record_async(conn, by, "service_level.set", name, **details)
        return await get_level(conn, name, visible)


async def _require_room(conn: AsyncConnection, name: str, visible: StoreScope) -> None:
    """Wait for other callers who set a level. Raise `LimitReached` if there is no room for one more."""
    await conn.execute(_SQL["take_turns"])
    most = MAX_LEVELS if visible.labels is None else MAX_LEVELS_OF_LABELS
    ((others,),) = await _fetch_all(conn, "count_others", {"name": name, "scope": _scope(visible)})
    if others >= most:
        whose = "" if visible.labels is None else " of stores with the labels of this key"
        raise LimitReached(
            f"there are {others} service levels{whose}, and the limit is {most}: remove one first"
        )


async def remove_level(conn: AsyncConnection, name: str, *, by: str, visible: StoreScope) -> None:
    """Remove a level with its evaluations. Raises `ServiceLevelNotFound`."""
    async with conn.transaction():
        asked = {"name": name, "scope": _scope(visible)}
        if not (await conn.execute(_SQL["remove"], asked)).rowcount:
            raise _missing(name)
        await record_async(conn, by, "service_level.removed", name)


async def list_levels(conn: AsyncConnection, visible: StoreScope) -> list[StoredLevel]:
    """Return all levels by name, each with the evaluation of its current period."""
    return await _select(conn, None, visible, "current")


async def get_level(
    conn: AsyncConnection, name: str, visible: StoreScope, period: PeriodName = "current"
) -> StoredLevel:
    """Return one level with an evaluation. Raises `ServiceLevelNotFound`."""
    found = await _select(conn, name, visible, period)
    if not found:
        raise _missing(name)
    return found[0]


async def list_level_stores(
    conn: AsyncConnection,
    name: str,
    visible: StoreScope,
    period: PeriodName = "current",
    **chosen: Any,
) -> list[LevelStore]:
    """Return stores of the last evaluation by id: with a `state`, after the id `after_id`, up to `limit`."""
    asked = {"name": name, "ago": _AGO[period], "scope": _scope(visible), **chosen}
    async with conn.cursor(row_factory=class_row(LevelStore)) as cursor:
        return await (await cursor.execute(_SQL["stores"], asked)).fetchall()


def _within(labels: Mapping[str, str], visible: StoreScope) -> Mapping[str, str]:
    """Return the labels with those that the caller is limited to."""
    scope = visible.labels or {}
    for name, value in scope.items():
        if labels.get(name, value) != value:
            raise InvalidRequest(
                f"this key may see only stores with {name}={quoted(value)}: leave out the label {name}",
                field="body.labels",
            )
    return {**labels, **scope}


async def _select(
    conn: AsyncConnection, name: str | None, visible: StoreScope, period: PeriodName
) -> list[StoredLevel]:
    asked = {"name": name, "scope": _scope(visible), "ago": _AGO[period]}
    async with conn.cursor(row_factory=class_row(StoredLevel)) as cursor:
        return await (await cursor.execute(_SQL["list"], asked)).fetchall()


async def _fetch_all(conn: AsyncConnection, query: str, asked: Mapping[str, Any]) -> list[Any]:
    return await (await conn.execute(_SQL[query], asked)).fetchall()


def _scope(visible: StoreScope) -> Jsonb | None:
    return None if visible.labels is None else Jsonb(dict(visible.labels))


def _missing(name: str) -> ServiceLevelNotFound:
    return ServiceLevelNotFound(
        f"service level {quoted(name)} does not exist, or has stores that this key may not see: check the name"
    )
