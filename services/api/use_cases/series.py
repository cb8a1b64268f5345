"""Sum the daily facts of groups of stores by period. Only facts that hold are summed; the missing ones are counted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal

import numpy as np
import psycopg
from psycopg import IsolationLevel
from psycopg.types.json import Jsonb

from services.api.use_cases.series_dates import DateRange, SeriesStep, previous_dates, resolve_dates
from services.api.use_cases.series_facts import StoreGroups, StoreRanking, rank_stores, read_sums
from services.api.use_cases.series_sums import DailySums, PeriodRow, pair_rows
from shared.clock import to_us
from shared.db.queries import queries
from shared.errors import InvalidRequest
from shared.keys import StoreScope
from shared.reports.read import scope_json
from shared.uptime.policy import POLICIES, can_add_days
from shared.uptime.window import Window
from shared.uptime.zones import DEFAULT_TIMEZONE

GroupKind = Literal["all", "zone", "weekday", "store", "label"]
MAX_GROUPS: Final = 1_000
MAX_ROWS: Final = 20_000
_MAX_SUMS: Final = 200_000
_SQL: Final = queries("series")


@dataclass(frozen=True)
class SeriesRequest:
    """Which stores to group, how, and on which dates: those of `window`, or `dates`. `label`: the name of the label to group by.

    `ranking` keeps the stores with the lowest or highest availability, or both, and how many of each. `others`: policies whose totals to
    set beside those of `policy`.
    """

    step: SeriesStep
    group: GroupKind
    label: str | None
    policy: str
    window: Window | None
    dates: DateRange | None
    compares: bool
    store_ids: Sequence[str] | None = None
    labels: Mapping[str, str] | None = None
    ranking: StoreRanking | None = None
    others: Sequence[str] = ()


@dataclass(frozen=True)
class Series:
    """The rows of a series by group, and a row of each group for the whole window; that under other policies in `others`."""

    as_of: datetime | None
    dates: DateRange
    rows: Sequence[PeriodRow]
    totals: Sequence[PeriodRow]
    others: Mapping[str, Sequence[PeriodRow]]


def read_series(conn: psycopg.Connection, request: SeriesRequest, visible: StoreScope) -> Series:
    """Sum the facts in one snapshot. `conn` must be outside a transaction. Raises `InvalidRequest`."""
    policy, *others = (POLICIES[name] for name in (request.policy, *request.others))
    for each in (policy, *others):
        if not can_add_days(each):
            raise InvalidRequest(
                f"the days of {each.name} do not add up, so it has no series: choose another policy",
                field="query.policies" if others else "query.policy",
            )
    conn.isolation_level = IsolationLevel.REPEATABLE_READ
    with conn.transaction():
        as_of = _read_newest_poll(conn)
        dates = request.dates or _resolve_window(request.window, as_of)
        groups = _read_groups(conn, request, visible)
        if request.ranking is not None:
            groups = rank_stores(conn, policy, groups, dates, request.ranking)
        _check_size(len(groups.names), dates, request.step)
        ranges = [dates, *([previous_dates(request.window, dates)] if request.compares else [])]
        sums = [read_sums(conn, policy, groups, each) for each in ranges]
        sums += [read_sums(conn, each, groups, dates) for each in others]
    if request.group == "weekday":
        sums = [each.by_weekday() for each in sums]
    before: DailySums | None = sums[1] if request.compares else None
    totals = {
        name: pair_rows(each, None, request.step)[1]
        for name, each in zip(request.others, sums[len(ranges) :], strict=True)
    }
    return Series(as_of, dates, *pair_rows(sums[0], before, request.step), totals)


def _read_newest_poll(conn: psycopg.Connection) -> datetime | None:
    row = conn.execute(_SQL["newest_poll"]).fetchone()
    return row[0] if row else None


def _resolve_window(window: Window | None, as_of: datetime | None) -> DateRange:
    if window is None or as_of is None:
        raise InvalidRequest(
            "no poll was accepted yet, so a window has no dates: give first_day and last_day",
            field="query.window",
        )
    if window.dates is not None and window.dates.earliest_us > to_us(as_of):
        raise InvalidRequest(
            f"the window {window.text} begins after the newest poll ({as_of:%Y-%m-%d}), so it has no facts: give an earlier"
            " window",
            field="query.window",
        )
    return resolve_dates(window, as_of.astimezone(UTC).date())


def _check_size(groups: int, dates: DateRange, step: SeriesStep) -> None:
    rows = groups * (dates.days // {"day": 1, "week": 7, "month": 28}[step] + 2)
    if groups > MAX_GROUPS or rows > MAX_ROWS or groups * dates.days > _MAX_SUMS:
        raise InvalidRequest(
            f"{groups:,} groups on {dates.days} dates are too much for one call: a series has at most {MAX_GROUPS:,} groups and"
            f" {MAX_ROWS:,} rows; group by another label, choose fewer stores with label or order, or choose longer periods",
            field="query.group",
        )


def _read_groups(conn: psycopg.Connection, request: SeriesRequest, visible: StoreScope) -> StoreGroups:
    asked = {
        "by": request.group,
        "label": request.label,
        "default_zone": DEFAULT_TIMEZONE,
        "ids": None if request.store_ids is None else list(request.store_ids),
        "labels": Jsonb(dict(request.labels)) if request.labels else None,
        "scope": scope_json(visible),
    }
    rows = conn.execute(_SQL["groups"], asked, binary=True).fetchall()
    keys = [np.frombuffer(packed, dtype=">i4").astype(np.int64) for _, packed in rows]
    every = np.concatenate([np.zeros(0, dtype=np.int64), *keys])
    numbers = np.repeat(np.arange(1, len(rows) + 1), [len(each) for each in keys])
    order = np.argsort(every)
    return StoreGroups([name for name, _ in rows], every[order], numbers[order])
