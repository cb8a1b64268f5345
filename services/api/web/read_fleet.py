"""Read what the page of the fleet shows, through the use case that serves `GET /v1/series`. It may be a minute old."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from services.api.context import ApiContext
from services.api.use_cases.live import list_label_names
from services.api.use_cases.run_series import recall_series
from services.api.use_cases.series import GroupKind, Series, SeriesRequest
from services.api.use_cases.series_sums import PeriodRow
from services.api.use_cases.stores import read_latest_poll
from services.api.web.fleet_view import FleetView
from services.api.web.fold_series import fold_groups
from shared.db.connect import borrowed_async
from shared.errors import InvalidRequest
from shared.keys import ApiKey
from shared.labels import label_fault
from shared.uptime.window import parse_window

DAYS: Final = 30
RANKED: Final = 10
MOST_LINES: Final = 30  # of a table of groups
ZONE: Final = "zone"


@dataclass(frozen=True)
class FleetChoice:
    """The policy, the labels of the stores to show, and the label to group them by: empty, or `zone`, for time zones."""

    policy: str
    labels: Mapping[str, str]
    by: str = ""


async def read_fleet(context: ApiContext, key: ApiKey, choice: FleetChoice) -> FleetView | None:
    """Return the fleet's numbers; None before the first poll. Raises `InvalidRequest`."""
    async with borrowed_async(context.pools.reading) as conn:
        latest = await read_latest_poll(conn)
        names = await list_label_names(conn, key.visible)
    if latest is None:
        return None
    by_group, fault = await _read_groups(context, key, choice)
    days, total = await _read_days(context, key, choice, by_group)
    (ranked,) = await recall_series(context, key, [_rank_stores(choice)])
    return FleetView(
        as_of=ranked.as_of or latest,
        days=days,
        total=next(iter(total), None),
        lowest=ranked.totals[:RANKED],
        highest=sorted(ranked.totals, key=_rank_highest)[:RANKED],
        groups=sorted(by_group.totals, key=_rank) if by_group else [],
        group_fault=fault,
        label_names=names,
    )


async def _read_groups(context: ApiContext, key: ApiKey, choice: FleetChoice) -> tuple[Series | None, str]:
    """Return the groups; or none, and why: a label can have too many values."""
    if choice.by and choice.by != ZONE and (wrong := label_fault(choice.by, "x")):
        return None, wrong
    try:
        return (await recall_series(context, key, [_request_groups(choice)]))[0], ""
    except InvalidRequest as error:
        return None, str(error)


async def _read_days(
    context: ApiContext, key: ApiKey, choice: FleetChoice, by_group: Series | None
) -> tuple[Sequence[PeriodRow], Sequence[PeriodRow]]:
    """Return the days of all stores and their total. Groups by day have them already."""
    if by_group is not None and by_group.rows and by_group.rows[0].dates.days == 1:
        return fold_groups(by_group.rows), fold_groups(by_group.totals)
    (series,) = await recall_series(context, key, [_request(choice, "all")])
    return series.rows, series.totals


def _rank(row: PeriodRow) -> tuple[bool, float]:
    share = row.figures.availability
    return share is None, share or 0.0


def _request_groups(choice: FleetChoice) -> SeriesRequest:
    """By day for the few time zones; a label can have hundreds of values."""
    if choice.by in ("", ZONE):
        return _request(choice, "zone")
    return replace(_request(choice, "label"), step="month", label=choice.by)


def _rank_highest(row: PeriodRow) -> tuple[float, str]:
    """By availability, and then by id."""
    known_us = row.figures.up_us + row.figures.down_us
    return -row.figures.up_us / max(known_us, 1), row.group or ""


def _rank_stores(choice: FleetChoice) -> SeriesRequest:
    # One row for each store: only its total is shown.
    ranked = replace(_request(choice, "store"), step="month", compares=False)
    return replace(ranked, ranking=("both", RANKED))


def _request(choice: FleetChoice, group: GroupKind) -> SeriesRequest:
    return SeriesRequest(
        step="day",
        group=group,
        label=None,
        policy=choice.policy,
        window=parse_window(f"P{DAYS}D"),
        dates=None,
        compares=True,
        labels=choice.labels or None,
    )
