"""Read what the view of now shows, through the use cases of live state."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from psycopg import AsyncConnection

from services.api.context import ApiContext
from services.api.schemas.live_query import NowQuery, NowSort
from services.api.use_cases.data_versions import read_version
from services.api.use_cases.live import (
    LiveChoice,
    LiveCounts,
    LivePosition,
    count_live,
    list_groups,
    list_label_names,
    list_live,
    read_refresh,
)
from services.api.use_cases.stores import read_latest_poll
from services.api.web.next_risk import read_next_risk
from services.api.web.now_view import (
    MOST_SQUARES,
    FleetGroup,
    Freshness,
    NowView,
    StateList,
    groups_of_counts,
)
from shared.db.connect import autocommitting_async
from shared.http.cursors import cut_page
from shared.incidents.stored import count_open_incidents

_PAGE = 50
# What is shown without a choice, and how many stores of it.
_EXCEPTIONS = (
    ("down", NowSort.LONGEST_DOWN, 8),
    ("silent", NowSort.NEWEST_SINCE, 5),
    ("unknown", NowSort.NEWEST_LAST_POLL, 5),
)


@dataclass(frozen=True)
class PageChoice:
    """What to show: the stores, the label to group by (None: the best one), and the page of a list."""

    stores: LiveChoice
    by: str | None
    position: NowQuery


async def read_now_view(context: ApiContext, choice: PageChoice) -> NowView:
    """Read the view. Until live state changes, all who see the same stores share it."""
    async with autocommitting_async(context.pools.reading) as conn:
        version = await read_version(conn, "live")
        refreshed_at, lag_s = await read_refresh(conn)
        incidents = await count_open_incidents(conn, choice.stores.visible)
    chosen = [asdict(choice.stores), choice.by, choice.position.model_dump()]
    name = json.dumps(chosen, default=str)
    view = await context.views_kept.read(name, version, lambda: _read(context, choice))
    freshness = Freshness(refreshed_at, lag_s, context.settings.now_every_s)
    kept: NowView = replace(view, freshness=freshness, open_incidents=incidents)
    return kept


async def _read(context: ApiContext, choice: PageChoice) -> NowView:
    """Each part is read on its own, so a change in between can show in one part only."""
    async with autocommitting_async(context.pools.reading) as conn:
        names = await list_label_names(conn, choice.stores.visible)
        by = choice.by or (names[0] if names else None)
        counts = await count_live(conn, replace(choice.stores, states=None), by)
        latest = await read_latest_poll(conn)
        fresh = Freshness(*counts.refresh, context.settings.now_every_s)
        if fresh.refreshed_at is None:
            return NowView(counts, fresh, [], [], by, names, None)
        lists, cursor = await _read_lists(conn, choice, counts)
        groups = await _read_groups(conn, choice.stores, counts, by)
        view = NowView(counts, fresh, lists, groups, by, names, cursor, latest=latest)
        shown = view.first.stores if view.first else []
        risk = await read_next_risk(conn, choice.stores.visible, [store.store_id for store in shown])
        return replace(view, risk=risk)


async def _read_groups(
    conn: AsyncConnection, stores: LiveChoice, counts: LiveCounts, by: str | None
) -> Sequence[FleetGroup]:
    if sum(counts.every.values()) > MOST_SQUARES:
        return groups_of_counts(counts)
    found = await list_groups(conn, replace(stores, states=None), by)
    return [FleetGroup.of_stores(group) for group in found]


async def _read_lists(
    conn: AsyncConnection, choice: PageChoice, counts: LiveCounts
) -> tuple[Sequence[StateList], str | None]:
    """Return the exceptions, or one page of the chosen state."""
    if choice.stores.states:
        return await _read_page(conn, choice, counts)
    found = []
    for state, sort, most in _EXCEPTIONS:
        if total := counts.every.get(state, 0):
            stores = await list_live(
                conn, replace(choice.stores, states=[state]), sort=sort, after=None, limit=most
            )
            found.append(StateList(state, stores, total))
    return found, None


async def _read_page(
    conn: AsyncConnection, choice: PageChoice, counts: LiveCounts
) -> tuple[Sequence[StateList], str | None]:
    asked, states = choice.position, list(choice.stores.states or ())
    found = await list_live(conn, choice.stores, sort=asked.sort, after=asked.position(), limit=_PAGE + 1)
    page, last = cut_page(found, _PAGE)
    total = sum(counts.every.get(state, 0) for state in states)
    cursor = None if last is None else asked.cursor_after(LivePosition(last.place, last.store_id))
    return [StateList(states[0], page, total)], cursor
