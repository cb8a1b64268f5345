"""Read what the page of a store shows, through the use cases that serve the API's timeline, outages and lists."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from psycopg import AsyncConnection

from services.api.context import ApiContext
from services.api.use_cases.closure_origins import read_closure_origins
from services.api.use_cases.outage_page import ListedOutage, OutageChoice, page_outages
from services.api.use_cases.outages import OutageSearch, read_outage_input
from services.api.use_cases.stores import StoreRow, find_store, read_latest_poll
from services.api.use_cases.timeline import TimelineInput, TimelineRequest, read_timeline
from services.api.web.store_view import StoreView
from services.api.web.week import DAYS, midnight_us, monday_of
from shared.clock import from_us, to_us
from shared.db.connect import autocommitting_async, borrowed_async
from shared.keys import ApiKey, StoreScope
from shared.uptime.window import NAMED_WINDOWS
from shared.uptime.zones import DEFAULT_TIMEZONE

MOST_OUTAGES = 200


@dataclass(frozen=True)
class StoreChoice:
    """What to show of a store: the week that holds `day` (default: that of the newest poll), and the segment at `at_us`."""

    policy: str
    day: date | None = None
    at_us: int | None = None


async def read_store_view(context: ApiContext, key: ApiKey, store_id: str, choice: StoreChoice) -> StoreView:
    """Read a store and its week. Raises `StoreNotFound`, `StoreFailed` and `InvalidRequest`."""
    visible = key.visible
    async with autocommitting_async(context.pools.reading) as conn:
        store = await find_store(conn, store_id, visible)
        latest = await read_latest_poll(conn)
        monday, asked = _choose_week(store, latest, choice)
        week = await read_timeline(conn, store.store_id, asked, visible)
        recent = await _read_recent(conn, store, latest, choice.policy, visible)
        # A key that is limited to some stores sees no imports: they hold other stores.
        shown = [] if visible.labels else [closure.id for closure in week.terms.closures]
        origins = await read_closure_origins(conn, shown)
    outages = await _find_outages(context, key, week)
    return StoreView(week, recent, outages, origins, monday, to_us(datetime.now(UTC)), choice.at_us)


def _choose_week(
    store: StoreRow, latest: datetime | None, choice: StoreChoice
) -> tuple[date, TimelineRequest]:
    """Return the Monday of the week, and what to read: up to its end, or to the newest poll if that is earlier."""
    zone = ZoneInfo(store.timezone or DEFAULT_TIMEZONE)
    newest = latest or datetime.now(UTC)
    monday = monday_of(choice.day or newest.astimezone(zone).date())
    begin_us, end_us = midnight_us(monday, zone), midnight_us(monday + timedelta(days=DAYS), zone)
    until_us = min(end_us, max(begin_us, to_us(newest)))
    return monday, TimelineRequest(choice.policy, from_time=from_us(begin_us), to_time=from_us(until_us))


async def _read_recent(
    conn: AsyncConnection, store: StoreRow, latest: datetime | None, policy: str, visible: StoreScope
) -> TimelineInput | None:
    if latest is None:
        return None
    asked = TimelineRequest(policy, window=NAMED_WINDOWS["last_week"], as_of=latest)
    return await read_timeline(conn, store.store_id, asked, visible)


async def _find_outages(context: ApiContext, key: ApiKey, week: TimelineInput) -> list[ListedOutage]:
    begin, end = map(from_us, week.window_us)
    search = OutageSearch(week.policy, [week.store.store_id], from_time=begin, to_time=end)
    async with context.outage_turns.take(key.prefix):
        async with borrowed_async(context.pools.reading) as conn:
            given = await read_outage_input(conn, search, key.visible)
        found = await context.outage_lane.run(given.find_outages)
    return list(page_outages(found, OutageChoice(), None, MOST_OUTAGES)[0])
