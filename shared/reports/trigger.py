"""Accepting a report: one transaction fixes as_of, the data cut, the stores and the batches."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection, IsolationLevel
from psycopg.errors import SerializationFailure

from shared import failpoints
from shared.contracts import ComputeBatch
from shared.db.queries import queries
from shared.errors import DatabaseUnavailable, IdempotencyKeyReused
from shared.ids import new_id
from shared.reports.model import Caller, ReportRequest
from shared.uptime.policy import POLICY_VERSION

_SQL = queries("reports")
_MOST_TRIES = 5


@dataclass(frozen=True)
class BatchTerms:
    """How the work is cut: stores in a batch, and seconds until an unclaimed batch is published again."""

    batch_stores: int
    republish_s: float


@dataclass(frozen=True)
class Accepted:
    """The report, and the messages that wake workers for it: none when the report was there already."""

    report_id: UUID
    wakes: Sequence[ComputeBatch] = ()


async def trigger_report(
    conn: AsyncConnection, request: ReportRequest, caller: Caller, terms: BatchTerms
) -> Accepted:
    """Write the report and its batches and commit, or find the one that answers the request already.

    `conn` must be outside a transaction. Nobody need publish the messages: the scheduler does it for what stays
    unclaimed. Raises `IdempotencyKeyReused`.
    """
    await conn.set_isolation_level(IsolationLevel.REPEATABLE_READ)
    try:
        for _ in range(_MOST_TRIES):
            # A failure to serialise: the same Idempotency-Key at the same moment. The next try finds its report.
            with suppress(SerializationFailure):
                async with conn.transaction():
                    accepted = await _accept(conn, request, caller, terms)
                    failpoints.hit("trigger.before_commit")
                return accepted
        raise DatabaseUnavailable(f"{_MOST_TRIES} requests with one Idempotency-Key overtook each other")
    finally:
        await conn.set_isolation_level(None)


async def _accept(
    conn: AsyncConnection, request: ReportRequest, caller: Caller, terms: BatchTerms
) -> Accepted:
    key = {
        "created_by": caller.key_prefix,
        "key": caller.idempotency_key,
        "request_sha256": request.sha256,
    }
    if caller.idempotency_key is not None and (known := await _one(conn, "find_idempotent", key)):
        if known[1] != request.sha256:
            raise IdempotencyKeyReused(
                "this Idempotency-Key came with another request within the last 24 hours"
            )
        return Accepted(known[0])
    accepted = await _find_or_insert(conn, request, caller, terms)
    if caller.idempotency_key is not None:
        await conn.execute(_SQL["keep_idempotent"], {**key, "report_id": accepted.report_id})
    return accepted


async def _find_or_insert(
    conn: AsyncConnection, request: ReportRequest, caller: Caller, terms: BatchTerms
) -> Accepted:
    given = isinstance(request.as_of, datetime)
    as_of = {"as_of_mode": "given" if given else request.as_of, "as_of": request.as_of if given else None}
    cut = await _one(conn, "resolve_cut", as_of)
    assert cut is not None  # noqa: S101 - the ledger's one row is made by the first migration
    parameters = {
        "id": new_id(),
        "data_cut": cut[0],
        "as_of": cut[1],
        "policy": request.policy,
        "policy_version": POLICY_VERSION,
        "detail": request.detail,
        "created_by": caller.key_prefix,
        "batch_stores": terms.batch_stores,
        "republish": timedelta(seconds=terms.republish_s),
    }
    if not request.force and (same := await _one(conn, "find_same", parameters)):
        return Accepted(same[0])
    for statement in ("insert_report", "insert_batches", "insert_empty_batch"):
        await conn.execute(_SQL[statement], parameters)
    counted = await _one(conn, "count_batches", parameters)
    batches = counted[0] if counted else 0
    return Accepted(
        parameters["id"], [ComputeBatch(report_id=parameters["id"], batch_no=n) for n in range(batches)]
    )


async def _one(conn: AsyncConnection, name: str, parameters: dict[str, Any]) -> tuple[Any, ...] | None:
    cursor = await conn.execute(_SQL[name], parameters)
    return await cursor.fetchone()
