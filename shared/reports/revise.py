"""Accept a revision of a report: the same parameters again, with the newest data or with the data that the report had."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.errors import SerializationFailure, UniqueViolation
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from shared.db.history import FIND_GONE, GoneData
from shared.db.queries import queries
from shared.errors import InvalidRequest, ReportNotRevisable
from shared.reports.acceptance import Accepted, BatchTerms, NewReport, read_batches
from shared.reports.consistency import data_range
from shared.reports.insert_report import fetch_one, insert_report, note_interest, read_parameters
from shared.reports.model import NOWHERE, Origin
from shared.reports.needs import measured_windows, needs_outages
from shared.reports.parameters import ReportCaller, ReportParameters, ReportRequest
from shared.reports.read import get_report, scope_json
from shared.reports.trigger import accept_once, in_one_snapshot
from shared.uptime.policy import POLICY_VERSION

_SQL = queries("reports")
Cut = Literal["latest", "original"]
_WHAT_TO_DO = {
    "queued": "wait until it has succeeded",
    "running": "wait until it has succeeded",
    "failed": "retry it with POST /v1/reports/{id}/retry",
    "canceled": "request it again with POST /v1/reports",
}


@dataclass(frozen=True)
class RevisionRequest:
    """A request to make a report again.

    `cut`: with the newest data, or with the data as it was for the `original`. A revision about the same data is
    shared, unless `force` is set. `webhook_url` is called when the revision has ended.
    """

    report_id: UUID
    cut: Cut = "latest"
    force: bool = False
    webhook_url: str | None = None

    @property
    def sha256(self) -> bytes:
        """A hash that equal requests share."""
        return hashlib.sha256(repr(self).encode()).digest()


async def revise_report(
    conn: AsyncConnection,
    request: RevisionRequest,
    caller: ReportCaller,
    terms: BatchTerms,
    origin: Origin = NOWHERE,
    *,
    unusable: Sequence[UUID] = (),
) -> Accepted:
    """Write the next revision of a report and commit, or find a revision about the same data.

    A revision has the stores that the report's key could see, and counts for the key that asks for it. Raises
    `ReportNotFound`, `ReportNotRevisable`, `DataForgotten`, and what `trigger_report` raises.
    """

    async def find_or_insert() -> Accepted | NewReport:
        return await _find_or_insert(conn, request, caller, terms, origin, unusable)

    async def accept() -> Accepted | NewReport:
        try:
            return await accept_once(conn, request, caller, terms, find_or_insert, unusable=unusable)
        except UniqueViolation as error:
            # Another transaction took the number of the revision.
            raise SerializationFailure from error

    return await read_batches(await in_one_snapshot(conn, accept))


async def _find_or_insert(
    conn: AsyncConnection,
    request: RevisionRequest,
    caller: ReportCaller,
    terms: BatchTerms,
    origin: Origin,
    unusable: Sequence[UUID],
) -> Accepted | NewReport:
    original = await _read_original(conn, request.report_id, caller)
    again = ReportRequest(**vars(ReportParameters.from_json(original)), as_of=original["as_of"])
    parameters: dict[str, Any] = {
        **await read_parameters(conn, again, caller, terms, origin),
        "scope": None if original["scope"] is None else Jsonb(original["scope"]),
        "first_id": original["first_id"],
        "pinned_cut": None,
        "unusable": list(unusable),
    }
    if request.cut == "original":
        await _refuse_unreadable(conn, original)
        pinned = {"accepted_seq": original["data_cut"], "batches_of": original["id"]}
        parameters |= {**pinned, "pinned_cut": original["cut"]}
    if not request.force:
        found = await (await conn.execute(_SQL["find_revision"], parameters)).fetchone()
        if found is not None:
            await note_interest(conn, found[0], caller)
            return Accepted(found[0])
    accepted = await insert_report(conn, again, parameters, caller, terms)
    # Its result is awaited here, because a number that is taken must be found out before COMMIT.
    await fetch_one(conn, "mark_revision", parameters)
    return accepted


async def _read_original(conn: AsyncConnection, report_id: UUID, caller: ReportCaller) -> dict[str, Any]:
    async with conn.cursor(row_factory=dict_row) as cursor:
        asked = {"id": report_id, "scope": scope_json(caller.visible)}
        original = await (await cursor.execute(_SQL["report_to_revise"], asked)).fetchone()
    if original is None:
        # Raises `ReportNotFound`.
        await get_report(conn, report_id, caller.visible)
        raise AssertionError(report_id)
    if original["state"] in _WHAT_TO_DO:
        what_to_do = _WHAT_TO_DO[original["state"]].format(id=report_id)
        raise ReportNotRevisable(
            f"report {report_id} is {original['state']}, and only a report that succeeded has revisions: {what_to_do}"
        )
    return original


async def _refuse_unreadable(conn: AsyncConnection, original: dict[str, Any]) -> None:
    """Raise unless the report's own data can still be read, and gives the same numbers."""
    if original["policy_version"] != POLICY_VERSION:
        raise InvalidRequest(
            f"the report was made with policy version {original['policy_version']}, and this release computes version"
            f" {POLICY_VERSION}, so its numbers cannot be made again: use the cut latest",
            field="cut",
        )
    finds_outages = needs_outages(original["files"], detail=original["detail"])
    windows = measured_windows(original["windows"], original["files"])
    needed = data_range(original["as_of"], original["policy"], windows, finds_outages=finds_outages)
    cursor = await conn.execute(FIND_GONE, {"seq": original["cut"], **needed._asdict()})
    for oldest, weeks in await cursor.fetchall():
        GoneData(oldest, weeks).refuse(original["cut"])
