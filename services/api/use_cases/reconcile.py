"""Reconcile a platform's figures with Uptill's: read the stores some at a time, and compare window by window."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from psycopg.rows import class_row

from services.api.context import ApiContext
from services.api.use_cases.measure_windows import measure_figures
from services.api.use_cases.outage_search import OutageSearch
from services.api.use_cases.outages import OutageInput, read_outage_input
from services.api.use_cases.reconcile_figures import (
    ClaimedDowntime,
    DifferenceCause,
    FigureVerdict,
    OwnFigures,
    StoreFacts,
    find_causes,
    judge,
)
from services.api.use_cases.stores import read_latest_poll
from shared.clock import from_us, to_us
from shared.db.connect import borrowed_async
from shared.db.queries import queries
from shared.errors import InvalidRequest
from shared.keys import ApiKey
from shared.local_times import instant_of
from shared.reports.read import scope_json
from shared.uptime.policy import POLICIES, later_us
from shared.uptime.zones import DEFAULT_TIMEZONE
from shared.zone_names import NAMED_ZONES

MAX_FIGURES = 1_000
MAX_WINDOW = timedelta(days=31)
_SQL = queries("reconciliations")
_DAY = timedelta(days=1)
# Of one read: 16 stores with a poll each 5 minutes have 300,000 polls in two months.
_STORES_AT_ONCE = 16


class _KnownStore(NamedTuple):
    """A store that the caller may see."""

    store_id: str
    name: str | None
    timezone: str | None
    was_polled: bool


@dataclass(frozen=True)
class ReconcileTerms:
    """How to compare: the policy, and the difference in microseconds up to which two figures agree."""

    policy: str
    within_us: int


@dataclass(frozen=True)
class ComparedFigure:
    """A figure with its verdict. Without `own` it was not compared, and without `window_us` its store is unknown."""

    figure: ClaimedDowntime
    verdict: FigureVerdict
    causes: Sequence[DifferenceCause]
    name: str | None = None
    window_us: tuple[int, int] | None = None
    own: OwnFigures | None = None


@dataclass(frozen=True)
class _Asked:
    """A figure, its place among all of them, and its window."""

    place: int
    figure: ClaimedDowntime
    store: _KnownStore
    start_us: int
    end_us: int


async def reconcile_figures(
    context: ApiContext, key: ApiKey, figures: Sequence[ClaimedDowntime], terms: ReconcileTerms
) -> list[ComparedFigure]:
    """Compare figures, and return them in their order.

    Raises `InvalidRequest`, `RateLimited`, `Overloaded` and `StorageUnavailable`.
    """
    async with context.outage_turns.take(key.prefix):
        async with borrowed_async(context.pools.reading) as conn:
            given = {"ids": sorted({each.store_id for each in figures}), "scope": scope_json(key.visible)}
            async with conn.cursor(row_factory=class_row(_KnownStore)) as cursor:
                rows = await (await cursor.execute(_SQL["stores"], given)).fetchall()
            newest = await read_latest_poll(conn)
        stores = {store.store_id: store for store in rows}
        newest_us = 0 if newest is None else to_us(newest)
        found: dict[int, ComparedFigure] = {}
        asked: list[_Asked] = []
        for place, figure in enumerate(figures):
            one = _place_window(place, figure, stores.get(figure.store_id), newest_us)
            if isinstance(one, _Asked):
                asked.append(one)
            else:
                found[place] = one
        for some in _group(asked):
            found |= await _compare_some(context, key, some, terms, newest_us)
    return [found[place] for place in range(len(figures))]


def _place_window(
    place: int, figure: ClaimedDowntime, store: _KnownStore | None, newest_us: int
) -> _Asked | ComparedFigure:
    """Return the figure with its window, or why it cannot be compared. Raises `InvalidRequest`."""
    if store is None:
        return _not_compared(figure, DifferenceCause.UNKNOWN_STORE)
    if store.timezone is not None and store.timezone not in NAMED_ZONES:
        return _not_compared(figure, DifferenceCause.NOT_COMPUTED, store)
    start, end = _find_window(figure, ZoneInfo(store.timezone or DEFAULT_TIMEZONE))
    # As it is written: clocks that change within a window make it longer, or leave nothing of it.
    if not timedelta(0) < (figure.local_length or end - start) <= MAX_WINDOW:
        raise InvalidRequest(
            f"the window from {start.isoformat()} to {end.isoformat()} is empty or longer than {MAX_WINDOW.days} days:"
            " correct it, or split it",
            field=f"body.figures.{place}.to",
        )
    asked = _Asked(place, figure, store, to_us(start), to_us(end))
    if end <= start:
        return _not_compared(figure, DifferenceCause.SKIPPED_TIME, store, asked)
    if not store.was_polled:
        return _not_compared(figure, DifferenceCause.NO_POLLS, store, asked)
    if asked.start_us >= newest_us:
        return _not_compared(figure, DifferenceCause.NOT_OVER, store, asked)
    return asked


def _find_window(figure: ClaimedDowntime, zone: ZoneInfo) -> tuple[datetime, datetime]:
    if figure.day is not None:
        given = [datetime.combine(day, time()) for day in (figure.day, figure.day + _DAY)]
    else:
        given = [each for each in (figure.from_time, figure.to_time) if each is not None]
    start, end = (each.astimezone(UTC) if each.tzinfo else instant_of(each, zone) for each in given)
    return start, end


def _not_compared(
    figure: ClaimedDowntime,
    cause: DifferenceCause,
    store: _KnownStore | None = None,
    asked: _Asked | None = None,
) -> ComparedFigure:
    window_us = None if asked is None else (asked.start_us, asked.end_us)
    return ComparedFigure(figure, FigureVerdict.NOT_COMPARED, [cause], store and store.name, window_us)


def _group(asked: Sequence[_Asked]) -> Iterator[list[_Asked]]:
    """Yield figures of few stores and little time each."""
    longest_us = MAX_WINDOW // timedelta(microseconds=1)
    by_time: list[list[_Asked]] = []
    for one in sorted(asked, key=lambda each: each.start_us):
        if not by_time or one.end_us - by_time[-1][0].start_us > longest_us:
            by_time.append([])
        by_time[-1].append(one)
    for group in by_time:
        of_store: defaultdict[str, list[_Asked]] = defaultdict(list)
        for one in group:
            of_store[one.store.store_id].append(one)
        stores = sorted(of_store)
        for first in range(0, len(stores), _STORES_AT_ONCE):
            yield [one for store in stores[first : first + _STORES_AT_ONCE] for one in of_store[store]]


async def _compare_some(
    context: ApiContext, key: ApiKey, some: Sequence[_Asked], terms: ReconcileTerms, newest_us: int
) -> Mapping[int, ComparedFigure]:
    """Read and compare. Fewer stores at a time if these have too many polls."""
    store_ids = sorted({one.store.store_id for one in some})
    last_us = max(one.end_us for one in some)
    as_of_us = min(newest_us, last_us + later_us(POLICIES[terms.policy]))
    search = OutageSearch(
        terms.policy,
        store_ids,
        from_time=from_us(min(one.start_us for one in some)),
        to_time=from_us(min(last_us, as_of_us)),
        as_of=from_us(as_of_us),
    )
    try:
        async with borrowed_async(context.pools.reading) as conn:
            given = await read_outage_input(conn, context.sealed, search, key.visible)
    except InvalidRequest:
        if len(store_ids) == 1:
            cause = DifferenceCause.TOO_MANY_POLLS
            return {one.place: _not_compared(one.figure, cause, one.store, one) for one in some}
        middle = store_ids[len(store_ids) // 2]
        halves = ([one for one in some if (one.store.store_id < middle) is first] for first in (True, False))
        found: dict[int, ComparedFigure] = {}
        for half in halves:
            found |= await _compare_some(context, key, half, terms, newest_us)
        return found
    return await context.outage_lane.run(lambda: _compare(given, some, terms))


def _compare(
    given: OutageInput, some: Sequence[_Asked], terms: ReconcileTerms
) -> Mapping[int, ComparedFigure]:
    """Measure the windows and compare. It takes milliseconds of processor time and no I/O."""
    windows = [(one.store.store_id, one.start_us, one.end_us) for one in some]
    measured = measure_figures(given, windows)
    found: dict[int, ComparedFigure] = {}
    for one, each in zip(some, measured.windows, strict=True):
        if each is None:
            found[one.place] = _not_compared(one.figure, DifferenceCause.NOT_COMPUTED, one.store, one)
            continue
        facts = StoreFacts(
            one.store.timezone is not None,
            one.store.store_id in measured.with_hours,
            one.end_us <= given.as_of_us,
        )
        found[one.place] = ComparedFigure(
            one.figure,
            judge(one.figure, each.own, terms.within_us),
            list(find_causes(one.figure, each, facts, terms.within_us)),
            one.store.name,
            (one.start_us, one.end_us),
            each.own,
        )
    return found
