"""Read the accounting of one store in one week, without the rest of the store's page."""

from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo

from services.api.context import ApiContext
from services.api.use_cases.stores import find_store, read_latest_poll
from services.api.use_cases.timeline import TimelineInput, read_timeline
from services.api.web.choose_week import ChosenWeek, StoreChoice
from shared.db.connect import autocommitting_async
from shared.keys import ApiKey
from shared.uptime.zones import DEFAULT_TIMEZONE


@dataclass(frozen=True)
class StoreWeek:
    """What the numbers of the week are computed from, and its Monday."""

    given: TimelineInput
    monday: date

    @property
    def zone(self) -> ZoneInfo:
        """The zone whose local time the page shows."""
        return ZoneInfo(self.given.terms.zone or DEFAULT_TIMEZONE)


async def read_week(context: ApiContext, key: ApiKey, store_id: str, choice: StoreChoice) -> StoreWeek:
    """Read the week that holds the day of the choice. Raises `StoreNotFound`, `StoreFailed` and `InvalidRequest`."""
    async with autocommitting_async(context.pools.reading) as conn:
        store = await find_store(conn, store_id, key.visible)
        week = ChosenWeek.of_choice(store.timezone, await read_latest_poll(conn), choice)
        given = await read_timeline(conn, context.sealed, store.store_id, week.timeline, key.visible)
        return StoreWeek(given, week.monday)
