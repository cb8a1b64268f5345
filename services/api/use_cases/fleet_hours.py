"""The hours of the week of many stores together, summed from those that the last run of insights counted."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import psycopg
from numpy.typing import NDArray

from services.api.use_cases.insights import InsightChoice
from services.api.use_cases.remembered import DataVersion
from shared.db.connect import borrowed_async, connect
from shared.db.queries import queries
from shared.insights.history import WEEK_HOURS
from shared.insights.terms import WEEKS
from shared.keys import ApiKey

if TYPE_CHECKING:
    from services.api.context import ApiContext

_SQL = queries("insights")
# Of this many stores, 8 MB are read at once.
_CHUNK_STORES: Final = 2_000
_STATES: Final = 3


@dataclass(frozen=True)
class FleetHours:
    """Sums of the eight weeks that end with `last_day`.

    `minutes`: up, down and unknown minutes in each hour of the local week, Monday first, in shape (3, 168).
    """

    last_day: date
    stores: int
    minutes: NDArray[np.int64]


async def recall_fleet_hours(
    context: "ApiContext", key: ApiKey, labels: Mapping[str, str]
) -> FleetHours | None:
    """Return the sums of the stores that the key may see and that have all labels. None before the first run, or of no store.

    They are computed again after another run, or if other stores are chosen. Raises `RateLimited` and `Overloaded`.
    """
    asked = InsightChoice(key.visible, labels).as_parameters()
    async with borrowed_async(context.pools.reading) as conn:
        row = await (await conn.execute(_SQL["hours_version"], asked, prepare=False)).fetchone()
    run, stores = row or ("", "")
    if not run:
        return None

    async def compute() -> FleetHours | None:
        async with context.series_turns.take(key.prefix):
            return await context.series_lane.run(lambda: _compute(context, asked))

    name = json.dumps([key.store_labels, dict(labels)], sort_keys=True)
    return await context.hours_kept.read(name, DataVersion(f"{run} {stores}", ""), compute)


def _compute(context: "ApiContext", asked: Mapping[str, Any]) -> FleetHours | None:
    settings = context.settings
    with connect(
        settings.database_url.get_secret_value(),
        application_name="uptill-api hours",
        statement_timeout_s=settings.statement_timeout_s,
        autocommit=True,
    ) as conn:
        return sum_hours(conn, asked)


def sum_hours(conn: psycopg.Connection, asked: Mapping[str, Any]) -> FleetHours | None:
    """Sum the hours of the chosen stores. `asked` has the parameters of an `InsightChoice`."""
    row = conn.execute(_SQL["last_day"]).fetchone()
    if row is None or row[0] is None:
        return None
    stores, sums = 0, np.zeros((_STATES, WEEK_HOURS), dtype=np.int64)
    for minutes in _chunks(conn, {**asked, "last_day": row[0], "limit": _CHUNK_STORES}):
        stores += len(minutes)
        # An hour of the week has the same place in each week of a ring.
        by_hour = minutes.sum(axis=0, dtype=np.uint32).reshape(_STATES, WEEKS, WEEK_HOURS)
        sums += by_hour.sum(axis=1, dtype=np.int64)
    return FleetHours(row[0], stores, sums) if stores else None


def _chunks(conn: psycopg.Connection, asked: Mapping[str, Any]) -> Iterator[NDArray[np.uint8]]:
    after_key = -1
    while rows := conn.execute(
        _SQL["chosen_hours"], {**asked, "after_key": after_key}, binary=True
    ).fetchall():
        yield np.frombuffer(b"".join(ring for _, ring in rows), dtype=np.uint8).reshape(len(rows), -1)
        after_key = rows[-1][0]
