"""Accept a report: one transaction fixes its `as_of`, its `accepted_seq`, its stores and its batches."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Protocol, TypeVar
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.errors import SerializationFailure

from shared import failpoints
from shared.audit import record_async
from shared.db.queries import queries
from shared.db.transactions import snapshot
from shared.errors import DatabaseUnavailable, IdempotencyKeyReused
from shared.reports.acceptance import Accepted, BatchTerms, NewReport, read_batches
from shared.reports.excluded_reasons import refuse_unknown_reasons
from shared.reports.insert_report import (
    fetch_one,
    insert_report,
    note_interest,
    read_parameters,
    refuse_unknown,
)
from shared.reports.model import NOWHERE, Origin
from shared.reports.parameters import ReportCaller, ReportRequest
from shared.webhooks.endpoints import subscribe

_SQL = queries("reports")


_MOST_TRIES = 10


T = TypeVar("T")


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

    async def accept() -> Accepted | NewReport:
        accepted = await accept_report(conn, request, caller, terms, origin, unusable=unusable)
        if isinstance(accepted, NewReport) and not request.force:
            await conn.execute(_SQL["keep_question"], {"report_id": accepted.report_id})
        failpoints.hit("trigger.before_commit")
        return accepted

    return await read_batches(await in_one_snapshot(conn, accept))


async def in_one_snapshot(conn: AsyncConnection, step: Callable[[], Awaitable[T]]) -> T:
    """Run `step` in a REPEATABLE READ transaction and commit. Repeat it if a concurrent transaction got in the way."""
    for _ in range(_MOST_TRIES):
        # Another transaction took the same Idempotency-Key, question or schedule. The next try sees it.
        with suppress(SerializationFailure):
            async with snapshot(conn):
                return await step()
    raise DatabaseUnavailable("too many concurrent requests for the same report: try again")


async def accept_report(
    conn: AsyncConnection,
    request: ReportRequest,
    caller: ReportCaller,
    terms: BatchTerms,
    origin: Origin = NOWHERE,
    *,
    unusable: Sequence[UUID] = (),
) -> Accepted | NewReport:
    """Do what `trigger_report` does, in the caller's transaction, which must be one of `in_one_snapshot`."""

    async def find_or_insert() -> Accepted | NewReport:
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
    find_or_insert: Callable[[], Awaitable[Accepted | NewReport]],
    *,
    unusable: Sequence[UUID],
) -> Accepted | NewReport:
    """Return the report of the Idempotency-Key, or else find or insert one. Audit and subscribe in the same transaction."""
    key = {
        "created_by": caller.key_prefix,
        "key": caller.idempotency_key,
        "request_sha256": request.sha256,
    }
    if caller.idempotency_key is not None and (known := await fetch_one(conn, "find_idempotent", key)):
        if known[1] != request.sha256:
            raise IdempotencyKeyReused(
                "this Idempotency-Key was used for a different request in the last 24 hours: use a new key"
            )
        # A report that another key canceled, or whose files are lost, does not count. A new one is made below.
        if not known[2] and known[0] not in unusable:
            await note_interest(conn, known[0], caller)
            return Accepted(known[0])
    accepted = await find_or_insert()
    shared = isinstance(accepted, Accepted)
    await record_async(conn, caller.key_prefix, "report.created", str(accepted.report_id), shared=shared)
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
) -> Accepted | NewReport:
    await refuse_unknown(conn, request.stores, caller.visible)
    await refuse_unknown_reasons(conn, request.exclude_reasons)
    parameters = await read_parameters(conn, request, caller, terms, origin)
    same = {**parameters, "unusable": list(unusable)}
    if not request.force and (found := await fetch_one(conn, "find_same", same)):
        await note_interest(conn, found[0], caller)
        return Accepted(found[0])
    return await insert_report(conn, request, parameters, caller, terms)
