"""Read one store with the weekly hours that it has now, with and without a date. Damaged ones are left out: reports name them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from psycopg import AsyncConnection
from psycopg.types.json import Jsonb

from services.api.use_cases.store_terms import read_newest_change
from services.api.use_cases.stores import StoreRow, find_store, read_hours
from shared.db.queries import queries
from shared.inputs.store_terms import versions_of
from shared.keys import StoreScope
from shared.uptime.store_terms import HoursVersion, version_on
from shared.uptime.zones import DEFAULT_TIMEZONE
from shared.zone_names import zone_or_utc

_SQL: Final = queries("stores")
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True)
class StoreWithHours:
    """A store with the versions of its weekly hours, and the one that applies today.

    `is_special`: a special date, or the end or begin of its lifetime, decides instead. `polls_last_day` counts its polls in the
    24 hours before the newest poll of any store.
    """

    store: StoreRow
    versions: Sequence[HoursVersion]
    applies: HoursVersion
    is_special: bool
    polls_last_day: int

    @property
    def is_open_24x7(self) -> bool:
        """Whether reports count the store as open around the clock now, apart from closures."""
        return not self.applies.rows and not self.is_special


async def get_store(conn: AsyncConnection, store_id: str, visible: StoreScope) -> StoreWithHours:
    """Return one store with its hours. Raises `StoreNotFound`."""
    store = await find_store(conn, store_id, visible)
    newest, hours = await read_newest_change(conn), await read_hours(conn, store)
    now = datetime.now(UTC)
    today = now.astimezone(zone_or_utc(store.timezone or DEFAULT_TIMEZONE)).date()
    dated, is_special = [], False
    if newest.adjusted_seq:
        given = {
            "store_key": store.store_key,
            "labels": Jsonb(dict(store.labels)),
            "today": today,
            "now": now,
        }
        ((dated, is_special),) = await (await conn.execute(_SQL["adjusted_now"], given)).fetchall()
    polls = 0
    if (latest := newest.latest_observed_at) is not None:
        within = {"store_key": store.store_key, "after": latest - _DAY, "until": latest}
        ((polls,),) = await (await conn.execute(_SQL["count_polls"], within)).fetchall()
    versions = versions_of(hours, dated)
    return StoreWithHours(store, versions, version_on(versions, today), is_special, polls)
