"""Accept a report: one transaction fixes its `as_of`, its `accepted_seq`, its stores and its batches."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar
from uuid import UUID

from psycopg import AsyncConnection, IsolationLevel
from psycopg.errors import SerializationFailure
from psycopg.types.json import Jsonb

from shared import failpoints
from shared.audit import record_async
from shared.contracts import ComputeBatch, ShortBatch
from shared.db.queries import queries
from shared.errors import DatabaseUnavailable, IdempotencyKeyReused, InvalidRequest, TooManyOpenReports
from shared.ids import new_id
from shared.keys import StoreScope
from shared.limits import NO_LIMITS, KeyLimits
from shared.reports.formats import MAX_XLSX_ROWS
from shared.reports.model import NOWHERE, OPEN_STATES, Origin
from shared.reports.parameters import ReportCaller, ReportRequest, StoreFilter
from shared.reports.ranges import BatchRanges
from shared.reports.read import scope_json
from shared.uptime.policy import DAY_US, POLICIES, POLICY_VERSION, every_poll_us
from shared.uptime.tzdata_release import tzdata_version
from shared.uptime.window import longest_reach_us
from shared.webhooks.endpoints import subscribe

_SQL = queries("reports")
_MOST_TRIES = 10
T = TypeVar("T")
# A batch holds `batch_stores` stores if it reads up to ten days of polls, as every policy does for the default windows.
# If it reads more, it holds fewer, so its memory does not grow with the windows.
_FULL_BATCH_US = 10 * DAY_US
# Up to an eighth of a full batch is short work: tens of milliseconds.
_SHORT_SHARE = 8


@dataclass(frozen=True)
class BatchTerms:
    """How work is divided: stores per batch, and seconds until an unclaimed batch is published again.

    `ranges` caches, for one database, how all its stores are divided. `limits` say what one key may have open.
    """

    batch_stores: int
    republish_s: float
    ranges: BatchRanges = field(default_factory=BatchRanges)
    limits: KeyLimits = NO_LIMITS


@dataclass(frozen=True)
class Accepted:
    """The report, and the messages that wake workers for it. There are none if the report existed already.

    `open_reports`: the key's unfinished reports, including this one. None if they were not counted.
    """

    report_id: UUID
    wakes: Sequence[ComputeBatch] = ()
    open_reports: int | None = None


async def trigger_report(
    conn: AsyncConnection,
    request: ReportRequest,
    caller: ReportCaller,
    terms: BatchTerms,
    origin: Origin = NOWHERE,
    *,
    unusable: Sequence[UUID] = (),
) -> Accepted:
    """Write a report and its batches and commit, or find an existing report that answers the request.

    Reports that are `unusable`, because their files are lost, answer no request, not even with their Idempotency-Key.

    `conn` must be outside a transaction. If the messages are not published, the scheduler does it later. Raises
    `IdempotencyKeyReused`, `WebhookSecretMissing`, `TooManyOpenReports`, `TooManyPendingWebhooks`, and
    `InvalidRequest` for stores that are unknown or too many for a format.
    """

    async def accept() -> Accepted:
        accepted = await accept_report(conn, request, caller, terms, origin, unusable=unusable)
        if accepted.wakes and not request.force:
            await conn.execute(_SQL["keep_question"], {"report_id": accepted.report_id})
        failpoints.hit("trigger.before_commit")
        return accepted

    return await in_one_snapshot(conn, accept)


async def in_one_snapshot(conn: AsyncConnection, step: Callable[[], Awaitable[T]]) -> T:
    """Run `step` in a REPEATABLE READ transaction and commit. Repeat it if a concurrent transaction got in the way."""
    await conn.set_isolation_level(IsolationLevel.REPEATABLE_READ)
    try:
        for _ in range(_MOST_TRIES):
            # Another transaction took the same Idempotency-Key, question or schedule. The next try sees it.
            with suppress(SerializationFailure):
                async with conn.transaction():
                    return await step()
        raise DatabaseUnavailable("too many concurrent requests for the same report: try again")
    finally:
        await conn.set_isolation_level(None)


async def accept_report(
    conn: AsyncConnection,
    request: ReportRequest,
    caller: ReportCaller,
    terms: BatchTerms,
    origin: Origin = NOWHERE,
    *,
    unusable: Sequence[UUID] = (),
) -> Accepted:
    """Do what `trigger_report` does, in the caller's transaction, which must be one of `in_one_snapshot`."""

    async def find_or_insert() -> Accepted:
        return await _find_or_insert(conn, request, caller, terms, origin, unusable)

    return await accept_once(conn, request, caller, terms, find_or_insert, unusable=unusable)


class Acceptable(Protocol):
    """A request for a report: a hash that equal requests share, and the URL to call when the report has ended."""

    @property
    def sha256(self) -> bytes: ...
    @property
    def webhook_url(self) -> str | None: ...


async def accept_once(
    conn: AsyncConnection,
    request: Acceptable,
    caller: ReportCaller,
    terms: BatchTerms,
    find_or_insert: Callable[[], Awaitable[Accepted]],
    *,
    unusable: Sequence[UUID],
) -> Accepted:
    """Return the report of the Idempotency-Key, or else find or insert one. Audit and subscribe in the same transaction."""
    key = {
        "created_by": caller.key_prefix,
        "key": caller.idempotency_key,
        "request_sha256": request.sha256,
    }
    if caller.idempotency_key is not None and (known := await _fetch_one(conn, "find_idempotent", key)):
        if known[1] != request.sha256:
            raise IdempotencyKeyReused(
                "this Idempotency-Key was used for a different request in the last 24 hours: use a new key"
            )
        # A report that another key canceled, or whose files are lost, does not count. A new one is made below.
        if not known[2] and known[0] not in unusable:
            await note_interest(conn, known[0], caller)
            return Accepted(known[0])
    accepted = await find_or_insert()
    await record_async(
        conn, caller.key_prefix, "report.created", str(accepted.report_id), shared=not accepted.wakes
    )
    if request.webhook_url is not None:
        await subscribe(
            conn, accepted.report_id, request.webhook_url, caller.key_prefix, terms.limits.pending_webhooks
        )
    if caller.idempotency_key is not None:
        await conn.execute(_SQL["keep_idempotent"], {**key, "report_id": accepted.report_id})
    return accepted


async def _find_or_insert(
    conn: AsyncConnection,
    request: ReportRequest,
    caller: ReportCaller,
    terms: BatchTerms,
    origin: Origin,
    unusable: Sequence[UUID],
) -> Accepted:
    await refuse_unknown(conn, request.stores, caller.visible)
    parameters = await read_parameters(conn, request, caller, terms, origin)
    same = {**parameters, "unusable": list(unusable)}
    if not request.force and (found := await _fetch_one(conn, "find_same", same)):
        await note_interest(conn, found[0], caller)
        return Accepted(found[0])
    return await insert_report(conn, request, parameters, caller, terms)


async def read_parameters(
    conn: AsyncConnection, request: ReportRequest, caller: ReportCaller, terms: BatchTerms, origin: Origin
) -> dict[str, Any]:
    """Return the parameters of the statements that find or insert the report, with the data of this snapshot."""
    stores = request.stores
    given = isinstance(request.as_of, datetime)
    as_of = {"as_of_mode": "given" if given else request.as_of, "as_of": request.as_of if given else None}
    head = await _fetch_one(conn, "resolve_as_of", as_of)
    assert head is not None  # noqa: S101 - the first migration makes the ledger's one row
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
        "batch_stores": (batch_stores := _stores_of_a_batch(request, terms)),
        "short_stores": max(1, batch_stores // _SHORT_SHARE),
        "republish": timedelta(seconds=terms.republish_s),
    }


async def insert_report(
    conn: AsyncConnection,
    request: ReportRequest,
    parameters: dict[str, Any],
    caller: ReportCaller,
    terms: BatchTerms,
) -> Accepted:
    """Insert a report and its batches. Raises `TooManyOpenReports`, and `InvalidRequest` for too many stores."""
    open_reports = await count_open(conn, caller.key_prefix)
    if open_reports >= terms.limits.open_reports:
        raise TooManyOpenReports(open_reports, terms.limits.open_reports)
    await conn.execute(_SQL["insert_report"], parameters)
    if parameters.get("batches_of") is not None:
        await conn.execute(_SQL["copy_batches"], parameters)
    elif request.stores is None and parameters["scope"] is None:
        await _insert_ranges(conn, parameters, terms.ranges)
    else:
        await _insert_chosen(conn, parameters)
    batches, rows, is_short = await _fetch_one(conn, "count_batches", parameters) or (0, 0, False)
    if "xlsx" in request.formats and rows > MAX_XLSX_ROWS:
        raise InvalidRequest(
            f"the report has {rows:,} stores, but an xlsx sheet holds at most {MAX_XLSX_ROWS:,} rows: use parquet or csv,"
            " or choose fewer stores",
            field="formats",
        )
    wake = ShortBatch if is_short else ComputeBatch
    wakes = [wake(report_id=parameters["id"], batch_no=n) for n in range(batches)]
    return Accepted(parameters["id"], wakes, open_reports + 1)


async def count_open(conn: AsyncConnection, key_prefix: str) -> int:
    """Count the unfinished reports of a key and of the keys that it replaced."""
    row = await _fetch_one(conn, "open_reports", {"created_by": key_prefix})
    return int(row[0]) if row else 0


async def note_interest(conn: AsyncConnection, report_id: UUID, caller: ReportCaller) -> None:
    """Note that the caller wants an existing report, and lock it so that no key cancels it meanwhile.

    If the report changed since the snapshot, the transaction is repeated and sees the change.
    """
    state = await _fetch_one(conn, "hold_report", {"id": report_id})
    if state is not None and state[0] in OPEN_STATES:
        await conn.execute(_SQL["note_interest"], {"id": report_id, "created_by": caller.key_prefix})


async def _insert_ranges(conn: AsyncConnection, parameters: dict[str, Any], ranges: BatchRanges) -> None:
    """Insert the batches of a report on every store."""
    found = await ranges.ranges_at(conn, parameters)
    given = {"first_ids": found.first_ids, "last_ids": found.last_ids, "range_stores": found.stores}
    await conn.execute(_SQL["insert_ranges"], {**parameters, **given})


async def _insert_chosen(conn: AsyncConnection, parameters: dict[str, Any]) -> None:
    """Like `_insert_ranges`, for a report limited to chosen stores."""
    for statement in ("insert_chosen", "insert_empty_batch"):
        await conn.execute(_SQL[statement], parameters)


def _stores_of_a_batch(request: ReportRequest, terms: BatchTerms) -> int:
    read_us = longest_reach_us(request.windows) + every_poll_us(POLICIES[request.policy])
    return max(1, min(terms.batch_stores, terms.batch_stores * _FULL_BATCH_US // read_us))


async def refuse_unknown(
    conn: AsyncConnection, stores: StoreFilter | None, visible: StoreScope, field: str = "stores.ids"
) -> None:
    """Raise `InvalidRequest` with the first unknown store ids. A store that was never polled is known."""
    if stores is None or stores.ids is None:
        return
    asked = {"ids": list(stores.ids), "scope": scope_json(visible)}
    found = await _fetch_one(conn, "unknown_stores", asked)
    if found is not None and found[0]:
        count, first = found
        named = ", ".join(map(repr, first)) + (", …" if count > len(first) else "")
        raise InvalidRequest(
            f"{count} of {len(stores.ids)} store ids are unknown: {named}; remove them or import the stores first",
            field=field,
        )


async def _fetch_one(conn: AsyncConnection, name: str, parameters: dict[str, Any]) -> tuple[Any, ...] | None:
    cursor = await conn.execute(_SQL[name], parameters)
    return await cursor.fetchone()
