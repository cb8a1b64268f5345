"""Read what the page of a store shows, through the use cases that serve the API's timeline, outages and lists."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from psycopg import AsyncConnection

from services.api.context import ApiContext
from services.api.use_cases.closure_origins import read_closure_origins
from services.api.use_cases.live import LiveStore, get_live, read_refresh
from services.api.use_cases.outage_page import OutageChoice, page_outages
from services.api.use_cases.outages import read_outage_input
from services.api.use_cases.store_makers import read_makers
from services.api.use_cases.store_terms import NewestChange, read_newest_change, read_terms
from services.api.use_cases.stores import StoreRow, find_store
from services.api.use_cases.timeline import MAX_RANGE, TimelineInput, TimelineRequest, read_timeline
from services.api.web.choose_week import ChosenWeek, StoreChoice
from services.api.web.hours_of_week import WEEKS
from services.api.web.periods import first_day_needed
from services.api.web.store_view import StoreView, WeekOutages
from shared.clock import from_us, to_us
from shared.db.connect import autocommitting_async, borrowed_async
from shared.errors import InvalidRequest, StoreNotFound
from shared.inputs.store_terms import StoreAtCut
from shared.keys import ApiKey, StoreScope
from shared.pictures.week import midnight_us
from shared.uptime.store_terms import StoreTerms
from shared.uptime.window import NAMED_WINDOWS
from shared.uptime.zones import DEFAULT_TIMEZONE

MOST_OUTAGES = 200
COMING = timedelta(days=60)
_HEAT = timedelta(weeks=WEEKS)


async def read_store_view(context: ApiContext, key: ApiKey, store_id: str, choice: StoreChoice) -> StoreView:
    """Read a store and its week. Raises `StoreNotFound`, `StoreFailed` and `InvalidRequest`."""
    visible = key.visible
    async with autocommitting_async(context.pools.reading) as conn:
        store = await find_store(conn, store_id, visible)
        newest = await read_newest_change(conn)
        latest = newest.latest_observed_at
        chosen = ChosenWeek.of_choice(store.timezone, latest, choice)
        week = await read_timeline(conn, context.sealed, store.store_id, chosen.timeline, visible)
        recent, is_long = await _read_recent(context, conn, store, latest, choice.policy, visible)
        live = await _find_live(conn, store, visible)
        coming = await _read_coming(conn, week, newest)
        # A key that is limited to some stores sees no imports: they hold other stores.
        shown = (
            []
            if visible.labels is not None
            else [each.id for each in (*week.terms.closures, *coming.closures)]
        )
        origins = await read_closure_origins(conn, shown)
        makers = await read_makers(conn, store, visible)
    outages = await _find_outages(context, key, chosen, store.store_id)
    now_us = to_us(datetime.now(UTC))
    return StoreView(
        week, recent, outages, origins, chosen.monday, now_us, choice.at_us, is_long, live, coming, makers
    )


async def read_week_view(context: ApiContext, key: ApiKey, store_id: str, choice: StoreChoice) -> StoreView:
    """Read what a picture of a week shows: only the week and its outages. Raises as `read_store_view`."""
    async with autocommitting_async(context.pools.reading) as conn:
        store = await find_store(conn, store_id, key.visible)
        latest = (await read_newest_change(conn)).latest_observed_at
        chosen = ChosenWeek.of_choice(store.timezone, latest, choice)
        week = await read_timeline(conn, context.sealed, store.store_id, chosen.timeline, key.visible)
    outages = await _find_outages(context, key, chosen, store.store_id)
    never_us = -1  # no line for now: the same data is the same picture
    return StoreView(
        week, None, outages, {}, chosen.monday, never_us, None, is_long=False, live=None, coming=week.terms
    )


async def _read_recent(
    context: ApiContext,
    conn: AsyncConnection,
    store: StoreRow,
    latest: datetime | None,
    policy: str,
    visible: StoreScope,
) -> tuple[TimelineInput | None, bool]:
    """Read from the start of the month before, or only a week if the store has too many polls for that."""
    if latest is None:
        return None, False
    zone = ZoneInfo(store.timezone or DEFAULT_TIMEZONE)
    first = min(first_day_needed(latest.astimezone(zone).date()), (latest - _HEAT).date())
    begin = max(from_us(midnight_us(first, zone)), latest - MAX_RANGE)
    asked = TimelineRequest(policy, from_time=begin, to_time=latest)
    with suppress(InvalidRequest):
        return await read_timeline(conn, context.sealed, store.store_id, asked, visible), True
    asked = TimelineRequest(policy, window=NAMED_WINDOWS["last_week"], as_of=latest)
    return await read_timeline(conn, context.sealed, store.store_id, asked, visible), False


async def _find_live(conn: AsyncConnection, store: StoreRow, visible: StoreScope) -> LiveStore | None:
    """Return the live state, if there is one: without the standing job, what is stored is of no known time."""
    with suppress(StoreNotFound):
        live = await get_live(conn, store.store_id, visible)
        return live if (await read_refresh(conn)).refreshed_at is not None else None
    return None


async def _read_coming(conn: AsyncConnection, week: TimelineInput, newest: NewestChange) -> StoreTerms:
    """Return what adjusts the hours in the next weeks."""
    store, now = week.store, datetime.now(UTC)
    weekly = week.terms.versions[0].rows
    at_cut = StoreAtCut(store.store_key, store.store_id, store.timezone, weekly, store.labels, newest.seq)
    range_us = to_us(now), to_us(now + COMING)
    return await read_terms(conn, at_cut, range_us, adjusted=newest.adjusted_seq > 0)


async def _find_outages(context: ApiContext, key: ApiKey, chosen: ChosenWeek, store_id: str) -> WeekOutages:
    search = chosen.outages(store_id)
    async with context.outage_turns.take(key.prefix):
        async with borrowed_async(context.pools.reading) as conn:
            given = await read_outage_input(conn, context.sealed, search, key.visible)
        found = await context.outage_lane.run(given.find_outages)
    listed, _ = page_outages(found, OutageChoice(), None, MOST_OUTAGES)
    return WeekOutages(listed, found.as_of_us, sees_newest=found.as_of_us >= to_us(chosen.newest))
