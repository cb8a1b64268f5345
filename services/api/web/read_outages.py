"""Read the outages of a part of a day, through the use case that serves `GET /v1/outages`."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final

from services.api.context import ApiContext
from services.api.use_cases.data_versions import read_version
from services.api.use_cases.day_part import DayPart
from services.api.use_cases.live import LiveChoice, count_live, list_label_names
from services.api.use_cases.outage_page import OutageChoice, page_outages
from services.api.use_cases.outage_search import OutageSearch
from services.api.use_cases.outages import read_outage_input
from services.api.use_cases.stores import read_latest_poll, read_names
from services.api.web.outage_day import StoreOutages, group_by_store
from shared.db.connect import borrowed_async
from shared.errors import InvalidRequest
from shared.keys import ApiKey

SHOWN_STORES: Final = 100
# Measured: an evening of 3,678 stores takes about as long as a week of 1,000, the limit of `GET /v1/outages`.
MOST_STORES: Final = 5_000
_MOST_OUTAGES: Final = 10_000
_MOST_VALUES: Final = 24


@dataclass(frozen=True)
class OutageDayChoice:
    """The date (None: the one before the newest poll), the hours, the policy, and the labels of the stores."""

    policy: str
    day: date | None
    hours: tuple[int, int]
    labels: Mapping[str, str]


@dataclass(frozen=True)
class OutageDayView:
    """The stores with outages. If there are too many stores to look through, `fault` says so, and `groups` are labels to choose."""

    part: DayPart
    latest: datetime
    looked_at: int
    failed: int
    stores: Sequence[StoreOutages]
    total: int
    down_us: int
    fault: str = ""
    groups: Sequence[tuple[str, str]] = ()


async def read_outage_day(context: ApiContext, key: ApiKey, choice: OutageDayChoice) -> OutageDayView | None:
    """Return the view; None before the first poll. Raises `RateLimited`, `Overloaded` and `StorageUnavailable`."""
    async with borrowed_async(context.pools.reading) as conn:
        latest = await read_latest_poll(conn)
        version = await read_version(conn, "ledger")
    if latest is None:
        return None
    day = choice.day or latest.astimezone(UTC).date() - timedelta(days=1)
    part = DayPart(day, *choice.hours)
    name = json.dumps([key.store_labels, asdict(part), asdict(choice)], default=str)
    view: OutageDayView = await context.outages_kept.read(
        name, version, lambda: _find(context, key, choice, part, latest)
    )
    return view


async def read_shown_names(context: ApiContext, view: OutageDayView | None) -> Mapping[str, str]:
    """Return the names of the stores that the page shows, by id. Names are not kept with the outages, so a new one shows at once."""
    shown = [] if view is None else [each.store_id for each in view.stores[:SHOWN_STORES]]
    if not shown:
        return {}
    async with borrowed_async(context.pools.reading) as conn:
        return await read_names(conn, shown)


async def _find(
    context: ApiContext, key: ApiKey, choice: OutageDayChoice, part: DayPart, latest: datetime
) -> OutageDayView:
    search = OutageSearch(choice.policy, labels=choice.labels or None, part=part, most_stores=MOST_STORES)
    try:
        async with context.outage_turns.take(key.prefix):
            async with borrowed_async(context.pools.reading) as conn:
                given = await read_outage_input(conn, context.sealed, search, key.visible)
            downtime = await context.outage_lane.run(given.find_downtime)
    except InvalidRequest as error:
        groups = await _list_groups(context, key, choice)
        return OutageDayView(part, latest, 0, 0, [], 0, 0, str(error), groups)
    found = downtime.found
    outages, _ = page_outages(found, OutageChoice(min_length_us=1, order="length"), None, _MOST_OUTAGES)
    stores = group_by_store(outages, part, downtime)
    down_us = sum(store.down_us for store in stores)
    return OutageDayView(
        part, latest, len(found.store_ids), len(found.failed), stores[:SHOWN_STORES], len(stores), down_us
    )


async def _list_groups(
    context: ApiContext, key: ApiKey, choice: OutageDayChoice
) -> Sequence[tuple[str, str]]:
    """Return values of the label that forms the fewest groups, the largest first."""
    async with borrowed_async(context.pools.reading) as conn:
        for name in (await list_label_names(conn, key.visible))[:1]:
            counted = await count_live(conn, LiveChoice(key.visible, choice.labels), name)
            return [(name, value) for value in list(counted.values)[:_MOST_VALUES]]
    return []
