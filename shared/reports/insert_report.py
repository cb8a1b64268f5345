"""Insert an accepted report and its batches, in the caller's transaction."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection, AsyncCursor
from psycopg.types.json import Jsonb

from shared.clock import from_us, to_us
from shared.db.queries import queries
from shared.errors import InvalidRequest, TooManyOpenReports
from shared.ids import new_id
from shared.inputs.data_range import DataRange
from shared.keys import StoreScope
from shared.reports.acceptance import BatchTerms, NewReport
from shared.reports.consistency import data_range
from shared.reports.excluded_reasons import refuse_dropped_weeks
from shared.reports.formats import MAX_XLSX_ROWS
from shared.reports.model import OPEN_STATES, Origin
from shared.reports.needs import measured_windows, needs_every_poll, needs_outages
from shared.reports.parameters import ReportCaller, ReportRequest, StoreFilter
from shared.reports.ranges import StoreRanges
from shared.reports.read import scope_json
from shared.uptime.policy import DAY_US, POLICIES, POLICY_VERSION, can_add_days
from shared.uptime.tzdata_release import tzdata_version
from shared.uptime.window import Window

_SQL, _FACTS = queries("reports"), queries("store_days")

# A batch holds `batch_stores` stores if it reads up to ten days of polls, as every policy does for the default windows.
# If it reads more, it holds fewer, so its memory does not grow with the windows.
_FULL_BATCH_US = 10 * DAY_US
# The longest named window, `previous_year`, needs 733 days and a half.
_LONGEST_READ = timedelta(days=1_100)

# What lies after the facts is read from polls.
_FACTS_REACH = timedelta(days=10)
# Up to an eighth of a full batch is short work: tens of milliseconds.
_SHORT_SHARE = 8


async def read_parameters(
    conn: AsyncConnection, request: ReportRequest, caller: ReportCaller, terms: BatchTerms, origin: Origin
) -> dict[str, Any]:
    """Return the parameters of the statements that find or insert the report, with the data of this snapshot."""
    stores = request.stores
    given = isinstance(request.as_of, datetime)
    as_of = {"as_of_mode": "given" if given else request.as_of, "as_of": request.as_of if given else None}
    head = await fetch_one(conn, "resolve_as_of", as_of)
    assert head is not None  # noqa: S101 - the first migration makes the ledger's one row
    batch_stores = _stores_of_a_batch(request, head[1], terms)
    if batch_stores < terms.batch_stores and await _do_facts_reach(conn, request, head[1]):
        batch_stores = terms.batch_stores
    if request.exclude_reasons:
        await refuse_dropped_weeks(conn, _needed_range(request, head[1]))
    return {
        "id": new_id(),
        "accepted_seq": head[0],
        "as_of": head[1],
        **request.as_json(),
        "policy_version": POLICY_VERSION,
        "tzdata_version": tzdata_version(),
        "stores": None if stores is None else Jsonb(stores.as_json()),
        "ids": None if stores is None or stores.ids is None else list(stores.ids),
        "labels": None if stores is None or stores.labels is None else Jsonb(dict(stores.labels)),
        "scope": scope_json(caller.visible),
        "created_by": caller.key_prefix,
        "request_id": origin.request_id,
        "traceparent": origin.traceparent,
        "batch_stores": batch_stores,
        "short_stores": max(1, batch_stores // _SHORT_SHARE),
        "republish": timedelta(seconds=terms.republish_s),
    }


async def insert_report(
    conn: AsyncConnection,
    request: ReportRequest,
    parameters: dict[str, Any],
    caller: ReportCaller,
    terms: BatchTerms,
) -> NewReport:
    """Insert a report and its batches. Raises `TooManyOpenReports`, and `InvalidRequest` for too many stores."""
    counted_open = await _ask(conn, "open_reports", {"created_by": caller.key_prefix})
    chooses = request.stores is not None or parameters["scope"] is not None
    copies = parameters.get("batches_of") is not None
    # Awaited before anything is written. From the first row to COMMIT, no answer is awaited.
    ranges = None if chooses or copies else await terms.ranges.ranges_at(conn, parameters)
    ((open_reports,),) = await counted_open.fetchall()
    if open_reports >= terms.limits.open_reports:
        raise TooManyOpenReports(open_reports, terms.limits.open_reports)
    await _ask(conn, "insert_report", parameters)
    if copies:
        batches = await _ask(conn, "copy_batches", parameters)
    elif ranges is not None:
        batches = await _insert_ranges(conn, parameters, ranges)
    else:
        batches = await _insert_chosen(conn, parameters)
    if "xlsx" in request.formats:
        await _refuse_long_sheet(batches)
    return NewReport(parameters["id"], batches, open_reports + 1)


async def _refuse_long_sheet(batches: AsyncCursor[Any]) -> None:
    """Raise `InvalidRequest` if the report has more stores than a sheet has rows."""
    rows = sum(stores for _, stores, _, _ in await batches.fetchall())
    if rows > MAX_XLSX_ROWS:
        raise InvalidRequest(
            f"the report has {rows:,} stores, but an xlsx sheet holds at most {MAX_XLSX_ROWS:,} rows: use parquet or csv,"
            " or choose fewer stores",
            field="formats",
        )
    await batches.scroll(0, mode="absolute")


async def _ask(conn: AsyncConnection, name: str, parameters: dict[str, Any]) -> AsyncCursor[Any]:
    return await conn.execute(_SQL[name], parameters)


async def count_open(conn: AsyncConnection, key_prefix: str) -> int:
    """Count the unfinished reports of a key and of the keys that it replaced."""
    row = await fetch_one(conn, "open_reports", {"created_by": key_prefix})
    return int(row[0]) if row else 0


async def note_interest(conn: AsyncConnection, report_id: UUID, caller: ReportCaller) -> None:
    """Note that the caller wants an existing report, and lock it so that no key cancels it meanwhile.

    If the report changed since the snapshot, the transaction is repeated and sees the change.
    """
    state = await fetch_one(conn, "hold_report", {"id": report_id})
    if state is not None and state[0] in OPEN_STATES:
        await conn.execute(_SQL["note_interest"], {"id": report_id, "created_by": caller.key_prefix})


async def _insert_ranges(
    conn: AsyncConnection, parameters: dict[str, Any], ranges: StoreRanges
) -> AsyncCursor[Any]:
    """Insert the batches of a report on every store."""
    given = {"first_ids": ranges.first_ids, "last_ids": ranges.last_ids, "range_stores": ranges.stores}
    return await _ask(conn, "insert_ranges", {**parameters, **given})


async def _insert_chosen(conn: AsyncConnection, parameters: dict[str, Any]) -> AsyncCursor[Any]:
    """Like `_insert_ranges`, for a report limited to chosen stores."""
    for statement in ("insert_chosen", "insert_empty_batch"):
        await _ask(conn, statement, parameters)
    return await _ask(conn, "list_batches", parameters)


def _stores_of_a_batch(request: ReportRequest, as_of: datetime, terms: BatchTerms) -> int:
    """Return how many stores a batch holds. Raises `InvalidRequest` for windows that no report can have."""
    refuse_future(request.windows, to_us(as_of))
    needed = _needed_range(request, as_of)
    read = needed.to_time - needed.every_from
    if read > _LONGEST_READ:
        raise InvalidRequest(
            f"the windows need the polls of {read.days:,} days, and a report reads at most {_LONGEST_READ.days:,}: give an"
            " as_of soon after the windows, or request old and new windows in separate reports",
            field="windows",
        )
    read_us = max(read // timedelta(microseconds=1), 1)
    return max(1, min(terms.batch_stores, terms.batch_stores * _FULL_BATCH_US // read_us))


def _needed_range(request: ReportRequest, as_of: datetime) -> DataRange:
    return data_range(
        as_of,
        request.policy,
        measured_windows([window.text for window in request.windows], request.files),
        finds_outages=needs_outages(request.files, detail=request.detail),
        excludes_reasons=bool(request.exclude_reasons),
    )


async def _do_facts_reach(conn: AsyncConnection, request: ReportRequest, as_of: datetime) -> bool:
    """Return whether daily facts are likely to give the numbers, so that batches read few polls.

    A worker that finds many without facts slices its batch.
    """
    excludes = bool(request.exclude_reasons)
    if needs_every_poll(request.files, detail=request.detail, excludes_reasons=excludes):
        return False
    if not can_add_days(POLICIES[request.policy]):
        return False
    given = {"policy": request.policy, "day": (as_of - _FACTS_REACH).date()}
    row = await (await conn.execute(_FACTS["do_facts_reach"], given)).fetchone()
    return row is not None and bool(row[0])


def refuse_future(windows: Sequence[Window], as_of_us: int, field: str = "windows") -> None:
    """Raise `InvalidRequest` for a window that begins after `as_of` in every zone."""
    for window in windows:
        if window.dates is not None and window.dates.earliest_us > as_of_us:
            raise InvalidRequest(
                f"the window {window.text} begins after as_of ({from_us(as_of_us):%Y-%m-%d}), so it has no data: give a later"
                " as_of, or an earlier window",
                field=field,
            )


async def refuse_unknown(
    conn: AsyncConnection, stores: StoreFilter | None, visible: StoreScope, field: str = "stores.ids"
) -> None:
    """Raise `InvalidRequest` with the first unknown store ids. A store that was never polled is known."""
    if stores is None or stores.ids is None:
        return
    asked = {"ids": list(stores.ids), "scope": scope_json(visible)}
    found = await fetch_one(conn, "unknown_stores", asked)
    if found is not None and found[0]:
        count, first = found
        named = ", ".join(map(repr, first)) + (", …" if count > len(first) else "")
        raise InvalidRequest(
            f"{count} of {len(stores.ids)} store ids are unknown: {named}; remove them or import the stores first",
            field=field,
        )


async def fetch_one(conn: AsyncConnection, name: str, parameters: dict[str, Any]) -> tuple[Any, ...] | None:
    """Run a statement of `reports.sql`. Return its first row, or None."""
    cursor = await conn.execute(_SQL[name], parameters)
    return await cursor.fetchone()
