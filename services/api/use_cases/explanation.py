"""Explain one store's row of a report: read the data at the report's cut, and run the accounting again for that store."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from psycopg import AsyncConnection, AsyncCursor, IsolationLevel
from psycopg.rows import class_row

from services.api.use_cases.explained_store import ExplanationInput, PollOrigin
from services.api.use_cases.sealed_polls import SealedReads, StoreNames, lock_polls, sealed_parameters
from services.api.use_cases.store_terms import parse_terms, read_store_notes, request_terms
from services.api.use_cases.stores import check_store_id, missing_store
from shared.clock import from_us, to_us
from shared.db.history import FIND_GONE, GoneData
from shared.db.queries import queries
from shared.errors import (
    InvalidRequest,
    NotExplainable,
    ReportExpired,
    StoreFailed,
    StoreNotInReport,
)
from shared.inputs.store_terms import StoreAtCut
from shared.keys import StoreScope
from shared.reports.model import Report
from shared.reports.read import scope_json
from shared.texts import quoted
from shared.uptime.bounds import bounds_us
from shared.uptime.policy import POLICIES, POLICY_VERSION, history_us
from shared.uptime.store_terms import StoreTerms
from shared.uptime.window import Window, parse_windows, window_names

MAX_POLLS = 50_000
_ROWS_AT_ONCE = 1_000  # 10 ms
_SQL = queries("store_terms")
_HISTORY = queries("history")


class _StoreInReport(NamedTuple):
    """A store at the report's ledger number `seq`, and where it stands in the report."""

    store_key: int
    seq: int
    timezone: str | None
    hours: Sequence[tuple[int, int, int]]
    labels: Mapping[str, str]
    adjusted_seq: int
    was_polled: bool
    is_held: bool
    failure: str | None
    failure_detail: str | None


async def read_explanation(
    conn: AsyncConnection,
    sealed: SealedReads,
    report: Report,
    store_id: str,
    visible: StoreScope,
    window: str | None,
) -> ExplanationInput:
    """Read what the report was made from. `conn` must be outside a transaction. `window` None means every window.

    Raises `NotExplainable`, `ReportExpired`, `StoreNotFound`, `StoreNotInReport`, `StoreFailed`, `DataForgotten`,
    `InvalidRequest` and `StorageUnavailable`.
    """
    _require_explainable(report)
    windows, store_id = _choose_windows(report, window), check_store_id(store_id)
    await conn.set_isolation_level(IsolationLevel.REPEATABLE_READ)
    try:
        # Statements that do not need the answers of others wait for no round trip of their own.
        async with conn.pipeline(), conn.transaction():
            await lock_polls(conn)
            place = await _find_store(conn, report, store_id, visible)
            store = _require_held(report, store_id, place)
            adjusted = place.adjusted_seq > 0
            return await _read_at_cut(conn, sealed, report, store, windows, adjusted=adjusted)
    finally:
        await conn.set_isolation_level(None)


def _require_explainable(report: Report) -> None:
    if report.state == "expired":
        raise ReportExpired(f"report {report.id} has expired: create a new report to explain it")
    if report.state != "succeeded":
        raise NotExplainable(
            f"report {report.id} is {report.state}, so it has no rows: only a report that succeeded can be explained"
        )
    if report.policy_version != POLICY_VERSION or report.policy not in POLICIES:
        raise NotExplainable(
            f"report {report.id} was made by version {report.policy_version} of policy {report.policy}, and this release"
            f" has version {POLICY_VERSION}: create a new report to explain it"
        )


def _choose_windows(report: Report, text: str | None) -> Sequence[Window]:
    windows = parse_windows(report.windows)
    chosen = [window for window in windows if text is None or window.name == window_names([text])[0]]
    if not chosen:
        raise InvalidRequest(
            f"report {report.id} has no window {quoted(str(text)[:100])}: use one of {', '.join(window_names(report.windows))}",
            field="window",
        )
    return chosen


async def _find_store(
    conn: AsyncConnection, report: Report, store_id: str, visible: StoreScope
) -> _StoreInReport:
    given = {"report_id": report.id, "store_id": store_id, "scope": scope_json(visible)}
    async with conn.cursor(row_factory=class_row(_StoreInReport)) as cursor:
        found = await (await cursor.execute(_SQL["store_in_report"], given)).fetchone()
    if found is None:
        raise missing_store(store_id)
    return found


def _require_held(report: Report, store_id: str, place: _StoreInReport) -> StoreAtCut:
    """Return the store at the report's ledger number. Raises an error unless the report has a row for it."""
    if place.failure is not None:
        raise StoreFailed(
            f"store {quoted(store_id)} has no row in report {report.id} ({place.failure}): {place.failure_detail}"
        )
    if not place.is_held:
        cause = (
            "it was not among the stores that the report was limited to"
            if place.was_polled
            else "it had no accepted poll when the report was accepted"
        )
        raise StoreNotInReport(f"store {quoted(store_id)} has no row in report {report.id}: {cause}")
    return StoreAtCut(place.store_key, store_id, place.timezone, place.hours, place.labels, place.seq)


async def _read_at_cut(
    conn: AsyncConnection,
    sealed: SealedReads,
    report: Report,
    store: StoreAtCut,
    windows: Sequence[Window],
    *,
    adjusted: bool,
) -> ExplanationInput:
    as_of_us = to_us(report.as_of)
    # An unknown zone has no midnights.
    store.plain_terms()
    starts_us, ends_us = bounds_us(windows, as_of_us, [store.zone])
    range_us = int(starts_us.min()) - history_us(POLICIES[report.policy]), as_of_us
    from_time, to_time = map(from_us, range_us)
    names = StoreNames([store.store_key], [store.store_id])
    old = sealed_parameters(await sealed.read(conn, names, from_time, to_time))
    within = {
        "store_key": store.store_key,
        "from_time": from_time,
        "to_time": to_time,
        "seq": store.seq,
        **old,
    }
    gone = await conn.execute(FIND_GONE, within)
    asked = await request_terms(conn, store, range_us) if adjusted else None
    polls = await conn.cursor(row_factory=class_row(PollOrigin)).execute(_HISTORY["polls_of_store"], within)
    GoneData(*await gone.fetchone() or (0, ())).refuse(store.seq)
    terms = await parse_terms(store, asked)
    notes = await read_store_notes(conn, store, range_us, report.exclude_reasons)
    terms = replace(terms, notes=notes)
    _require_row(report, store, terms)
    bounds = list(zip(starts_us[0].tolist(), ends_us[0].tolist(), strict=True))
    origins = await _take_polls(polls)
    return ExplanationInput(report, store, terms, origins, list(zip(windows, bounds, strict=True)))


def _require_row(report: Report, store: StoreAtCut, terms: StoreTerms) -> None:
    """Raise `StoreNotInReport` if the store existed in none of the report's windows."""
    windows_us = bounds_us(parse_windows(report.windows), to_us(report.as_of), [terms.zone])
    if terms.adjustments.lifetimes.meets(windows_us)[0]:
        return
    opened, closed = (
        "-" if at_us is None else from_us(at_us).isoformat() for at_us in (terms.opened_us, terms.closed_us)
    )
    raise StoreNotInReport(
        f"store {quoted(store.store_id)} has no row in report {report.id}: it existed in none of its windows (opened at"
        f" {opened}, closed at {closed})"
    )


async def _take_polls(answer: AsyncCursor[PollOrigin]) -> list[PollOrigin]:
    """Return the polls at the cut. Raises `InvalidRequest` if there are too many."""
    origins: list[PollOrigin] = []
    while len(origins) <= MAX_POLLS and (some := await answer.fetchmany(_ROWS_AT_ONCE)):
        origins += some
        await asyncio.sleep(0)  # other calls go on meanwhile
    if len(origins) > MAX_POLLS:
        raise InvalidRequest(
            f"the windows hold more than {MAX_POLLS:,} polls of the store, the limit of an explanation: choose one window",
            field="window",
        )
    return origins
