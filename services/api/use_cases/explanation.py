"""Explain one store's row of a report: read the data at the report's cut, and run the accounting again for that store."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import numpy as np
from psycopg import AsyncConnection, IsolationLevel
from psycopg.rows import class_row

from services.api.use_cases.store_terms import StoreAtCut, read_newest_change, read_terms
from services.api.use_cases.stores import StoreRow, find_store
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
from shared.keys import StoreScope
from shared.reports.model import Report
from shared.texts import quoted
from shared.uptime.bounds import bounds_us
from shared.uptime.explanation import AccountedSegment, explain_window, fold_runs
from shared.uptime.policy import POLICIES, POLICY_VERSION, history_us
from shared.uptime.states import Polls
from shared.uptime.store_terms import StoreTerms
from shared.uptime.timeline import StoreTimeline, timeline_of
from shared.uptime.window import Window, parse_windows, window_names

MAX_POLLS = 50_000
_SQL = queries("store_terms")
_HISTORY = queries("history")


class PollOrigin(NamedTuple):
    """A poll and the import that brought it. What is not known is None. The lines are those of the committed chunk."""

    at_us: int
    is_active: bool
    seq: int | None
    import_id: UUID | None
    source: str | None
    created_by: str | None
    committed_at: datetime | None
    first_line: int | None
    last_line: int | None


@dataclass(frozen=True)
class WindowExplanation:
    """One window of the report. `segments` fill it from its start to its end."""

    window: Window
    window_us: tuple[int, int]
    timeline: StoreTimeline
    segments: Sequence[AccountedSegment]


@dataclass(frozen=True)
class ExplanationInput:
    """A store's data at the ledger number `seq`, read in one snapshot, and the windows to explain."""

    report: Report
    store: StoreRow
    seq: int
    terms: StoreTerms
    origins: Sequence[PollOrigin]
    windows: Sequence[tuple[Window, tuple[int, int]]]

    def explain(self, *, fold: bool) -> list[WindowExplanation]:
        """Compute the explanation of each window. It takes milliseconds of processor time and no I/O."""
        polls = Polls(
            np.zeros(len(self.origins), dtype=np.int64),
            np.array([poll.at_us for poll in self.origins], dtype=np.int64),
            np.array([poll.is_active for poll in self.origins], dtype=np.bool_),
        )
        return [self._explain_window(polls, *window, fold=fold) for window in self.windows]

    def _explain_window(
        self, polls: Polls, window: Window, window_us: tuple[int, int], *, fold: bool
    ) -> WindowExplanation:
        as_of_us = to_us(self.report.as_of)
        timeline = timeline_of(self.terms, polls, as_of_us, window_us, POLICIES[self.report.policy])
        segments = explain_window(self.terms, timeline, window_us, as_of_us)
        return WindowExplanation(window, window_us, timeline, fold_runs(segments) if fold else segments)


async def read_explanation(
    conn: AsyncConnection, report: Report, store_id: str, visible: StoreScope, window: str | None
) -> ExplanationInput:
    """Read what the report was made from. `conn` must be outside a transaction. `window` None means every window.

    Raises `NotExplainable`, `ReportExpired`, `StoreNotFound`, `StoreNotInReport`, `StoreFailed`, `DataForgotten` and
    `InvalidRequest`.
    """
    _require_explainable(report)
    windows = _choose_windows(report, window)
    await conn.set_isolation_level(IsolationLevel.REPEATABLE_READ)
    try:
        async with conn.transaction():
            store = await find_store(conn, store_id, visible)
            seq = await _find_cut(conn, report, store)
            return await _read_at_cut(conn, report, store, seq, windows)
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


async def _find_cut(conn: AsyncConnection, report: Report, store: StoreRow) -> int:
    """Return the ledger number that the report was read at. Raises an error unless it has a row for the store."""
    given = {"report_id": report.id, "store_key": store.store_key}
    row = await (await conn.execute(_SQL["store_in_report"], given)).fetchone()
    seq, was_polled, is_held, failure, detail = row or (0, False, False, None, None)
    if failure is not None:
        raise StoreFailed(
            f"store {quoted(store.store_id)} has no row in report {report.id} ({failure}): {detail}"
        )
    if not is_held:
        cause = (
            "it was not among the stores that the report was limited to"
            if was_polled
            else "it had no accepted poll when the report was accepted"
        )
        raise StoreNotInReport(f"store {quoted(store.store_id)} has no row in report {report.id}: {cause}")
    return int(seq)


async def _read_at_cut(
    conn: AsyncConnection, report: Report, store: StoreRow, seq: int, windows: Sequence[Window]
) -> ExplanationInput:
    as_of_us = to_us(report.as_of)
    at_cut = await _read_store(conn, store, seq)
    # An unknown zone has no midnights.
    at_cut.plain_terms()
    starts_us, ends_us = bounds_us(windows, as_of_us, [at_cut.zone])
    range_us = int(starts_us.min()) - history_us(POLICIES[report.policy]), as_of_us
    found = await (await conn.execute(FIND_GONE, _within(store, range_us, seq))).fetchone()
    GoneData(*found or (0, ())).refuse(seq)
    newest = await read_newest_change(conn)
    terms = await read_terms(conn, at_cut, range_us, adjusted=newest.adjusted_seq > 0)
    _require_row(report, store, terms)
    bounds = list(zip(starts_us[0].tolist(), ends_us[0].tolist(), strict=True))
    origins = await _read_polls(conn, store, range_us, seq)
    return ExplanationInput(report, store, seq, terms, origins, list(zip(windows, bounds, strict=True)))


async def _read_store(conn: AsyncConnection, store: StoreRow, seq: int) -> StoreAtCut:
    given = {"store_keys": [store.store_key], "seq": seq}
    hours, zones, labels = [
        await (await conn.execute(_HISTORY[name], given)).fetchall()
        for name in ("hours", "timezones", "labels")
    ]
    return StoreAtCut(
        store.store_key, store.store_id, zones[0][1], [row[1:] for row in hours], labels[0][1], seq
    )


def _require_row(report: Report, store: StoreRow, terms: StoreTerms) -> None:
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


async def _read_polls(
    conn: AsyncConnection, store: StoreRow, range_us: tuple[int, int], seq: int
) -> list[PollOrigin]:
    """Return the polls at the cut. Raises `InvalidRequest` if there are too many."""
    async with conn.cursor(row_factory=class_row(PollOrigin)) as cursor:
        await cursor.execute(_HISTORY["polls_of_store"], _within(store, range_us, seq))
        origins = await cursor.fetchmany(MAX_POLLS + 1)
    if len(origins) > MAX_POLLS:
        raise InvalidRequest(
            f"the windows hold more than {MAX_POLLS:,} polls of the store, the limit of an explanation: choose one window",
            field="window",
        )
    return origins


def _within(store: StoreRow, range_us: tuple[int, int], seq: int) -> dict[str, object]:
    from_time, to_time = map(from_us, range_us)
    return {"store_key": store.store_key, "from_time": from_time, "to_time": to_time, "seq": seq}
